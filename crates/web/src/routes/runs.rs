//! `/runs`: what is being scanned and what was; start, stop, resume. `/runs/{id}`: one of them.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use nightlatch_app::{LiveRun, Origin, Phase, RunSpec};
use nightlatch_asset::{Field, RunId};
use nightlatch_control::Role;

use crate::{
    Web,
    change::Change,
    charts::{self, Part, Svg},
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::{Visit, done},
    words::{ago, counted, length, minute, percent, thousands},
};

/// Runs of the list.
const RUNS_MAX: usize = 50;
/// Characters of the list of targets.
const ASKED_CHARS_MAX: usize = 120;

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/runs", get(list).post(start))
        .route("/runs/{id}", get(one))
        .route("/runs/{id}/stop", post(stop))
        .route("/runs/{id}/resume", post(resume))
}

/// A run that is being worked on.
#[derive(Debug)]
struct Live {
    id: String,
    href: String,
    phase: &'static str,
    class: &'static str,
    origin: String,
    done: String,
    share: String,
    rate: String,
    left: String,
    found: String,
    svg: Svg,
    stopping: bool,
    begun: bool,
}

/// A run of the list.
#[derive(Debug)]
struct Row {
    id: String,
    href: String,
    state: &'static str,
    asked: String,
    by: String,
    when: String,
    when_exactly: String,
    took: String,
    endpoints: String,
    found: String,
    worst: &'static str,
    can_resume: bool,
}

#[derive(Debug, Template)]
#[template(path = "runs.html")]
struct Page {
    frame: Frame,
    live: Vec<Live>,
    rows: Vec<Row>,
    more: usize,
    scope_listed: bool,
}

