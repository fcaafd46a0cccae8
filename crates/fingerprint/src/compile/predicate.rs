use std::ops::Range;

use nightlatch_asset::{ClientCertificate, nearest};
use serde_json::Value;

use super::{Scribe, requests::Parts};
use crate::{
    analyse::Analyser,
    error::Fault,
    file::{At, BoolOrName, OneOrMany, PredicateEntry},
    model::{Compare, FailureWord, JsonType, Look, Predicate, Target, version_numbers},
};

/// Compiles one predicate; `None` when it was reported.
pub(super) fn one(scribe: &mut Scribe<'_>, entry: &At<PredicateEntry>, parts: &Parts) -> Option<Predicate> {
    let (at, span) = (entry.get(), entry.span());
    let subjects = subjects(at);
    let [subject] = subjects.as_slice() else {
        let named = if subjects.is_empty() { "none".to_owned() } else { subjects.join(", ") };
        scribe.rule(span, format!("a predicate looks at exactly one thing, this one at {named}"));
        return None;
    };
    let compares = compares(scribe, at, span.clone())?;
    if !compares.is_empty() && !matches!(*subject, "json" | "header") {
        scribe.rule(span, format!("a comparison belongs to `json` or `header`; `{subject}` carries its own"));
        return None;
    }
    match &at.on {
        Some(id) => {
            let target = request(scribe, id, span.clone(), parts)?;
            Some(Predicate::On(target, look(scribe, at, span, compares)?))
        }
        None => without_request(scribe, at, span, parts),
    }
}

fn subjects(at: &PredicateEntry) -> Vec<&'static str> {
    let present: [(&'static str, bool); 22] = [
        ("status", at.status.is_some()),
        ("header", at.header.is_some()),
        ("json", at.json.is_some()),
        ("body", at.body.is_some()),
        ("title", at.title.is_some()),
        ("location", at.location.is_some()),
        ("media_type", at.media_type.is_some()),
        ("favicon_mmh3", at.favicon_mmh3.is_some()),
        ("bytes", at.bytes.is_some()),
        ("answered", at.answered.is_some()),
        ("failed", at.failed.is_some()),
        ("analyse", at.analyse.is_some()),
        ("tls_san_any", at.tls_san_any.is_some()),
        ("tls_issuer", at.tls_issuer.is_some()),
        ("tls_subject", at.tls_subject.is_some()),
        ("tls_client_cert", at.tls_client_cert.is_some()),
        ("tls_alpn", at.tls_alpn.is_some()),
        ("scheme", at.scheme.is_some()),
        ("greeting", at.greeting.is_some()),
        ("identity", at.identity.is_some()),
        ("version_from or version_below", at.version_from.is_some() != at.version_below.is_some()),
        ("port", at.port.is_some()),
    ];
    present.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

fn request(scribe: &mut Scribe<'_>, id: &str, span: Range<usize>, parts: &Parts) -> Option<Target> {
    if let Some(target) = parts.ids.get(id) {
        return Some(*target);
    }
    let nearest = nearest(id, parts.ids.keys().map(String::as_str)).map(str::to_owned);
    let expected = format!("one of {}", parts.ids.keys().cloned().collect::<Vec<_>>().join(", "));
    scribe.report(span, Fault::UnknownWord { what: "request", word: id.to_owned(), nearest, expected });
    None
}

fn look(
    scribe: &mut Scribe<'_>,
    at: &PredicateEntry,
    span: Range<usize>,
    compares: Vec<Compare>,
) -> Option<Look> {
    let compared = |scribe: &mut Scribe<'_>, compares: Vec<Compare>| {
        if compares.is_empty() {
            scribe.rule(span.clone(), "`json` and `header` need a comparison, such as `exists = true`");
            return None;
        }
        Some(compares)
    };
    if let Some(codes) = &at.status {
        return Some(Look::Status(codes.clone()));
    }
    if let Some(name) = &at.header {
        if name.chars().any(char::is_uppercase) {
            scribe.rule(span, format!("header names are written in lower case: `{}`", name.to_lowercase()));
            return None;
        }
        return Some(Look::Header(name.clone(), compared(scribe, compares)?));
    }
    if let Some(pointer) = &at.json {
        check_pointer(scribe, pointer, span.clone())?;
        return Some(Look::Json(pointer.clone(), compared(scribe, compares)?));
    }
    if let Some(pattern) = &at.body {
        return Some(Look::Body(scribe.pattern(pattern, span)?));
    }
    if let Some(pattern) = &at.title {
        return Some(Look::Title(scribe.pattern(pattern, span)?));
    }
    if let Some(pattern) = &at.location {
        return Some(Look::Location(scribe.pattern(pattern, span)?));
    }
    if let Some(types) = &at.media_type {
        return Some(Look::MediaType(types.to_vec()));
    }
    if let Some(hashes) = &at.favicon_mmh3 {
        return Some(Look::Favicon(hashes.clone()));
    }
    look_at_bytes_or_outcome(scribe, at, span)
}

