//! `/api/v1/deliveries`: messages on their way, delivered, and given up.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use nightlatch_control::{Delivery, DeliveryState, Role};
use nightlatch_gate::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cursor::{self, Cursor},
    observations::word,
    shapes,
};
use crate::{
    Api, answer,
    caller::need,
    params::Params,
    trouble::{Reply, Trouble},
};

/// Messages, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Deliveries {
    /// The messages of this page.
    #[schema(value_type = Vec<shapes::Delivery>)]
    deliveries: Vec<Delivery>,
    /// Messages in all: queued.
    queued: u64,
    /// Delivered.
    delivered: u64,
    /// Given up.
    dead: u64,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

const STATES: [(&str, Option<DeliveryState>); 4] = [
    ("all", None),
    ("queued", Some(DeliveryState::Queued)),
    ("delivered", Some(DeliveryState::Delivered)),
    ("dead", Some(DeliveryState::Dead)),
];

/// Messages, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "alerts", params(
    ("state" = Option<String>, Query, description = "all, queued, delivered or dead."),
    ("limit" = Option<u32>, Query, description = "Messages of a page, 100 when absent.", minimum = 1),
    ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
), responses((status = 200, description = "A page.", body = Deliveries)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    need(&caller, Role::Analyst)?;
    params.only(&["state", "limit", "cursor"])?;
    let limit = cursor::limit(&params, caller.results_max)?;
    let state = word(&params, "state", &STATES)?;
    let question = format!("deliveries {state:?}");
    let below = Cursor::of(&params, &question)?.map(|cursor| i64::try_from(cursor.0).unwrap_or(i64::MAX));
    let (deliveries, [queued, delivered, dead]) = api
        .read(move |app, _| {
            let control = app.control();
            Ok((control.deliveries(state, below, limit)?, control.delivery_counts()?))
        })
        .await?;
    let last = deliveries.last().filter(|_| deliveries.len() == limit as usize);
    let next = last.map(|last| Cursor(u64::try_from(last.id).unwrap_or(0)).token(&question));
    answer::json(&Deliveries { deliveries, queued, delivered, dead, next })
}

/// Tries once more what was given up.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", tag = "alerts", params(
    ("id" = i64, Path, description = "Its number."),
), responses((status = 204, description = "It is queued again.")))]
pub(super) async fn retry(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Operator)?;
    let Ok(number) = id.parse::<i64>() else { return Err(Trouble::unknown("delivery", &id)) };
    api.change(&caller, "delivery.retry", &id, move |app, now| {
        match app.control().retry_delivery(number, now)? {
            true => Ok(()),
            false => Err(Trouble::new(StatusCode::CONFLICT, format!("no delivery {number} was given up"))),
        }
    })
    .await?;
    Ok(answer::nothing())
}
