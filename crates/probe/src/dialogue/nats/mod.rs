//! NATS: reads the `INFO` line that every client is greeted with, sends nothing.
//!
//! Facts: see `README.md` of the folder above. Left out: server id and name, addresses (also ours), the
//! addresses of other servers, and the nonce.
//!
//! Source: NATS documentation, "NATS Protocol", INFO.

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use super::{
    Dialogue, DialogueInfo, Step,
    inbox::{Inbox, line, word},
    recognised, unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "nats", class: RequestClass::T0, server_speaks_first: true, start };

/// Longest greeting that is read; the list of a cluster's servers makes it long.
const LINE_BYTES_MAX: usize = 16 * 1024;

const VALUE_BYTES_MAX: usize = 64;

const BEGINNING: &[u8] = b"INFO {";

fn start(_allowed: RequestClass) -> Box<dyn Dialogue> {
    Box::new(Nats { inbox: Inbox::new(LINE_BYTES_MAX) })
}

#[derive(Debug)]
struct Nats {
    inbox: Inbox,
}

impl Dialogue for Nats {
    fn next(&mut self) -> Step {
        Step::Wait
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        let before = self.inbox.unread().len();
        self.inbox.push(bytes);
        let unread = self.inbox.unread();
        let fits = unread.iter().zip(BEGINNING).all(|(found, expected)| found == expected);
        // Only what is new can hold the end: a long line in drops is searched once.
        let ended = unread.get(before..).is_some_and(|new| new.contains(&b'\n'));
        if fits && !ended && !self.inbox.overflowed() { Step::Wait } else { Step::Done }
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        let greeting = line(self.inbox.unread()).and_then(|(line, _)| line.strip_prefix(b"INFO "));
        let greeting = greeting.and_then(|json| serde_json::from_slice::<Value>(json).ok());
        greeting.as_ref().and_then(facts).map_or_else(unrecognised, recognised)
    }
}

fn facts(greeting: &Value) -> Option<Map<String, Value>> {
    greeting.get("server_id")?.as_str()?;
    let max_payload = greeting.get("max_payload")?.as_u64()?;
    let text =
        |key: &str| greeting.get(key)?.as_str().and_then(|text| word(text.as_bytes(), VALUE_BYTES_MAX));
    let told = |key: &str| greeting.get(key).and_then(Value::as_bool).unwrap_or(false);
    let mut facts = Map::new();
    facts.insert("version".into(), json!(text("version")?));
    for key in ["auth_required", "tls_required", "tls_verify", "tls_available", "headers", "jetstream"] {
        facts.insert(key.into(), json!(told(key)));
    }
    facts.insert("nkeys".into(), json!(text("nonce").is_some()));
    facts.insert("clustered".into(), json!(text("cluster").is_some()));
    facts.insert("max_payload".into(), json!(max_payload));
    if let Some(go) = text("go") {
        facts.insert("go".into(), json!(go));
    }
    Some(facts)
}

#[cfg(test)]
mod tests;
