//! Apache Kafka and relatives: asks which requests it knows, then for metadata of no topic at all, which tells
//! whether a stranger is served.
//!
//! Facts: see `README.md` of the folder above. Of the brokers only their number is kept.
//!
//! Source: Apache Kafka, "Kafka Protocol Guide": ApiVersions (key 18) v0, Metadata (key 3) v1 and v4.

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use super::{Dialogue, DialogueInfo, Message, Step, inbox::Inbox, recognised, unrecognised};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "kafka", class: RequestClass::T1, server_speaks_first: false, start };

/// Largest answer that is read: a cluster of hundreds of brokers.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Most kinds of request a server may list; there were fewer than ninety in 2025.
const APIS_MAX: usize = 256;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// Length and correlation.
const ANSWER_HEADER_BYTES: usize = 8;

/// Marks our questions; the answer repeats it.
const CORRELATION: [u8; 4] = *b"nlch";

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T1 { Turn::AskVersions } else { Turn::Ended };
    Box::new(Kafka {
        inbox: Inbox::new(ANSWER_BYTES_MAX),
        allowed,
        turn,
        metadata_version: 1,
        facts: Map::new(),
    })
}

#[derive(Debug)]
struct Kafka {
    inbox: Inbox,
    allowed: RequestClass,
    turn: Turn,
    metadata_version: i16,
    facts: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    AskVersions,
    AwaitVersions,
    AwaitMetadata,
    Ended,
}

impl Dialogue for Kafka {
    fn next(&mut self) -> Step {
        if self.turn == Turn::AskVersions {
            self.turn = Turn::AwaitVersions;
            let bytes = request(API_VERSIONS, 0, &[]);
            return Step::Send(Message { class: RequestClass::T1, asked: "ApiVersions", bytes });
        }
        self.read()
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.read()
    }

    fn interrupted(&mut self, stopped: Stopped) -> Step {
        // A listener that wants a login hangs up on any other question.
        let hung_up = matches!(stopped, Stopped::Closed | Stopped::Reset) && self.inbox.unread().is_empty();
        if self.turn == Turn::AwaitMetadata && hung_up {
            self.facts.insert("metadata".into(), json!("closed"));
        }
        self.end()
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        if self.facts.is_empty() { unrecognised() } else { recognised(self.facts) }
    }
}

impl Kafka {
    fn read(&mut self) -> Step {
        if self.turn == Turn::Ended {
            return Step::Done;
        }
        let body = match answer(self.inbox.unread()) {
            Found::Incomplete if !self.inbox.overflowed() => return Step::Wait,
            Found::Incomplete | Found::Foreign => return self.end(),
            Found::Whole(body) => body,
        };
        if self.turn == Turn::AwaitVersions {
            let Some(apis) = apis(body) else { return self.end() };
            self.inbox.consume(ANSWER_HEADER_BYTES + body.len());
            self.keep(&apis);
            return self.ask_metadata(&apis);
        }
        match metadata(self.metadata_version, body) {
            Some((brokers, topics)) => {
                self.facts.insert("metadata".into(), json!("ok"));
                self.facts.insert("brokers".into(), json!(brokers));
                self.facts.insert("topics".into(), json!(topics));
            }
            None => drop(self.facts.insert("metadata".into(), json!("error"))),
        }
        self.end()
    }

    fn keep(&mut self, apis: &[Api]) {
        self.facts.insert("apis".into(), json!(apis.len()));
        self.facts.insert("highest_api".into(), json!(apis.iter().map(|api| api.key).max()));
        for (key, name) in [(PRODUCE, "produce_max"), (FETCH, "fetch_max"), (METADATA, "metadata_max")] {
            if let Some(api) = apis.iter().find(|api| api.key == key) {
                self.facts.insert(name.into(), json!(api.max));
            }
        }
    }

