use std::collections::BTreeSet;

use nightlatch_asset::{
    ClientCertificate, Confidence, Exposure, Failure, Finding, RequestClass, Severity, Text, Verdict,
};

use super::{Judge, Seen, Standing, Truth, evidence, facts, truth::View};
use crate::{
    model::{CANARY, Compiled, Fingerprint, Predicate, ROOT, Rule, Slot, State, Target, version_numbers},
    self_named::{self, Server},
    session::{QuestionId, Scheme},
};

/// This many unrelated products on one endpoint are a decoy, or a responder that answers whatever is asked.
const RESPONDER_PRODUCTS: usize = 3;
/// Longest version, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// The verdict and what belongs beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// What it is and how far it opens.
    pub verdict: Verdict,
    /// `plaintext`, `self-signed`, `end-of-life`, `setup-pending`, `cdn`, `waf`, `responder`, `wildcard` ...
    pub tags: BTreeSet<Text>,
    /// The question whose answer is the main response; `None` when nothing usable came.
    pub main: Option<QuestionId>,
    /// Operating system, where the product tells it.
    pub os: Option<Text>,
    /// The answers say that the other scheme is spoken on this port: try once with, or without, TLS.
    pub other_scheme: bool,
    /// Every fingerprint of which an identity group held, for debugging.
    pub candidates: Vec<Candidate>,
}

/// A fingerprint of which an identity group held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// Identifier.
    pub fingerprint: String,
    /// Names of the groups that held.
    pub groups: Vec<String>,
    /// Whether that identifies the product.
    pub identified: bool,
    /// What its rules make of the answers; `unknown` when it is not identified.
    pub exposure: Exposure,
}

/// A fingerprint that is identified, with the state that its rules give.
struct Identified<'c> {
    fingerprint: &'c Fingerprint,
    standing: Standing,
    state: Option<(usize, &'c State)>,
}

impl Judge {
    /// The verdict over all answers; what was not answered counts as false.
    ///
    /// - `open`: whether the fingerprint at this index may be identified at all; saves looking at the others.
    pub(crate) fn verdict(&self, compiled: &Compiled, open: impl Fn(usize) -> bool) -> Judged {
        let all = || compiled.fingerprints.iter().enumerate().filter(|(at, _)| open(*at));
        let standings = || all().map(|(_, f)| (f, self.standing_as_of(f, true)));
        let candidates = standings().filter(|(_, standing)| standing.groups.any_holds());
        let mut identified: Vec<Identified<'_>> = Vec::new();
        let mut listed = Vec::new();
        for (fingerprint, standing) in candidates {
            let state = if standing.identified { self.state(fingerprint) } else { None };
            listed.push(Candidate {
                fingerprint: fingerprint.id.clone(),
                groups: held(fingerprint, &standing).map(|(name, _)| name.to_owned()).collect(),
                identified: standing.identified,
                exposure: state.map_or(Exposure::Unknown, |(_, state)| state.is),
            });
            if standing.identified {
                identified.push(Identified { fingerprint, standing, state });
            }
        }
        let families = families(&identified);
        let mut judged = match decider(&identified) {
            Some(decider) if families < RESPONDER_PRODUCTS => self.identified(compiled, decider, families),
            Some(_) => self.responder(compiled),
            None => self.nothing(compiled),
        };
        judged.candidates = listed;
        judged.other_scheme = self.other_scheme();
        self.add_tags(&mut judged);
        judged
    }

