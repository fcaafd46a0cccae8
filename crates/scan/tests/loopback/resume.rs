//! Stopped, failed and killed runs go on without a gap, and without asking again what was acknowledged.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nightlatch_asset::{Observation, RunId, Severity, Timestamp};
use nightlatch_netio::Pace;
use nightlatch_scan::{Journal, JournalError, Plan, SCAN_LOG, Scan, Sink, Start, State, runs};
use nightlatch_scope::Scope;

use crate::street::{Book, Street, glance, journal, plan, run, run_and_stop, scan, targets};

/// The whole of 127.8.0.0/20.
const BLOCK: &str = "127.8.0.0/20";
const TOTAL: u64 = 4096;

fn resumed(data: &Path, id: &RunId, pace: Pace) -> Scan {
    let scope = Arc::new(Scope::loopback_only());
    let (journal, plan) = Journal::resume(data, id, scope, Timestamp::now()).unwrap();
    scan(plan, pace, Some(journal))
}

/// A store that takes so many batches and no more.
fn full_after(most: usize, book: &Book) -> impl Sink + 'static {
    let mut stores = book.sink();
    let mut batches = 0;
    move |batch: &[Observation]| {
        batches += 1;
        if batches > most { Err("no space left on device".into()) } else { stores(batch) }
    }
}

