//! Conversations with services that speak neither HTTP nor TLS alone, one folder each.
//!
//! A [`Dialogue`] is a state machine that says what to do next ([`Step`]) and never does it. Whoever drives
//! one does best to hold it in a [`Conversation`], which adds the bounds that are the same for all and
//! refuses what the allowed request class does not cover:
//!
//! ```text
//! step = next()
//! loop: Send(message) -> write it,            then step = next()
//!       Wait          -> read; bytes came:    step = receive(bytes)
//!                              nothing comes: step = interrupted(why)
//!       StartTls      -> handshake,           then step = next(); it failed: step = interrupted(why)
//!       Reconnect     -> close, dial again,   then step = next(); it failed: step = interrupted(why)
//!       Done          -> finish(why)
//! ```
//!
//! No dialogue has a user name, a password or a token to send: there is no field for one. What each may send
//! is written in its folder and fixed; what it learns is a JSON object with the keys of `README.md`.
//!
//! One place to add one: its folder, and its line in [`dialogues`]; a test pairs the two.

mod amqp;
mod cassandra;
mod conversation;
mod http2;
mod inbox;
mod kafka;
mod memcached;
mod mongodb;
mod mqtt;
mod mysql;
mod nats;
mod ovsdb;
mod postgresql;
mod redis;
mod zookeeper;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

use std::fmt;

pub use conversation::{Asked, Conversation, INPUT_BYTES_MAX, RECONNECTS_MAX, STEPS_MAX};
use nightlatch_asset::{DialogueAnswer, RequestClass};
use nightlatch_untrusted::Text;
use serde_json::{Map, Value};

use crate::Stopped;

/// What whoever drives a dialogue has to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Write these bytes, then ask [`Dialogue::next`].
    Send(Message),
    /// Read, and hand what came to [`Dialogue::receive`], or say why nothing came to
    /// [`Dialogue::interrupted`].
    Wait,
    /// Make a TLS handshake on this connection, then ask [`Dialogue::next`].
    StartTls,
    /// Close the connection and make a new one of the same kind, then ask [`Dialogue::next`].
    Reconnect,
    /// Nothing more to ask: close, and [`Dialogue::finish`].
    Done,
}

/// Bytes to send, with what they ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The request class the bytes belong to.
    pub class: RequestClass,
    /// The question in one line, such as `DBSIZE`, for evidence and the log of the run.
    pub asked: &'static str,
    /// What goes over the wire.
    pub bytes: Vec<u8>,
}

/// One conversation. How bytes are cut into pieces never changes its outcome.
pub trait Dialogue: fmt::Debug + Send {
    /// What to do at the beginning, after a message was written, after TLS was started, after a new
    /// connection was made.
    fn next(&mut self) -> Step;

    /// Takes the next bytes of the peer.
    fn receive(&mut self, bytes: &[u8]) -> Step;

    /// Takes notice that nothing (more) comes on this connection: closed, reset, or silent for as long as one
    /// answer may take. A dialogue that has another question for a new connection says so.
    fn interrupted(&mut self, _stopped: Stopped) -> Step {
        Step::Done
    }

    /// Whether the peer has said anything yet. When it has not, an end is a
    /// [`Failure`](nightlatch_asset::Failure) and no answer.
    fn started(&self) -> bool;

    /// What was learnt, whether the conversation came to its end or not.
    fn finish(self: Box<Self>, stopped: Stopped) -> DialogueAnswer;
}

/// A dialogue in the list of all.
#[derive(Clone, Copy, Debug)]
pub struct DialogueInfo {
    /// Its name: that of its folder, and of the protocol in fingerprints and observations.
    pub name: &'static str,
    /// The class of its first message; with less allowed it only listens. `T0` when it never sends.
    pub class: RequestClass,
    /// Whether the server speaks first, so that listening alone may tell who it is.
    pub server_speaks_first: bool,
    /// Starts one that asks nothing above the class given.
    pub start: fn(RequestClass) -> Box<dyn Dialogue>,
}

/// All dialogues, by name.
pub fn dialogues() -> &'static [DialogueInfo] {
    &[
        amqp::INFO,
        cassandra::INFO,
        http2::INFO,
        kafka::INFO,
        memcached::INFO,
        mongodb::INFO,
        mqtt::INFO,
        mysql::INFO,
        nats::INFO,
        ovsdb::INFO,
        postgresql::INFO,
        redis::INFO,
        zookeeper::INFO,
    ]
}

/// The dialogue called `name`.
pub fn dialogue(name: &str) -> Option<&'static DialogueInfo> {
    dialogues().iter().find(|info| info.name == name)
}

/// The answer when the peer spoke something else.
fn unrecognised() -> DialogueAnswer {
    DialogueAnswer { facts: serde_json::json!({ "recognised": false }), ..DialogueAnswer::default() }
}

/// An answer with these facts, and with them as lines of text.
fn recognised(facts: Map<String, Value>) -> DialogueAnswer {
    let mut said = String::new();
    for (key, value) in &facts {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        said.push_str(if said.is_empty() { "" } else { "\n" });
        said.push_str(&format!("{key}: {value}"));
    }
    let mut facts = facts;
    facts.insert("recognised".into(), Value::Bool(true));
    DialogueAnswer { facts: facts.into(), text: Text::new(said) }
}
