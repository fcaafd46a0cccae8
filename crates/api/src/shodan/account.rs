//! `/api-info` and `/account/profile`: there are no credits here, so everything is without limit.

use std::sync::Arc;

use axum::extract::State;
use nightlatch_alert::Alert;
use nightlatch_gate::Caller;
use serde_json::json;

use crate::{Api, answer, caller::owns, trouble::Reply};

/// "Unlimited" in Shodan's words, where a limit is told.
const UNLIMITED: i64 = -1;
/// What is left where a number is expected: enough for every client that counts down.
const PLENTY: u64 = 1_000_000;
/// A plan that clients know as one that may ask for many hosts at once.
const PLAN: &str = "corp";

pub(super) async fn info(State(api): State<Arc<Api>>, caller: Caller) -> Reply {
    let who = caller.clone();
    let monitored = api
        .read(move |app, _| {
            let alerts = app.control().all::<Alert>()?;
            let mine = alerts.iter().filter(|alert| owns(&who, &alert.owner_key));
            Ok(mine.fold(0u64, |sum, alert| sum.saturating_add(alert.size())))
        })
        .await?;
    answer::json(&json!({
        "plan": PLAN,
        "scan_credits": PLENTY,
        "query_credits": PLENTY,
        "unlocked_left": PLENTY,
        "monitored_ips": monitored,
        "unlocked": true,
        "https": true,
        "telnet": true,
        "usage_limits": { "scan_credits": UNLIMITED, "query_credits": UNLIMITED, "monitored_ips": UNLIMITED },
        "nightlatch": { "role": caller.key.role, "label": caller.key.label, "results_max": caller.results_max },
    }))
}

pub(super) async fn profile(caller: Caller) -> Reply {
    answer::json(&json!({
        "member": true,
        "credits": 0,
        "display_name": caller.key.label,
        "created": super::time(caller.key.created),
    }))
}
