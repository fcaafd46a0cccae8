//! What the answers mean: predicates in three values, identity before state, the verdict with its evidence.

mod evidence;
mod facts;
mod seen;
mod truth;
mod verdict;

use std::collections::BTreeMap;

use nightlatch_asset::{ClientCertificate, Failure, Tls};

pub(crate) use evidence::asked;
pub(crate) use seen::Seen;
pub(crate) use truth::Truth;
pub use verdict::{Candidate, Judged};

use crate::{
    compile, edge,
    model::{CANARY, Compiled, Fingerprint, ROOT, Request, Rule, Slot, Target},
    session::{Context, Scheme},
    similarity::{Asked, same_page},
};

/// The context of one conversation and the answers so far.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) context: Context,
    /// Sixteen hexadecimal digits.
    pub(crate) nonce: String,
    answers: BTreeMap<Slot, Seen>,
}

impl Judge {
    pub(crate) fn new(context: Context) -> Self {
        let nonce = context.nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { context, nonce, answers: BTreeMap::new() }
    }

    /// Takes an answer; a page that cannot be told from the canary is marked.
    pub(crate) fn take(&mut self, compiled: &Compiled, slot: Slot, answer: nightlatch_asset::Answer) {
        let seen = Seen::new(answer);
        self.answers.insert(slot, seen);
        // A late canary must still mark what came before it.
        let slots: Vec<_> = if slot == CANARY { self.answers.keys().copied().collect() } else { vec![slot] };
        for slot in slots {
            let same = slot != CANARY && self.is_canary_page(compiled, slot);
            if let Some(seen) = self.answers.get_mut(&slot) {
                seen.same_as_canary = same;
            }
        }
    }

    pub(crate) fn seen(&self, slot: Slot) -> Option<&Seen> {
        self.answers.get(&slot)
    }

    /// The slot that a target of `fingerprint` means, and its request unless it is the canary.
    pub(crate) fn resolve<'f>(
        &self,
        fingerprint: &'f Fingerprint,
        target: Target,
    ) -> (Slot, Option<&'f Request>) {
        match target {
            Target::Canary => (CANARY, None),
            Target::Request(at) => {
                let request = fingerprint.requests.get(at);
                (request.map_or(CANARY, |request| request.slot), request)
            }
        }
    }

    /// Whether the scope lets this request be asked at all.
    pub(crate) fn allowed(&self, request: &Request) -> bool {
        let class = request.class < nightlatch_asset::RequestClass::T3 || self.context.t3;
        class && request.opt_in.as_ref().is_none_or(|option| self.context.opt_ins.contains(option))
    }

    /// Successes and redirects that equal the canary's. Refusals are kept: products refuse every path alike.
    fn is_canary_page(&self, compiled: &Compiled, slot: Slot) -> bool {
        let http = |slot: Slot| self.seen(slot).and_then(Seen::http);
        let (Some(canary), Some(answer)) = (http(CANARY), http(slot)) else { return false };
        if !(200..400).contains(&canary.status) || canary.status != answer.status {
            return false;
        }
        let paths = [CANARY, slot].map(|slot| compiled.path(slot, &self.nonce));
        let route = |path: &'_ str| path.split('?').next().unwrap_or_default().to_owned();
        let (a, b) = (route(&paths[0]), route(&paths[1]));
        same_page(Asked { path: &a, answer: canary }, Asked { path: &b, answer }, &self.nonce)
    }

    /// True when the server answers unknown paths with its root page.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.seen(ROOT).is_some_and(|seen| seen.same_as_canary)
    }

    /// True when canary and root are refused alike.
    pub(crate) fn is_walled(&self) -> bool {
        let http = |slot: Slot| self.seen(slot).and_then(Seen::http);
        matches!((http(CANARY), http(ROOT)), (Some(canary), Some(root)) if edge::same_refusal(canary, root))
    }

    pub(crate) fn edge(&self) -> edge::Edge {
        let first = [CANARY, ROOT].into_iter().filter_map(|slot| self.seen(slot).and_then(Seen::http));
        first.map(edge::edge).fold(edge::Edge::default(), edge::Edge::join)
    }

    /// True when the answers say that the other scheme is spoken on this port.
    pub(crate) fn other_scheme(&self) -> bool {
        [CANARY, ROOT].into_iter().filter_map(|slot| self.seen(slot)).any(|seen| match self.context.scheme {
            Scheme::Plain => {
                seen.http().is_some_and(edge::wants_tls) || seen.failure().is_some_and(edge::is_tls_record)
            }
            Scheme::Tls => {
                matches!(seen.failure(), Some(Failure::Foreign(bytes)) if bytes.starts_with(b"HTTP/"))
            }
        })
    }

    /// Whether a client certificate is asked for; a refusal at the first read counts as required.
    pub(crate) fn client_certificate(&self) -> ClientCertificate {
        let refused = self.answers.values().any(|seen| seen.failure() == Some(&Failure::ClientCertificate));
        let told = self.context.tls.as_ref().map(|tls: &Tls| tls.client_certificate).unwrap_or_default();
        if refused { ClientCertificate::Required } else { told }
    }

    /// How a fingerprint stands: which groups hold, and whether that identifies it.
    pub(crate) fn standing(&self, fingerprint: &Fingerprint) -> Standing {
        self.standing_as_of(fingerprint, false)
    }

    /// Every condition of a request holds now.
    pub(crate) fn conditions_hold(
        &self,
        fingerprint: &Fingerprint,
        request: &Request,
        identified: Option<bool>,
    ) -> bool {
        let view = truth::View { judge: self, fingerprint, identified, at_end: false };
        view.conjunction(request.when.iter().map(|p| view.predicate(p))) == Truth::Yes
    }

    /// A rule holds now.
    pub(crate) fn rule_holds(&self, fingerprint: &Fingerprint, rule: &Rule) -> bool {
        truth::View { judge: self, fingerprint, identified: None, at_end: false }.rule(rule) == Truth::Yes
    }

    /// A rule may still hold, and one of its markers, not just a status, holds already.
    pub(crate) fn half_holds(&self, fingerprint: &Fingerprint, rule: &Rule) -> bool {
        let view = truth::View { judge: self, fingerprint, identified: None, at_end: false };
        view.rule(rule) != Truth::No
            && rule
                .all
                .iter()
                .chain(&rule.any)
                .any(|p| compile::is_marker(p) && view.predicate(p) == Truth::Yes)
    }

    fn standing_as_of(&self, fingerprint: &Fingerprint, at_end: bool) -> Standing {
        // Identity groups do not look at identity, so nothing has to be assumed.
        let view = truth::View { judge: self, fingerprint, identified: None, at_end };
        let mut groups = Groups::default();
        let (mut certain, mut layers) = (false, 0_u32);
        for (at, identity) in fingerprint.identities.iter().enumerate() {
            let truth = view.rule(&identity.rule);
            groups.set(at, truth);
            if truth == Truth::Yes {
                certain |= identity.certain;
                layers |= 1 << identity.layer as u32;
            }
        }
        Standing { certain, identified: certain || layers.count_ones() >= 2, groups }
    }
}

