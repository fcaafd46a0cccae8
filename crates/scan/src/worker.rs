use std::{
    any::Any,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use nightlatch_asset::{Observation, Text};
use nightlatch_netio::ConnectError;
use nightlatch_scope::AuthorizedTarget;
use tokio::{
    net::TcpStream,
    sync::mpsc::Sender,
    time::{Instant, sleep, timeout},
};

use crate::{
    ScanError,
    ledger::{Fate, Next},
    run::{Answered, Shared},
};

/// An open connection, handed to the prober: discovery's own, so that the first conversation needs no second.
#[derive(Debug)]
pub struct Opened {
    /// The endpoint; the proof allows connecting to it again.
    pub target: AuthorizedTarget,
    /// The name that was asked for, when it was not an address.
    pub asked_as: Option<String>,
    /// The connection. Nothing was sent or read.
    pub stream: TcpStream,
    /// How long the handshake took.
    pub connect_time: Duration,
}

/// Pause while the window of unfinished endpoints is full.
const WINDOW_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause while this machine is out of descriptors, ports or memory.
const RESOURCE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Asks one endpoint after the other until there is none left or the scan stops.
pub(crate) async fn work<P, F>(shared: Arc<Shared>, prober: Arc<P>, answers: Sender<Answered>)
where
    P: Fn(Opened) -> F + Send + Sync,
    F: Future<Output = Vec<Observation>> + Send,
{
    while !shared.cancel.is_stopping() {
        // The ledger must not be held across the waits below.
        let next = shared.ledger().take();
        match next {
            Next::End => return,
            Next::Wait => tokio::select! {
                () = sleep(WINDOW_PAUSE) => {}
                () = shared.cancel.stopping() => return,
            },
            Next::Position(position) => {
                shared.begun.fetch_add(1, Ordering::Relaxed);
                let _in_flight = InFlight::begin(&shared);
                ask(&shared, &*prober, &answers, position).await;
            }
        }
        // A neighbour's refusal takes no wait at all; without this, one worker would keep its thread.
        tokio::task::yield_now().await;
    }
}

/// Asks one endpoint that discovery found open.
pub(crate) async fn ask_open<P, F>(
    shared: Arc<Shared>,
    prober: Arc<P>,
    answers: Sender<Answered>,
    position: u64,
) where
    P: Fn(Opened) -> F + Send + Sync,
    F: Future<Output = Vec<Observation>> + Send,
{
    let _in_flight = InFlight::begin(&shared);
    ask(&shared, &*prober, &answers, position).await;
}

/// Counts an endpoint as in flight, also when the worker is cut off.
struct InFlight<'s>(&'s Shared);

impl<'s> InFlight<'s> {
    fn begin(shared: &'s Shared) -> Self {
        shared.progress.begin_endpoint();
        Self(shared)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.progress.end_endpoint();
    }
}

/// Asks the endpoint at `position`. When the scan stops before its fate is known, it stays undone.
async fn ask<P, F>(shared: &Shared, prober: &P, answers: &Sender<Answered>, position: u64)
where
    P: Fn(Opened) -> F + Sync,
    F: Future<Output = Vec<Observation>> + Send,
{
    let targets = &shared.plan.targets;
    let socket = shared.order.at(position).and_then(|index| targets.get(index));
    let target = socket.and_then(|socket| shared.plan.scope.authorize(socket).ok());
    let Some(target) = target else {
        return shared.settle(position, Fate::Refused);
    };
    let (stream, connect_time) = match connect(shared, target).await {
        Connected::Open(stream, connect_time) => (stream, connect_time),
        Connected::Not(fate) => return shared.settle(position, fate),
        Connected::Unknown => return,
    };
    shared.opened.fetch_add(1, Ordering::Relaxed);
    let asked_as = targets.asked_as(target.socket()).map(|name| name.as_str().to_owned());
    let opened = Opened { target, asked_as, stream, connect_time };
    let Ok(_permit) = shared.conversations.acquire().await else { return };
    let Some(mut observations) = converse(shared, prober, opened).await else {
        return shared.settle(position, Fate::Failed);
    };
    if observations.is_empty() {
        return shared.settle(position, Fate::Open);
    }
    sign(shared, target.socket().ip(), &mut observations);
    let named = observations.iter().filter(|observation| observation.verdict.product.is_some()).count();
    // The sink is gone only after a failure; then the endpoint stays undone.
    if answers.send(Answered { position, observations }).await.is_ok() {
        shared.progress.count(Fate::Open);
        shared.progress.count_identified(named as u64);
    }
}