    fn state<'c>(&self, fingerprint: &'c Fingerprint) -> Option<(usize, &'c State)> {
        let view = View { judge: self, fingerprint, identified: Some(true), at_end: true };
        let matches = |state: &State| {
            view.rule(&state.rule) == Truth::Yes && (state.is < Exposure::Readable || self.rests(view, state))
        };
        fingerprint.states.iter().enumerate().find(|(_, state)| matches(state))
    }

    /// From `readable` up: an answer to a T2 or T3 request that is a success and no canary page, a permission
    /// answer, or a dialogue. The loader checked that the rule names one; this checks what came.
    fn rests(&self, view: View<'_>, state: &State) -> bool {
        state.rule.all.iter().chain(&state.rule.any).any(|predicate| {
            let Predicate::On(target @ Target::Request(_), _) = predicate else { return false };
            let (slot, Some(request)) = self.resolve(view.fingerprint, *target) else { return false };
            let Some(seen) = self.seen(slot) else { return false };
            if request.dialogue {
                return seen.dialogue().is_some();
            }
            let Some(http) = seen.http() else { return false };
            let success = (200..300).contains(&http.status) && !seen.same_as_canary && !request.catch_all;
            let rests = request.permission || (request.class >= RequestClass::T2 && success);
            rests && view.predicate(predicate) == Truth::Yes
        })
    }

    fn identified(&self, compiled: &Compiled, decider: &Identified<'_>, families: usize) -> Judged {
        let Identified { fingerprint, standing, state } = decider;
        let mut facts = facts::all(self, fingerprint);
        let version =
            facts.remove("version").map(|text| Text::from_bytes(text.raw().as_bytes(), VERSION_BYTES_MAX));
        let os = facts.remove("os");
        let own = if standing.certain && families == 1 { Confidence::High } else { Confidence::Medium };
        let confidence = state.and_then(|(_, state)| state.confidence).map_or(own, |limit| limit.min(own));
        let groups = held(fingerprint, standing).map(|(_, rule)| rule);
        let rules = groups.chain(state.map(|(_, state)| &state.rule));
        let verdict = Verdict {
            fingerprint: Some(Text::from(fingerprint.id.as_str())),
            product: Some(Text::from(fingerprint.product.as_str())),
            cpe: cpe(&fingerprint.file.cpe, version.as_ref()),
            exposure: state.map_or(Exposure::Unknown, |(_, state)| state.is),
            proof: state.and_then(|(_, state)| state.proof),
            severity: state.map_or(Severity::Info, |(_, state)| self.severity(fingerprint, state)),
            confidence,
            why: Text::from(
                state.map_or("identified, but no answer tells how far it opens", |(_, state)| &state.why),
            ),
            rule: state.map_or_else(String::new, |(at, _)| format!("state[{at}]")),
            fix: Some(Text::from(fingerprint.file.remediation.summary.as_str())),
            findings: self.findings(fingerprint, version.as_ref()),
            evidence: evidence::of(self, compiled, fingerprint, rules),
            facts,
            version,
        };
        let tags = state.map(|(_, state)| state.tags.iter().map(|tag| Text::from(tag.as_str())).collect());
        let mut judged = Judged {
            verdict,
            tags: tags.unwrap_or_default(),
            main: self.main(fingerprint, standing),
            os,
            ..Judged::default()
        };
        if self.context.scheme == Scheme::Plain {
            judged.tags.insert(Text::from("plaintext"));
        }
        if judged.verdict.findings.iter().any(|finding| finding.id == END_OF_LIFE) {
            judged.tags.insert(Text::from(END_OF_LIFE));
        }
        judged
    }

    /// By the table; one step up where a password is asked for in the clear.
    fn severity(&self, fingerprint: &Fingerprint, state: &State) -> Severity {
        let at = match state.is {
            Exposure::Unknown => return Severity::Info,
            Exposure::AuthRequired => 0,
            Exposure::Limited => 1,
            Exposure::Readable => 2,
            Exposure::Controllable => 3,
        };
        let severity = state.severity.unwrap_or(fingerprint.severity[at]);
        let password_in_clear = self.context.scheme == Scheme::Plain && state.is <= Exposure::Limited;
        if !(password_in_clear && fingerprint.raise_plaintext) {
            return severity;
        }
        Severity::ALL.into_iter().find(|higher| *higher > severity).unwrap_or(severity)
    }

    fn findings(&self, fingerprint: &Fingerprint, version: Option<&Text>) -> Vec<Finding> {
        let view = View { judge: self, fingerprint, identified: Some(true), at_end: true };
        let found = fingerprint.findings.iter().filter(|finding| view.rule(&finding.rule) == Truth::Yes);
        let mut findings: Vec<_> = found
            .map(|rule| Finding { id: rule.id.clone(), severity: rule.severity, title: rule.title.clone() })
            .collect();
        if let Some(end) = &fingerprint.file.end_of_life {
            let below = |limit: &String| {
                version.is_some_and(|version| version_numbers(version.raw()) < version_numbers(limit))
            };
            if end.all || end.before.as_ref().is_some_and(below) {
                let title = format!("No more fixes for this version (as of {})", end.as_of);
                findings.push(Finding { id: END_OF_LIFE.to_owned(), severity: Severity::Low, title });
            }
        }
        findings
    }

    fn responder(&self, compiled: &Compiled) -> Judged {
        let why =
            "answers like several unrelated products: a decoy, or a responder that agrees with everything";
        let mut judged = self.unknown(compiled, why);
        judged.tags.insert(Text::from("responder"));
        judged
    }

    fn nothing(&self, compiled: &Compiled) -> Judged {
        let edge = self.edge();
        let failures: Vec<_> =
            [CANARY, ROOT].into_iter().filter_map(|slot| self.seen(slot)?.failure()).collect();
        let limited = [CANARY, ROOT]
            .into_iter()
            .any(|slot| self.seen(slot).and_then(Seen::http).is_some_and(|h| h.status == 429));
        let why = if self.client_certificate() == ClientCertificate::Required {
            "demands a client certificate; the product cannot be told"
        } else if self.other_scheme() {
            "the other scheme is spoken on this port"
        } else if edge.blocked {
            "a delivery network or firewall answers, not the server behind it"
        } else if limited {
            "the server limits requests"
        } else if self.is_wildcard() {
            "answers every path alike"
        } else if self.is_walled() {
            "refuses every path alike; the product cannot be told"
        } else if failures.len() == 2 {
            "no known protocol was recognised"
        } else {
            NOT_RECOGNISED
        };
        let mut judged = self.unknown(compiled, why);
        if !edge.blocked
            && let Some((server, version)) = self.self_named()
        {
            let version = version.map(|version| Text::from_bytes(version.as_bytes(), VERSION_BYTES_MAX));
            judged.verdict.product = Some(Text::from(server.product.as_str()));
            if why == NOT_RECOGNISED {
                judged.verdict.why =
                    Text::from("the server says its own name; no product of the catalogue was recognised");
            }
            judged.verdict.cpe = cpe(server.cpe.as_slice(), version.as_ref());
            judged.verdict.version = version;
        }
        judged
    }

    /// What the peer calls itself, in the first answer or before any question.
    fn self_named(&self) -> Option<(&'static Server, Option<String>)> {
        let first = [ROOT, CANARY].into_iter().filter_map(|slot| self.seen(slot));
        let spoken = first.clone().filter_map(|seen| match seen.failure() {
            Some(Failure::Foreign(bytes)) => Some(bytes.as_slice()),
            _ => None,
        });
        let headers = first.filter_map(|seen| seen.http()?.header("server"));
        let by_header = headers.filter_map(self_named::by_header);
        by_header
            .map(|(server, version)| (server, version.map(str::to_owned)))
            .next()
            .or_else(|| self_named::by_first_line(&self.context.greeting))
            .or_else(|| spoken.into_iter().find_map(self_named::by_first_line))
    }

    fn unknown(&self, compiled: &Compiled, why: &str) -> Judged {
        let verdict = Verdict {
            confidence: Confidence::Low,
            why: Text::from(why),
            evidence: evidence::of_nothing(self, compiled),
            ..Verdict::default()
        };
        Judged { verdict, main: self.first_usable([ROOT, CANARY]), ..Judged::default() }
    }

    fn add_tags(&self, judged: &mut Judged) {
        let edge = self.edge();
        let leaf = self.context.tls.as_ref().and_then(|tls| tls.chain.first());
        let tags = [
            ("cdn", edge.cdn),
            ("waf", edge.waf),
            ("wildcard", self.is_wildcard()),
            ("self-signed", leaf.is_some_and(|leaf| leaf.self_signed)),
            ("client-certificate", self.client_certificate() == ClientCertificate::Required),
        ];
        judged.tags.extend(tags.into_iter().filter(|(_, holds)| *holds).map(|(tag, _)| Text::from(tag)));
    }

    /// The root page where it is a success, else the answer that identified the product, else what there is.
    fn main(&self, fingerprint: &Fingerprint, standing: &Standing) -> Option<QuestionId> {
        let success = |slot: &Slot| {
            self.seen(*slot)
                .is_some_and(|seen| seen.dialogue().is_some() || seen.http().is_some_and(|h| h.status < 300))
        };
        let slots: Vec<Slot> = held(fingerprint, standing)
            .flat_map(|(_, rule)| rule.all.iter().chain(&rule.any))
            .filter_map(|predicate| match predicate {
                Predicate::On(target, _) => Some(self.resolve(fingerprint, *target).0),
                _ => None,
            })
            .collect();
        let first = [ROOT].into_iter().chain(slots.iter().copied());
        let best = first.clone().find(success);
        best.map(QuestionId).or_else(|| self.first_usable(first.chain([CANARY])))
    }

    fn first_usable(&self, slots: impl IntoIterator<Item = Slot>) -> Option<QuestionId> {
        slots.into_iter().find(|slot| self.seen(*slot).is_some_and(Seen::is_usable)).map(QuestionId)
    }
}

