use std::collections::BTreeSet;

use nightlatch_asset::{Confidence, Exposure, Proof, RequestClass};

use super::{Scribe, predicate, requests::Parts};
use crate::{
    error::Fault,
    file::{At, ConfidenceWord, ExtractEntry, File, KeepWord, PredicateEntry, ProofWord, StateWord},
    model::{CANARY, Extract, FindingRule, Identity, Look, Origin, Predicate, ROOT, Rule, State, Target},
};

/// Modifiers that a state may give; the others are the engine's own.
const TAGS: &[(&str, ())] =
    &[("setup-pending", ()), ("default-cert", ()), ("host-restricted", ()), ("filtered", ())];

fn rule(
    scribe: &mut Scribe<'_>,
    parts: &Parts,
    all: &[At<PredicateEntry>],
    any: &[At<PredicateEntry>],
    none: &[At<PredicateEntry>],
) -> Rule {
    let mut list = |entries: &[At<PredicateEntry>]| {
        entries.iter().filter_map(|entry| predicate::one(scribe, entry, parts)).collect::<Vec<_>>()
    };
    Rule { all: list(all), any: list(any), none: list(none) }
}

/// Names inside one file are unique.
pub(super) fn check_names(scribe: &mut Scribe<'_>, file: &File, parts: &Parts) {
    let mut names = BTreeSet::new();
    for entry in &file.identity {
        if !names.insert(entry.get().name.as_str()) {
            let word = entry.get().name.clone();
            scribe.report(entry.span(), Fault::Duplicate { what: "identity group", word });
        }
    }
    if file.identity.is_empty() || file.state.is_empty() || file.ports.is_empty() {
        scribe.rule(file.id.span(), "a fingerprint has ports, an identity and a state");
    }
    if parts.requests.is_empty() && file.request.is_empty() {
        let tls_only = file.identity.iter().all(|entry| entry.get().all.iter().all(|p| p.get().on.is_none()));
        if !tls_only {
            scribe.rule(file.id.span(), "a fingerprint without requests can only look at TLS and greeting");
        }
    }
}

/// Identity groups of one fingerprint; the judge keeps a bit for each.
const IDENTITIES_MAX: usize = u64::BITS as usize;

pub(super) fn identities(scribe: &mut Scribe<'_>, file: &File, parts: &Parts) -> Vec<Identity> {
    let mut identities = Vec::new();
    for entry in &file.identity {
        let at = entry.get();
        let rule = rule(scribe, parts, &at.all, &at.any, &at.none);
        if rule.predicates().any(|p| matches!(p, Predicate::Identified(_) | Predicate::Group(_))) {
            scribe.rule(entry.span(), "an identity group does not look at `identity`");
        }
        if at.all.is_empty() && at.any.is_empty() {
            scribe.rule(entry.span(), "an identity group needs `all` or `any`");
        } else if rule.predicates().count() == at.all.len() + at.any.len() + at.none.len()
            && at.certain
            && !has_marker(&rule)
        {
            scribe.rule(
                entry.span(),
                "a certain group needs a marker besides status, port and scheme in `all`",
            );
        }
        identities.push(Identity { name: at.name.clone(), certain: at.certain, layer: at.layer, rule });
    }
    let layers: BTreeSet<_> = identities.iter().map(|identity| identity.layer).collect();
    if !identities.iter().any(|identity| identity.certain) && layers.len() < 2 && !identities.is_empty() {
        scribe.rule(
            file.id.span(),
            "no identity is possible: it takes one certain group, or two groups of different layers",
        );
    }
    if identities.len() > IDENTITIES_MAX {
        scribe.rule(
            file.id.span(),
            format!("{} identity groups; a fingerprint has {IDENTITIES_MAX} at most", identities.len()),
        );
    }
    identities
}

/// True when every way to satisfy the rule includes a marker that tells products apart.
fn has_marker(rule: &Rule) -> bool {
    rule.all.iter().any(is_marker) || (!rule.any.is_empty() && rule.any.iter().all(is_marker))
}

