//! `/alerts`: who hears of what, how they are reached, and what became of the messages.

mod edit;
mod notifiers;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::{get, post},
};
use nightlatch_alert::{Alert, Notifier};
use nightlatch_control::{Delivery, DeliveryState, Role};
use serde::Deserialize;

use crate::{
    Web,
    change::Change,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    hit::Word,
    link,
    visit::{Visit, done},
    words::{ago, minute, thousands},
};

/// Deliveries of a page.
const DELIVERIES: u32 = 25;

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/alerts", get(list))
        .route("/alerts/new", get(edit::new))
        .route("/alerts/save", post(edit::save))
        .route("/alerts/delete", post(edit::delete))
        .route("/alerts/test", post(test))
        .route("/alerts/retry", post(retry))
        .route("/alerts/ignore", post(edit::ignore))
        .route("/alerts/unignore", post(edit::unignore))
        .route("/alerts/edit/{id}", get(edit::edit))
        .route("/alerts/notifiers/new", get(notifiers::new))
        .route("/alerts/notifiers/save", post(notifiers::save))
        .route("/alerts/notifiers/delete", post(notifiers::delete))
}

#[derive(Debug)]
struct AlertRow {
    id: String,
    name: String,
    where_: String,
    query: Option<Word>,
    triggers: Vec<&'static str>,
    notifiers: String,
    state: &'static str,
    class: &'static str,
    ends: String,
    mine: bool,
}

#[derive(Debug)]
struct NotifierRow {
    id: String,
    provider: &'static str,
    description: String,
    args: String,
}

#[derive(Debug)]
struct DeliveryRow {
    id: i64,
    state: &'static str,
    alert: String,
    trigger: String,
    notifier: String,
    created: String,
    created_exactly: String,
    attempts: u32,
    error: String,
    due: String,
    dead: bool,
}

#[derive(Debug, Template)]
#[template(path = "alerts.html")]
struct Page {
    frame: Frame,
    alerts: Vec<AlertRow>,
    notifiers: Vec<NotifierRow>,
    deliveries: Vec<DeliveryRow>,
    counts: [String; 3],
    shown: String,
    older: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    state: String,
    #[serde(default)]
    below: Option<i64>,
}

async fn list(State(web): State<Web>, visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let state = match asked.state.as_str() {
        "queued" => Some(DeliveryState::Queued),
        "delivered" => Some(DeliveryState::Delivered),
        "dead" => Some(DeliveryState::Dead),
        _ => None,
    };
    let notifiers = notifiers::all(&web, &visit).await?;
    let (alerts, deliveries, counts) = web
        .control(&visit, move |control| {
            Ok((
                control.all::<Alert>()?,
                control.deliveries(state, asked.below, DELIVERIES)?,
                control.delivery_counts()?,
            ))
        })
        .await?;
    let name_of = |id: &str| {
        let found = alerts.iter().find(|alert| alert.id.as_str() == id);
        found.map_or_else(|| id.to_owned(), |alert| alert.name.raw().to_owned())
    };
    let shown = state.map_or("", DeliveryState::as_str);
    let older = deliveries
        .last()
        .filter(|_| deliveries.len() == DELIVERIES as usize)
        .map(|last| link::with("/alerts", &[("state", shown), ("below", &last.id.to_string())]));
    Ok(show(&Page {
        frame: Frame::new(&visit, "/alerts", "Alerts"),
        alerts: alerts.iter().map(|alert| alert_row(alert, &notifiers, &visit)).collect(),
        notifiers: notifiers.iter().map(notifier_row).collect(),
        deliveries: deliveries
            .iter()
            .map(|delivery| delivery_row(delivery, name_of(&delivery.alert), &notifiers, &visit))
            .collect(),
        counts: counts.map(thousands),
        shown: shown.to_owned(),
        older,
    }))
}