/// Why nothing is known of an answer that is like any other.
const NOT_RECOGNISED: &str = "no known product was recognised";
/// Tag and finding of a version that gets no more fixes.
const END_OF_LIFE: &str = "end-of-life";

/// The groups that hold, with their rules.
fn held<'f>(fingerprint: &'f Fingerprint, standing: &Standing) -> impl Iterator<Item = (&'f str, &'f Rule)> {
    let groups = standing.groups;
    let holds = move |(at, _): &(usize, _)| groups.holds(*at);
    fingerprint
        .identities
        .iter()
        .enumerate()
        .filter(holds)
        .map(|(_, identity)| (identity.name.as_str(), &identity.rule))
}

/// How many unrelated families are among the identified; kin count as one.
fn families(identified: &[Identified<'_>]) -> usize {
    let mut family: Vec<usize> = (0..identified.len()).collect();
    for (i, one) in identified.iter().enumerate() {
        for (j, other) in identified.iter().enumerate().skip(i + 1) {
            if one.fingerprint.kin.contains(&other.fingerprint.id) {
                let (from, to) = (family[j], family[i]);
                family.iter_mut().filter(|f| **f == from).for_each(|f| *f = to);
            }
        }
    }
    family.into_iter().collect::<BTreeSet<_>>().len()
}

/// The one that decides: no general form of another, certain before two markers, the more exposed first.
fn decider<'i, 'c>(identified: &'i [Identified<'c>]) -> Option<&'i Identified<'c>> {
    let refined = |one: &&Identified<'_>| {
        identified.iter().any(|other| other.fingerprint.refines.contains(&one.fingerprint.id))
    };
    let rank = |one: &Identified<'_>| (one.standing.certain, one.state.map(|(_, state)| state.is));
    identified
        .iter()
        .filter(|one| !refined(one))
        .reduce(|best, next| if rank(next) > rank(best) { next } else { best })
        .or_else(|| identified.first())
}

/// CPE names with the version in place; characters that mean something in a CPE are escaped.
///
/// Source: NIST IR 7695, section 6.2 (formatted string binding).
fn cpe(names: &[String], version: Option<&Text>) -> Vec<Text> {
    let version = version.map_or_else(
        || "*".to_owned(),
        |version| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            version
                .raw()
                .chars()
                .filter(char::is_ascii_graphic)
                .flat_map(|c| [(!plain(c)).then_some('\\'), Some(c)])
                .flatten()
                .collect()
        },
    );
    names.iter().map(|name| Text::from(name.replace("{version}", &version))).collect()
}
