//! `/schedules`: what is scanned again and again.

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::{get, post},
};
use nightlatch_app::{App, AppError, Origin, Schedule, ScheduleStanding};
use nightlatch_control::Role;
use serde::Deserialize;

use super::runs::spec_of;
use crate::{
    Web,
    change::Change,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::{Visit, done},
    words::{ago, minute, thousands},
};

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/schedules", get(list))
        .route("/schedules/edit", get(edit))
        .route("/schedules/save", post(save))
        .route("/schedules/delete", post(delete))
        .route("/schedules/switch", post(switch))
        .route("/schedules/run", post(run))
}

#[derive(Debug)]
struct Row {
    name: String,
    every: String,
    what: String,
    ports: String,
    rate: String,
    blackout: String,
    state: &'static str,
    class: &'static str,
    next: String,
    next_exactly: String,
    last: String,
    last_href: String,
    error: String,
    configured: bool,
    enabled: bool,
    edit_href: String,
}

#[derive(Debug, Template)]
#[template(path = "schedules.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Debug, Template)]
#[template(path = "schedule.html")]
struct EditPage {
    frame: Frame,
    is_new: bool,
    name: String,
    every: String,
    timezone: String,
    blackout: String,
    enabled: bool,
    spec_targets: String,
    spec_ports: String,
    spec_exclude: String,
    spec_rate: String,
    spec_rate_per_network: String,
}

impl Web {
    async fn work<T: Send + 'static>(
        &self,
        visit: &Visit,
        work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, Fault> {
        let app = self.app.clone();
        let done = self.app.blocking(move || work(&app)).await;
        done.and_then(|done| done).map_err(|error| visit.fault(error))
    }
}

async fn list(State(web): State<Web>, visit: Visit) -> Result<Response, Fault> {
    let schedules = web.work(&visit, App::schedules).await?;
    let rows = schedules.iter().map(|standing| row(standing, &visit)).collect();
    Ok(show(&Page { frame: Frame::new(&visit, "/schedules", "Schedules"), rows }))
}

