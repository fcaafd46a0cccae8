//! Runs: begun, watched, stopped, and gone on with after a restart.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use jiff::Timestamp;
use nightlatch_asset::{Observation, Record, RunId};
use nightlatch_control::Kept;
use nightlatch_netio::Pace;
use nightlatch_scan::{
    Cancel, Discovery, Journal, JournalError, Plan, Progress, RunRecord, Snapshot as Standing, Start, State,
    converse::Limit, run, run_names,
};
use nightlatch_store::StoreError;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

use crate::{App, AppError, Look, Names, Reins, RunSpec, SharedWriter, Survey, secret, watch::WATCHER};

/// Connections a second to one network, unless said otherwise; as the command's.
const RATE_PER_NETWORK_PPS: u32 = 256;
/// The command line of runs that a server begins.
pub(crate) const SERVE: [&str; 2] = ["nightlatch", "serve"];
/// Targets of a run that are shown in a list of runs.
pub const LISTED_ASKED_MAX: usize = 20;
/// How often it is tried to get the store while another process writes.
const WRITER_EVERY: Duration = Duration::from_secs(2);
/// How long a stop of the whole server waits for runs: their grace, and a little.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Who wanted a run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "name")]
pub enum Origin {
    /// Somebody with a key, named by its id.
    Key(String),
    /// A schedule, by its id.
    Schedule(String),
    /// The watcher, which looks again at what is new.
    Recheck,
}

/// A run that this server began and that has not come to its end: kept, so that a restart goes on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Begun {
    run: RunId,
    origin: Origin,
    rate: Option<u32>,
    rate_per_network: Option<u32>,
    /// A blackout began: the scheduler goes on with it.
    #[serde(default)]
    paused: bool,
}

impl Kept for Begun {
    const KIND: &'static str = "begun-run";

    fn id(&self) -> &str {
        &self.run.0
    }
}

/// Where a run of this process stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Other runs are at it.
    Queued,
    /// Another process writes to the store.
    WaitingForStore,
    /// Asking.
    Running,
    /// Told to stop; answers on their way are waited for.
    Stopping,
}

/// A run of this process.
#[derive(Clone, Debug)]
pub struct LiveRun {
    /// Its name.
    pub id: RunId,
    /// Who wanted it.
    pub origin: Origin,
    /// Where it stands.
    pub phase: Phase,
    /// Its numbers.
    pub standing: Standing,
}

/// What a run of this process is kept by.
struct Running {
    origin: Origin,
    phase: Arc<Mutex<Phase>>,
    progress: Arc<Progress>,
    cancel: Cancel,
    /// Somebody said stop; otherwise the server itself ends, and the run goes on at the next start.
    told: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
}

pub(crate) struct Runs {
    running: Mutex<HashMap<RunId, Running>>,
    /// Records of runs that have finished: they never change.
    finished: Mutex<HashMap<RunId, RunRecord>>,
    /// All runs that this process made.
    told: Mutex<HashSet<RunId>>,
    slots: Arc<Semaphore>,
    /// Told whenever a run has ended.
    pub(crate) ended: Notify,
    closing: AtomicBool,
}

impl Runs {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            running: Mutex::default(),
            finished: Mutex::default(),
            told: Mutex::default(),
            slots: Arc::new(Semaphore::new(at_once.max(1))),
            ended: Notify::new(),
            closing: AtomicBool::new(false),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<RunId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run came to, for whoever waits for it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name.
    pub run: RunId,
    /// How it ended.
    pub state: State,
    /// When it was begun for the first time.
    pub started: Timestamp,
}