    /// An empty list of topics means none from version 1 on; in version 0 it would mean all.
    fn ask_metadata(&mut self, apis: &[Api]) -> Step {
        let known = apis.iter().find(|api| api.key == METADATA);
        let version = [1, 4].into_iter().find(|v| known.is_some_and(|api| (api.min..=api.max).contains(v)));
        let Some(version) = version.filter(|_| self.allowed >= RequestClass::T2) else { return self.end() };
        // Version 4 adds whether topics may be created: no.
        let body: &[u8] = if version == 4 { &[0; 5] } else { &[0; 4] };
        (self.turn, self.metadata_version) = (Turn::AwaitMetadata, version);
        let bytes = request(METADATA, version, body);
        Step::Send(Message { class: RequestClass::T2, asked: "Metadata of no topic", bytes })
    }

    fn end(&mut self) -> Step {
        self.turn = Turn::Ended;
        Step::Done
    }
}

/// A request: length, key, version, correlation, who asks, body.
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    const CLIENT: &[u8] = b"\x00\x0anightlatch";
    let head = [&key.to_be_bytes(), version.to_be_bytes().as_slice(), &CORRELATION, CLIENT, body].concat();
    [&u32::try_from(head.len()).unwrap_or(0).to_be_bytes(), head.as_slice()].concat()
}

enum Found<'a> {
    Incomplete,
    /// What follows the correlation.
    Whole(&'a [u8]),
    Foreign,
}

fn answer(bytes: &[u8]) -> Found<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Found::Incomplete };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let known = rest.len().min(CORRELATION.len());
    if !(8..=ANSWER_BYTES_MAX - 4).contains(&length) || rest[..known] != CORRELATION[..known] {
        return Found::Foreign;
    }
    rest.get(CORRELATION.len()..length).map_or(Found::Incomplete, Found::Whole)
}

/// One kind of request and the versions of it that are known.
#[derive(Clone, Copy, Debug)]
struct Api {
    key: i16,
    min: i16,
    max: i16,
}

/// Reads the answer to ApiVersions v0: error 0, a count, and exactly so many entries, itself among them.
fn apis(body: &[u8]) -> Option<Vec<Api>> {
    let ([0, 0, count @ ..], rest) = body.split_first_chunk::<6>()? else { return None };
    let count = usize::try_from(u32::from_be_bytes(*count)).ok().filter(|count| *count <= APIS_MAX)?;
    let (entries, []) = rest.as_chunks::<6>() else { return None };
    let read = |[a, b, c, d, e, f]: [u8; 6]| Api {
        key: i16::from_be_bytes([a, b]),
        min: i16::from_be_bytes([c, d]),
        max: i16::from_be_bytes([e, f]),
    };
    let apis: Vec<Api> = entries.iter().copied().map(read).collect();
    let sane = apis.iter().all(|api| 0 <= api.key && api.min <= api.max);
    (apis.len() == count && sane && apis.iter().any(|api| api.key == API_VERSIONS)).then_some(apis)
}

/// Counts the brokers and the topics of a metadata answer. No name is looked at.
fn metadata(version: i16, body: &[u8]) -> Option<(u32, u32)> {
    // From version 3 on the answer begins with how long we were held back.
    let body = if version >= 3 { body.get(4..)? } else { body };
    let (brokers, mut rest) = count(body)?;
    for _ in 0..brokers {
        let (_node, after) = rest.split_at_checked(4)?;
        let after = nullable_string(after)?;
        let (_port, after) = after.split_at_checked(4)?;
        rest = nullable_string(after)?;
    }
    if version >= 2 {
        rest = nullable_string(rest)?; // the cluster
    }
    let (_controller, rest) = rest.split_at_checked(4)?;
    Some((brokers, count(rest)?.0))
}

fn count(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    u32::try_from(i32::from_be_bytes(*count)).ok().map(|count| (count, rest))
}

/// Steps over a string; -1 is none.
fn nullable_string(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    match i16::from_be_bytes(*length) {
        -1 => Some(rest),
        length => rest.get(usize::try_from(length).ok()?..),
    }
}

#[cfg(test)]
mod tests;
