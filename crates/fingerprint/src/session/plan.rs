//! The order of questions: canary and root, then whoever is likely, then only who it is; others last.

use std::{cmp::Reverse, collections::BTreeMap};

use nightlatch_asset::{Failure, RequestClass};

use super::{BATCH_MAX, DIALOGUES_MAX, FAILURES_MAX, Outlook, QUESTIONS_MAX, Scheme, Session, TEXT_FIRST};
use crate::{
    judge::Judge,
    model::{CANARY, Compiled, Fingerprint, Predicate, ROOT, Request, Slot, Target, What},
};

impl Session {
    /// Looks again at the fingerprints that look at what was answered since.
    pub(super) fn refresh(&mut self) {
        for (outlook, fingerprint) in self.outlooks.iter_mut().zip(&self.compiled.fingerprints) {
            if fingerprint.looks_at.iter().any(|slot| self.fresh.contains(slot)) {
                *outlook = Outlook::of(&self.judge, fingerprint);
            }
        }
        self.fresh.clear();
    }

    pub(super) fn plan(&mut self) -> Vec<Slot> {
        if self.over || self.asked.len() >= QUESTIONS_MAX {
            return Vec::new();
        }
        let identified = self.identified();
        if identified.is_empty()
            && self.dialogue_first()
            && let Some(slot) = self.next_dialogue(true)
        {
            return vec![slot];
        }
        let by_dialogue = identified.iter().any(|at| self.rests_on_dialogue(*at));
        if !by_dialogue && !self.speaks_first() && !self.asked.contains(&CANARY) {
            return vec![CANARY, ROOT];
        }
        let own = self.of_identified(&identified);
        if by_dialogue || (self.http_is_dead() && !identified.is_empty()) {
            return own.into_iter().filter(|slot| dialogue_name(&self.compiled, *slot).is_some()).collect();
        }
        if self.http_is_dead() {
            return self.next_dialogue(false).into_iter().collect();
        }
        if self.failures_in_a_row >= FAILURES_MAX || self.judge.edge().blocked || self.judge.other_scheme() {
            return Vec::new();
        }
        // A certificate names who ends the TLS connection; somebody else may be behind.
        if !own.is_empty() || identified.iter().any(|at| self.rests_on_an_answer(*at)) {
            return own;
        }
        let batch = self.of_candidates();
        if !batch.is_empty() {
            return batch;
        }
        if !identified.is_empty() || self.judge.is_wildcard() || self.judge.is_walled() {
            return Vec::new();
        }
        self.sweep()
    }

    /// Fingerprints that are identified, by index.
    fn identified(&self) -> Vec<usize> {
        let all = self.outlooks.iter().enumerate();
        all.filter(|(_, outlook)| outlook.standing.identified).map(|(at, _)| at).collect()
    }

    /// A group that holds looks at the answer to a request, and not at the handshake alone.
    fn rests_on_an_answer(&self, at: usize) -> bool {
        self.held_requests(at).next().is_some()
    }

    fn rests_on_dialogue(&self, at: usize) -> bool {
        self.held_requests(at).any(|request| request.dialogue)
    }

    /// Requests that the holding groups of a fingerprint look at.
    fn held_requests(&self, at: usize) -> impl Iterator<Item = &Request> {
        let fingerprint = self.compiled.fingerprints.get(at);
        let outlook = self.outlooks.get(at);
        let groups = fingerprint.zip(outlook).into_iter().flat_map(|(fingerprint, outlook)| {
            let held = fingerprint.identities.iter().enumerate();
            held.filter(|(at, _)| outlook.standing.groups.holds(*at))
                .map(move |(_, identity)| (fingerprint, identity))
        });
        groups.flat_map(|(fingerprint, identity)| {
            let targets = identity.rule.all.iter().chain(&identity.rule.any).filter_map(target);
            targets.filter_map(|at| fingerprint.requests.get(at))
        })
    }