/// Status codes, ports and schemes are shared by everybody; so is the absence of something.
pub(crate) fn is_marker(predicate: &Predicate) -> bool {
    !matches!(
        predicate,
        Predicate::On(_, Look::Status(_) | Look::Answered(_) | Look::Failed(_) | Look::MediaType(_))
            | Predicate::Scheme(_)
            | Predicate::Port(_)
            | Predicate::ClientCertificate(_)
            | Predicate::Alpn(_)
            | Predicate::Identified(_)
    )
}

pub(super) fn hints(scribe: &mut Scribe<'_>, file: &File, parts: &Parts) -> Vec<Rule> {
    let mut hints = Vec::new();
    for entry in &file.hint {
        let at = entry.get();
        let rule = rule(scribe, parts, &at.all, &at.any, &at.none);
        let early = |predicate: &Predicate| match predicate {
            Predicate::On(target, _) => {
                slot(parts, *target).is_none_or(|slot| slot == CANARY || slot == ROOT)
            }
            Predicate::Identified(_) | Predicate::Group(_) | Predicate::VersionFrom(_) => false,
            _ => true,
        };
        if !rule.predicates().all(early) {
            scribe.rule(entry.span(), "a hint looks at the root page, the canary, TLS or the greeting only");
        }
        hints.push(rule);
    }
    hints
}

fn slot(parts: &Parts, target: Target) -> Option<usize> {
    match target {
        Target::Canary => Some(CANARY),
        Target::Request(at) => parts.requests.get(at).map(|request| request.slot),
    }
}

pub(super) fn states(scribe: &mut Scribe<'_>, file: &File, parts: &Parts) -> Vec<State> {
    let mut states = Vec::new();
    for entry in &file.state {
        let at = entry.get();
        let is = match at.is {
            StateWord::AuthRequired => Exposure::AuthRequired,
            StateWord::Limited => Exposure::Limited,
            StateWord::Readable => Exposure::Readable,
            StateWord::Controllable => Exposure::Controllable,
        };
        if (is == Exposure::Controllable) != at.proof.is_some() {
            scribe.rule(
                entry.span(),
                "`proof` (`proven` or `inferred`) belongs to `controllable`, and only to it",
            );
        }
        if at.why.is_empty() || at.why.ends_with('.') {
            scribe.rule(entry.span(), "`why` is one sentence without a full stop");
        }
        for tag in &at.tags {
            scribe.word("tag", tag.get(), tag.span(), TAGS);
        }
        let severity = at.severity.as_ref().and_then(|word| scribe.severity(word.get(), word.span()));
        states.push(State {
            is,
            proof: at.proof.map(|proof| match proof {
                ProofWord::Proven => Proof::Proven,
                ProofWord::Inferred => Proof::Inferred,
            }),
            why: at.why.clone(),
            confidence: at.confidence.map(|confidence| match confidence {
                ConfidenceWord::Low => Confidence::Low,
                ConfidenceWord::Medium => Confidence::Medium,
                ConfidenceWord::High => Confidence::High,
            }),
            severity,
            tags: at.tags.iter().map(|tag| tag.get().clone()).collect(),
            rule: rule(scribe, parts, &at.all, &at.any, &at.none),
        });
    }
    states
}

/// A state from `readable` up rests on an answer that a stranger should not get.
pub(super) fn check_proofs(scribe: &mut Scribe<'_>, file: &File, parts: &Parts, states: &[State]) {
    for (entry, state) in file.state.iter().zip(states) {
        let rests = |predicate: &Predicate| can_rest(parts, predicate);
        let sound = state.rule.all.iter().any(rests)
            || (!state.rule.any.is_empty() && state.rule.any.iter().all(rests));
        if state.is >= Exposure::Readable && !sound {
            scribe.rule(
                entry.span(),
                "from `readable` up, `all` (or every one of `any`) looks at a T2 or T3 request with a 2xx `status`, at a request with `permission`, or at a dialogue",
            );
        }
        if entry.get().all.is_empty() && entry.get().any.is_empty() {
            scribe.rule(entry.span(), "a state needs `all` or `any`");
        }
    }
}

