//! HTTP/2 without an upgrade, as gRPC servers speak it: sends the preface and empty settings, reads the
//! server's settings. No request is made.
//!
//! Facts: see `README.md` of the folder above.
//!
//! Source: RFC 9113, sections 3.4 (preface), 4.1 (frames), 6.5 (SETTINGS); the settings of gRPC are those of
//! its libraries.

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use super::{Dialogue, DialogueInfo, Message, Step, inbox::Inbox, recognised, unrecognised};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "http2", class: RequestClass::T1, server_speaks_first: false, start };

/// Most settings that are read; six are defined, and libraries add a few.
const SETTINGS_MAX: usize = 32;

const FRAME_HEADER_BYTES: usize = 9;

const SETTING_BYTES: usize = 6;

/// The preface and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

const MAX_FRAME_SIZE: u16 = 5;

/// A setting that only the C core of gRPC sends: it takes binary metadata as they are.
const GRPC_TRUE_BINARY_METADATA: u16 = 0xfe03;

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T1 { Turn::Ask } else { Turn::Ended };
    Box::new(Http2 { inbox: Inbox::new(FRAME_HEADER_BYTES + SETTINGS_MAX * SETTING_BYTES), turn })
}

#[derive(Debug)]
struct Http2 {
    inbox: Inbox,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Ask,
    Await,
    Ended,
}

impl Dialogue for Http2 {
    fn next(&mut self) -> Step {
        match self.turn {
            Turn::Ask => {
                self.turn = Turn::Await;
                let bytes = PREFACE.to_vec();
                Step::Send(Message { class: RequestClass::T1, asked: "HTTP/2 preface and settings", bytes })
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
        match settings(self.inbox.unread()) {
            Found::Whole(settings) => recognised(facts(&settings)),
            Found::Incomplete | Found::Foreign => unrecognised(),
        }
    }
}

impl Http2 {
    fn wait_or_end(&self) -> Step {
        // What is longer than the inbox is none of the settings we read: they fit.
        match settings(self.inbox.unread()) {
            Found::Incomplete if !self.inbox.overflowed() => Step::Wait,
            _ => Step::Done,
        }
    }
}

enum Found {
    Incomplete,
    /// Identifiers and values, in order.
    Whole(Vec<(u16, u32)>),
    Foreign,
}

/// Reads the first frame, which must be a SETTINGS frame on stream 0 that acknowledges nothing.
fn settings(bytes: &[u8]) -> Found {
    let shape = [Some(0), None, None, Some(4), Some(0), Some(0), Some(0), Some(0), Some(0)];
    if !bytes.iter().zip(shape).all(|(found, expected)| expected.is_none_or(|expected| *found == expected)) {
        return Found::Foreign;
    }
    let Some(([_, high, low, ..], rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return Found::Incomplete;
    };
    let length = usize::from(*high) << 8 | usize::from(*low);
    if !length.is_multiple_of(SETTING_BYTES) || length > SETTINGS_MAX * SETTING_BYTES {
        return Found::Foreign;
    }
    let Some(body) = rest.get(..length) else { return Found::Incomplete };
    let read = |[a, b, c, d, e, f]: [u8; 6]| (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
    Found::Whole(body.as_chunks::<SETTING_BYTES>().0.iter().copied().map(read).collect())
}

fn facts(settings: &[(u16, u32)]) -> Map<String, Value> {
    let implementation = match settings {
        _ if settings.iter().any(|(id, _)| *id == GRPC_TRUE_BINARY_METADATA) => Some("grpc-core"),
        // The Go library of gRPC announces this one value, which is the default, and nothing else.
        [(MAX_FRAME_SIZE, 16_384)] => Some("grpc-go"),
        _ => None,
    };
    let mut facts = Map::new();
    facts.insert("grpc".into(), json!(if implementation.is_some() { "likely" } else { "unknown" }));
    if let Some(implementation) = implementation {
        facts.insert("implementation".into(), json!(implementation));
    }
    let values: Map<String, Value> =
        settings.iter().map(|(id, value)| (id.to_string(), json!(value))).collect();
    facts.insert("settings".into(), Value::from(values));
    facts
}

#[cfg(test)]
mod tests {
    use super::{
        super::recorded::{Peer, facts},
        *,
    };

    #[test]
    fn recorded_servers() {
        let go = json!({
            "recognised": true, "grpc": "likely", "implementation": "grpc-go", "settings": { "5": 16384 },
        });
        assert_eq!(facts("http2", &Peer::recorded("containerd/open")), go);
        let core = json!({
            "recognised": true, "grpc": "likely", "implementation": "grpc-core",
            "settings": { "4": 4_194_304, "5": 4_194_304, "6": 16384, "65027": 1 },
        });
        assert_eq!(facts("http2", &Peer::recorded("ray/open")), core);
    }

    #[test]
    fn other_settings() {
        let check = |answer: &[u8], expected: Value| {
            assert_eq!(facts("http2", &Peer::new().answers(PREFACE, answer)), expected);
        };
        check(b"\0\0\0\x04\0\0\0\0\0", json!({ "recognised": true, "grpc": "unknown", "settings": {} }));
        check(b"\0\0\0\x04\x01\0\0\0\0", json!({ "recognised": false }));
        check(b"\0\0\x05\x04\0\0\0\0\0\0\0\0\0\0", json!({ "recognised": false }));
        check(b"\0\xff\xfc\x04\0\0\0\0\0", json!({ "recognised": false }));
    }
}
