//! Open vSwitch database: asks which databases it holds. Their names are constants of Open vSwitch and OVN;
//! others are only counted.
//!
//! Facts: see `README.md` of the folder above.
//!
//! Source: RFC 7047, section 4.1.1 (`list_dbs`) and 4.1.11 (`echo`); ovsdb-server(7) for the names.

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use super::{Dialogue, DialogueInfo, Message, Step, inbox::Inbox, recognised, unrecognised};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "ovsdb", class: RequestClass::T2, server_speaks_first: false, start };

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

const LIST: &[u8] = br#"{"method":"list_dbs","params":[],"id":0}"#;

const KNOWN: [&str; 7] = [
    "Open_vSwitch",
    "OVN_Northbound",
    "OVN_Southbound",
    "OVN_IC_Northbound",
    "OVN_IC_Southbound",
    "hardware_vtep",
    "_Server",
];

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T2 { Turn::Ask } else { Turn::Ended };
    Box::new(Ovsdb { inbox: Inbox::new(ANSWER_BYTES_MAX), turn, facts: None })
}

#[derive(Debug)]
struct Ovsdb {
    inbox: Inbox,
    turn: Turn,
    facts: Option<Map<String, Value>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Ask,
    Await,
    Ended,
}

impl Dialogue for Ovsdb {
    fn next(&mut self) -> Step {
        match self.turn {
            Turn::Ask => {
                self.turn = Turn::Await;
                Step::Send(Message { class: RequestClass::T2, asked: "list_dbs", bytes: LIST.to_vec() })
            }
            Turn::Await => self.read(),
            Turn::Ended => Step::Done,
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        if self.turn == Turn::Ended { Step::Done } else { self.read() }
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        self.facts.map_or_else(unrecognised, recognised)
    }
}

impl Ovsdb {
    fn read(&mut self) -> Step {
        loop {
            match object(self.inbox.unread()) {
                Found::Incomplete if !self.inbox.overflowed() => return Step::Wait,
                Found::Incomplete | Found::Foreign => break,
                Found::Whole(object, length) => {
                    self.inbox.consume(length);
                    // The server may ask whether we still live, at any time.
                    if object.get("method").is_some() {
                        continue;
                    }
                    self.facts = facts(&object);
                    break;
                }
            }
        }
        self.turn = Turn::Ended;
        Step::Done
    }
}

enum Found {
    Incomplete,
    /// An object and how many bytes it takes.
    Whole(Value, usize),
    Foreign,
}

/// The first JSON object; there is no other framing.
fn object(bytes: &[u8]) -> Found {
    if bytes.first().is_some_and(|first| *first != b'{' && !first.is_ascii_whitespace()) {
        return Found::Foreign;
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    match values.next() {
        None => Found::Incomplete,
        Some(Ok(value)) if value.is_object() => Found::Whole(value, values.byte_offset()),
        Some(Err(error)) if error.is_eof() => Found::Incomplete,
        Some(_) => Found::Foreign,
    }
}

fn facts(answer: &Value) -> Option<Map<String, Value>> {
    let ours = answer.get("id")? == &json!(0) && answer.get("error").is_none_or(Value::is_null);
    let names: Vec<&str> = answer.get("result")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let known: Vec<&str> = KNOWN.into_iter().filter(|known| names.contains(known)).collect();
    if !ours || known.is_empty() {
        return None;
    }
    let kind = match () {
        () if known.iter().any(|name| name.starts_with("OVN_")) => "ovn",
        () if known.contains(&"Open_vSwitch") => "ovs",
        () => "other",
    };
    let mut facts = Map::new();
    facts.insert("kind".into(), json!(kind));
    facts.insert("others".into(), json!(names.iter().filter(|name| !KNOWN.contains(name)).count()));
    facts.insert("databases".into(), json!(known));
    Some(facts)
}

#[cfg(test)]
mod tests;
