//! Memcached: asks for the version, in text; where that stays without an answer, as servers with SASL do, in
//! binary on a new connection.
//!
//! Facts: see `README.md` of the folder above.
//!
//! Source: memcached, `doc/protocol.txt` and `doc/protocol-binary.xml`.

use nightlatch_asset::{DialogueAnswer, RequestClass};
use nightlatch_untrusted::Text;
use serde_json::{Map, json};

use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, line, word},
    unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "memcached", class: RequestClass::T1, server_speaks_first: false, start };

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 512;

const VERSION_BYTES_MAX: usize = 64;

const HEADER_BYTES: usize = 24;

/// A request (0x80) for the version (0x0b), all else zero.
const BINARY_VERSION: [u8; HEADER_BYTES] = {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = 0x80;
    bytes[1] = 0x0b;
    bytes
};

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T1 { Turn::AskText } else { Turn::Ended };
    Box::new(Memcached { inbox: Inbox::new(ANSWER_BYTES_MAX), turn, answer: None })
}

#[derive(Debug)]
struct Memcached {
    inbox: Inbox,
    turn: Turn,
    answer: Option<Told>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    AskText,
    AwaitText,
    AskBinary,
    AwaitBinary,
    Ended,
}

#[derive(Clone, Debug)]
enum Told {
    Text(String),
    Unauthenticated,
    Binary(String),
    BinaryError,
}

impl Dialogue for Memcached {
    fn next(&mut self) -> Step {
        match self.turn {
            Turn::AskText => {
                self.turn = Turn::AwaitText;
                send("version", b"version\r\n")
            }
            Turn::AskBinary => {
                self.turn = Turn::AwaitBinary;
                send("version (binary)", &BINARY_VERSION)
            }
            Turn::AwaitText | Turn::AwaitBinary | Turn::Ended => self.read(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.read()
    }

    fn interrupted(&mut self, _stopped: Stopped) -> Step {
        if self.turn == Turn::AwaitText && !self.inbox.heard() {
            self.turn = Turn::AskBinary;
            return Step::Reconnect;
        }
        Step::Done
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        let Some(told) = self.answer else { return unrecognised() };
        let (auth, text, binary, version) = match told {
            Told::Text(version) => ("none", "version", None, Some(version)),
            Told::Unauthenticated => ("ascii", "unauthenticated", None, None),
            Told::Binary(version) => ("sasl", "silent", Some("version"), Some(version)),
            Told::BinaryError => ("sasl", "silent", Some("error"), None),
        };
        let mut facts = Map::new();
        facts.insert("recognised".into(), json!(true));
        facts.insert("auth".into(), json!(auth));
        facts.insert("text".into(), json!(text));
        if let Some(binary) = binary {
            facts.insert("binary".into(), json!(binary));
        }
        let said = match &version {
            Some(version) => format!("VERSION {version}"),
            None => "unauthenticated".to_owned(),
        };
        if let Some(version) = version {
            facts.insert("version".into(), json!(version));
        }
        DialogueAnswer { facts: facts.into(), text: Text::new(said) }
    }
}

impl Memcached {
    fn read(&mut self) -> Step {
        let found = match self.turn {
            Turn::AwaitText => text(self.inbox.unread()),
            Turn::AwaitBinary => binary(self.inbox.unread()),
            _ => return Step::Done,
        };
        match found {
            Found::Incomplete if !self.inbox.overflowed() => return Step::Wait,
            Found::Whole(told) => self.answer = Some(told),
            Found::Incomplete | Found::Foreign => {}
        }
        self.turn = Turn::Ended;
        Step::Done
    }
}

enum Found {
    Incomplete,
    Whole(Told),
    Foreign,
}

fn text(bytes: &[u8]) -> Found {
    let Some((line, _)) = line(bytes) else { return Found::Incomplete };
    if line == b"CLIENT_ERROR unauthenticated" {
        return Found::Whole(Told::Unauthenticated);
    }
    line.strip_prefix(b"VERSION ").and_then(version).map_or(Found::Foreign, |v| Found::Whole(Told::Text(v)))
}

/// Reads the answer to a binary request: a header of 24 bytes, then the version.
fn binary(bytes: &[u8]) -> Found {
    if !b"\x81\x0b".starts_with(&bytes[..bytes.len().min(2)]) {
        return Found::Foreign;
    }
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Found::Incomplete };
    let [_, _, key_high, key_low, extras, _, status_high, status_low, a, b, c, d, ..] = *header;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if [key_high, key_low, extras] != [0, 0, 0] || length > ANSWER_BYTES_MAX - HEADER_BYTES {
        return Found::Foreign;
    }
    match (body.get(..length), [status_high, status_low]) {
        (None, _) => Found::Incomplete,
        (Some(body), [0, 0]) => version(body).map_or(Found::Foreign, |v| Found::Whole(Told::Binary(v))),
        (Some(_), _) => Found::Whole(Told::BinaryError),
    }
}

fn version(bytes: &[u8]) -> Option<String> {
    let plausible = bytes.first()?.is_ascii_digit() && bytes.iter().all(u8::is_ascii_graphic);
    plausible.then(|| word(bytes, VERSION_BYTES_MAX)).flatten()
}

fn send(asked: &'static str, bytes: &[u8]) -> Step {
    Step::Send(Message { class: RequestClass::T1, asked, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests;