fn row(standing: &ScheduleStanding, visit: &Visit) -> Row {
    let schedule = &standing.schedule;
    let (state, class) = match (schedule.enabled, standing.blackout) {
        (false, _) => ("paused", "stopped"),
        (true, true) => ("blackout", "queued"),
        (true, false) => ("on", "on"),
    };
    let zone = if schedule.timezone == "UTC" {
        String::new()
    } else {
        format!(" ({})", cut(&schedule.timezone, 40))
    };
    let blackout: Vec<String> = schedule.blackout.iter().take(6).map(ToString::to_string).collect();
    let targets = cut(&schedule.targets.iter().take(20).cloned().collect::<Vec<_>>().join(" "), 120);
    let last = &standing.state;
    Row {
        every: format!("{}{zone}", schedule.every),
        what: if targets.is_empty() { "everything in the scope".to_owned() } else { targets },
        ports: cut(schedule.ports.as_deref().unwrap_or("of every product"), 80),
        rate: schedule.rate.map_or(String::new(), |rate| format!("{} a second", thousands(rate.into()))),
        blackout: blackout.join("; "),
        state,
        class,
        next: standing.next.map_or("never".to_owned(), |next| {
            if next <= visit.now { "now".to_owned() } else { ago(next, visit.now) }
        }),
        next_exactly: standing.next.map(minute).unwrap_or_default(),
        last: last.last_begun.map_or("never".to_owned(), |time| ago(time, visit.now)),
        last_href: last
            .last_run
            .as_ref()
            .map(|run| format!("/runs/{}", link::segment(&run.0)))
            .unwrap_or_default(),
        error: cut(last.last_error.as_deref().unwrap_or_default(), 300),
        configured: standing.configured,
        enabled: schedule.enabled,
        edit_href: link::with("/schedules/edit", &[("name", &schedule.name)]),
        name: cut(&schedule.name, 64),
    }
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

/// The schedule of this name that can be changed here.
async fn own(web: &Web, visit: &Visit, name: &str) -> Result<Schedule, Fault> {
    let schedules = web.work(visit, App::schedules).await?;
    let found = schedules.into_iter().find(|standing| standing.schedule.name == name && !standing.configured);
    found
        .map(|standing| standing.schedule)
        .ok_or_else(|| Fault::unknown(visit, "schedule that can be changed here:", cut(name, 64)))
}

async fn edit(State(web): State<Web>, visit: Visit, Query(named): Query<Named>) -> Result<Response, Fault> {
    visit.must(Role::Operator)?;
    if named.name.is_empty() {
        return Ok(show(&EditPage {
            frame: Frame::new(&visit, "/schedules", "New schedule"),
            is_new: true,
            name: String::new(),
            every: "1d".to_owned(),
            timezone: "UTC".to_owned(),
            blackout: String::new(),
            enabled: true,
            spec_targets: String::new(),
            spec_ports: String::new(),
            spec_exclude: String::new(),
            spec_rate: String::new(),
            spec_rate_per_network: String::new(),
        }));
    }
    let schedule = own(&web, &visit, &named.name).await?;
    let lines = |list: &[String]| list.join("\n");
    Ok(show(&EditPage {
        frame: Frame::new(&visit, "/schedules", "Schedule"),
        is_new: false,
        every: schedule.every.to_string(),
        timezone: schedule.timezone.clone(),
        blackout: lines(&schedule.blackout.iter().map(ToString::to_string).collect::<Vec<_>>()),
        enabled: schedule.enabled,
        spec_targets: lines(&schedule.targets),
        spec_ports: schedule.ports.clone().unwrap_or_default(),
        spec_exclude: schedule.exclude.join(" "),
        spec_rate: schedule.rate.map(|rate| rate.to_string()).unwrap_or_default(),
        spec_rate_per_network: schedule.rate_per_network.map(|rate| rate.to_string()).unwrap_or_default(),
        name: schedule.name,
    }))
}

async fn save(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    let spec = spec_of(&change)?;
    let every = change.one("every").parse().map_err(|error: String| change.wrong(error))?;
    let blackout = change
        .one("blackout")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().map_err(|error: String| change.wrong(error)))
        .collect::<Result<_, Fault>>()?;
    let timezone = match change.one("timezone") {
        "" => "UTC".to_owned(),
        zone => zone.to_owned(),
    };
    let schedule = Schedule {
        name: change.one("name").to_owned(),
        every,
        timezone,
        targets: spec.targets,
        exclude: spec.exclude,
        ports: spec.ports,
        rate: spec.rate,
        rate_per_network: spec.rate_per_network,
        blackout,
        enabled: change.ticked("enabled"),
    };
    let entry = change.entry("schedule.save", &schedule.name, "ok");
    web.work(&change.visit, move |app| {
        app.keep_schedule(&schedule)?;
        Ok(app.control().audit(&entry)?)
    })
    .await?;
    Ok(done("/schedules", "saved"))
}

async fn delete(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    let name = change.one("name").to_owned();
    let entry = change.entry("schedule.delete", &name, "ok");
    web.work(&change.visit, move |app| {
        app.forget_schedule(&name)?;
        Ok(app.control().audit(&entry)?)
    })
    .await?;
    Ok(done("/schedules", "deleted"))
}

/// Pauses a schedule, or switches it on.
async fn switch(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    let mut schedule = own(&web, &change.visit, change.one("name")).await?;
    schedule.enabled = change.ticked("on");
    let said = if schedule.enabled { "running" } else { "paused" };
    let entry = change.entry(
        if schedule.enabled { "schedule.enable" } else { "schedule.pause" },
        &schedule.name,
        "ok",
    );
    web.work(&change.visit, move |app| {
        app.keep_schedule(&schedule)?;
        Ok(app.control().audit(&entry)?)
    })
    .await?;
    Ok(done("/schedules", said))
}

/// Begins a run of a schedule now, beside its times.
async fn run(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Operator)?;
    let schedules = web.work(&change.visit, App::schedules).await?;
    let name = change.one("name");
    let Some(found) = schedules.into_iter().find(|standing| standing.schedule.name == name) else {
        return Err(Fault::unknown(&change.visit, "schedule", cut(name, 64)));
    };
    let key = &change.visit.caller.key;
    let started = web.app.start_run(&found.schedule.spec(), Origin::Key(key.id.clone()), &key.label).await;
    let entry = change.entry(
        "schedule.run",
        name,
        &started.as_ref().err().map_or("ok".to_owned(), ToString::to_string),
    );
    web.control(&change.visit, move |control| control.audit(&entry)).await?;
    let id = started.map_err(|error| change.visit.fault(error))?;
    Ok(done(&format!("/runs/{}", link::segment(&id.0)), "started"))
}
