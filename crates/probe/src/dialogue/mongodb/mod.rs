//! MongoDB and what speaks its protocol: asks who it is, for its build, and whether a stranger may list
//! databases, with a filter that no name passes, so that nothing is listed.
//!
//! Facts: see `README.md` of the folder above. Left out: hosts of the replica set and its name, addresses,
//! build flags, and the text of errors.
//!
//! Source: MongoDB documentation, "MongoDB Wire Protocol", `hello`, `buildInfo`, `listDatabases`, "Error
//! Codes".

mod bson;
mod frame;

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use self::{
    bson::{Document, Element, Given},
    frame::{Found, Framing, REPLY_BYTES_MAX},
};
use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, word},
    recognised, unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "mongodb", class: RequestClass::T1, server_speaks_first: false, start };

/// The filter of `listDatabases`, and `nameOnly`, exist since 3.6, which is wire version 6. An older server
/// would ignore both and list everything.
const FILTER_SINCE_WIRE_VERSION: i64 = 6;

/// A name that no database has: `.` is not allowed in one.
const ABSENT_NAME: &str = "nightlatch.absent";

/// `CommandNotFound`.
const COMMAND_NOT_FOUND: i64 = 59;

/// `Unauthorized`.
const UNAUTHORIZED: i64 = 13;

const VERSION_BYTES_MAX: usize = 64;

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let asking = if allowed >= RequestClass::T1 { Question::Hello } else { Question::Nothing };
    Box::new(Mongodb {
        inbox: Inbox::new(REPLY_BYTES_MAX),
        allowed,
        framing: Framing::Message,
        asking,
        sent: false,
        recognised: false,
        wire_version: 0,
        facts: Map::new(),
    })
}

#[derive(Debug)]
struct Mongodb {
    inbox: Inbox,
    allowed: RequestClass,
    framing: Framing,
    asking: Question,
    sent: bool,
    recognised: bool,
    wire_version: i64,
    facts: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    Hello,
    /// The same by its older name.
    IsMaster,
    BuildInfo,
    ListDatabases,
    Nothing,
}

impl Question {
    fn message(self, framing: Framing) -> Option<Message> {
        let none = [("name", Given::Text(ABSENT_NAME))];
        let list =
            [("listDatabases", Given::Int(1)), ("nameOnly", Given::True), ("filter", Given::Document(&none))];
        let (class, asked, command): (_, _, &[_]) = match self {
            Question::Hello => (RequestClass::T1, "hello", &[("hello", Given::Int(1))]),
            Question::IsMaster => (RequestClass::T1, "isMaster", &[("isMaster", Given::Int(1))]),
            Question::BuildInfo => (RequestClass::T1, "buildInfo", &[("buildInfo", Given::Int(1))]),
            Question::ListDatabases => {
                (RequestClass::T2, "listDatabases nameOnly, filter matches nothing", &list)
            }
            Question::Nothing => return None,
        };
        Some(Message { class, asked, bytes: frame::command(framing, command) })
    }
}

impl Dialogue for Mongodb {
    fn next(&mut self) -> Step {
        if !self.sent {
            return self.ask(self.asking);
        }
        self.read()
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.read()
    }

    fn interrupted(&mut self, stopped: Stopped) -> Step {
        // Servers before 3.6 close on a message they do not know.
        let unknown = self.asking == Question::Hello && self.inbox.unread().is_empty();
        if unknown && matches!(stopped, Stopped::Closed | Stopped::Reset) {
            (self.framing, self.asking, self.sent) = (Framing::Query, Question::IsMaster, false);
            return Step::Reconnect;
        }
        Step::Done
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        if self.recognised { recognised(self.facts) } else { unrecognised() }
    }
}

impl Mongodb {
    fn ask(&mut self, question: Question) -> Step {
        let filters = self.framing == Framing::Message && self.wire_version >= FILTER_SINCE_WIRE_VERSION;
        let question =
            if question == Question::ListDatabases && !filters { Question::Nothing } else { question };
        let message = question.message(self.framing).filter(|message| message.class <= self.allowed);
        self.sent = true;
        match message {
            Some(message) => {
                self.asking = question;
                Step::Send(message)
            }
            None => {
                self.asking = Question::Nothing;
                Step::Done
            }
        }
    }

