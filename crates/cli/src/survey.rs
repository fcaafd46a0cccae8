//! One scan from its plan to what people see: opens the store, runs, shows progress, prints, says how to go on.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use nightlatch_app::{Look, Names, Reins, SharedWriter, secret};
use nightlatch_asset::{Exposure, Observation, Record, RunId, Severity};
use nightlatch_enrich::{Enricher, Loaded};
use nightlatch_netio::{Dialer, Pace};
use nightlatch_scan::{
    Cancel, Discovery, Doors, Journal, Outcome, Plan, Progress, Scan, SinkError, Snapshot, Start, State,
    SweepSnapshot, converse::Limit,
};
use nightlatch_untrusted::terminal;
use tokio::runtime::Runtime;

use crate::{
    catalogue,
    config::Config,
    exit::Exit,
    failure::Failure,
    progress,
    say::say,
    session::{Session, shell_word},
};

/// How what is found is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// A table at the end, worst first.
    Table,
    /// NDJSON as found.
    Json,
    /// CSV as found.
    Csv,
}

/// One scan.
pub(crate) struct Survey<'s> {
    pub(crate) session: &'s Session,
    pub(crate) limit: Limit,
    pub(crate) pace: Pace,
    pub(crate) output: Output,
    /// Which look this is at what it meets.
    pub(crate) look: Look,
    /// What the configuration says; read when it is needed where nobody has read it.
    pub(crate) around: Option<Around>,
}

/// What the configuration of a data directory says about addresses.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    enricher: Arc<Enricher>,
    /// Who is asked for names.
    resolver: Option<SocketAddr>,
}

impl Around {
    /// Reads it, and the files that it names.
    pub(crate) fn read(data: &Path) -> Result<Self, Failure> {
        let config = Config::read(data)?;
        Ok(Self { enricher: Arc::new(config.enricher()?), resolver: config.names.resolver()? })
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) run: RunId,
    pub(crate) state: State,
    /// The worst severity seen, earlier sessions of the run included.
    pub(crate) worst: Option<Severity>,
    /// The worst severity seen where nothing stood open.
    pub(crate) worst_shut: Option<Severity>,
    /// What stood open, where a second look follows.
    pub(crate) doors: Doors,
}

/// Most rows kept for the table; a scan that finds more is read with `search`.
const ROWS_MAX: usize = 5_000;

impl Found {
    pub(crate) fn exit(&self, fail_on: Option<Severity>) -> Exit {
        match self.state {
            State::Failed => Exit::World,
            State::Finished if fail_on.is_some() && self.worst >= fail_on => Exit::Findings,
            State::Finished => Exit::Clean,
            _ => Exit::Interrupted,
        }
    }
}