/// How the identity of one fingerprint stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// One certain group holds.
    pub(crate) certain: bool,
    /// One certain group, or two of different layers.
    pub(crate) identified: bool,
    /// Each group.
    pub(crate) groups: Groups,
}

/// Whether each identity group of a fingerprint holds, a bit for each: every fingerprint is looked at after every
/// answer, and a list on the heap for each was a good part of what a conversation cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Groups {
    yes: u64,
    unknown: u64,
}

impl Groups {
    fn set(&mut self, at: usize, truth: Truth) {
        // The loader lets no fingerprint have more groups than there are bits.
        let bit = 1_u64.checked_shl(at as u32).unwrap_or(0);
        match truth {
            Truth::Yes => self.yes |= bit,
            Truth::Unknown => self.unknown |= bit,
            Truth::No => {}
        }
    }

    /// Whether group `at` holds.
    pub(crate) fn holds(self, at: usize) -> bool {
        self.yes.checked_shr(at as u32).unwrap_or(0) & 1 == 1
    }

    /// Whether it is not known yet if group `at` holds.
    pub(crate) fn is_unknown(self, at: usize) -> bool {
        self.unknown.checked_shr(at as u32).unwrap_or(0) & 1 == 1
    }

    /// Whether any group holds.
    pub(crate) fn any_holds(self) -> bool {
        self.yes != 0
    }

    /// Whether any group holds, or may hold yet.
    pub(crate) fn any_open(self) -> bool {
        self.yes | self.unknown != 0
    }
}

impl Compiled {
    /// Path and query of an HTTP question with the nonce in place; empty for a dialogue.
    pub(crate) fn path(&self, slot: Slot, nonce: &str) -> String {
        match self.asks.get(slot).map(|ask| &ask.what) {
            Some(crate::model::What::Http { path, .. }) => path.replace("{nonce}", nonce),
            _ => String::new(),
        }
    }
}