impl App {
    /// Begins a run: judges it, writes it down, and asks as soon as there is room. Gives its name back at once.
    ///
    /// # Errors
    /// As [`RunSpec::plan`], or when nothing can be written.
    pub async fn start_run(
        self: &Arc<Self>,
        spec: &RunSpec,
        origin: Origin,
        who: &str,
    ) -> Result<RunId, AppError> {
        if self.runs.closing.load(SeqCst) {
            return Err(AppError::Conflict("the server is stopping".to_owned()));
        }
        let plan = spec.plan(self.scope(), self.catalogue()).await?;
        let pace = pace(spec.rate, spec.rate_per_network);
        let asked = if spec.targets.is_empty() {
            vec!["everything in the scope".to_owned()]
        } else {
            spec.targets.clone()
        };
        let start = Start {
            command: SERVE.map(str::to_owned).to_vec(),
            asked,
            user: who.to_owned(),
            rate_pps: pace.rate_pps,
            rate_per_network_pps: pace.prefix_pps,
            sweep: None,
        };
        Ok(self.begin(plan, start, pace, origin, Look::Only).await?.0)
    }

    /// As [`App::start_run`], of a plan that is judged already; also gives what tells how it ended.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        plan: Plan,
        start: Start,
        pace: Pace,
        origin: Origin,
        look: Look,
    ) -> Result<(RunId, tokio::task::JoinHandle<Ended>), AppError> {
        let (app, noted) = (self.clone(), origin.clone());
        let (plan, journal) = self
            .blocking(move || {
                let now = Timestamp::now();
                let journal = Journal::create(app.data(), &plan, start, now)?;
                let begun = Begun {
                    run: journal.id().clone(),
                    origin: noted,
                    rate: pace.rate_pps,
                    rate_per_network: pace.prefix_pps,
                    paused: false,
                };
                app.control().put(&begun, now)?;
                Ok::<_, AppError>((plan, journal))
            })
            .await??;
        let id = journal.id().clone();
        Ok((id, self.spawn(plan, journal, pace, origin, look)))
    }

    /// Goes on with a run that was stopped, failed or was killed.
    ///
    /// # Errors
    /// When there is no such run, somebody is at it, it is finished, or the scope no longer allows it.
    pub async fn resume_run(self: &Arc<Self>, id: &RunId, origin: Origin) -> Result<(), AppError> {
        if self.runs.closing.load(SeqCst) {
            return Err(AppError::Conflict("the server is stopping".to_owned()));
        }
        if self.runs.running().contains_key(id) {
            return Err(AppError::Conflict(format!("run `{id}` is running already")));
        }
        let (app, id, noted) = (self.clone(), id.clone(), origin.clone());
        let (plan, journal, pace) = self
            .blocking(move || {
                let now = Timestamp::now();
                // The server has no raw sockets, and a part of a scan must not become the whole.
                if nightlatch_scan::run(app.data(), &id)?.sweep.is_some() {
                    let begun = format!("run `{id}` was begun with raw packets");
                    return Err(AppError::Conflict(format!(
                        "{begun}; go on with `nightlatch scan --resume {id}` on the command line"
                    )));
                }
                let (journal, plan) = Journal::resume(app.data(), &id, app.scope(), now)?;
                let record = journal.record();
                let pace = pace(record.rate_pps, record.rate_per_network_pps);
                let begun = Begun {
                    run: id,
                    origin: noted,
                    rate: pace.rate_pps,
                    rate_per_network: pace.prefix_pps,
                    paused: false,
                };
                app.control().put(&begun, now)?;
                Ok::<_, AppError>((plan, journal, pace))
            })
            .await??;
        self.spawn(plan, journal, pace, origin, Look::Only);
        Ok(())
    }

    /// Tells a run of this process to stop; what is on its way is waited for. False when it is not running here.
    pub fn stop_run(&self, id: &RunId) -> bool {
        let running = self.runs.running();
        let Some(run) = running.get(id) else { return false };
        run.told.store(true, SeqCst);
        *run.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::Stopping;
        run.cancel.stop();
        true
    }

    /// Stops a run until the scheduler goes on with it.
    pub(crate) fn pause_run(&self, id: &RunId) {
        if let Some(run) = self.runs.running().get(id) {
            run.paused.store(true, SeqCst);
            *run.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::Stopping;
            run.cancel.stop();
        }
    }

    /// The runs of a schedule that a blackout stopped.
    pub(crate) fn paused_runs(&self, schedule: &str) -> Result<Vec<RunId>, AppError> {
        let of_it = |begun: &Begun| begun.paused && begun.origin == Origin::Schedule(schedule.to_owned());
        Ok(self.control().all::<Begun>()?.into_iter().filter(of_it).map(|begun| begun.run).collect())
    }

    /// The runs of this process, oldest first.
    pub fn live_runs(&self) -> Vec<LiveRun> {
        let running = self.runs.running();
        let mut live: Vec<LiveRun> = running
            .iter()
            .map(|(id, run)| LiveRun {
                id: id.clone(),
                origin: run.origin.clone(),
                phase: *run.phase.lock().unwrap_or_else(PoisonError::into_inner),
                standing: run.progress.snapshot(),
            })
            .collect();
        live.sort_by(|a, b| a.id.cmp(&b.id));
        live
    }

    /// All runs of the data directory that can be read, newest first, also those of the command. Of what was asked
    /// for, the first [`LISTED_ASKED_MAX`] targets are listed and the others counted. What has finished is read once;
    /// blocks for the rest.
    ///
    /// # Errors
    /// When the folder of runs cannot be read.
    pub fn listed_runs(&self) -> Result<Vec<RunRecord>, AppError> {
        let names = run_names(self.data())?;
        let mut finished = self.runs.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records = Vec::with_capacity(names.len());
        for name in names.into_iter().rev() {
            if let Some(known) = finished.get(&name) {
                records.push(known.clone());
            } else if let Ok(mut record) = run(self.data(), &name) {
                // Thousands of runs are kept in memory, and each may have been asked for a thousand targets.
                let more = record.asked.len().saturating_sub(LISTED_ASKED_MAX);
                record.asked.truncate(LISTED_ASKED_MAX);
                record.asked_more += more as u64;
                if record.state == State::Finished {
                    finished.insert(name, record.clone());
                }
                records.push(record);
            }
        }
        Ok(records)
    }

    /// One run of the data directory, with all that is on record. Blocks.
    ///
    /// # Errors
    /// [`AppError::Unknown`] when there is none of that name, or why it cannot be read.
    pub fn listed_run(&self, id: &RunId) -> Result<RunRecord, AppError> {
        Ok(run(self.data(), id)?)
    }

    /// When the last run ended that asked everything, second looks left out. Blocks.
    ///
    /// # Errors
    /// As [`App::listed_runs`].
    pub fn last_finished(&self) -> Result<Option<Timestamp>, AppError> {
        let finished = |record: &RunRecord| {
            (record.state == State::Finished && record.user != WATCHER).then_some(record.ended).flatten()
        };
        Ok(self.listed_runs()?.iter().filter_map(finished).max())
    }

    /// Whether this process made a run: what it saw was told to whoever listens.
    pub(crate) fn has_told(&self, id: &RunId) -> bool {
        self.runs.told.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Goes on with what the last process of the server left in the middle.
    pub(crate) async fn resume_begun(self: &Arc<Self>) {
        let begun = match self.control().all::<Begun>() {
            Ok(begun) => begun,
            Err(error) => return tracing::error!(error = %error, "the list of runs cannot be read"),
        };
        let held = self.held_schedules().await;
        for run in begun.into_iter().filter(|run| !run.paused) {
            if let Origin::Schedule(name) = &run.origin
                && held.contains(name)
            {
                tracing::info!(run = %run.run, schedule = %name, "waits for the end of a blackout");
                let pause = |begun: &mut Begun| begun.paused = true;
                if let Err(error) = self.control().change(&run.run.0, Timestamp::now(), pause) {
                    tracing::error!(run = %run.run, error = %error, "the list of runs cannot be written");
                }
                continue;
            }
            if run.origin == Origin::Recheck {
                // What it was to look at still waits, and is looked at by the next one: nothing is asked twice.
                let _ = self.control().remove::<Begun>(&run.run.0);
                continue;
            }
            match self.resume_run(&run.run, run.origin.clone()).await {
                Ok(()) => tracing::info!(run = %run.run, "goes on with a run that was cut off"),
                Err(AppError::Conflict(why)) => {
                    tracing::warn!(run = %run.run, why, "run is not gone on with")
                }
                Err(error) => {
                    tracing::warn!(run = %run.run, error = %error, "run cannot be gone on with");
                    // It would be tried at every start.
                    let _ = self.control().remove::<Begun>(&run.run.0);
                }
            }
        }
    }

    /// The schedules that a blackout holds at this moment.
    async fn held_schedules(self: &Arc<Self>) -> Vec<String> {
        let app = self.clone();
        match self.blocking(move || app.schedules()).await.and_then(|standings| standings) {
            Ok(standings) => standings.into_iter().filter(|s| s.blackout).map(|s| s.schedule.name).collect(),
            Err(error) => {
                tracing::error!(error = %error, "schedules cannot be read");
                Vec::new()
            }
        }
    }

    pub(crate) fn forget_paused(&self, id: &RunId) -> Result<(), AppError> {
        Ok(self.control().remove::<Begun>(&id.0).map(drop)?)
    }

    /// Stops all runs for the end of the process, and waits for them.
    pub(crate) async fn stop_runs(&self) {
        self.runs.closing.store(true, SeqCst);
        self.runs.running().values().for_each(|run| run.cancel.stop());
        let all_ended = async {
            loop {
                let ended = self.runs.ended.notified();
                if self.runs.running().is_empty() {
                    return;
                }
                ended.await;
            }
        };
        if tokio::time::timeout(STOP_PATIENCE, all_ended).await.is_err() {
            tracing::warn!("runs did not stop in time; they go on at the next start");
        }
    }

    fn spawn(
        self: &Arc<Self>,
        plan: Plan,
        journal: Journal,
        pace: Pace,
        origin: Origin,
        look: Look,
    ) -> tokio::task::JoinHandle<Ended> {
        let running = Running {
            origin,
            phase: Arc::new(Mutex::new(Phase::Queued)),
            progress: Arc::new(Progress::new()),
            cancel: Cancel::new(),
            told: Arc::default(),
            paused: Arc::default(),
        };
        let hand = Arc::new(Running {
            origin: running.origin.clone(),
            phase: running.phase.clone(),
            progress: running.progress.clone(),
            cancel: running.cancel.clone(),
            told: running.told.clone(),
            paused: running.paused.clone(),
        });
        let id = journal.id().clone();
        // Of one that is gone on with, when it first began: what it asked before it was cut off was met.
        let started = journal.record().started;
        self.runs.running().insert(id.clone(), running);
        self.runs.told.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        let app = self.clone();
        tokio::spawn(async move {
            let targets = plan.targets.clone();
            // A task of its own, so that even a mistake of ours leaves no run behind that never ends.
            let carried = tokio::spawn(app.clone().carry_out(plan, journal, pace, look, hand.clone())).await;
            let state = carried.unwrap_or_else(|error| {
                tracing::error!(run = %id, error = %error, "a run broke off; this is a mistake in nightlatch");
                State::Failed
            });
            app.forget_begun(&id, state, &hand);
            if state == State::Finished && hand.origin != Origin::Recheck {
                app.after_run(&id, &targets, started).await;
            }
            app.runs.running().remove(&id);
            app.runs.ended.notify_waiters();
            Ended { run: id, state, started }
        })
    }

    async fn carry_out(
        self: Arc<Self>,
        plan: Plan,
        journal: Journal,
        pace: Pace,
        look: Look,
        hand: Arc<Running>,
    ) -> State {
        let id = journal.id().clone();
        let set = |phase| *hand.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        // A second look is short and others wait for it.
        let slot = match hand.origin {
            Origin::Recheck => None,
            _ => tokio::select! {
                slot = self.runs.slots.clone().acquire_owned() => slot.ok(),
                () = hand.cancel.stopping() => None,
            },
        };
        let writer = match self.writer(&hand, &set).await {
            Ok(Some(writer)) => writer,
            // Stopped before it began: nothing was asked, and its journal says so at the next look.
            Ok(None) => return State::Stopped,
            Err(error) => {
                tracing::error!(run = %id, error = %error, "a run cannot begin");
                return State::Failed;
            }
        };
        let hash_key = match secret(self.data()) {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(run = %id, error = %error, "a run cannot begin");
                return State::Failed;
            }
        };
        if !hand.cancel.is_stopping() {
            set(Phase::Running);
        }
        let survey = Survey {
            catalogue: self.catalogue().clone(),
            enricher: self.enricher().clone(),
            names: Arc::new(Names::new(self.settings().resolver)),
            hash_key,
            limit: Limit::default(),
            pace,
            look,
        };
        let app = self.clone();
        let stored = move |batch: Vec<Observation>| {
            batch.into_iter().for_each(|observation| app.hub().tell(&live(observation)));
            Ok(())
        };
        let (progress, cancel) = (hand.progress.clone(), hand.cancel.clone());
        let outcome = survey
            .run(plan, Discovery::Connect, journal, writer.clone(), Reins { progress, cancel }, stored)
            .await;
        let committed = self
            .blocking(move || writer.lock().unwrap_or_else(PoisonError::into_inner).commit())
            .await
            .and_then(|result| result.map_err(AppError::from));
        if let Err(error) = committed {
            tracing::error!(run = %id, error = %error, "what was found is safe, but not to be found by a search yet");
        }
        let book = self.clone();
        if let Ok(Err(error)) = self.blocking(move || book.book().renew()).await {
            tracing::error!(error = %error, "the newest observations cannot be read");
        }
        drop(slot);
        if let Some(error) = &outcome.failure {
            tracing::error!(run = %id, error = %error, cause = %cause(error), "a run failed");
        }
        let tally = &outcome.tally;
        tracing::info!(run = %id, state = outcome.state.as_str(), open = tally.open, closed = tally.closed,
            filtered = tally.filtered, seconds = outcome.elapsed.as_secs_f64(), "a run ended");
        outcome.state
    }

    /// The writer; none when the run was stopped while it waited.
    async fn writer(
        self: &Arc<Self>,
        hand: &Running,
        set: &impl Fn(Phase),
    ) -> Result<Option<SharedWriter>, AppError> {
        loop {
            if hand.cancel.is_stopping() {
                return Ok(None);
            }
            let app = self.clone();
            match self.blocking(move || app.book().writer()).await? {
                Ok(writer) => return Ok(Some(writer)),
                Err(StoreError::Locked { .. }) => set(Phase::WaitingForStore),
                Err(error) => return Err(error.into()),
            }
            tokio::select! {
                () = tokio::time::sleep(WRITER_EVERY) => {}
                () = hand.cancel.stopping() => {}
            }
        }
    }

    /// Forgets a run that need not be gone on with.
    fn forget_begun(&self, id: &RunId, state: State, hand: &Running) {
        let now = Timestamp::now();
        let cut_off = state != State::Finished && !hand.told.load(SeqCst);
        let done = if hand.paused.load(SeqCst) && state != State::Finished {
            self.control().change(&id.0, now, |begun: &mut Begun| begun.paused = true).map(drop)
        } else if cut_off && self.runs.closing.load(SeqCst) {
            Ok(())
        } else {
            self.control().remove::<Begun>(&id.0).map(drop)
        };
        if let Err(error) = done {
            tracing::error!(run = %id, error = %error, "the list of runs cannot be written");
        }
    }
}

fn pace(rate: Option<u32>, per_network: Option<u32>) -> Pace {
    Pace { rate_pps: rate, prefix_pps: per_network.or(Some(RATE_PER_NETWORK_PPS)) }
}

/// An observation as listeners see it: they are told before the store has made it a part of a history.
fn live(observation: Observation) -> Record {
    Record {
        id: 0,
        first_seen: observation.time,
        last_seen: observation.time,
        times_seen: 1,
        latest: true,
        observation,
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

impl From<JournalError> for AppError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unknown { id, .. } => Self::Unknown { kind: "run", id },
            JournalError::Busy { .. } | JournalError::Finished { .. } => Self::Conflict(error.to_string()),
            JournalError::Refused(refused) => Self::OutOfScope(refused.to_string()),
            _ => Self::World(match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            }),
        }
    }
}
