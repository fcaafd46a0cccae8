//! AMQP 0-9-1 (RabbitMQ and relatives): sends the protocol header, reads `Connection.Start`, and closes
//! before anything would have to be said about who we are.
//!
//! Facts: see `README.md` of the folder above. Left out: the cluster name, which holds the host name.
//!
//! Source: AMQP 0-9-1 specification, 4.2.2 (protocol header), 4.2.3 (frames), 4.2.5 (tables), and 1.4.2.1
//! (`connection.start`); the field types as RabbitMQ writes them.

use nightlatch_asset::{DialogueAnswer, RequestClass};
use nightlatch_untrusted::Text;
use serde_json::{Map, Value, json};

use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, word},
    unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "amqp", class: RequestClass::T1, server_speaks_first: false, start };

/// Largest start frame that is read.
const FRAME_BYTES_MAX: usize = 16 * 1024;

const VALUE_BYTES_MAX: usize = 128;

/// Most login mechanisms that are listed.
const MECHANISMS_MAX: usize = 16;

const HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

const OUR_VERSION: [u8; 4] = [0, 0, 9, 1];

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T1 { Turn::Ask } else { Turn::Ended };
    Box::new(Amqp { inbox: Inbox::new(FRAME_BYTES_MAX), turn })
}

#[derive(Debug)]
struct Amqp {
    inbox: Inbox,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Ask,
    Await,
    Ended,
}

impl Dialogue for Amqp {
    fn next(&mut self) -> Step {
        match self.turn {
            Turn::Ask => {
                self.turn = Turn::Await;
                let bytes = HEADER.to_vec();
                Step::Send(Message { class: RequestClass::T1, asked: "AMQP 0-9-1 protocol header", bytes })
            }
            Turn::Await => self.wait_or_end(),
            Turn::Ended => Step::Done,
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.wait_or_end()
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        let answer = match frame(self.inbox.unread()) {
            // Our own header comes back from an echo, never from a server of that version.
            Found::Version(version) if version == OUR_VERSION => None,
            Found::Version(version) => Some(version_answer(version)),
            Found::Method(payload) => start_answer(payload),
            Found::Incomplete | Found::Foreign => None,
        };
        answer.unwrap_or_else(unrecognised)
    }
}

impl Amqp {
    fn wait_or_end(&self) -> Step {
        match frame(self.inbox.unread()) {
            Found::Incomplete if !self.inbox.overflowed() => Step::Wait,
            _ => Step::Done,
        }
    }
}

enum Found<'a> {
    Incomplete,
    /// A protocol header in return: protocol id, major, minor, revision.
    Version([u8; 4]),
    /// The payload of a method frame on channel 0.
    Method(&'a [u8]),
    Foreign,
}

fn frame(bytes: &[u8]) -> Found<'_> {
    if let Some(rest) = bytes.strip_prefix(b"AMQP") {
        return rest.first_chunk::<4>().map_or(Found::Incomplete, |version| Found::Version(*version));
    }
    let known = bytes.len().min(4);
    if b"AMQP".starts_with(&bytes[..known])
        || (b"\x01\x00\x00".starts_with(&bytes[..known.min(3)]) && bytes.len() < 7)
    {
        return Found::Incomplete;
    }
    let Some(([1, 0, 0, length @ ..], rest)) = bytes.split_first_chunk::<7>() else { return Found::Foreign };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX - 8 {
        return Found::Foreign;
    }
    match (rest.get(..length), rest.get(length)) {
        (Some(payload), Some(0xCE)) => Found::Method(payload),
        (_, Some(_)) => Found::Foreign,
        _ => Found::Incomplete,
    }
}

fn version_answer(version: [u8; 4]) -> DialogueAnswer {
    let protocol = match version {
        [0, 0, 9, 1] => "0-9-1".to_owned(),
        [1, 1, 8, 0] => "0-8".to_owned(),
        [_, 1, 0, 0] => "1.0".to_owned(),
        [_, major, minor, revision] => format!("{major}-{minor}-{revision}"),
    };
    let layer = match version {
        [3, 1, ..] => "sasl",
        [2, 1, ..] => "tls",
        _ => "amqp",
    };
    let text = format!("AMQP {protocol} ({layer})");
    let facts = json!({ "recognised": true, "kind": "version", "protocol": protocol, "layer": layer });
    DialogueAnswer { facts, text: Text::new(text) }
}

/// Reads `connection.start`: class 10, method 10, version, server properties, mechanisms, locales.
fn start_answer(payload: &[u8]) -> Option<DialogueAnswer> {
    let ([0, 10, 0, 10, major, minor], rest) = payload.split_first_chunk::<6>()? else { return None };
    let (properties, rest) = long_string(rest)?;
    let (mechanisms, _) = long_string(rest)?;
    let mechanisms: Vec<String> = mechanisms
        .split(|b| *b == b' ')
        .filter_map(|mechanism| word(mechanism, VALUE_BYTES_MAX))
        .take(MECHANISMS_MAX)
        .collect();
    let mut facts = Map::new();
    facts.insert("recognised".into(), json!(true));
    facts.insert("kind".into(), json!("start"));
    facts.insert("protocol".into(), json!(format!("{major}-{minor}")));
    let mut said = Vec::new();
    for (name, value) in text_properties(properties) {
        if let Some(key) = ["product", "version", "platform"].into_iter().find(|key| key.as_bytes() == name)
            && let Some(value) = word(value, VALUE_BYTES_MAX)
        {
            said.push(format!("{key}: {value}"));
            facts.insert(key.into(), json!(value));
        }
    }
    said.push(format!("mechanisms: {}", mechanisms.join(" ")));
    facts.insert("anonymous".into(), json!(mechanisms.iter().any(|m| m == "ANONYMOUS")));
    facts.insert("mechanisms".into(), Value::from(mechanisms));
    Some(DialogueAnswer { facts: facts.into(), text: Text::new(said.join("\n")) })
}

/// The entries of a table that are text, as far as it makes sense. Nested values are skipped by their length,
/// so depth costs nothing.
fn text_properties(mut table: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while let Some(Entry { name, kind, value, rest }) = entry(table) {
        if matches!(kind, b'S' | b'x') {
            found.push((name, value));
        }
        table = rest;
    }
    found
}

/// The first entry of a table, and the rest of the table.
struct Entry<'a> {
    name: &'a [u8],
    kind: u8,
    value: &'a [u8],
    rest: &'a [u8],
}

fn entry(table: &[u8]) -> Option<Entry<'_>> {
    let (length, rest) = table.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let (value, rest) = match kind {
        b'S' | b'x' | b'F' | b'A' => long_string(rest)?,
        b'V' => rest.split_at_checked(0)?,
        b't' | b'b' | b'B' => rest.split_at_checked(1)?,
        b's' | b'u' | b'U' => rest.split_at_checked(2)?,
        b'I' | b'i' | b'f' => rest.split_at_checked(4)?,
        b'D' => rest.split_at_checked(5)?,
        b'l' | b'L' | b'd' | b'T' => rest.split_at_checked(8)?,
        _ => return None,
    };
    Some(Entry { name, kind: *kind, value, rest })
}

fn long_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests;
