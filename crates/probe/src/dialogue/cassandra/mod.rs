//! Apache Cassandra and ScyllaDB: asks for the options, then starts up as far as the server says whether it
//! wants a login. No query is ever sent.
//!
//! Facts: see `README.md` of the folder above.
//!
//! Source: CQL binary protocol v4, sections 2 (frame header), 4.1.1 (STARTUP), 4.1.3 (OPTIONS), 4.2.1 (ERROR),
//! 4.2.2 (READY), 4.2.3 (AUTHENTICATE), 4.2.4 (SUPPORTED).

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, word},
    recognised, unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "cassandra", class: RequestClass::T1, server_speaks_first: false, start };

/// Largest frame that is read.
const FRAME_BYTES_MAX: usize = 16 * 1024;

const HEADER_BYTES: usize = 9;

const VALUE_BYTES_MAX: usize = 128;

/// Most values of one option that are kept.
const VALUES_MAX: usize = 16;

/// What `STARTUP` must name where the server named none of its own.
const CQL_VERSION: &str = "3.0.0";

// Opcodes.
const ERROR: u8 = 0;
const STARTUP: u8 = 1;
const READY: u8 = 2;
const AUTHENTICATE: u8 = 3;
const OPTIONS: u8 = 5;
const SUPPORTED: u8 = 6;

/// `Protocol error`: the answer of a server that does not know our version.
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 0x0a];

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T1 { Turn::AskOptions } else { Turn::Ended };
    Box::new(Cassandra {
        inbox: Inbox::new(FRAME_BYTES_MAX),
        allowed,
        turn,
        version: 4,
        cql_version: CQL_VERSION.to_owned(),
        facts: Map::new(),
    })
}

#[derive(Debug)]
struct Cassandra {
    inbox: Inbox,
    allowed: RequestClass,
    turn: Turn,
    /// Of the protocol: 4, or 3 for servers that do not know it.
    version: u8,
    cql_version: String,
    facts: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    AskOptions,
    AwaitOptions,
    AwaitStartup,
    Ended,
}

impl Dialogue for Cassandra {
    fn next(&mut self) -> Step {
        if self.turn == Turn::AskOptions {
            self.turn = Turn::AwaitOptions;
            let bytes = frame(self.version, OPTIONS, &[]);
            return Step::Send(Message { class: RequestClass::T1, asked: "OPTIONS", bytes });
        }
        self.read()
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.read()
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        if self.facts.is_empty() { unrecognised() } else { recognised(self.facts) }
    }
}

impl Cassandra {
    fn read(&mut self) -> Step {
        if self.turn == Turn::Ended {
            return Step::Done;
        }
        let (opcode, body) = match answer(self.inbox.unread()) {
            Found::Incomplete if !self.inbox.overflowed() => return Step::Wait,
            Found::Incomplete | Found::Foreign => return self.end(),
            Found::Whole { opcode, body } => (opcode, body),
        };
        match (self.turn, opcode) {
            (Turn::AwaitOptions, SUPPORTED) => {
                let Some(options) = options(body) else { return self.end() };
                self.inbox.consume(HEADER_BYTES + body.len());
                self.keep(&options);
                self.start_up()
            }
            (Turn::AwaitOptions, ERROR) if body.starts_with(&PROTOCOL_ERROR) && self.version == 4 => {
                self.inbox.clear();
                (self.version, self.turn) = (3, Turn::AskOptions);
                Step::Reconnect
            }
            (Turn::AwaitStartup, READY) => self.started_up("ready"),
            (Turn::AwaitStartup, AUTHENTICATE) => {
                let class = string(body).and_then(|(class, _)| class.rsplit(|b| *b == b'.').next());
                if let Some(class) = class.and_then(|class| word(class, VALUE_BYTES_MAX)) {
                    self.facts.insert("authenticator".into(), json!(class));
                }
                self.started_up("authenticate")
            }
            (Turn::AwaitStartup, ERROR) => self.started_up("error"),
            _ => self.end(),
        }
    }

    fn keep(&mut self, options: &[(String, Vec<String>)]) {
        let values = |wanted: &str| options.iter().find(|(name, _)| name == wanted).map(|(_, values)| values);
        if let Some(first) = values("CQL_VERSION").and_then(|versions| versions.first()) {
            self.cql_version.clone_from(first);
        }
        let told = [
            ("cql_versions", "CQL_VERSION"),
            ("protocol_versions", "PROTOCOL_VERSIONS"),
            ("compression", "COMPRESSION"),
        ];
        for (key, option) in told {
            if let Some(values) = values(option) {
                self.facts.insert(key.into(), json!(values));
            }
        }
        let scylla = options.iter().any(|(name, _)| name.starts_with("SCYLLA_"));
        self.facts.insert("family".into(), json!(if scylla { "ScyllaDB" } else { "Cassandra" }));
        self.facts.insert("frame_version".into(), json!(self.version));
    }

    fn start_up(&mut self) -> Step {
        if self.allowed < RequestClass::T2 {
            return self.end();
        }
        self.turn = Turn::AwaitStartup;
        let mut body = vec![0, 1];
        for text in ["CQL_VERSION", &self.cql_version] {
            body.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
            body.extend(text.as_bytes());
        }
        let bytes = frame(self.version, STARTUP, &body);
        Step::Send(Message { class: RequestClass::T2, asked: "STARTUP without credentials", bytes })
    }

    fn started_up(&mut self, told: &'static str) -> Step {
        self.facts.insert("startup".into(), json!(told));
        self.end()
    }

    fn end(&mut self) -> Step {
        self.turn = Turn::Ended;
        Step::Done
    }
}

/// A request frame: version, no flags, stream 0, opcode, length.
fn frame(version: u8, opcode: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    [&[version, 0, 0, 0, opcode], length.as_slice(), body].concat()
}

enum Found<'a> {
    Incomplete,
    Whole { opcode: u8, body: &'a [u8] },
    Foreign,
}

fn answer(bytes: &[u8]) -> Found<'_> {
    let plausible = match bytes {
        [] => true,
        [version] => (0x83..=0x86).contains(version),
        [version, flags, ..] => (0x83..=0x86).contains(version) && *flags == 0,
    };
    if !plausible {
        return Found::Foreign;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Found::Incomplete };
    let [_, _, high, low, opcode, length @ ..] = *header;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if [high, low] != [0, 0] || length > FRAME_BYTES_MAX - HEADER_BYTES {
        return Found::Foreign;
    }
    rest.get(..length).map_or(Found::Incomplete, |body| Found::Whole { opcode, body })
}

/// Reads a string multimap; absent when it is damaged or names no CQL version.
fn options(body: &[u8]) -> Option<Vec<(String, Vec<String>)>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (name, after) = string(rest)?;
        let (count, mut after) = after.split_first_chunk::<2>()?;
        let mut values = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (value, next) = string(after)?;
            if values.len() < VALUES_MAX {
                values.extend(word(value, VALUE_BYTES_MAX));
            }
            after = next;
        }
        found.push((word(name, VALUE_BYTES_MAX)?, values));
        rest = after;
    }
    found.iter().any(|(name, _)| name == "CQL_VERSION").then_some(found)
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests;
