//! Apache ZooKeeper: four-letter words, each on a connection of its own.
//!
//! No session is ever opened, because that is a write; and of the words only those are asked that change
//! nothing and name no client.
//!
//! Facts: see `README.md` of the folder above. Of `mntr` and `envi` only whether they answer is kept; they
//! hold paths and host names.
//!
//! Source: ZooKeeper Administrator's Guide, "The Four Letter Words".

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, line, word},
    recognised, unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "zookeeper", class: RequestClass::T1, server_speaks_first: false, start };

/// How much of an answer is read; `srvr` has about two hundred bytes, and of the others the first line is
/// enough.
const ANSWER_BYTES_MAX: usize = 1024;

const VALUE_BYTES_MAX: usize = 32;

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let asking = (allowed >= RequestClass::T1).then_some(Ask::Srvr);
    Box::new(Zookeeper {
        inbox: Inbox::new(ANSWER_BYTES_MAX),
        allowed,
        asking,
        sent: false,
        facts: Map::new(),
    })
}

#[derive(Debug)]
struct Zookeeper {
    inbox: Inbox,
    allowed: RequestClass,
    asking: Option<Ask>,
    sent: bool,
    facts: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ask {
    Srvr,
    Mntr,
    Envi,
}

impl Ask {
    fn word(self) -> &'static str {
        match self {
            Ask::Srvr => "srvr",
            Ask::Mntr => "mntr",
            Ask::Envi => "envi",
        }
    }

    /// How an answer begins.
    fn beginning(self) -> &'static str {
        match self {
            Ask::Srvr => "Zookeeper version: ",
            Ask::Mntr => "zk_version\t",
            Ask::Envi => "Environment:",
        }
    }

    fn message(self) -> Message {
        let class = if self == Ask::Srvr { RequestClass::T1 } else { RequestClass::T2 };
        Message { class, asked: self.word(), bytes: self.word().into() }
    }
}

impl Dialogue for Zookeeper {
    fn next(&mut self) -> Step {
        match self.asking {
            Some(ask) if !self.sent => {
                self.sent = true;
                Step::Send(ask.message())
            }
            Some(_) => Step::Wait,
            None => Step::Done,
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        let Some(ask) = self.asking else { return Step::Done };
        if verdict(ask, self.inbox.unread()) == Verdict::Foreign {
            self.asking = None;
            return Step::Done;
        }
        // The server closes after its answer; of a long one enough was read.
        if self.inbox.overflowed() { self.take_answer() } else { Step::Wait }
    }

    fn interrupted(&mut self, _stopped: Stopped) -> Step {
        self.take_answer()
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(mut self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        if self.asking.is_some() {
            self.take_answer();
        }
        if self.facts.is_empty() { unrecognised() } else { recognised(self.facts) }
    }
}

impl Zookeeper {
    /// Judges what came as the whole answer to the word asked, and goes on to the next word.
    fn take_answer(&mut self) -> Step {
        let Some(ask) = self.asking.take() else { return Step::Done };
        let verdict = verdict(ask, self.inbox.unread());
        let told = match verdict {
            Verdict::Ok => "ok",
            Verdict::Refused => "refused",
            Verdict::NotServing => "not-serving",
            Verdict::Incomplete | Verdict::Foreign => return Step::Done,
        };
        self.facts.insert(ask.word().into(), json!(told));
        if (ask, verdict) == (Ask::Srvr, Verdict::Ok) {
            keep_srvr(self.inbox.unread(), &mut self.facts);
        }
        let next = match (ask, verdict) {
            (Ask::Srvr, _) => Some(Ask::Mntr),
            (Ask::Mntr, Verdict::Refused) => Some(Ask::Envi),
            _ => None,
        };
        self.asking = next.filter(|ask| ask.message().class <= self.allowed);
        self.inbox.clear();
        self.sent = false;
        if self.asking.is_some() { Step::Reconnect } else { Step::Done }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Ok,
    Refused,
    NotServing,
    /// So far it could be any of these.
    Incomplete,
    Foreign,
}

fn verdict(ask: Ask, bytes: &[u8]) -> Verdict {
    let refused = format!("{} is not executed because it is not in the whitelist.", ask.word());
    let endings = [
        (ask.beginning(), Verdict::Ok),
        (refused.as_str(), Verdict::Refused),
        ("This ZooKeeper instance is not currently serving requests", Verdict::NotServing),
    ];
    let mut found = Verdict::Foreign;
    for (beginning, verdict) in endings {
        if bytes.starts_with(beginning.as_bytes()) {
            // The first line says the most; without its end it is not whole.
            return if line(bytes).is_some() { verdict } else { Verdict::Incomplete };
        }
        if beginning.as_bytes().starts_with(bytes) {
            found = Verdict::Incomplete;
        }
    }
    found
}

/// Keeps version, date of build, mode and number of nodes of
/// `Zookeeper version: 3.8.0-<commit>, built on 2024-12-29 17:54 UTC` and the lines `Mode:`, `Node count:`.
fn keep_srvr(bytes: &[u8], facts: &mut Map<String, Value>) {
    let mut rest = bytes;
    while let Some((line, length)) = line(rest) {
        rest = rest.get(length..).unwrap_or_default();
        if let Some(version) = line.strip_prefix(b"Zookeeper version: ") {
            let number = version.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
            insert(facts, "version", word(&version[..number.min(VALUE_BYTES_MAX)], VALUE_BYTES_MAX));
            let text = String::from_utf8_lossy(version);
            let built = text.split("built on ").nth(1).and_then(|built| built.split_whitespace().next());
            insert(facts, "built", built.and_then(|built| word(built.as_bytes(), VALUE_BYTES_MAX)));
        } else if let Some(mode) = line.strip_prefix(b"Mode: ") {
            insert(facts, "mode", word(mode, VALUE_BYTES_MAX));
        } else if let Some(count) = line.strip_prefix(b"Node count: ") {
            let count = std::str::from_utf8(count).ok().and_then(|count| count.trim().parse::<u64>().ok());
            insert(facts, "nodes", count);
        }
    }
}

fn insert(facts: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        facts.insert(key.into(), value.into());
    }
}

#[cfg(test)]
mod tests;
