//! `/keys`: keys and the audit log, for admins.

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::{get, post},
};
use jiff::SignedDuration;
use nightlatch_asset::Timestamp;
use nightlatch_control::{AuditEntry, Key, KeySpec, Role};
use serde::Deserialize;

use crate::{
    Web,
    change::Change,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    visit::{Visit, done},
    words::{ago, day, minute},
};

/// Lines of the audit log on a page.
const AUDIT_LINES: u32 = 50;
/// Characters of a label.
const LABEL_CHARS_MAX: usize = 80;
/// The longest life of a key that has an end.
const DAYS_MAX: i64 = 3_650;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/keys", get(keys).post(create)).route("/keys/revoke", post(revoke))
}

#[derive(Debug)]
struct Row {
    id: String,
    label: String,
    role: Role,
    created: String,
    used: String,
    expires: String,
    state: &'static str,
    class: &'static str,
    limit: String,
    mine: bool,
}

#[derive(Debug)]
struct AuditRow {
    when: String,
    who: String,
    source: String,
    action: String,
    object: String,
    outcome: String,
}

#[derive(Debug, Template)]
#[template(path = "keys.html")]
struct Page {
    frame: Frame,
    /// The text of a key that was just made; shown once.
    made: Option<String>,
    rows: Vec<Row>,
    audit: Vec<AuditRow>,
    older: Option<u32>,
}

impl Page {
    fn roles(&self) -> [(Role, &'static str); 4] {
        [
            (Role::Viewer, "reads: searches, hosts, reports, streams"),
            (Role::Analyst, "also keeps alerts, notifiers and saved queries"),
            (Role::Operator, "also starts and stops runs, keeps schedules"),
            (Role::Admin, "also keeps keys and reads the audit log"),
        ]
    }
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    skip: Option<u32>,
}

async fn keys(State(web): State<Web>, visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    visit.must(Role::Admin)?;
    page(&web, &visit, None, asked.skip.unwrap_or(0)).await
}

async fn page(web: &Web, visit: &Visit, made: Option<String>, skip: u32) -> Result<Response, Fault> {
    let (keys, audit) = web
        .control(visit, move |control| Ok((control.keys()?, control.audit_log(skip, AUDIT_LINES)?)))
        .await?;
    let older = (audit.len() == AUDIT_LINES as usize).then(|| skip.saturating_add(AUDIT_LINES));
    let mut rows: Vec<Row> = keys.iter().map(|key| row(key, visit)).collect();
    // Those that work first, the newest of them on top.
    rows.reverse();
    rows.sort_by_key(|row| row.class != "good");
    Ok(show(&Page {
        frame: Frame::new(visit, "/keys", "Keys"),
        made,
        rows,
        audit: audit.iter().map(|entry| audit_row(entry, visit.now)).collect(),
        older,
    }))
}

fn row(key: &Key, visit: &Visit) -> Row {
    let now = visit.now;
    let (state, class) = match (key.revoked, key.is_valid(now)) {
        (Some(_), _) => ("revoked", "critical"),
        (None, false) => ("expired", "medium"),
        (None, true) => ("works", "good"),
    };
    Row {
        id: key.id.clone(),
        label: cut(&key.label, LABEL_CHARS_MAX),
        role: key.role,
        created: day(key.created),
        used: key.last_used.map_or("never".to_owned(), |used| ago(used, now)),
        expires: key.expires.map_or("never".to_owned(), day),
        state,
        class,
        limit: key.requests_per_minute.map_or("usual".to_owned(), |limit| format!("{limit} a minute")),
        mine: key.id == visit.caller.key.id,
    }
}

fn audit_row(entry: &AuditEntry, _now: Timestamp) -> AuditRow {
    AuditRow {
        when: minute(entry.time),
        who: cut(&entry.label, LABEL_CHARS_MAX),
        source: cut(&entry.source, 60),
        action: cut(&entry.action, 60),
        object: cut(&entry.object, 200),
        outcome: cut(&entry.outcome, 200),
    }
}

async fn create(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Admin)?;
    let label = change.one("label").to_owned();
    if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX {
        return Err(change.wrong(format!("a label has 1 to {LABEL_CHARS_MAX} characters")));
    }
    let role: Role = change.one("role").parse().map_err(|_| change.wrong("choose a role"))?;
    let days: i64 = match change.one("days") {
        "" => 0,
        days => days.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days)).ok_or_else(|| {
            change
                .wrong(format!("a key lasts 1 to {DAYS_MAX} days, or without an end when the field is empty"))
        })?,
    };
    let limit = match change.one("limit") {
        "" => None,
        limit => Some(
            limit
                .parse()
                .ok()
                .filter(|limit| *limit > 0)
                .ok_or_else(|| change.wrong("a limit is a number of requests a minute"))?,
        ),
    };
    let now = change.now();
    let spec = KeySpec {
        label: label.clone(),
        role,
        expires: (days > 0).then(|| now + SignedDuration::from_hours(24 * days)),
        requests_per_minute: limit,
        results_max: None,
    };
    let mut entry = change.entry("key.create", "", "ok");
    let made = web
        .control(&change.visit, move |control| {
            let made = control.create_key(&spec, now)?;
            entry.object = format!("{} {} {}", made.key.id, made.key.role, made.key.label);
            control.audit(&entry)?;
            Ok(made.text)
        })
        .await?;
    // Not a redirect: the key must not travel in an address, nor be kept anywhere.
    page(&web, &change.visit, Some(made), 0).await
}

async fn revoke(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Admin)?;
    let id = change.one("id").to_owned();
    if id == change.visit.caller.key.id {
        return Err(change.wrong("this is the key you are logged in with; another admin key can revoke it"));
    }
    let (now, entry) = (change.now(), change.entry("key.revoke", &id, "ok"));
    web.control(&change.visit, move |control| {
        control.revoke_key(&id, now)?;
        control.audit(&entry)
    })
    .await?;
    Ok(done("/keys", "revoked"))
}