fn state(data: &Path) -> State {
    runs(data).unwrap().pop().unwrap().record.unwrap().state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_stopped_again_and_again_asks_everything_exactly_once() {
    let (street, data, book) = (Street::open(), tempfile::tempdir().unwrap(), Book::default());
    let pace = Pace { rate_pps: Some(3000), prefix_pps: None };
    let plan = plan(&[BLOCK], &[street.port]);
    let journal = journal(data.path(), &plan);
    let id = journal.id().clone();
    let mut outcome = run_and_stop(scan(plan, pace, Some(journal)), &book, Duration::from_millis(150)).await;
    let mut sessions = 1;
    while outcome.state == State::Stopped {
        assert_eq!(state(data.path()), State::Stopped);
        assert_eq!(outcome.tally.done(), book.len() as u64);
        outcome = run_and_stop(resumed(data.path(), &id, pace), &book, Duration::from_millis(150)).await;
        sessions += 1;
    }
    assert_eq!((outcome.state, outcome.tally.open), (State::Finished, TOTAL));
    assert!(sessions > 3, "{sessions} sessions");
    assert_eq!((book.len() as u64, book.most()), (TOTAL, 1));
    let asked = street.asked();
    assert_eq!(asked.len() as u64, TOTAL);
    assert!(asked.values().all(|times| *times == 1));

    let record = runs(data.path()).unwrap().pop().unwrap().record.unwrap();
    assert_eq!(
        (record.state, record.observations, record.resumed.len()),
        (State::Finished, TOTAL, sessions - 1)
    );
    let error =
        Journal::resume(data.path(), &id, Arc::new(Scope::loopback_only()), Timestamp::now()).unwrap_err();
    assert!(matches!(error, JournalError::Finished { .. }), "{error}");
    let log = std::fs::read_to_string(data.path().join(SCAN_LOG)).unwrap();
    assert_eq!(log.lines().count(), sessions * 2);
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "start");
    assert_eq!(first["sent"]["targets"][0], BLOCK);
    assert_eq!(first["sent"]["ports"], street.port.to_string());
    assert_eq!(first["user"], "tester");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_store_did_not_take_is_asked_again_and_nothing_else() {
    let (street, data, book) = (Street::open(), tempfile::tempdir().unwrap(), Book::default());
    let plan = plan(&[BLOCK], &[street.port]);
    let journal = journal(data.path(), &plan);
    let id = journal.id().clone();
    let full = full_after(2, &book);
    let (outcome, _) = scan(plan, Pace::default(), Some(journal)).run(glance, full).await;
    assert_eq!(outcome.state, State::Failed);
    let record = runs(data.path()).unwrap().pop().unwrap().record.unwrap();
    assert_eq!(
        record.failure.as_deref(),
        Some("what was observed cannot be stored: no space left on device")
    );
    let outcome = run(resumed(data.path(), &id, Pace::default()), &book).await;
    assert_eq!((outcome.state, outcome.tally.open), (State::Finished, TOTAL));
    assert_eq!((book.len() as u64, book.most()), (TOTAL, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worst_of_an_earlier_session_still_counts() {
    let (street, data, book) = (Street::open(), tempfile::tempdir().unwrap(), Book::default());
    let plan = plan(&[BLOCK], &[street.port]);
    let journal = journal(data.path(), &plan);
    let id = journal.id().clone();
    let full = full_after(1, &book);
    let grave = |opened| async {
        let mut observations = glance(opened).await;
        observations.iter_mut().for_each(|o| o.verdict.severity = Severity::High);
        observations
    };
    let (outcome, _) = scan(plan, Pace::default(), Some(journal)).run(grave, full).await;
    assert_eq!((outcome.state, outcome.worst), (State::Failed, Some(Severity::High)));
    let outcome = run(resumed(data.path(), &id, Pace::default()), &book).await;
    assert_eq!((outcome.state, outcome.worst), (State::Finished, Some(Severity::High)));
    let record = runs(data.path()).unwrap().pop().unwrap().record.unwrap();
    assert_eq!(record.worst, Some(Severity::High));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_goes_on_where_it_was() {
    let (street, data, book) = (Street::open(), tempfile::tempdir().unwrap(), Book::default());
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "resume::child_that_is_killed"])
            .env("STREET_PORT", street.port.to_string())
            .env("STREET_DATA", data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = street.asked().len();
        let deadline = Instant::now() + Duration::from_secs(30);
        while street.asked().len() < (before + 600).min(TOTAL as usize) && child.try_wait().unwrap().is_none()
        {
            assert!(Instant::now() < deadline, "the child does not scan");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if kills == 3 {
            break;
        }
        kills += 1;
        assert_eq!(state(data.path()), State::Interrupted);
    }
    let listed = runs(data.path()).unwrap().pop().unwrap();
    let known = listed.record.unwrap().tally.done();
    let acknowledged = std::fs::read_to_string(data.path().join("acknowledged")).unwrap();
    // Every observation the store had acknowledged before a kill is known, but for a batch whose
    // acknowledgement and checkpoint the kill came between.
    assert!(known > 500, "{known}");
    assert!(acknowledged.lines().count() as u64 <= known + 1024);

    let outcome = run(resumed(data.path(), &listed.id, Pace::default()), &book).await;
    assert_eq!((outcome.state, outcome.tally.open), (State::Finished, TOTAL));
    // No gap: what was not stored before was stored now.
    let mut stored: Vec<&str> = acknowledged.lines().collect();
    let rest: Vec<String> = book.0.lock().unwrap().keys().map(ToString::to_string).collect();
    assert_eq!(rest.len() as u64, TOTAL - known);
    stored.extend(rest.iter().map(String::as_str));
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored.len() as u64, TOTAL);
    // Few repeats: at 2000 a second, a tenth of a second, a batch's quarter of a second, and what was in flight.
    let asked = street.asked();
    let repeats: u32 = asked.values().map(|times| times - 1).sum();
    assert!(repeats <= 4 * 1500, "{repeats} repeats");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, which kills it"]
async fn child_that_is_killed() {
    use std::io::Write;
    let port = std::env::var("STREET_PORT").unwrap().parse().unwrap();
    let data = std::env::var("STREET_DATA").unwrap();
    let data = Path::new(&data);
    let pace = Pace { rate_pps: Some(2000), prefix_pps: None };
    let mut file =
        std::fs::OpenOptions::new().append(true).create(true).open(data.join("acknowledged")).unwrap();
    let sink = move |batch: &[Observation]| {
        let lines: String = batch.iter().map(|o| format!("{}\n", o.endpoint().socket())).collect();
        file.write_all(lines.as_bytes()).map_err(Into::into)
    };
    let scan = match runs(data).unwrap().pop() {
        Some(run) => resumed(data, &run.id, pace),
        None => {
            let plan = plan(&[BLOCK], &[port]);
            let journal = journal(data, &plan);
            scan(plan, pace, Some(journal))
        }
    };
    scan.run(glance, sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_excluded_since_is_not_asked_on_resume() {
    let (street, data, book) = (Street::open(), tempfile::tempdir().unwrap(), Book::default());
    let plan = plan(&["127.9.0.0/24"], &[street.port]);
    let journal = journal(data.path(), &plan);
    let id = journal.id().clone();
    drop(journal);
    assert_eq!(state(data.path()), State::Interrupted);
    let scope = Arc::new(Scope::parse("exclude = [\"127.9.0.128/25\"]", "scope.toml".as_ref()).unwrap());
    let (journal, plan) = Journal::resume(data.path(), &id, scope, Timestamp::now()).unwrap();
    let outcome = run(scan(plan, Pace::default(), Some(journal)), &book).await;
    assert_eq!((outcome.tally.open, outcome.tally.refused), (128, 128));
    assert_eq!(street.asked().len(), 128);
}

#[test]
fn runs_that_cannot_be_resumed_say_why() {
    let data = tempfile::tempdir().unwrap();
    let allowed = || Arc::new(Scope::loopback_only());
    let resume = |id: &str| {
        Journal::resume(data.path(), &RunId(id.to_owned()), allowed(), Timestamp::now())
            .unwrap_err()
            .to_string()
    };
    assert!(runs(data.path()).unwrap().is_empty());
    assert!(resume("../../etc").ends_with("there are no runs yet"));

    let plan = plan(&["127.9.0.0/24"], &[80]);
    let journal = journal(data.path(), &plan);
    let id = journal.id().clone();
    assert_eq!(state(data.path()), State::Running);
    assert!(resume(&id.0).contains(&format!("by process {}", std::process::id())), "{}", resume(&id.0));
    drop(journal);
    let typo = format!("{}x", &id.0[..id.0.len() - 1]);
    assert!(resume(&typo).contains(&format!("did you mean `{id}`?")), "{}", resume(&typo));
    assert!(resume("../runs").contains("there is no run"));

    let folder = data.path().join("runs").join(&id.0);
    let record = std::fs::read_to_string(folder.join("run.json")).unwrap();
    std::fs::write(folder.join("run.json"), record.replace("\"format\":1", "\"format\":9")).unwrap();
    assert!(resume(&id.0).contains("has format 9, this version reads formats up to 1"));
    std::fs::write(folder.join("run.json"), &record[..50]).unwrap();
    assert!(resume(&id.0).contains("run.json is damaged"));
    assert!(runs(data.path()).unwrap().pop().unwrap().record.is_err());
    std::fs::write(folder.join("run.json"), &record).unwrap();
    let targets = std::fs::read_to_string(folder.join("targets.json")).unwrap();
    std::fs::write(folder.join("targets.json"), targets.replace("127.9", "127.8")).unwrap();
    assert!(resume(&id.0).contains("was changed since the run began"));
}

#[test]
fn a_scope_that_no_longer_allows_the_targets_refuses_the_resume() {
    let data = tempfile::tempdir().unwrap();
    let scope = Scope::parse("[[block]]\nnet = \"192.0.2.0/24\"\n", "scope.toml".as_ref()).unwrap();
    let plan = Plan::new(targets(&["192.0.2.0/24"], &[80]), Arc::new(scope), [1, 2]);
    let id = Journal::create(data.path(), &plan, Start::default(), Timestamp::now()).unwrap().id().clone();
    let error =
        Journal::resume(data.path(), &id, Arc::new(Scope::loopback_only()), Timestamp::now()).unwrap_err();
    assert!(matches!(error, JournalError::Refused(_)), "{error}");
}

#[test]
fn names_of_runs_sort_by_time_and_do_not_collide() {
    let data = tempfile::tempdir().unwrap();
    let plan = plan(&["127.9.0.0/24"], &[80]);
    let times =
        ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:01Z"];
    let ids: Vec<String> = times
        .iter()
        .map(|time| {
            let now = time.parse().unwrap();
            Journal::create(data.path(), &plan, Start::default(), now).unwrap().id().to_string()
        })
        .collect();
    let expected =
        ["20260101T000000Z-0000", "20260101T000000Z-0001", "20260101T000000Z-8000", "20260101T000001Z-0000"];
    assert_eq!(ids, expected);
}
