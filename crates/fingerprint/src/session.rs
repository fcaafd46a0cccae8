//! What to ask next: a conversation planner without sockets.
//!
//! The caller asks what [`Session::next`] gives, hands back each answer, and repeats until nothing is left to
//! ask; then [`Session::verdict`] says what it was. Every question is asked at most once.

mod plan;

use std::{collections::BTreeSet, sync::Arc};

use nightlatch_asset::{Answer, Failure, RequestClass, Tls};

use crate::{
    judge::{Judge, Judged, Standing, asked},
    model::{CANARY, Compiled, Method, ROOT, Slot, What},
};

/// Questions in one batch.
const BATCH_MAX: usize = 8;
/// Questions in one conversation, whatever the fingerprints wish.
pub const QUESTIONS_MAX: usize = 64;
/// Identity requests of fingerprints that neither list the port nor are hinted at.
pub const SWEEP_MAX: usize = 40;
/// Binary dialogues tried on one port: all that the probe holds today, so that a service is found on any port; a bound
/// for the day when there are many.
pub const DIALOGUES_MAX: usize = 12;
/// Dialogues tried before all others of the same rank. They begin with a line of text: a server that expects binary ends
/// such a connection at once, whereas one that expects lines waits for the rest of a binary message until time is up.
const TEXT_FIRST: &[&str] = &["redis", "memcached", "zookeeper"];
/// Failures in a row after which a server that answered before is left alone.
const FAILURES_MAX: usize = 3;

/// How bytes travel in one conversation.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Plain,
    /// Inside TLS.
    Tls,
}

/// What is known before the first question, and what the scope allows.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The port.
    pub port: u16,
    /// With or without TLS.
    pub scheme: Scheme,
    /// Facts of the handshake; with a failed handshake what was seen until then.
    pub tls: Option<Tls>,
    /// What the peer said unasked; empty when it waited.
    pub greeting: Vec<u8>,
    /// Whether questions spelt POST are allowed (class T3).
    pub t3: bool,
    /// Options that the scope has switched on, such as `counts`.
    pub opt_ins: BTreeSet<String>,
    /// Whether a host name, and not an address, is asked for.
    pub host_is_name: bool,
    /// Random bytes, drawn anew for each conversation.
    pub nonce: [u8; 8],
    /// Secret of the installation: names are kept as hashes under this key.
    pub hash_key: [u8; 32],
    /// Questions asked of an endpoint that nothing hints at; 0 switches that off, [`SWEEP_MAX`] is usual.
    pub sweep_max: usize,
}

impl Context {
    /// A context for this port and scheme: no T3, no options, the usual sweep, an all-zero key.
    pub fn new(port: u16, scheme: Scheme, nonce: [u8; 8]) -> Self {
        Self { port, scheme, nonce, sweep_max: SWEEP_MAX, ..Self::default() }
    }
}

/// Names a question within one catalogue.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QuestionId(pub(crate) Slot);

impl QuestionId {
    /// The canary.
    pub const CANARY: Self = Self(CANARY);
    /// `GET /`.
    pub const ROOT: Self = Self(ROOT);
}

/// One question to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Its name.
    pub id: QuestionId,
    /// What it may do at most.
    pub class: RequestClass,
    /// How to ask.
    pub kind: QuestionKind,
    /// One line for evidence and logs; the nonce is left as `{nonce}`.
    pub asked: String,
}

/// How to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum QuestionKind {
    /// An HTTP request.
    Http {
        /// Method.
        method: Method,
        /// Path and query as they go over the wire.
        path: String,
        /// `Accept` header.
        accept: String,
        /// Body, to be sent as `application/json`.
        json_body: Option<String>,
        /// Bytes of body to read at most.
        body_bytes_max: u32,
        /// No body will come (`HEAD`).
        head_only: bool,
    },
    /// A binary conversation of the probe, on a connection of its own.
    Dialogue {
        /// Its name.
        name: String,
    },
}

/// One conversation with one port over one scheme.
#[derive(Debug)]
pub struct Session {
    compiled: Arc<Compiled>,
    judge: Judge,
    asked: BTreeSet<Slot>,
    /// How each fingerprint stands, as of the answers in `judge` without those in `fresh`.
    outlooks: Vec<Outlook>,
    /// Answered since the outlooks were made.
    fresh: BTreeSet<Slot>,
    failures_in_a_row: usize,
    swept: usize,
    over: bool,
}