impl Survey<'_> {
    /// Runs a plan; with a journal, one that was begun before.
    pub(crate) fn run(
        &self,
        data: &Path,
        plan: Plan,
        discovery: Discovery,
        journal: Option<Journal>,
        start: Start,
        runtime: &Runtime,
    ) -> Result<Found, Failure> {
        let Around { enricher, resolver } = match &self.around {
            Some(around) => around.clone(),
            None => Around::read(data)?,
        };
        let store = self.session.writer_of(data)?;
        let hash_key = secret(data).map_err(|e| Failure::from_error(Exit::World, &e))?;
        let Begun { journal, id, resumed, go_on } = self.begin(data, &plan, journal, start)?;
        let (progress, cancel) = (Arc::new(Progress::new()), Cancel::new());
        let shown = progress.clone();
        let doors = matches!(self.look, Look::First).then(Doors::default);
        let taken = Arc::new(Mutex::new(Taken { doors, ..Taken::default() }));
        let store: SharedWriter = Arc::new(Mutex::new(store));
        let survey = nightlatch_app::Survey {
            catalogue: catalogue::embedded()?,
            enricher: enricher.clone(),
            names: Arc::new(Names::new(resolver)),
            hash_key,
            limit: self.limit,
            pace: self.pace,
            look: self.look.clone(),
        };
        let stored = stored(self.look.clone(), self.output, taken.clone());
        let outcome = runtime.block_on(async {
            let signals = tokio::spawn(stop_on_signal(cancel.clone(), self.session.chatty()));
            let line = progress::show(progress.clone(), self.session.progress(), self.session.chatty());
            let outcome =
                survey.run(plan, discovery, journal, store.clone(), Reins { progress, cancel }, stored).await;
            line.end().await;
            signals.abort();
            outcome
        });
        let committed = store.lock().unwrap_or_else(PoisonError::into_inner).commit();
        // The store merges when it is dropped.
        drop(store);
        let taken = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
        // Not a matter of taste: what is stored lacks fields that it should have.
        damages(&enricher.status(Timestamp::now())).for_each(say);
        let end = shown.snapshot();
        let found = self.conclude(outcome, taken, &end, &go_on, &id, resumed)?;
        committed.map_err(|error| {
            Failure::from(error).hint(
                "what was found is safe, but no search finds it until a scan or an import has room to write it",
            )
        })?;
        Ok(found)
    }

    /// Runs a plan that asks nothing of what is open: no store is opened, and nothing is kept but the run's record.
    pub(crate) fn discover(
        &self,
        data: &Path,
        plan: Plan,
        discovery: Discovery,
        journal: Option<Journal>,
        start: Start,
        runtime: &Runtime,
    ) -> Result<Found, Failure> {
        let Begun { journal, id, resumed, go_on } = self.begin(data, &plan, journal, start)?;
        let (progress, cancel) = (Arc::new(Progress::new()), Cancel::new());
        let dialer = Arc::new(Dialer::new(self.pace));
        let scan = Scan {
            plan,
            dialer,
            journal: Some(journal),
            progress: progress.clone(),
            cancel: cancel.clone(),
            discovery,
        };
        let outcome = runtime.block_on(async {
            let signals = tokio::spawn(stop_on_signal(cancel, self.session.chatty()));
            let line = progress::show(progress.clone(), self.session.progress(), self.session.chatty());
            let nothing = |_: &[Observation]| -> Result<(), SinkError> { Ok(()) };
            let (outcome, _) = scan.run(|_| async { Vec::new() }, nothing).await;
            line.end().await;
            signals.abort();
            outcome
        });
        self.conclude(outcome, Taken::default(), &progress.snapshot(), &go_on, &id, resumed)
    }

    /// Takes up or makes the run's record, before anything is sent, and names the run.
    fn begin(
        &self,
        data: &Path,
        plan: &Plan,
        journal: Option<Journal>,
        start: Start,
    ) -> Result<Begun, Failure> {
        let journal = match journal {
            Some(journal) => journal,
            None => Journal::create(data, plan, start, Timestamp::now())
                .map_err(|e| Failure::from_error(Exit::World, &e))?,
        };
        let id = journal.id().clone();
        let resumed = !journal.record().resumed.is_empty();
        let go_on = self.go_on(data, plan, &id);
        self.announce(plan, &id);
        Ok(Begun { journal, id, resumed, go_on })
    }

    fn announce(&self, plan: &Plan, id: &RunId) {
        if self.session.chatty() {
            let rate = self.pace.rate_pps.map_or(String::new(), |rate| format!(", at most {rate} a second"));
            let count = plan.targets.len();
            let noun = if count == 1 { "endpoint" } else { "endpoints" };
            say(format_args!("run {id}: {count} {noun}{rate}"));
        }
    }

    /// The command that goes on with a run, as it has to be typed.
    fn go_on(&self, data: &Path, plan: &Plan, id: &RunId) -> String {
        let scope = plan.scope.path().filter(|path| *path != data.join("scope.toml"));
        let scope = scope
            .map_or(String::new(), |path| format!(" --scope {}", shell_word(&path.display().to_string())));
        format!("{} scan --resume {id}{scope}", self.session.again())
    }

    /// - `resumed`: whether an earlier session has found a part already.
    fn conclude(
        &self,
        outcome: Outcome,
        mut taken: Taken,
        end: &Snapshot,
        go_on: &str,
        id: &RunId,
        resumed: bool,
    ) -> Result<Found, Failure> {
        if let Some(error) = taken.output_error.take() {
            if self.session.chatty() {
                say(format_args!("the output was not taken; what was found is kept; go on with: {go_on}"));
            }
            return Err(error.into());
        }
        taken.trim();
        if self.output == Output::Csv && !taken.header_written {
            // Of nothing found, too, a program reads the columns.
            let mut out = io::stdout().lock();
            nightlatch_report::Csv::new(&mut out)?;
            out.flush()?;
        }
        let no_news = matches!(self.look, Look::Second(_)) && taken.rows.is_empty();
        if self.output == Output::Table && !no_news {
            let mut out = io::BufWriter::new(io::stdout().lock());
            nightlatch_report::table(&taken.rows, self.session.style(), &mut out)?;
            out.flush()?;
        }
        if self.session.chatty() {
            if taken.count > taken.rows.len() as u64 {
                say(format_args!(
                    "{} more are stored; `nightlatch search` shows them",
                    taken.count - taken.rows.len() as u64
                ));
            }
            let tally = &outcome.tally;
            say(format_args!(
                "{} open, {} closed, {} filtered in {:.1} s",
                tally.open,
                tally.closed,
                tally.filtered,
                outcome.elapsed.as_secs_f64()
            ));
            if let Some(sweep) = &end.sweep {
                told(sweep, outcome.elapsed).iter().for_each(say);
            }
            if resumed {
                let again = self.session.again();
                say(format_args!(
                    "this is what run {id} found since it was resumed; `{again} search` shows everything"
                ));
            }
            if tally.failed > 0 {
                say(format_args!("{} could not be asked: the local system refused", tally.failed));
            }
        }
        if outcome.bugs.0 > 0 {
            let first = outcome.bugs.1.unwrap_or_default();
            return Err(Failure::bug(format!(
                "{} conversations broke off, the first with: {first}",
                outcome.bugs.0
            )));
        }
        if let Some(error) = &outcome.failure {
            return Err(Failure::from_error(Exit::World, error)
                .hint(format!("what was found is kept; go on with: {go_on}")));
        }
        if outcome.state == State::Stopped {
            say(format_args!(
                "stopped after {} of {} endpoints; what was found is kept",
                outcome.tally.done(),
                outcome.total
            ));
            say(format_args!("go on with: {go_on}"));
        }
        Ok(Found {
            run: id.clone(),
            state: outcome.state,
            worst: outcome.worst,
            // Of an earlier session it is not known what stood open: all of it counts.
            worst_shut: if resumed { outcome.worst } else { taken.worst_shut },
            doors: taken.doors.unwrap_or_default(),
        })
    }
}