    /// What the identified products still want to know, and whether they are rather a special form of themselves.
    fn of_identified(&self, identified: &[usize]) -> Vec<Slot> {
        let is_identified = |id: &str| identified.iter().any(|at| self.compiled.fingerprints[*at].id == id);
        let mut batch = Vec::new();
        for (at, fingerprint) in self.compiled.fingerprints.iter().enumerate() {
            if identified.contains(&at) {
                let open = |request: &&Request| self.may_ask(fingerprint, request, Some(true));
                batch.extend(fingerprint.requests.iter().filter(open).map(|request| request.slot));
            } else if fingerprint.refines.iter().any(|id| is_identified(id)) {
                batch.extend(self.identity_slots(at, RequestClass::T2));
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
            .zip(&self.outlooks)
            .enumerate()
            .map(|(at, (fingerprint, outlook))| ((outlook.hinted, self.lists_port(fingerprint)), Reverse(at)))
            .filter(|((hinted, listed), _)| *hinted || *listed)
            .collect();
        ranked.sort_by_key(|rank| Reverse(*rank));
        let batches = ranked.into_iter().map(|(_, Reverse(at))| self.identity_slots(at, RequestClass::T2));
        batches.map(|batch| self.bounded(batch)).find(|batch| !batch.is_empty()).unwrap_or_default()
    }

    /// Fixed-metadata identity requests of everybody else, within the budget.
    fn sweep(&mut self) -> Vec<Slot> {
        let budget = self.judge.context.sweep_max.saturating_sub(self.swept);
        let all = self.compiled.fingerprints.iter().enumerate().filter(|(_, f)| f.file.sweep);
        let slots: Vec<_> = all.flat_map(|(at, _)| self.identity_slots(at, RequestClass::T1)).collect();
        let mut batch = self.bounded(slots);
        batch.truncate(budget);
        self.swept += batch.len();
        batch
    }

    /// HTTP requests that could still make an identity group hold: the first open one of each group, because its
    /// answer often settles the group and saves the others.
    fn identity_slots(&self, at: usize, class_max: RequestClass) -> Vec<Slot> {
        let Some((fingerprint, outlook)) = self.compiled.fingerprints.get(at).zip(self.outlooks.get(at))
        else {
            return Vec::new();
        };
        let groups = fingerprint.identities.iter().enumerate();
        let open = groups.filter(|(at, _)| outlook.standing.groups.is_unknown(*at));
        let askable = |request: &&Request| {
            !request.dialogue && request.class <= class_max && self.may_ask(fingerprint, request, None)
        };
        let first = |identity: &crate::model::Identity| {
            let targets = identity.rule.predicates().filter_map(target);
            targets.filter_map(|at| fingerprint.requests.get(at)).find(askable).map(|request| request.slot)
        };
        open.filter_map(|(_, identity)| first(identity)).collect()
    }

    /// Not asked yet, allowed by the scope, and all its conditions hold.
    fn may_ask(&self, fingerprint: &Fingerprint, request: &Request, identified: Option<bool>) -> bool {
        !self.asked.contains(&request.slot)
            && self.judge.allowed(request)
            && self.judge.conditions_hold(fingerprint, request, identified)
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

    pub(super) fn ranked_dialogues(&self) -> Vec<(bool, Slot)> {
        let mut best: BTreeMap<Slot, (bool, bool)> = BTreeMap::new();
        for (fingerprint, outlook) in self.compiled.fingerprints.iter().zip(&self.outlooks) {
            let rank = (outlook.hinted, self.lists_port(fingerprint));
            let allowed = |request: &&Request| request.dialogue && self.judge.allowed(request);
            for request in fingerprint.requests.iter().filter(allowed) {
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
}

impl Outlook {
    pub(super) fn of(judge: &Judge, fingerprint: &Fingerprint) -> Self {
        let standing = judge.standing(fingerprint);
        let hinted = fingerprint.hints.iter().any(|rule| judge.rule_holds(fingerprint, rule))
            || fingerprint.identities.iter().any(|identity| judge.half_holds(fingerprint, &identity.rule));
        Self { standing, hinted }
    }

    /// An identity group holds, or may hold yet.
    pub(super) fn is_open(&self) -> bool {
        self.standing.groups.any_open()
    }
}

pub(super) fn dialogue_name(compiled: &Compiled, slot: Slot) -> Option<&str> {
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