fn look_at_bytes_or_outcome(
    scribe: &mut Scribe<'_>,
    at: &PredicateEntry,
    span: Range<usize>,
) -> Option<Look> {
    if let Some(digits) = &at.bytes {
        let bytes = hexadecimal(scribe, digits, span.clone())?;
        let mask = match &at.mask {
            Some(mask) => Some(hexadecimal(scribe, mask, span)?),
            None => None,
        };
        return Some(Look::Bytes { offset: at.offset.unwrap_or(0) as usize, bytes, mask });
    }
    if let Some(answered) = at.answered {
        return Some(Look::Answered(answered));
    }
    if let Some(kinds) = &at.failed {
        return Some(Look::Failed(words(scribe, "failure", kinds, span, FailureWord::WORDS)?));
    }
    let Some(name) = &at.analyse else {
        scribe.rule(span, "this subject has no `on`");
        return None;
    };
    let list: Vec<_> = Analyser::ALL.iter().map(|(name, _, analyser)| (*name, *analyser)).collect();
    let analyser = scribe.word("analyser", name, span.clone(), &list)?;
    match analyser.question(at) {
        Ok(question) => Some(Look::Analyse(analyser, question)),
        Err(reason) => {
            scribe.rule(span, reason);
            None
        }
    }
}

fn without_request(
    scribe: &mut Scribe<'_>,
    at: &PredicateEntry,
    span: Range<usize>,
    parts: &Parts,
) -> Option<Predicate> {
    if let Some(names) = &at.tls_san_any {
        return Some(Predicate::SanAny(names.iter().map(|name| name.to_lowercase()).collect()));
    }
    if let Some(pattern) = &at.tls_issuer {
        return Some(Predicate::Issuer(scribe.pattern(pattern, span)?));
    }
    if let Some(pattern) = &at.tls_subject {
        return Some(Predicate::Subject(scribe.pattern(pattern, span)?));
    }
    if let Some(kinds) = &at.tls_client_cert {
        return Some(Predicate::ClientCertificate(words(scribe, "word", kinds, span, CLIENT_CERTIFICATE)?));
    }
    if let Some(protocols) = &at.tls_alpn {
        return Some(Predicate::Alpn(protocols.to_vec()));
    }
    if let Some(scheme) = &at.scheme {
        return Some(Predicate::Scheme(scribe.word(
            "scheme",
            scheme,
            span,
            &[("http", false), ("https", true)],
        )?));
    }
    if let Some(pattern) = &at.greeting {
        return Some(Predicate::Greeting(scribe.pattern(pattern, span)?));
    }
    if let Some(version) = &at.version_from {
        return Some(Predicate::VersionFrom(version_numbers(version)));
    }
    if let Some(version) = &at.version_below {
        return Some(Predicate::VersionBelow(version_numbers(version)));
    }
    if let Some(ports) = &at.port {
        return Some(Predicate::Port(ports.clone()));
    }
    match &at.identity {
        Some(BoolOrName::Bool(identified)) => Some(Predicate::Identified(*identified)),
        Some(BoolOrName::Name(name)) => {
            let groups: Vec<_> =
                parts.groups.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
            Some(Predicate::Group(scribe.word("identity group", name, span, &groups)?))
        }
        None => {
            scribe.rule(span, "this subject needs `on`, the request it looks at");
            None
        }
    }
}

const CLIENT_CERTIFICATE: &[(&str, ClientCertificate)] = &[
    ("not-requested", ClientCertificate::NotRequested),
    ("requested", ClientCertificate::Requested),
    ("required", ClientCertificate::Required),
];

fn words<T: Copy>(
    scribe: &mut Scribe<'_>,
    what: &'static str,
    given: &OneOrMany<String>,
    span: Range<usize>,
    list: &[(&str, T)],
) -> Option<Vec<T>> {
    given.to_vec().iter().map(|word| scribe.word(what, word, span.clone(), list)).collect()
}

fn compares(scribe: &mut Scribe<'_>, at: &PredicateEntry, span: Range<usize>) -> Option<Vec<Compare>> {
    let mut list = Vec::new();
    list.extend(at.exists.map(Compare::Exists));
    list.extend(at.equals.as_ref().map(|value| Compare::Equals(json(value))));
    list.extend(at.one_of.as_ref().map(|values| Compare::OneOf(values.iter().map(json).collect())));
    if let Some(pattern) = &at.matches {
        list.push(Compare::Matches(scribe.pattern(pattern, span.clone())?));
    }
    if let Some(word) = &at.is {
        list.push(Compare::Is(scribe.word("type", word, span.clone(), JsonType::WORDS)?));
    }
    list.extend(at.min.map(Compare::Min));
    list.extend(at.max.map(Compare::Max));
    match at.equals_status {
        Some(true) => list.push(Compare::EqualsStatus),
        Some(false) => scribe.rule(span.clone(), "`equals_status` may only be `true`"),
        None => {}
    }
    list.extend(at.has_keys.as_ref().map(|keys| Compare::HasKeys(keys.clone())));
    if let Some(pattern) = &at.any_matches {
        list.push(Compare::AnyMatches(scribe.pattern(pattern, span)?));
    }
    list.extend(at.length_min.map(|length| Compare::LengthMin(length as usize)));
    list.extend(at.length_max.map(|length| Compare::LengthMax(length as usize)));
    Some(list)
}

pub(super) fn check_pointer(scribe: &mut Scribe<'_>, pointer: &str, span: Range<usize>) -> Option<()> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Some(());
    }
    scribe.rule(span, format!("a JSON pointer begins with `/`: `/{}`", pointer.replace('.', "/")));
    None
}

fn hexadecimal(scribe: &mut Scribe<'_>, digits: &str, span: Range<usize>) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok())
        .collect();
    if bytes.is_none() {
        scribe.rule(span, format!("`{digits}` is not a row of hexadecimal bytes"));
    }
    bytes
}

/// A TOML value as JSON; dates become text.
pub(super) fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}
