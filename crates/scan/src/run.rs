use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use nightlatch_asset::{Observation, RunId, Severity};
use nightlatch_netio::{Dialer, descriptor_budget};
use nightlatch_scope::Shuffled;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};

use crate::{
    Cancel, Journal, JournalError, Opened, Plan, Progress, Sink, SinkError, State, Tally,
    book::{Book, SweepBook},
    keeper::{self, Keeper},
    ledger::{Fate, Ledger, Marks},
    sweep::{self, Discovery, HitSink, Running},
    worker,
};

/// One scan, ready to run.
#[derive(Debug)]
pub struct Scan {
    /// What to do.
    pub plan: Plan,
    /// Opens the connections. The prober uses the same one, so that all share the pace.
    pub dialer: Arc<Dialer>,
    /// Remembers what is done; without one, the scan leaves no trace and cannot be resumed.
    pub journal: Option<Journal>,
    /// Where the scan tells how it is getting on.
    pub progress: Arc<Progress>,
    /// Where it is told to stop.
    pub cancel: Cancel,
    /// How endpoints are found.
    pub discovery: Discovery,
}

/// Why a scan ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The sink did not take what was observed.
    #[error("what was observed cannot be stored")]
    Sink(#[source] SinkError),
    /// The thread that stores has died of a bug.
    #[error("the storing thread broke off; this is a bug")]
    SinkPanicked,
    /// What is done cannot be written down.
    #[error("the state of the run cannot be written")]
    Checkpoint(#[source] io::Error),
    /// The run's record or the scan log cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// This machine ran out of descriptors, local ports or memory and did not recover.
    #[error(
        "the local system had no resources for another connection for {seconds} s; lower --concurrency or --rate, or raise the limit on open files"
    )]
    LocalResources {
        /// How long was waited.
        seconds: u64,
        /// What the system said last.
        #[source]
        source: io::Error,
    },
    /// Discovery by raw packets broke off.
    #[error("discovery by raw packets broke off")]
    Sweep(#[source] io::Error),
    /// The limit on open files cannot be read or raised.
    #[error("the limit on open files cannot be set")]
    Descriptors(#[source] io::Error),
}

/// How a scan ended.
#[derive(Debug)]
pub struct Outcome {
    /// Finished, stopped or failed.
    pub state: State,
    /// Why it failed.
    pub failure: Option<ScanError>,
    /// What became of the endpoints, earlier sessions of the run included.
    pub tally: Tally,
    /// Endpoints of the run.
    pub total: u64,
    /// Observations the sink has acknowledged in this session.
    pub observations: u64,
    /// Connections opened or tried in this session, by discovery and conversations.
    pub connections: u64,
    /// The worst severity observed, earlier sessions of the run included.
    pub worst: Option<Severity>,
    /// Conversations that hit a bug, and the words of the first.
    pub bugs: (u64, Option<String>),
    /// How long this session took.
    pub elapsed: Duration,
}

/// What workers and keepers share.
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) run: RunId,
    pub(crate) order: Shuffled,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) ledger: Mutex<Book>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancel: Cancel,
    pub(crate) conversations: Semaphore,
    pub(crate) bugs: Mutex<(u64, Option<String>)>,
    /// Endpoints begun in this session, and how many of them accepted the connection.
    pub(crate) begun: AtomicU64,
    pub(crate) opened: AtomicU64,
    worst: Mutex<Option<Severity>>,
    total: u64,
    failure: Mutex<Option<ScanError>>,
}

impl Shared {
    /// Ends the scan; the first reason is kept.
    pub(crate) fn fail(&self, error: ScanError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.cancel.stop_now();
    }

    /// Twice as many workers as there are, if that many would still find no more open ports at a time than
    /// there may be conversations; else as many as there are.
    fn workers_wanted(&self, now: usize) -> usize {
        let (begun, opened) = (self.begun.load(Ordering::Relaxed), self.opened.load(Ordering::Relaxed));
        // Too few to judge by: leave it.
        if begun < now as u64 / 2 || self.cancel.is_stopping() || self.ledger().is_handed_out() {
            return now;
        }
        let expected_open = (now as u128 * 2) * u128::from(opened + 1) / u128::from(begun.max(1));
        if expected_open <= self.plan.conversations as u128 { now * 2 } else { now }
    }