    fn read(&mut self) -> Step {
        if self.asking == Question::Nothing {
            return Step::Done;
        }
        let (reply, length) = match frame::reply(self.inbox.unread()) {
            Found::Incomplete if !self.inbox.overflowed() => return Step::Wait,
            Found::Incomplete | Found::Foreign => return self.ask(Question::Nothing),
            Found::Whole(reply, length) => (reply, length),
        };
        let (learnt, next) = judge(self.asking, reply);
        self.inbox.consume(length);
        for (key, value) in learnt {
            // The first refusal says most.
            if key != "error_code" || !self.facts.contains_key(key) {
                self.facts.insert(key.to_owned(), value);
            }
        }
        if let Some(version) = self.facts.get("max_wire_version").and_then(Value::as_i64) {
            if !self.recognised {
                let framing = if self.framing == Framing::Message { "message" } else { "query" };
                self.facts.insert("framing".into(), json!(framing));
            }
            (self.recognised, self.wire_version) = (true, version);
        }
        self.ask(next)
    }
}

type Learnt = Vec<(&'static str, Value)>;

/// What a reply tells, and what to ask next.
fn judge(question: Question, reply: Document<'_>) -> (Learnt, Question) {
    let ok = reply.number("ok") == Some(1.0);
    let code = reply.number("code").map(|code| code as i64);
    match question {
        Question::Hello | Question::IsMaster => match hello(reply).filter(|_| ok) {
            Some(learnt) => (learnt, Question::BuildInfo),
            None if question == Question::Hello && code == Some(COMMAND_NOT_FOUND) => {
                (Learnt::new(), Question::IsMaster)
            }
            None => (Learnt::new(), Question::Nothing),
        },
        Question::BuildInfo if ok => (build_info(reply), Question::ListDatabases),
        Question::BuildInfo => (refusal("build_info", code), Question::ListDatabases),
        Question::ListDatabases if ok => {
            let count = reply.array("databases").map_or(0, |list| list.entries().count());
            (vec![("list_databases", json!("ok")), ("databases", json!(count))], Question::Nothing)
        }
        Question::ListDatabases => (refusal("list_databases", code), Question::Nothing),
        Question::Nothing => (Learnt::new(), Question::Nothing),
    }
}

fn hello(reply: Document<'_>) -> Option<Learnt> {
    reply.number("maxBsonObjectSize")?;
    let max = reply.number("maxWireVersion")? as i64;
    let mut learnt = vec![("max_wire_version", json!(max)), ("role", json!(role(reply)))];
    if let Some(min) = reply.number("minWireVersion") {
        learnt.push(("min_wire_version", json!(min as i64)));
    }
    Some(learnt)
}

fn role(reply: Document<'_>) -> &'static str {
    let primary = reply.is_true("isWritablePrimary") || reply.is_true("ismaster");
    match reply.text("msg") {
        Some(b"isdbgrid") => "mongos",
        _ if reply.is_true("secondary") => "secondary",
        _ if reply.is_true("arbiterOnly") => "arbiter",
        _ if primary && reply.text("setName").is_some() => "primary",
        _ if primary => "standalone",
        _ => "other",
    }
}

fn build_info(reply: Document<'_>) -> Learnt {
    let mut learnt = vec![("build_info", json!("ok"))];
    if let Some(version) = reply.text("version").and_then(|version| word(version, VERSION_BYTES_MAX)) {
        learnt.push(("version", json!(version)));
    }
    let ferret = reply.entries().any(|(name, _)| name.to_ascii_lowercase().starts_with(b"ferretdb"));
    learnt.push(("family", json!(if ferret { "FerretDB" } else { "MongoDB" })));
    if let Some(modules) = reply.array("modules") {
        let enterprise = modules.entries().any(|(_, module)| matches!(module, Element::Text(b"enterprise")));
        learnt.push(("enterprise", json!(enterprise)));
    }
    learnt
}

fn refusal(key: &'static str, code: Option<i64>) -> Learnt {
    let told = if code == Some(UNAUTHORIZED) { "unauthorized" } else { "error" };
    let mut learnt = vec![(key, json!(told))];
    if let Some(code) = code {
        learnt.push(("error_code", json!(code)));
    }
    learnt
}

#[cfg(test)]
mod tests;