/// A run that is about to be worked on.
struct Begun {
    journal: Journal,
    id: RunId,
    /// Whether an earlier session has found a part already.
    resumed: bool,
    /// The command that goes on with it.
    go_on: String,
}

/// What the sink has seen.
#[derive(Debug, Default)]
struct Taken {
    rows: Vec<Record>,
    count: u64,
    worst_shut: Option<Severity>,
    doors: Option<Doors>,
    header_written: bool,
    output_error: Option<io::Error>,
}

impl Taken {
    fn weigh(&mut self, observation: &Observation) {
        if observation.verdict.exposure < Exposure::Readable {
            self.worst_shut = self.worst_shut.max(Some(observation.verdict.severity));
        }
        if let Some(doors) = &mut self.doors {
            doors.note(observation);
        }
    }

    fn show(&mut self, observation: Observation) {
        self.count += 1;
        self.rows.push(Record {
            id: self.count,
            first_seen: observation.time,
            last_seen: observation.time,
            times_seen: 1,
            latest: true,
            observation,
        });
        if self.rows.len() >= 2 * ROWS_MAX {
            self.trim();
        }
    }

    /// Keeps the worst.
    fn trim(&mut self) {
        nightlatch_report::worst_first(&mut self.rows);
        self.rows.truncate(ROWS_MAX);
    }
}

