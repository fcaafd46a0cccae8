//! Peers for the tests of dialogues: recorded or made up, whole or cut, in drops or at once.

use std::{collections::VecDeque, fs, path::Path};

use nightlatch_asset::{Answer, RequestClass};
use serde_json::Value;

use super::{Asked, Conversation, DialogueInfo, Step, dialogue};
use crate::Stopped;

/// What a peer says on connecting, and what to which question.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    greeting: Option<Said>,
    answers: Vec<(Vec<u8>, Said)>,
}

#[derive(Clone, Debug)]
struct Said {
    bytes: Vec<u8>,
    closes: bool,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn greets(mut self, bytes: impl Into<Vec<u8>>, closes: bool) -> Self {
        self.greeting = Some(Said { bytes: bytes.into(), closes });
        self
    }

    pub(super) fn answers(mut self, request: impl Into<Vec<u8>>, bytes: impl Into<Vec<u8>>) -> Self {
        self.answers.push((request.into(), Said { bytes: bytes.into(), closes: false }));
        self
    }

    pub(super) fn answers_and_closes(
        mut self,
        request: impl Into<Vec<u8>>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        self.answers.push((request.into(), Said { bytes: bytes.into(), closes: true }));
        self
    }

    /// The recording `testdata/recorded/<name>.json`.
    pub(super) fn recorded(name: &str) -> Self {
        let path = testdata().join(format!("{name}.json"));
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut peer = Self::default();
        for exchange in file["exchanges"].as_array().unwrap() {
            let said = Said { bytes: bytes(&exchange["response"]), closes: exchange["closed"] == true };
            match bytes(&exchange["request"]) {
                request if request.is_empty() => peer.greeting = Some(said),
                // Recorded in the short form, asked in the long one.
                request if request == b"INFO server\r\n" => {
                    peer.answers.push((b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n".to_vec(), said));
                }
                // A session name of the recorder's, where ours stands.
                request if request.starts_with(b"\x10\x0f\x00\x04MQTT") => {
                    peer.answers
                        .push((b"\x10\x16\x00\x04MQTT\x04\x02\x00\x0a\x00\x0anightlatch".to_vec(), said));
                }
                request => peer.answers.push((request, said)),
            }
        }
        peer
    }

    /// One that says `bytes` to whatever is asked, and on connecting when `unasked`.
    pub(super) fn always(bytes: &[u8], unasked: bool) -> Self {
        if unasked { Self::new().greets(bytes, true) } else { Self::new().answers(b"", bytes) }
    }

    /// Everything it may say.
    pub(super) fn utterances(&self) -> Vec<Vec<u8>> {
        self.greeting
            .iter()
            .chain(self.answers.iter().map(|(_, said)| said))
            .map(|s| s.bytes.clone())
            .collect()
    }

    fn answer(&self, request: &[u8]) -> Option<&Said> {
        self.answers.iter().find(|(known, _)| known == request || known.is_empty()).map(|(_, said)| said)
    }
}

/// The names of all recordings, `<product>/<variant>`, sorted.
pub(super) fn recordings() -> Vec<String> {
    let mut names = Vec::new();
    for product in fs::read_dir(testdata()).unwrap() {
        let product = product.unwrap();
        for variant in fs::read_dir(product.path()).unwrap() {
            let variant = variant.unwrap().file_name().into_string().unwrap();
            let product = product.file_name().into_string().unwrap();
            names.push(format!("{product}/{}", variant.trim_end_matches(".json")));
        }
    }
    names.sort();
    assert!(names.len() > 20, "the recordings are gone");
    names
}

/// How a peer is listened to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) allowed: RequestClass,
    /// Bytes delivered at once.
    pub(super) step: usize,
    /// Bytes delivered in all; then every connection is closed.
    pub(super) cut: usize,
    /// Whether a handshake succeeds when one is asked for.
    pub(super) tls_works: bool,
}

impl Line {
    pub(super) const WHOLE: Self =
        Self { allowed: RequestClass::T3, step: usize::MAX, cut: usize::MAX, tls_works: true };
}

/// Holds a conversation with `peer`.
pub(super) fn converse(info: &DialogueInfo, peer: &Peer, line: Line) -> (Answer, Vec<Asked>) {
    let mut conversation = Conversation::new(info, line.allowed);
    let mut budget = line.cut;
    let connect = || {
        let said = peer.greeting.clone();
        let closes = said.as_ref().is_some_and(|said| said.closes);
        (VecDeque::from(said.map_or_else(Vec::new, |said| said.bytes)), closes)
    };
    let (mut coming, mut closes) = connect();
    let mut step = conversation.next();
    for _ in 0..100_000 {
        step = match step {
            Step::Send(message) => {
                assert!(message.class <= line.allowed);
                if let Some(said) = peer.answer(&message.bytes) {
                    coming.extend(&said.bytes);
                    closes |= said.closes;
                }
                conversation.next()
            }
            Step::Wait => {
                let count = coming.len().min(line.step).min(budget);
                let bytes: Vec<u8> = coming.drain(..count).collect();
                budget -= count;
                match (bytes.is_empty(), closes || budget == 0) {
                    (false, _) => conversation.receive(&bytes),
                    (true, true) => conversation.interrupted(Stopped::Closed),
                    (true, false) => conversation.interrupted(Stopped::Timeout),
                }
            }
            Step::StartTls if line.tls_works => {
                // What was said in plain text is lost in the handshake.
                coming.clear();
                conversation.next()
            }
            Step::StartTls => conversation.interrupted(Stopped::Reset),
            Step::Reconnect => {
                (coming, closes) = connect();
                conversation.next()
            }
            Step::Done => {
                let asked = conversation.asked().to_vec();
                return (conversation.finish(Stopped::Enough), asked);
            }
        };
    }
    panic!("the conversation never ends");
}

/// The facts of a whole conversation with everything allowed; null when there was no answer.
pub(super) fn facts(dialogue_name: &str, peer: &Peer) -> Value {
    facts_with(dialogue_name, peer, Line::WHOLE)
}

/// The facts of a conversation over `line`.
pub(super) fn facts_with(dialogue_name: &str, peer: &Peer, line: Line) -> Value {
    match converse(dialogue(dialogue_name).unwrap(), peer, line).0 {
        Answer::Dialogue(answer) => answer.facts,
        _ => Value::Null,
    }
}

fn testdata() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recorded")
}

fn bytes(value: &Value) -> Vec<u8> {
    match (value["text"].as_str(), value["base64"].as_str()) {
        (Some(text), _) => text.into(),
        (_, Some(base64)) => decoded(base64),
        _ => panic!("neither text nor base64: {value}"),
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in base64.bytes().filter(|b| *b != b'=') {
        let value = alphabet.iter().position(|known| *known == byte).unwrap();
        (bits, count) = (bits << 6 | value as u32, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}