fn can_rest(parts: &Parts, predicate: &Predicate) -> bool {
    let Predicate::On(Target::Request(at), look) = predicate else { return false };
    // A request that was refused was reported already.
    let Some(request) = parts.requests.get(*at) else { return true };
    if request.dialogue || request.permission {
        return true;
    }
    let success = matches!(look, Look::Status(codes) if codes.iter().all(|code| (200..300).contains(code)));
    success && request.class >= RequestClass::T2 && !request.catch_all
}

pub(super) fn findings(scribe: &mut Scribe<'_>, file: &File, parts: &Parts) -> Vec<FindingRule> {
    let mut findings: Vec<FindingRule> = Vec::new();
    for entry in &file.finding {
        let at = entry.get();
        if findings.iter().any(|finding| finding.id == *at.id.get()) {
            scribe.report(at.id.span(), Fault::Duplicate { what: "finding", word: at.id.get().clone() });
        }
        if at.all.is_empty() && at.any.is_empty() {
            scribe.rule(entry.span(), "a finding needs `all` or `any`");
        }
        let Some(severity) = scribe.severity(at.severity.get(), at.severity.span()) else { continue };
        findings.push(FindingRule {
            id: at.id.get().clone(),
            severity,
            title: at.title.clone(),
            rule: rule(scribe, parts, &at.all, &at.any, &at.none),
        });
    }
    findings
}

pub(super) fn extracts(scribe: &mut Scribe<'_>, file: &File, parts: &Parts) -> Vec<Extract> {
    file.extract.iter().filter_map(|entry| extract(scribe, entry, parts)).collect()
}

fn extract(scribe: &mut Scribe<'_>, entry: &At<ExtractEntry>, parts: &Parts) -> Option<Extract> {
    let at = entry.get();
    let name = at.name.get();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(plain) || RESERVED.contains(&name.as_str()) {
        scribe.rule(
            at.name.span(),
            "a fact's name is lower-case letters, digits, `-` and `_`, and no word that `expect` uses",
        );
    }
    let target = match &at.on {
        Some(on) => {
            let ids: Vec<_> = parts.ids.iter().map(|(id, target)| (id.as_str(), *target)).collect();
            Some(scribe.word("request", on.get(), on.span(), &ids)?)
        }
        None => None,
    };
    for pointer in [&at.json, &at.count, &at.plus].into_iter().flatten() {
        predicate::check_pointer(scribe, pointer.get(), pointer.span())?;
    }
    let sources =
        [at.json.is_some(), at.header.is_some(), at.body, at.title, at.count.is_some(), at.tls.is_some()];
    if sources.iter().filter(|there| **there).count() != 1 {
        scribe.rule(entry.span(), "an extract has one of `json`, `header`, `body`, `title`, `count`, `tls`");
        return None;
    }
    let matches = match &at.matches {
        Some(pattern) => Some(scribe.pattern(pattern.get(), pattern.span())?),
        None => None,
    };
    if at.body && matches.is_none() {
        scribe.rule(entry.span(), "an extract from a body needs `matches`: bodies are never kept");
        return None;
    }
    if at.tls.is_some() && at.keep == KeepWord::Plain {
        scribe.rule(entry.span(), "names in certificates are kept as `keyed-hash` only");
    }
    let from = match (target, at.tls) {
        (None, Some(part)) => Origin::Tls(part),
        (Some(target), None) => source(at, target)?,
        _ => {
            scribe.rule(entry.span(), "an extract needs `on`, unless it is about `tls`");
            return None;
        }
    };
    Some(Extract { name: name.clone(), from, matches, keep: at.keep })
}

/// Words of `expect` that no fact can be called.
const RESERVED: &[&str] =
    &["identity", "state", "proof", "confidence", "severity", "product", "findings", "tags"];

fn source(at: &ExtractEntry, target: Target) -> Option<Origin> {
    if let Some(pointer) = &at.json {
        return Some(Origin::Json(target, pointer.get().clone()));
    }
    if let Some(name) = &at.header {
        return Some(Origin::Header(target, name.get().to_lowercase()));
    }
    if let Some(pointer) = &at.count {
        let plus = at.plus.as_ref().map(|plus| plus.get().clone());
        return Some(Origin::Count { target, pointer: pointer.get().clone(), plus });
    }
    Some(if at.title { Origin::Title(target) } else { Origin::Body(target) })
}
