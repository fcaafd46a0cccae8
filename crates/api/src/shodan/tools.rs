//! `/tools`: what a request looks like from here.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use nightlatch_asset::Text;
use nightlatch_gate::Caller;

use crate::{answer, trouble::Reply};

/// Headers that hold secrets.
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

pub(super) async fn myip(caller: Caller) -> Reply {
    answer::json(&caller.source.to_string())
}

pub(super) async fn httpheaders(_: Caller, headers: HeaderMap) -> Reply {
    let shown: BTreeMap<&str, Text> = headers
        .iter()
        .filter(|(name, _)| !SECRET.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), Text::from_bytes(value.as_bytes(), value.len())))
        .collect();
    answer::json(&shown)
}
