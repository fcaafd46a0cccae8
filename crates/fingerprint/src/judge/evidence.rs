//! The requests on which a judgement rests, each answer in one redacted line.

use std::collections::BTreeSet;

use nightlatch_asset::{Evidence, Failure, RequestClass, Text};

use super::{Judge, Seen};
use crate::{
    model::{CANARY, Compiled, Fingerprint, Method, Predicate, Rule, Target, What},
    page,
};

/// Evidence for `rules` of a fingerprint: the canary first, then the fingerprint's requests in order.
pub(super) fn of<'r>(
    judge: &Judge,
    compiled: &Compiled,
    fingerprint: &Fingerprint,
    rules: impl Iterator<Item = &'r Rule>,
) -> Vec<Evidence> {
    let (mut targets, mut tls) = (BTreeSet::from([Target::Canary]), false);
    for predicate in rules.flat_map(Rule::predicates) {
        match predicate {
            Predicate::On(target, _) => drop(targets.insert(*target)),
            Predicate::SanAny(_)
            | Predicate::Issuer(_)
            | Predicate::Subject(_)
            | Predicate::ClientCertificate(_) => tls = true,
            _ => {}
        }
    }
    let handshake = tls.then(|| Evidence {
        request: "tls".to_owned(),
        class: RequestClass::T0,
        asked: Text::from("TLS handshake"),
        answered: Text::from(handshake(judge)),
    });
    let requests = targets.into_iter().filter_map(|target| {
        let (slot, request) = judge.resolve(fingerprint, target);
        let seen = judge.seen(slot).filter(|seen| seen.failure() != Some(&Failure::Budget))?;
        Some(Evidence {
            request: request.map_or("canary", |request| &request.id).to_owned(),
            class: request.map_or(RequestClass::T1, |request| request.class),
            asked: Text::from(asked(compiled, slot)),
            answered: Text::from(answered(seen)),
        })
    });
    handshake.into_iter().chain(requests).collect()
}

/// Evidence when nothing was identified: canary and root.
pub(super) fn of_nothing(judge: &Judge, compiled: &Compiled) -> Vec<Evidence> {
    let line = |(slot, name): (usize, &str)| {
        let seen = judge.seen(slot).filter(|seen| seen.failure() != Some(&Failure::Budget))?;
        Some(Evidence {
            request: name.to_owned(),
            class: RequestClass::T1,
            asked: Text::from(asked(compiled, slot)),
            answered: Text::from(answered(seen)),
        })
    };
    [(CANARY, "canary"), (crate::model::ROOT, "root")].into_iter().filter_map(line).collect()
}

/// What was sent, in one line; the nonce is left as its placeholder, so that two runs say the same.
pub(crate) fn asked(compiled: &Compiled, slot: usize) -> String {
    match compiled.asks.get(slot).map(|ask| &ask.what) {
        Some(What::Http { method: Method::Post, path, .. }) => {
            format!("POST {path} (a question, nothing is stored)")
        }
        Some(What::Http { method, path, .. }) => format!("{} {path}", method.as_str()),
        Some(What::Dialogue(name)) => format!("dialogue {name}"),
        None => String::new(),
    }
}

fn answered(seen: &Seen) -> String {
    if let Some(http) = seen.http() {
        let media_type = page::media_type(http);
        let media_type = if media_type.is_empty() { String::new() } else { format!(" {media_type},") };
        let same = if seen.same_as_canary { ", same as the canary" } else { "" };
        return format!("{}{media_type} {} bytes{same}", http.status, http.body.len());
    }
    match seen.failure() {
        None => if seen.dialogue().is_some() { "protocol recognised" } else { "another protocol" }.to_owned(),
        Some(failure) => match failure {
            Failure::Refused => "connection refused",
            Failure::Timeout => "no answer in time",
            Failure::Reset => "connection reset",
            Failure::Closed => "closed without a byte",
            Failure::Tls(_) => "TLS handshake failed",
            Failure::ClientCertificate => "refused without a client certificate",
            Failure::Foreign(_) => "bytes of another protocol",
            Failure::Budget => "not asked",
        }
        .to_owned(),
    }
}

fn handshake(judge: &Judge) -> String {
    use nightlatch_asset::ClientCertificate::{NotRequested, Requested, Required};
    let certificate = match judge.client_certificate() {
        NotRequested => "no client certificate requested",
        Requested => "client certificate requested",
        Required => "client certificate required",
    };
    let chain = judge.context.tls.as_ref().map_or(0, |tls| tls.chain.len());
    format!("{chain} certificates, {certificate}")
}