/// What discovery by raw packets did, in a line or a few.
fn told(sweep: &SweepSnapshot, elapsed: Duration) -> Vec<String> {
    let per_second = sweep.sent as f64 / elapsed.as_secs_f64().max(0.001);
    let mut lines = vec![format!(
        "{} packets sent ({per_second:.0} a second); {} second probes were not needed; {} answered only to one",
        sweep.sent, sweep.saved, sweep.second_answers
    )];
    if sweep.again_judged > 0 {
        lines.push(format!(
            "{} of the packets asked known answerers again, to notice loss; {} of them replied",
            sweep.again_judged, sweep.again_replied
        ));
    }
    let odd = [
        (sweep.unreachable, "turned back by a router, a firewall or the host"),
        (sweep.drops, "answers lost, because this machine was too slow for them"),
        (sweep.forged, "packets that pretended to be answers"),
        (sweep.outside, "answers that came too late"),
        (sweep.damaged, "damaged packets"),
        (sweep.unsent, "packets that could not leave"),
    ];
    let odd: Vec<_> =
        odd.iter().filter(|(count, _)| *count > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !odd.is_empty() {
        lines.push(odd.join("; "));
    }
    lines.extend(sweep.first_unsent.as_ref().map(|first| format!("the first that could not leave: {first}")));
    lines
}

/// One line for each database that could not be read everywhere it was asked.
fn damages(loaded: &[Loaded]) -> impl Iterator<Item = String> {
    loaded.iter().filter(|file| file.damaged > 0).map(|file| {
        format!(
            "{} is damaged: {} lookups found nothing readable, and their fields stay empty; \
             `nightlatch enrich status --verify` says where",
            terminal(&file.path.display().to_string()),
            file.damaged
        )
    })
}

/// Writes what is written as it is found.
fn stored(
    look: Look,
    output: Output,
    taken: Arc<Mutex<Taken>>,
) -> impl FnMut(Vec<Observation>) -> Result<(), SinkError> + Send {
    move |mut batch| {
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        batch.iter().for_each(|observation| taken.weigh(observation));
        if let Look::Second(doors) = &look {
            // That it finds the same is no news.
            batch.retain(|observation| doors.differ(observation));
        }
        if taken.output_error.is_none()
            && let Err(error) = write(&batch, output, &mut taken.header_written)
        {
            // What is stored stays stored; that nobody reads the output ends the scan.
            taken.output_error = Some(error);
            return Err("the output cannot be written".into());
        }
        batch.into_iter().for_each(|observation| taken.show(observation));
        Ok(())
    }
}

fn write(batch: &[Observation], output: Output, header_written: &mut bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match output {
        Output::Table => {}
        Output::Json => batch.iter().try_for_each(|o| nightlatch_report::ndjson_line(o, &mut out))?,
        Output::Csv => {
            let mut csv = if std::mem::replace(header_written, true) {
                nightlatch_report::Csv::continued(&mut out)
            } else {
                nightlatch_report::Csv::new(&mut out)?
            };
            batch.iter().try_for_each(|o| csv.write_observation(o))?;
        }
    }
    out.flush()
}

/// The first Ctrl-C (or SIGTERM) stops sending, the second waits for nothing more.
async fn stop_on_signal(cancel: Cancel, chatty: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for press in 1.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if press == 1 {
            cancel.stop();
            if chatty {
                say(
                    "\nstopping: nothing more is sent; waiting up to 10 s for answers on their way (again to stop now)",
                );
            }
        } else {
            cancel.stop_now();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_enrich::FileKind;

    use super::*;

    #[test]
    fn a_damaged_file_is_named_once_and_a_sound_one_never() {
        let file = |path: &str, damaged| Loaded {
            path: path.into(),
            kind: FileKind::Database("GeoLite2-City".into()),
            records: 1,
            built: None,
            age: None,
            damaged,
        };
        let said: Vec<_> = damages(&[file("sound.mmdb", 0), file("half.mmdb", 12)]).collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("half.mmdb") && said[0].contains("12 lookups"), "{said:?}");
    }
}
