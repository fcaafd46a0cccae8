//! `/api/v1/keys`: who may do what. For admins.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use jiff::Timestamp;
use nightlatch_control::{Key, KeySpec, Role};
use nightlatch_gate::Caller;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::Json, shapes};
use crate::{
    Api, answer,
    caller::need,
    params::Params,
    trouble::{Reply, Trouble},
};

/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 200;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKeySpec {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200)]
    label: String,
    /// What it allows.
    #[schema(value_type = shapes::Role)]
    role: Role,
    /// When it ends; absent for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    /// Requests a minute; absent for the usual limit.
    #[schema(minimum = 1)]
    requests_per_minute: Option<u32>,
    /// Most records one request may return; absent for the usual limit.
    #[schema(minimum = 1)]
    results_max: Option<u32>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// As it is listed from now on.
    #[schema(value_type = shapes::Key)]
    key: Key,
    /// The key itself, shown this once.
    text: String,
}

/// All keys, oldest first.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys",
    responses((status = 200, description = "The keys.", body = Vec<shapes::Key>)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    need(&caller, Role::Admin)?;
    params.only(&[])?;
    answer::json(&api.read(|app, _| Ok(app.control().keys()?)).await?)
}

/// One key.
#[utoipa::path(get, path = "/api/v1/keys/{id}", tag = "keys", params(
    ("id" = String, Path, description = "The part of the key that names it."),
), responses((status = 200, description = "The key.", body = shapes::Key)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    need(&caller, Role::Admin)?;
    params.only(&[])?;
    let key =
        api.read(move |app, _| app.control().key(&id)?.ok_or_else(|| Trouble::unknown("key", &id))).await?;
    answer::json(&key)
}

/// Makes a key. Its text is shown this once and kept nowhere.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKeySpec,
    responses((status = 201, description = "It is made.", body = MadeKey)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Json(spec): Json<NewKeySpec>,
) -> Reply {
    need(&caller, Role::Admin)?;
    if spec.label.trim().is_empty() || spec.label.len() > LABEL_BYTES_MAX {
        return Err(Trouble::bad_value("label", format!("must have 1 to {LABEL_BYTES_MAX} bytes")));
    }
    for (name, value) in
        [("requests_per_minute", spec.requests_per_minute), ("results_max", spec.results_max)]
    {
        if value == Some(0) {
            return Err(Trouble::bad_value(name, "must be at least 1"));
        }
    }
    let label = spec.label.clone();
    let made = api
        .change(&caller, "key.create", &label, move |app, now| {
            if spec.expires.is_some_and(|expires| expires <= now) {
                return Err(Trouble::bad_value("expires", "has passed already"));
            }
            let made = app.control().create_key(
                &KeySpec {
                    label: spec.label,
                    role: spec.role,
                    expires: spec.expires,
                    requests_per_minute: spec.requests_per_minute,
                    results_max: spec.results_max,
                },
                now,
            )?;
            Ok(MadeKey { key: made.key, text: made.text })
        })
        .await?;
    answer::json_with(StatusCode::CREATED, &made)
}

/// Ends a key, its sessions and its streams.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys", params(
    ("id" = String, Path, description = "The part of the key that names it."),
), responses((status = 204, description = "It is ended.")))]
pub(super) async fn revoke(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Admin)?;
    if id == caller.key.id {
        return Err(Trouble::new(StatusCode::CONFLICT, "a key cannot revoke itself; send another admin's"));
    }
    let of = id.clone();
    api.change(&caller, "key.revoke", &of, move |app, now| Ok(app.control().revoke_key(&id, now)?)).await?;
    Ok(answer::nothing())
}