    /// Remembers the worst of what was stored.
    pub(crate) fn weigh(&self, observations: &[Observation]) {
        let mut worst = self.worst.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = observations.iter().map(|o| o.verdict.severity).max().max(*worst);
    }

    /// Notes what became of an endpoint.
    pub(crate) fn settle(&self, position: u64, fate: Fate) {
        self.ledger().complete(position, fate);
        self.progress.count(fate);
    }

    pub(crate) fn ledger(&self) -> std::sync::MutexGuard<'_, Book> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an open endpoint said, on its way to the sink.
pub(crate) struct Answered {
    pub(crate) position: u64,
    pub(crate) observations: Vec<Observation>,
}

/// How often the number of workers is looked at.
const GROW_EVERY: Duration = Duration::from_millis(50);
/// Conversations whose observations wait for the sink; when as many wait, the scan does too.
const QUEUE: usize = 1024;

impl Scan {
    /// Runs to the end, or until it is told to stop or fails. Gives the sink back.
    ///
    /// - `prober`: holds the conversation on an open connection. It must be bounded in time and memory; what
    ///   it opens beside, it opens through the dialer.
    ///
    /// The sink is `None` only when it panicked.
    pub async fn run<P, F, S>(self, prober: P, sink: S) -> (Outcome, Option<S>)
    where
        P: Fn(Opened) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<Observation>> + Send + 'static,
        S: Sink + 'static,
    {
        let Self { plan, dialer, mut journal, progress, cancel, discovery } = self;
        let began = Instant::now();
        let connections_before = dialer.attempts();
        let marks = journal.as_mut().and_then(|journal| journal.marks.take());
        let begun = Begun::of(discovery, marks.as_ref(), &plan, &progress, &cancel);
        let Begun { book, total, sweep, failure } = begun;
        let left = total - book.tally().done().min(total);
        let shared = Arc::new(Shared {
            run: journal.as_ref().map(|journal| journal.id().clone()).unwrap_or_default(),
            order: Shuffled::new(plan.targets.len(), plan.seed),
            conversations: Semaphore::new(plan.conversations.max(1)),
            dialer,
            ledger: Mutex::new(book),
            progress,
            cancel,
            bugs: Mutex::default(),
            begun: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            worst: Mutex::default(),
            failure: Mutex::new(failure),
            total,
            plan,
        });

        let checkpoint = journal.as_mut().and_then(|journal| journal.checkpoint.take());
        let keeper = Arc::new(Keeper::new(shared.clone(), checkpoint));
        let clock = keeper::Clock::start(keeper.clone());
        let (answers, answered) = mpsc::channel(QUEUE);
        let storing = keeper::store(keeper.clone(), answered, sink);
        match (workers_for(&shared, left), sweep) {
            (Err(error), _) => {
                drop(answers);
                shared.fail(ScanError::Descriptors(error));
            }
            (Ok(_), Some(sweep)) => sweep::ask_hits(&shared, *sweep, Arc::new(prober), answers).await,
            (Ok(most), None) => send_all(&shared, most, Arc::new(prober), answers).await,
        }
        let (observations, sink) = storing.await.unwrap_or((0, None));
        if sink.is_none() {
            shared.fail(ScanError::SinkPanicked);
        }
        clock.stop();
        keeper.settle();
        let connections = shared.dialer.attempts() - connections_before;
        (conclude(&shared, journal, observations, connections, began), sink)
    }
}

/// What a scan begins with.
struct Begun {
    book: Book,
    /// Endpoints of the run.
    total: u64,
    sweep: Option<Box<(Running, Option<HitSink>)>>,
    failure: Option<ScanError>,
}

impl Begun {
    fn of(
        discovery: Discovery,
        marks: Option<&Marks>,
        plan: &Plan,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Self {
        let total = plan.targets.len();
        let each = |failure| {
            let ledger = marks.map_or_else(|| Ledger::new(total), Ledger::from_marks);
            progress.begin(total, ledger.tally());
            Self { book: Book::Each(ledger), total, sweep: None, failure }
        };
        let Discovery::Sweep(mut sweep) = discovery else { return each(None) };
        let (start, before) = marks.map_or_else(Default::default, |marks| (marks.low, marks.tally));
        let positions = sweep.shard.positions(total);
        let only = sweep.only.take();
        let (targets, scope) = (plan.targets.clone(), plan.scope.clone());
        match Running::start(*sweep, targets, scope, plan.seed, start, cancel.clone()) {
            Ok(running) => {
                let total = positions.end - positions.start;
                let book = SweepBook::new(plan.targets.len(), before, running.tracks.clone());
                progress.begin(total, before);
                progress.begin_sweep(running.tracks.clone(), total);
                Self { book: Book::Sweep(book), total, sweep: Some(Box::new((running, only))), failure: None }
            }
            Err(error) => {
                cancel.stop_now();
                each(Some(ScanError::Sweep(error)))
            }
        }
    }
}

/// Runs at most `most` workers until everything was asked, or the scan is stopped and its grace is over.
///
/// It begins with as many as there may be conversations. Connections beyond that would stand open and idle if
/// all answered, so more are started only as the targets turn out to be closed or silent; the order being
/// shuffled, what was seen so far stands for the rest.
async fn send_all<P, F>(shared: &Arc<Shared>, most: usize, prober: Arc<P>, answers: mpsc::Sender<Answered>)
where
    P: Fn(Opened) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<Observation>> + Send + 'static,
{
    let mut workers = JoinSet::new();
    let spawn = |workers: &mut JoinSet<()>, more: usize| {
        for _ in 0..more {
            workers.spawn(worker::work(shared.clone(), prober.clone(), answers.clone()));
        }
    };
    spawn(&mut workers, most.min(shared.plan.conversations.max(1)));
    let given_up = async {
        shared.cancel.stopping().await;
        tokio::select! {
            () = tokio::time::sleep(shared.plan.grace) => {}
            () = shared.cancel.stopping_now() => {}
        }
    };
    tokio::pin!(given_up);
    let mut growing = tokio::time::interval(GROW_EVERY);
    loop {
        tokio::select! {
            ended = workers.join_next() => if ended.is_none() { return },
            _ = growing.tick(), if workers.len() < most => {
                let more = shared.workers_wanted(workers.len()).min(most).saturating_sub(workers.len());
                spawn(&mut workers, more);
            }
            () = &mut given_up => break,
        }
    }
    workers.shutdown().await;
}

fn workers_for(shared: &Shared, left: u64) -> io::Result<usize> {
    let usable = descriptor_budget()?.usable;
    let wanted = left.min(usable).min(shared.plan.concurrency.max(1) as u64);
    Ok(usize::try_from(wanted).unwrap_or(usize::MAX))
}

fn conclude(
    shared: &Shared,
    journal: Option<Journal>,
    observations: u64,
    connections: u64,
    began: Instant,
) -> Outcome {
    let (complete, tally) = {
        let ledger = shared.ledger();
        (ledger.is_complete(), ledger.tally())
    };
    let mut failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut worst = *shared.worst.lock().unwrap_or_else(PoisonError::into_inner);
    let mut state = match &failure {
        Some(_) => State::Failed,
        None if complete => State::Finished,
        None => State::Stopped,
    };
    if let Some(journal) = journal {
        worst = worst.max(journal.record().worst);
        let words = failure.as_ref().map(words);
        let written = journal.finish(Timestamp::now(), connections, |record| {
            record.state = state;
            record.failure = words;
            record.tally = tally;
            record.observations += observations;
            record.worst = worst;
        });
        if let Err(error) = written {
            state = State::Failed;
            failure.get_or_insert(error.into());
        }
    }
    let bugs = shared.bugs.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let elapsed = began.elapsed();
    Outcome { state, failure, tally, total: shared.total, observations, connections, worst, bugs, elapsed }
}

/// An error and its causes in one line, as the record keeps it.
fn words(error: &ScanError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