enum Connected {
    Open(TcpStream, Duration),
    Not(Fate),
    /// The scan stopped first.
    Unknown,
}

async fn connect(shared: &Shared, target: AuthorizedTarget) -> Connected {
    let mut unanswered = 0;
    let mut starved: Option<Instant> = None;
    let mut pause = Duration::from_millis(10);
    loop {
        tokio::select! {
            biased;
            () = shared.dialer.ready(target) => {}
            () = shared.cancel.stopping() => return Connected::Unknown,
        }
        if shared.cancel.is_stopping() {
            return Connected::Unknown;
        }
        shared.progress.count_sent();
        let sent = Instant::now();
        match shared.dialer.connect_now(target, shared.plan.connect_patience).await {
            Ok(stream) => return Connected::Open(stream, sent.elapsed()),
            Err(ConnectError::Timeout) if unanswered < shared.plan.retries => unanswered += 1,
            Err(ConnectError::Timeout | ConnectError::Unreachable(_)) => {
                return Connected::Not(Fate::Filtered);
            }
            Err(ConnectError::Refused | ConnectError::Reset) => return Connected::Not(Fate::Closed),
            Err(ConnectError::LocalResources(source)) => {
                let patience = shared.plan.resource_patience;
                if starved.get_or_insert(sent).elapsed() >= patience {
                    shared.fail(ScanError::LocalResources { seconds: patience.as_secs(), source });
                    return Connected::Unknown;
                }
                tokio::select! {
                    () = sleep(pause) => {}
                    () = shared.cancel.stopping() => return Connected::Unknown,
                }
                pause = (pause * 2).min(RESOURCE_PAUSE_MAX);
            }
            Err(_) => return Connected::Not(Fate::Failed),
        }
    }
}

/// Lets the prober talk, bounded in time; `None` when it hit a bug.
async fn converse<P, F>(shared: &Shared, prober: &P, opened: Opened) -> Option<Vec<Observation>>
where
    P: Fn(Opened) -> F + Sync,
    F: Future<Output = Vec<Observation>> + Send,
{
    // One conversation that panics must not take the worker, and with it the scan, down.
    let start = catch_unwind(AssertUnwindSafe(|| Box::pin(prober(opened))));
    let mut talk = match start {
        Ok(talk) => talk,
        Err(panic) => return bug(shared, &*panic),
    };
    let guarded = std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| talk.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    match timeout(shared.plan.conversation_limit, guarded).await {
        Ok(Ok(observations)) => Some(observations),
        Ok(Err(panic)) => bug(shared, &*panic),
        // Open, and nothing was learnt: the prober's own deadlines should have come first.
        Err(_) => Some(Vec::new()),
    }
}

fn bug<T>(shared: &Shared, panic: &(dyn Any + Send)) -> Option<T> {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    let mut bugs = shared.bugs.lock().unwrap_or_else(PoisonError::into_inner);
    bugs.0 += 1;
    bugs.1.get_or_insert(words);
    None
}

/// Adds what the scan knows and the prober does not: the run, and who answers for the address.
fn sign(shared: &Shared, ip: IpAddr, observations: &mut [Observation]) {
    let owner = shared.plan.scope.permissions(ip).owner.map(Text::from);
    for observation in observations {
        observation.run.clone_from(&shared.run);
        if observation.owner.is_none() {
            observation.owner.clone_from(&owner);
        }
    }
}
