//! What to ask next: a conversation planner without sockets.
//!
//! The caller asks what [`Session::next`] gives, hands back each answer, and repeats until nothing is left to
//! ask; then [`Session::verdict`] says what it was. Every question is asked at most once.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nightlatch_asset::{Answer, Failure, RequestClass, Tls};

use crate::{
    judge::asked,
    judge::{Judge, Judged, Truth},
    model::{CANARY, Compiled, Fingerprint, Method, Predicate, ROOT, Request, Slot, Target, What},
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
    failures_in_a_row: usize,
    swept: usize,
    over: bool,
}

impl Session {
    pub(crate) fn new(compiled: Arc<Compiled>, judge: Judge) -> Self {
        Self { compiled, judge, asked: BTreeSet::new(), failures_in_a_row: 0, swept: 0, over: false }
    }

    /// Names of the binary conversations worth trying on this port, best first: those of fingerprints that the
    /// greeting speaks for, those that list the port, then all others.
    pub fn dialogues(&self) -> Vec<&str> {
        self.ranked_dialogues()
            .into_iter()
            .filter_map(|(_, slot)| dialogue_name(&self.compiled, slot))
            .collect()
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
        }
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
    }

    /// How many questions were asked so far.
    pub fn questions(&self) -> usize {
        self.asked.len()
    }

    /// What it was. What was not answered counts as false.
    pub fn verdict(self) -> Judged {
        self.judge.verdict(&self.compiled)
    }

    fn plan(&mut self) -> Vec<Slot> {
        if self.over || self.asked.len() >= QUESTIONS_MAX {
            return Vec::new();
        }
        let identified = self.identified();
        if !identified.is_empty() {
            return self.of_identified(&identified);
        }
        if self.dialogue_first()
            && let Some(slot) = self.next_dialogue(true)
        {
            return vec![slot];
        }
        if !self.speaks_first() && !self.asked.contains(&CANARY) {
            return vec![CANARY, ROOT];
        }
        if self.http_is_dead() {
            return self.next_dialogue(false).into_iter().collect();
        }
        if self.failures_in_a_row >= FAILURES_MAX || self.judge.edge().blocked || self.judge.other_scheme() {
            return Vec::new();
        }
        let batch = self.of_candidates();
        if !batch.is_empty() {
            return batch;
        }
        if self.judge.is_wildcard() || self.judge.is_walled() {
            return Vec::new();
        }
        self.sweep()
    }

    /// Fingerprints that are identified, by index.
    fn identified(&self) -> Vec<usize> {
        let all = self.compiled.fingerprints.iter().enumerate();
        all.filter(|(_, f)| self.judge.standing(f).identified).map(|(at, _)| at).collect()
    }

    /// What the identified products still want to know, and whether they are rather a special form of themselves.
    fn of_identified(&self, identified: &[usize]) -> Vec<Slot> {
        let is_identified = |id: &str| identified.iter().any(|at| self.compiled.fingerprints[*at].id == id);
        let mut batch = Vec::new();
        for fingerprint in &self.compiled.fingerprints {
            if is_identified(&fingerprint.id) {
                let open = |request: &&Request| self.may_ask(fingerprint, request, Some(true));
                batch.extend(fingerprint.requests.iter().filter(open).map(|request| request.slot));
            } else if fingerprint.refines.iter().any(|id| is_identified(id)) {
                batch.extend(self.identity_slots(fingerprint, RequestClass::T2));
            }
        }
        self.bounded(batch)
    }

    /// Identity requests of the most promising fingerprint that lists this port or is hinted at.
    fn of_candidates(&self) -> Vec<Slot> {
        let mut ranked: Vec<_> = self
            .compiled
            .fingerprints
            .iter()
            .enumerate()
            .map(|(at, f)| ((self.hinted(f), self.lists_port(f)), Reverse(at), f))
            .filter(|((hinted, listed), ..)| *hinted || *listed)
            .collect();
        ranked.sort_by_key(|(rank, at, _)| Reverse((*rank, *at)));
        let batches = ranked.into_iter().map(|(.., f)| self.identity_slots(f, RequestClass::T2));
        batches.map(|batch| self.bounded(batch)).find(|batch| !batch.is_empty()).unwrap_or_default()
    }

    /// Fixed-metadata identity requests of everybody else, within the budget.
    fn sweep(&mut self) -> Vec<Slot> {
        let budget = self.judge.context.sweep_max.saturating_sub(self.swept);
        let all = self.compiled.fingerprints.iter().filter(|f| f.file.sweep);
        let slots: Vec<_> = all.flat_map(|f| self.identity_slots(f, RequestClass::T1)).collect();
        let mut batch = self.bounded(slots);
        batch.truncate(budget);
        self.swept += batch.len();
        batch
    }

    /// HTTP requests that could still make an identity group hold: the first open one of each group, because its
    /// answer often settles the group and saves the others.
    fn identity_slots(&self, fingerprint: &Fingerprint, class_max: RequestClass) -> Vec<Slot> {
        let standing = self.judge.standing(fingerprint);
        let open = fingerprint
            .identities
            .iter()
            .zip(&standing.groups)
            .filter(|(_, truth)| **truth == Truth::Unknown);
        let askable = |request: &&Request| {
            !request.dialogue && request.class <= class_max && self.may_ask(fingerprint, request, None)
        };
        let first = |identity: &crate::model::Identity| {
            let targets = identity.rule.predicates().filter_map(target);
            targets.filter_map(|at| fingerprint.requests.get(at)).find(askable).map(|request| request.slot)
        };
        open.filter_map(|(identity, _)| first(identity)).collect()
    }

    /// Not asked yet, allowed by the scope, and all its conditions hold.
    fn may_ask(&self, fingerprint: &Fingerprint, request: &Request, identified: Option<bool>) -> bool {
        !self.asked.contains(&request.slot)
            && self.judge.allowed(request)
            && self.judge.conditions_hold(fingerprint, request, identified)
    }

    /// A hint holds, or an identity group holds in part by a marker on what everybody asks.
    fn hinted(&self, fingerprint: &Fingerprint) -> bool {
        fingerprint.hints.iter().any(|rule| self.judge.rule_holds(fingerprint, rule))
            || fingerprint
                .identities
                .iter()
                .any(|identity| self.judge.half_holds(fingerprint, &identity.rule))
    }

    fn lists_port(&self, fingerprint: &Fingerprint) -> bool {
        let tls = self.judge.context.scheme == Scheme::Tls;
        let listed = |entry: &crate::file::PortEntry| {
            entry.port == self.judge.context.port && entry.tls.is_none_or(|wanted| wanted == tls)
        };
        fingerprint.file.ports.iter().any(listed)
    }

    fn bounded(&self, slots: Vec<Slot>) -> Vec<Slot> {
        let mut batch: Vec<Slot> = Vec::new();
        let room = BATCH_MAX.min(QUESTIONS_MAX.saturating_sub(self.asked.len()));
        for slot in slots {
            let dialogue = dialogue_name(&self.compiled, slot).is_some();
            if batch.contains(&slot) || (dialogue && !batch.is_empty()) {
                continue;
            }
            batch.push(slot);
            // A dialogue has a connection of its own.
            if dialogue || batch.len() >= room {
                break;
            }
        }
        batch.truncate(room);
        batch
    }

    /// The peer spoke before it was asked, and not HTTP: no HTTP server does.
    fn speaks_first(&self) -> bool {
        let greeting = &self.judge.context.greeting;
        !greeting.is_empty() && !greeting.starts_with(b"HTTP/")
    }

    /// Only fingerprints with dialogues list this port.
    fn dialogue_first(&self) -> bool {
        let listed: Vec<_> = self.compiled.fingerprints.iter().filter(|f| self.lists_port(f)).collect();
        let by_dialogue = |f: &&&Fingerprint| f.requests.iter().any(|request| request.dialogue);
        self.speaks_first()
            || (!listed.is_empty() && listed.iter().filter(by_dialogue).count() == listed.len())
    }

    /// Canary and root both failed, and not because nothing can be reached.
    fn http_is_dead(&self) -> bool {
        if self.speaks_first() {
            return true;
        }
        let failed = |slot: Slot| self.judge.seen(slot).is_none_or(|seen| seen.failure().is_some());
        failed(CANARY) && failed(ROOT)
    }

    fn ranked_dialogues(&self) -> Vec<(bool, Slot)> {
        let mut best: BTreeMap<Slot, (bool, bool)> = BTreeMap::new();
        for fingerprint in &self.compiled.fingerprints {
            let rank = (self.hinted(fingerprint), self.lists_port(fingerprint));
            for request in fingerprint.requests.iter().filter(|request| request.dialogue) {
                let known = best.entry(request.slot).or_default();
                *known = (known.0 || rank.0, known.1 || rank.1);
            }
        }
        let mut ranked: Vec<_> = best.into_iter().collect();
        let place = |slot: Slot| {
            let name = dialogue_name(&self.compiled, slot);
            TEXT_FIRST.iter().position(|text| name == Some(text)).unwrap_or(TEXT_FIRST.len())
        };
        ranked.sort_by_key(|(slot, rank)| (Reverse(*rank), place(*slot), *slot));
        ranked.into_iter().map(|(slot, (hinted, listed))| (hinted || listed, slot)).collect()
    }

    /// The next dialogue: of likely ones only, or of all. None when nothing can be reached at all.
    fn next_dialogue(&self, likely_only: bool) -> Option<Slot> {
        let gone = |slot: Slot| {
            let failure = self.judge.seen(slot).and_then(crate::judge::Seen::failure);
            matches!(failure, Some(Failure::Refused | Failure::Tls(_) | Failure::ClientCertificate))
        };
        if gone(CANARY) || gone(ROOT) || self.judge.other_scheme() {
            return None;
        }
        let ranked = self.ranked_dialogues();
        let tried = ranked.iter().filter(|(_, slot)| self.asked.contains(slot)).count();
        if tried >= DIALOGUES_MAX {
            return None;
        }
        ranked
            .into_iter()
            .find(|(likely, slot)| (*likely || !likely_only) && !self.asked.contains(slot))
            .map(|(_, slot)| slot)
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

fn dialogue_name(compiled: &Compiled, slot: Slot) -> Option<&str> {
    match compiled.asks.get(slot).map(|ask| &ask.what) {
        Some(What::Dialogue(name)) => Some(name),
        _ => None,
    }
}

/// Index of the request that a predicate looks at.
fn target(predicate: &Predicate) -> Option<usize> {
    match predicate {
        Predicate::On(Target::Request(at), _) => Some(*at),
        _ => None,
    }
}
