//! `/api/v1/audit`: who did what. For admins.

use std::sync::Arc;

use axum::extract::State;
use nightlatch_control::{AuditEntry, Role};
use nightlatch_gate::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cursor::{self, Cursor},
    shapes,
};
use crate::{Api, answer, caller::need, params::Params, trouble::Reply};

/// What was done, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Audit {
    /// The entries of this page.
    #[schema(value_type = Vec<shapes::AuditEntry>)]
    entries: Vec<AuditEntry>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// What was done, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "keys", params(
    ("limit" = Option<u32>, Query, description = "Entries of a page, 100 when absent.", minimum = 1),
    ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
), responses((status = 200, description = "A page.", body = Audit)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    need(&caller, Role::Admin)?;
    params.only(&["limit", "cursor"])?;
    let limit = cursor::limit(&params, caller.results_max)?;
    let skip = Cursor::of(&params, "audit")?.map_or(0, |cursor| u32::try_from(cursor.0).unwrap_or(u32::MAX));
    let entries = api.read(move |app, _| Ok(app.control().audit_log(skip, limit)?)).await?;
    let full = entries.len() == limit as usize;
    let next = full.then(|| Cursor(u64::from(skip) + u64::from(limit)).token("audit"));
    answer::json(&Audit { entries, next })
}