fn alert_row(alert: &Alert, notifiers: &[Notifier], visit: &Visit) -> AlertRow {
    let (state, class) =
        match (alert.expired(visit.now), alert.triggers.is_empty() || alert.notifiers.is_empty()) {
            (true, _) => ("expired", "info"),
            (false, true) => ("silent", "medium"),
            (false, false) => ("on", "on"),
        };
    let places: Vec<String> = alert.networks.iter().take(4).map(ToString::to_string).collect();
    let more = alert.networks.len().saturating_sub(4);
    let tell: Vec<String> = alert
        .notifiers
        .iter()
        .map(|id| match notifiers.iter().find(|notifier| notifier.id == *id) {
            Some(notifier) => describe(notifier),
            None => format!("{} (deleted)", cut(id, 40)),
        })
        .collect();
    AlertRow {
        id: alert.id.to_string(),
        name: cut(alert.name.raw(), 120),
        where_: match (places.is_empty(), more) {
            (true, _) => "anywhere".to_owned(),
            (_, 0) => places.join(", "),
            (_, more) => format!("{} and {more} more", places.join(", ")),
        },
        query: alert.query.as_ref().map(|query| Word { href: link::search(query), text: cut(query, 200) }),
        triggers: alert.triggers.keys().map(|trigger| trigger.as_str()).collect(),
        notifiers: tell.join(", "),
        state,
        class,
        ends: alert.expiration().map_or(String::new(), minute),
        mine: alert.owner_key == visit.caller.key.id,
    }
}

fn describe(notifier: &Notifier) -> String {
    let text = notifier.description.raw();
    if text.is_empty() { format!("{} {}", notifier.provider.as_str(), notifier.id) } else { cut(text, 80) }
}

fn notifier_row(notifier: &Notifier) -> NotifierRow {
    let shape = notifier.shape();
    let args: Vec<String> =
        shape.args.iter().map(|(name, value)| format!("{name} {}", cut(value, 120))).collect();
    NotifierRow {
        id: notifier.id.clone(),
        provider: notifier.provider.as_str(),
        description: describe(notifier),
        args: args.join(", "),
    }
}

fn delivery_row(delivery: &Delivery, alert: String, notifiers: &[Notifier], visit: &Visit) -> DeliveryRow {
    DeliveryRow {
        id: delivery.id,
        state: delivery.state.as_str(),
        alert: cut(&alert, 120),
        trigger: cut(&delivery.trigger, 60),
        notifier: match notifiers.iter().find(|notifier| notifier.id == delivery.notifier) {
            Some(notifier) => describe(notifier),
            None => cut(&delivery.notifier, 60),
        },
        created: ago(delivery.created, visit.now),
        created_exactly: minute(delivery.created),
        attempts: delivery.attempts,
        error: cut(delivery.error.as_deref().unwrap_or_default(), 300),
        due: if delivery.state == DeliveryState::Queued && delivery.due > visit.now {
            format!("next try {}", ago(delivery.due, visit.now))
        } else {
            String::new()
        },
        dead: delivery.state == DeliveryState::Dead,
    }
}

/// What a notifier answered to a test message.
#[derive(Debug)]
struct Tried {
    notifier: String,
    fine: bool,
    told: String,
}

#[derive(Debug, Template)]
#[template(path = "alert_test.html")]
struct TestPage {
    frame: Frame,
    tried: Vec<Tried>,
}

/// Sends a test message of an alert to each of its notifiers, and shows what they answered.
async fn test(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let answers = web.app.test_alert(change.one("id")).await.map_err(|error| change.visit.fault(error))?;
    let entry = change.entry("alert.test", change.one("id"), "ok");
    web.control(&change.visit, move |control| control.audit(&entry)).await?;
    let tried = answers
        .iter()
        .map(|(notifier, answer)| Tried {
            notifier: describe(notifier),
            fine: answer.is_ok(),
            told: match answer {
                Ok(sent) => cut(&sent.answer, 300),
                Err(error) => cut(&error.to_string(), 300),
            },
        })
        .collect();
    Ok(show(&TestPage { frame: Frame::new(&change.visit, "/alerts", "Test of an alert"), tried }))
}

/// Tries a delivery again that was given up.
async fn retry(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let id: i64 = change.one("id").parse().map_err(|_| change.wrong("there is no such delivery"))?;
    let (now, entry) = (change.now(), change.entry("delivery.retry", &id.to_string(), "ok"));
    let found = web
        .control(&change.visit, move |control| {
            let found = control.retry_delivery(id, now)?;
            control.audit(&entry)?;
            Ok(found)
        })
        .await?;
    if found {
        Ok(done("/alerts#deliveries", "retried"))
    } else {
        Err(Fault::unknown(&change.visit, "dead delivery", id.to_string()))
    }
}