/// How one fingerprint stands at the moment.
#[derive(Debug)]
struct Outlook {
    standing: Standing,
    /// A hint holds, or an identity group holds in part by a marker.
    hinted: bool,
}

impl Session {
    pub(crate) fn new(compiled: Arc<Compiled>, judge: Judge) -> Self {
        let outlooks = compiled.fingerprints.iter().map(|f| Outlook::of(&judge, f)).collect();
        let (asked, fresh) = (BTreeSet::new(), BTreeSet::new());
        Self { compiled, judge, asked, outlooks, fresh, failures_in_a_row: 0, swept: 0, over: false }
    }

    /// Names of the binary conversations worth trying on this port, best first: those of fingerprints that the
    /// greeting speaks for, those that list the port, then all others.
    pub fn dialogues(&self) -> Vec<&str> {
        let ranked = self.ranked_dialogues().into_iter();
        ranked.filter_map(|(_, slot)| plan::dialogue_name(&self.compiled, slot)).collect()
    }

    /// The next questions, to be asked in this order; on one connection if they are HTTP. Empty: nothing is left
    /// to ask. A question that was not answered by now stays unanswered; it is not repeated.
    #[expect(
        clippy::should_implement_trait,
        reason = "a conversation is no iterator: answers come in between"
    )]
    pub fn next(&mut self) -> Vec<Question> {
        let open: Vec<_> =
            self.asked.iter().copied().filter(|slot| self.judge.seen(*slot).is_none()).collect();
        for slot in open {
            self.judge.take(&self.compiled, slot, Answer::Failed(Failure::Budget));
            self.fresh.insert(slot);
        }
        self.refresh();
        let slots = self.plan();
        self.asked.extend(slots.iter().copied());
        slots.into_iter().filter_map(|slot| self.question(slot)).collect()
    }

    /// Takes the answer to a question.
    pub fn answer(&mut self, id: QuestionId, answer: Answer) {
        match &answer {
            Answer::Failed(Failure::Budget) => self.over = true,
            Answer::Failed(Failure::ClientCertificate) => self.over = true,
            Answer::Failed(_) => self.failures_in_a_row += 1,
            Answer::Http(http) => {
                self.failures_in_a_row = 0;
                // Asked to slow down: whatever is known by now must do.
                self.over |= http.status == 429;
            }
            Answer::Dialogue(_) => self.failures_in_a_row = 0,
        }
        self.judge.take(&self.compiled, id.0, answer);
        self.fresh.insert(id.0);
    }

    /// Whether the port, the greeting or an answer speaks for this question, where it is a binary conversation; any
    /// other question is expected.
    pub fn expects(&self, id: QuestionId) -> bool {
        let mut dialogues = self.ranked_dialogues().into_iter();
        dialogues.find(|(_, slot)| *slot == id.0).is_none_or(|(likely, _)| likely)
    }

    /// How many questions were asked so far.
    pub fn questions(&self) -> usize {
        self.asked.len()
    }

    /// What it was. What was not answered counts as false.
    pub fn verdict(mut self) -> Judged {
        self.refresh();
        // What cannot hold any more cannot hold at the end.
        let open = |at: usize| self.outlooks.get(at).is_some_and(Outlook::is_open);
        self.judge.verdict(&self.compiled, open)
    }

    pub(crate) fn question(&self, slot: Slot) -> Option<Question> {
        let ask = self.compiled.asks.get(slot)?;
        let kind = match &ask.what {
            What::Http { method, accept, body, body_bytes_max, .. } => QuestionKind::Http {
                method: *method,
                path: self.compiled.path(slot, &self.judge.nonce),
                accept: accept.clone(),
                json_body: body.as_ref().map(|body| body.replace("{nonce}", &self.judge.nonce)),
                body_bytes_max: *body_bytes_max,
                head_only: *method == Method::Head,
            },
            What::Dialogue(name) => QuestionKind::Dialogue { name: name.clone() },
        };
        Some(Question { id: QuestionId(slot), class: ask.class, kind, asked: asked(&self.compiled, slot) })
    }
}

#[cfg(test)]
mod tests;