#[derive(Debug, Template)]
#[template(path = "run.html")]
struct OnePage {
    frame: Frame,
    row: Row,
    live: Vec<Live>,
    pairs: Vec<(&'static str, String)>,
    tally: Vec<(&'static str, String, Svg)>,
    asked: String,
    failure: String,
    results_href: String,
}

fn live_of(run: &LiveRun) -> Live {
    let standing = &run.standing;
    let done = standing.tally.done();
    let (phase, class) = match run.phase {
        Phase::Queued => ("queued", "queued"),
        Phase::WaitingForStore => ("waits for the store", "queued"),
        Phase::Running => ("running", "running"),
        Phase::Stopping => ("stopping", "stopped"),
    };
    Live {
        id: run.id.0.clone(),
        href: format!("/runs/{}", link::segment(&run.id.0)),
        phase,
        class,
        origin: match &run.origin {
            Origin::Key(_) => "started by hand".to_owned(),
            Origin::Schedule(name) => format!("schedule {name}"),
            Origin::Recheck => "second look".to_owned(),
        },
        done: format!("{} of {}", thousands(done), thousands(standing.total)),
        share: percent(done, standing.total),
        // Whole endpoints a second; never negative.
        rate: format!("{} a second", thousands(standing.rate.max(0.0).round() as u64)),
        left: standing
            .eta
            .and_then(|eta| jiff::SignedDuration::try_from(eta).ok())
            .map_or(String::new(), length),
        found: counted(standing.tally.open, "open port"),
        svg: charts::bar(&[Part { class: "f-accent", count: done }], standing.total),
        stopping: run.phase == Phase::Stopping,
        begun: standing.total > 0,
    }
}

fn row_of(record: &nightlatch_scan::RunRecord, live: &[LiveRun], visit: &Visit) -> Row {
    let is_live = live.iter().any(|run| run.id == record.id);
    let asked: Vec<&str> = record.asked.iter().take(20).map(String::as_str).collect();
    let ended = record.ended.map(|ended| ended.duration_since(record.started));
    Row {
        id: record.id.0.clone(),
        href: format!("/runs/{}", link::segment(&record.id.0)),
        state: record.state.as_str(),
        asked: cut(&asked.join(" "), ASKED_CHARS_MAX),
        by: cut(&record.user, 80),
        when: ago(record.started, visit.now),
        when_exactly: minute(record.started),
        took: ended.map_or(String::new(), length),
        endpoints: thousands(record.endpoints),
        found: thousands(record.observations),
        worst: record.worst.map_or("", |worst| worst.as_str()),
        can_resume: !is_live && !matches!(record.state.as_str(), "finished" | "running"),
    }
}

async fn list(State(web): State<Web>, visit: Visit) -> Result<Response, Fault> {
    let app = web.app.clone();
    let records = web.app.blocking(move || app.listed_runs()).await.and_then(|listed| listed);
    let records = records.map_err(|error| visit.fault(error))?;
    let live = web.app.live_runs();
    Ok(show(&Page {
        frame: Frame::new(&visit, "/runs", "Runs"),
        live: live.iter().map(live_of).collect(),
        more: records.len().saturating_sub(RUNS_MAX),
        rows: records.iter().take(RUNS_MAX).map(|record| row_of(record, &live, &visit)).collect(),
        scope_listed: web.app.scope().path().is_some(),
    }))
}

async fn one(State(web): State<Web>, visit: Visit, Path(id): Path<String>) -> Result<Response, Fault> {
    let (app, wanted) = (web.app.clone(), RunId(id));
    let record = web.app.blocking(move || app.listed_run(&wanted)).await.and_then(|found| found);
    let record = record.map_err(|error| visit.fault(error))?;
    let live = web.app.live_runs();
    let tally = &record.tally;
    let rows = [
        ("open", tally.open, "f-accent"),
        ("closed", tally.closed, "f-soft"),
        ("no answer", tally.filtered, "f-soft"),
        ("refused by the scope", tally.refused, "f-medium"),
        ("failed", tally.failed, "f-high"),
    ];
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    let mut asked = record.asked.iter().take(200).cloned().collect::<Vec<_>>().join("\n");
    if record.asked_more > 0 || record.asked.len() > 200 {
        asked.push_str("\n…");
    }
    let run_query = link::filter(Field::Run, &record.id.0).unwrap_or_default();
    let pairs = [
        ("Started", format!("{} by {}", minute(record.started), cut(&record.user, 80))),
        ("Resumed", counted(record.resumed.len() as u64, "time")),
        ("Ended", record.ended.map(minute).unwrap_or_default()),
        ("Endpoints", thousands(record.endpoints)),
        ("Ports", cut(&record.ports, 400)),
        (
            "Rate",
            record
                .rate_pps
                .map(|rate| format!("{} connections a second", thousands(rate.into())))
                .unwrap_or_default(),
        ),
        (
            "Rate to one network",
            record
                .rate_per_network_pps
                .map(|rate| format!("{} connections a second", thousands(rate.into())))
                .unwrap_or_default(),
        ),
        (
            "Scope",
            record.scope_path.as_ref().map_or("loopback only".to_owned(), |path| path.display().to_string()),
        ),
        ("Digest of the scope", record.scope_digest.chars().take(16).collect()),
        ("Contact", record.contact.clone().unwrap_or_default()),
    ];
    Ok(show(&OnePage {
        frame: Frame::new(&visit, "/runs", format!("Run {}", record.id)),
        row: row_of(&record, &live, &visit),
        live: live.iter().filter(|run| run.id == record.id).map(live_of).collect(),
        pairs: pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        tally: rows
            .into_iter()
            .map(|(name, count, class)| (name, thousands(count), charts::bar(&[Part { class, count }], most)))
            .collect(),
        asked,
        failure: cut(record.failure.as_deref().unwrap_or_default(), 1_000),
        results_href: link::search(&run_query),
    }))
}

/// What the form of a run says; schedules ask the same.
pub(super) fn spec_of(change: &Change) -> Result<RunSpec, Fault> {
    let number = |name: &str| match change.one(name) {
        "" => Ok(None),
        text => {
            text.parse().map(Some).map_err(|_| change.wrong(format!("`{}` is not a number", cut(text, 40))))
        }
    };
    let ports = change.one("ports");
    Ok(RunSpec {
        targets: change.lines("targets").map(str::to_owned).collect(),
        exclude: change.lines("exclude").map(str::to_owned).collect(),
        ports: (!ports.is_empty()).then(|| ports.to_owned()),
        rate: number("rate")?,
        rate_per_network: number("rate_per_network")?,
    })
}

async fn start(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    let spec = spec_of(&change)?;
    let key = &change.visit.caller.key;
    let started = web.app.start_run(&spec, Origin::Key(key.id.clone()), &key.label).await;
    let (object, outcome) = match &started {
        Ok(id) => (id.0.clone(), "ok".to_owned()),
        Err(error) => (cut(&spec.targets.join(" "), 200), error.to_string()),
    };
    let entry = change.entry("run.start", &object, &outcome);
    web.control(&change.visit, move |control| control.audit(&entry)).await?;
    let id = started.map_err(|error| change.visit.fault(error))?;
    Ok(done(&format!("/runs/{}", link::segment(&id.0)), "started"))
}

async fn stop(State(web): State<Web>, Path(id): Path<String>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    if !web.app.stop_run(&RunId(id.clone())) {
        return Err(Fault::unknown(&change.visit, "running run", id));
    }
    let entry = change.entry("run.stop", &id, "ok");
    web.control(&change.visit, move |control| control.audit(&entry)).await?;
    Ok(done(&format!("/runs/{}", link::segment(&id)), "stopping"))
}

async fn resume(State(web): State<Web>, Path(id): Path<String>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    let run = RunId(id.clone());
    let resumed = web.app.resume_run(&run, Origin::Key(change.visit.caller.key.id.clone())).await;
    let entry =
        change.entry("run.resume", &id, &resumed.as_ref().err().map_or("ok".to_owned(), ToString::to_string));
    web.control(&change.visit, move |control| control.audit(&entry)).await?;
    resumed.map_err(|error| change.visit.fault(error))?;
    Ok(done(&format!("/runs/{}", link::segment(&id)), "resumed"))
}
