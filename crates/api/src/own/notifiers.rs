//! `/api/v1/notifiers`: where messages go. Secrets go in and never come out.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use nightlatch_alert::{Args, Notifier};
use nightlatch_asset::Text;
use nightlatch_control::Role;
use nightlatch_gate::Caller;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{body::Json, shapes};
use crate::{
    Api, answer,
    caller::need,
    params::Params,
    shodan::{
        add_notifier, find_notifier, find_own_notifier, forget_notifier, read_provider, seen_notifiers,
    },
    trouble::Reply,
};

/// A notifier to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifierSpec {
    /// `webhook`, `slack`, `email`, `pagerduty`, `syslog`, `file`, ...
    provider: String,
    /// What it is.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
    /// The provider's arguments.
    #[serde(default)]
    args: BTreeMap<String, String>,
}

/// The caller's notifiers and those of everybody.
#[utoipa::path(get, path = "/api/v1/notifiers", tag = "alerts",
    responses((status = 200, description = "The notifiers.", body = Vec<shapes::Notifier>)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let shapes = api
        .read(move |app, _| Ok(seen_notifiers(app, &caller)?.iter().map(Notifier::shape).collect::<Vec<_>>()))
        .await?;
    answer::json(&shapes)
}

/// One notifier.
#[utoipa::path(get, path = "/api/v1/notifiers/{id}", tag = "alerts", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 200, description = "The notifier.", body = shapes::Notifier)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    answer::json(&api.read(move |app, _| Ok(find_notifier(app, &caller, &id)?.shape())).await?)
}

/// Makes a notifier.
#[utoipa::path(post, path = "/api/v1/notifiers", tag = "alerts", request_body = NotifierSpec,
    responses((status = 201, description = "It is made.", body = shapes::Notifier)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Json(spec): Json<NotifierSpec>,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let provider = read_provider(&spec.provider)?;
    let who = caller.clone();
    let shape = api
        .change(&caller, "notifier.create", provider.as_str(), move |app, now| {
            let args: Args = spec.args.into_iter().collect();
            Ok(add_notifier(app, &who, now, provider, Text::new(spec.description), args)?.shape())
        })
        .await?;
    answer::json_with(StatusCode::CREATED, &shape)
}

/// Forgets a notifier, also where alerts name it.
#[utoipa::path(delete, path = "/api/v1/notifiers/{id}", tag = "alerts", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "notifier.remove", &of, move |app, now| {
        find_own_notifier(app, &who, &id)?;
        forget_notifier(app, now, &id)
    })
    .await?;
    Ok(answer::nothing())
}
