//! `/api/v1/scope`: what may be scanned, and whose it is.

use std::sync::Arc;

use axum::extract::{Path, State};
use nightlatch_gate::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::hosts::address;
use crate::{Api, answer, params::Params, trouble::Reply};

/// Ranges listed of each kind.
const RANGES_MAX: usize = 10_000;

/// What may be scanned.
#[derive(Serialize, ToSchema)]
pub(super) struct ScopeShape {
    /// Whom scanned hosts may write to.
    contact: Option<String>,
    /// SHA-256 of the file.
    digest: String,
    /// Addresses that may be scanned, as text: it can be a very large number.
    addresses: String,
    /// The blocks in the order of the file.
    blocks: Vec<BlockShape>,
    /// What is excluded.
    excluded: Vec<String>,
}

/// Networks of one owner.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockShape {
    /// The networks.
    nets: Vec<String>,
    /// Who answers for them.
    owner: Option<String>,
    /// Whom to tell.
    contact: Option<String>,
    /// Most connections a second.
    rate_pps: Option<u32>,
    /// Whether questions spelt as POST are agreed to.
    t3: bool,
    /// Whether samples of documents are agreed to.
    sample: bool,
    /// Whether counts that make one object arrive are agreed to.
    counts: bool,
}

/// What the scope says about one address.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained {
    /// The address.
    ip: String,
    /// Whether it may be scanned.
    allowed: bool,
    /// Why not.
    why_not: Option<String>,
    /// Who answers for it.
    owner: Option<String>,
    /// Whom to tell.
    contact: Option<String>,
    /// The networks that cover it, the deciding one first.
    blocks: Vec<String>,
    /// The exclusion that covers it.
    excluded_by: Option<String>,
}

/// What may be scanned.
#[utoipa::path(get, path = "/api/v1/scope", tag = "scope",
    responses((status = 200, description = "The scope.", body = ScopeShape)))]
pub(super) async fn info(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let scope = api.app.scope();
    let blocks = scope.blocks().iter().take(RANGES_MAX).map(|block| BlockShape {
        nets: block.nets.iter().take(RANGES_MAX).map(ToString::to_string).collect(),
        owner: block.owner.clone(),
        contact: block.contact.clone(),
        rate_pps: block.rate_pps,
        t3: block.t3,
        sample: block.sample,
        counts: block.counts,
    });
    answer::json(&ScopeShape {
        contact: scope.contact().map(str::to_owned),
        digest: scope.digest().to_owned(),
        addresses: scope.allowed().count().to_string(),
        blocks: blocks.collect(),
        excluded: scope.excluded().ranges().take(RANGES_MAX).map(ToString::to_string).collect(),
    })
}

/// Whether an address may be scanned, and by which lines of the scope.
#[utoipa::path(get, path = "/api/v1/scope/{ip}", tag = "scope", params(
    ("ip" = String, Path, description = "IPv4 or IPv6 address."),
), responses((status = 200, description = "The answer.", body = Explained)))]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(ip): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    let told = api.app.scope().explain(address(&ip)?);
    answer::json(&Explained {
        ip: told.ip.to_string(),
        allowed: told.refused.is_none(),
        why_not: told.refused.map(|refused| refused.to_string()),
        owner: told.permissions.owner,
        contact: told.permissions.contact,
        blocks: told.blocks.iter().map(|block| block.net.to_string()).collect(),
        excluded_by: told.excluded_by.map(|(range, _)| range.to_string()),
    })
}
