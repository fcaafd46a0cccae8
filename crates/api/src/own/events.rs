//! `/api/v1/events`: what changed.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use nightlatch_control::{Event, EventFilter, EventState};
use nightlatch_gate::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cursor::{self, Cursor},
    hosts::address,
    observations::word,
    shapes,
};
use crate::{
    Api, answer,
    params::Params,
    trouble::{Reply, Trouble, shown},
};

/// What changed, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    /// The events of this page.
    #[schema(value_type = Vec<shapes::Event>)]
    events: Vec<Event>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

const STATES: [(&str, Option<EventState>); 4] = [
    ("all", None),
    ("pending", Some(EventState::Pending)),
    ("confirmed", Some(EventState::Confirmed)),
    ("dropped", Some(EventState::Dropped)),
];

/// What changed, newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(
    ("since" = Option<String>, Query, description = "From this moment on, RFC 3339."),
    ("ip" = Option<String>, Query, description = "Of this address."),
    ("state" = Option<String>, Query, description = "all, pending, confirmed or dropped."),
    ("limit" = Option<u32>, Query, description = "Events of a page, 100 when absent.", minimum = 1),
    ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
), responses((status = 200, description = "A page.", body = Events)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&["since", "ip", "state", "limit", "cursor"])?;
    let limit = cursor::limit(&params, caller.results_max)?;
    let state = word(&params, "state", &STATES)?;
    let given = |name: &str| params.text(name).filter(|text| !text.is_empty());
    let since = given("since")
        .map(|text| {
            let wrong =
                || Trouble::bad_value("since", format!("must be a time in RFC 3339, not `{}`", shown(text)));
            text.parse::<Timestamp>().map_err(|_| wrong())
        })
        .transpose()?;
    let ip = given("ip").map(address).transpose()?;
    let question = format!("events {since:?} {ip:?} {state:?}");
    let below = Cursor::of(&params, &question)?.map(|cursor| i64::try_from(cursor.0).unwrap_or(i64::MAX));
    let filter = EventFilter { since, below, ip, state };
    let events = api.read(move |app, _| Ok(app.control().events(&filter, limit)?)).await?;
    let last = events.last().filter(|_| events.len() == limit as usize);
    let next = last.map(|event| Cursor(u64::try_from(event.id).unwrap_or(0)).token(&question));
    answer::json(&Events { events, next })
}
