use nightlatch_asset::{Failure, HttpAnswer, murmur3_32};
use serde_json::Value;

use super::{Judge, Seen};
use crate::{
    model::{Compare, FailureWord, Fingerprint, JsonType, Look, Predicate, Rule, Target, version_numbers},
    page,
    session::Scheme,
};

/// Yes, no, or not known yet because a request was not answered so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Truth {
    No,
    Unknown,
    Yes,
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Evaluates the rules of one fingerprint over the answers.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) judge: &'a Judge,
    pub(crate) fingerprint: &'a Fingerprint,
    /// Whether the product is identified; `None` while that is being found out.
    pub(crate) identified: Option<bool>,
    /// Nothing more will be asked: what is not known is false.
    pub(crate) at_end: bool,
}

impl View<'_> {
    pub(crate) fn rule(self, rule: &Rule) -> Truth {
        let all = self.conjunction(rule.all.iter().map(|p| self.predicate(p)));
        let any = if rule.any.is_empty() {
            Truth::Yes
        } else {
            negated(self.conjunction(rule.any.iter().map(|p| negated(self.predicate(p)))))
        };
        let none = self.conjunction(rule.none.iter().map(|p| negated(self.predicate(p))));
        self.conjunction([all, any, none].into_iter())
    }

    pub(crate) fn conjunction(self, truths: impl Iterator<Item = Truth>) -> Truth {
        let mut result = Truth::Yes;
        for truth in truths {
            match truth {
                Truth::No => return Truth::No,
                Truth::Unknown => result = Truth::Unknown,
                Truth::Yes => {}
            }
        }
        result
    }

    pub(crate) fn predicate(self, predicate: &Predicate) -> Truth {
        let context = &self.judge.context;
        let leaf = context.tls.as_ref().and_then(|tls| tls.chain.first());
        match predicate {
            Predicate::On(target, look) => self.on(*target, look),
            Predicate::SanAny(wanted) => leaf
                .is_some_and(|leaf| {
                    leaf.sans
                        .iter()
                        .any(|san| wanted.iter().any(|w| matches_glob(w, &san.raw().to_lowercase())))
                })
                .into(),
            Predicate::Issuer(regex) => leaf.is_some_and(|leaf| regex.is_match(leaf.issuer.raw())).into(),
            Predicate::Subject(regex) => leaf.is_some_and(|leaf| regex.is_match(leaf.subject.raw())).into(),
            Predicate::ClientCertificate(kinds) => {
                (context.tls.is_some() && kinds.contains(&self.judge.client_certificate())).into()
            }
            Predicate::Alpn(protocols) => {
                let alpn = context.tls.as_ref().and_then(|tls| tls.alpn.as_ref());
                alpn.is_some_and(|alpn| protocols.iter().any(|wanted| wanted == alpn.raw())).into()
            }
            Predicate::Scheme(tls) => ((context.scheme == Scheme::Tls) == *tls).into(),
            Predicate::Greeting(regex) => regex.is_match(&String::from_utf8_lossy(&context.greeting)).into(),
            Predicate::Port(ports) => ports.contains(&context.port).into(),
            Predicate::Identified(wanted) => match self.identified {
                Some(true) => (*wanted).into(),
                Some(false) if self.at_end => (!*wanted).into(),
                _ => self.open(),
            },
            Predicate::Group(at) => match self.fingerprint.identities.get(*at) {
                Some(identity) => self.rule(&identity.rule),
                None => Truth::No,
            },
            Predicate::VersionFrom(wanted) => self.version(|version| version >= wanted.as_slice()),
            Predicate::VersionBelow(wanted) => self.version(|version| version < wanted.as_slice()),
        }
    }

    fn open(self) -> Truth {
        if self.at_end { Truth::No } else { Truth::Unknown }
    }

    fn version(self, holds: impl Fn(&[u64]) -> bool) -> Truth {
        match super::facts::version(self.judge, self.fingerprint) {
            Some(version) => holds(&version_numbers(&version)).into(),
            None => self.open(),
        }
    }

    fn on(self, target: Target, look: &Look) -> Truth {
        let (slot, request) = self.judge.resolve(self.fingerprint, target);
        let Some(seen) = self.judge.seen(slot) else {
            let may_come = request.is_none_or(|request| self.judge.allowed(request));
            return if may_come { self.open() } else { Truth::No };
        };
        if seen.failure() == Some(&Failure::Budget) {
            return Truth::No;
        }
        let discarded = seen.same_as_canary && request.is_some_and(|request| !request.catch_all);
        match look {
            Look::Answered(wanted) => ((seen.is_usable() && !discarded) == *wanted).into(),
            _ if discarded => Truth::No,
            Look::Failed(kinds) => {
                seen.failure().is_some_and(|failure| kinds.contains(&kind(failure))).into()
            }
            Look::Bytes { offset, bytes, mask } => bytes_match(seen, *offset, bytes, mask.as_deref()).into(),
            _ => holds(seen, look).into(),
        }
    }
}

fn negated(truth: Truth) -> Truth {
    match truth {
        Truth::No => Truth::Yes,
        Truth::Unknown => Truth::Unknown,
        Truth::Yes => Truth::No,
    }
}

fn kind(failure: &Failure) -> FailureWord {
    match failure {
        Failure::Refused => FailureWord::Refused,
        Failure::Timeout | Failure::Budget => FailureWord::Timeout,
        Failure::Reset => FailureWord::Reset,
        Failure::Closed => FailureWord::Closed,
        Failure::Tls(_) => FailureWord::Tls,
        Failure::ClientCertificate => FailureWord::ClientCertificate,
        Failure::Foreign(_) => FailureWord::Foreign,
    }
}

fn bytes_match(seen: &Seen, offset: usize, wanted: &[u8], mask: Option<&[u8]>) -> bool {
    let bytes = match (seen.http(), seen.failure()) {
        (Some(http), _) => http.body.as_slice(),
        (_, Some(Failure::Foreign(bytes))) => bytes.as_slice(),
        _ => return false,
    };
    let Some(part) = bytes.get(offset..).and_then(|rest| rest.get(..wanted.len())) else { return false };
    part.iter().zip(wanted).enumerate().all(|(at, (is, should))| {
        let mask = mask.and_then(|mask| mask.get(at)).copied().unwrap_or(0xff);
        is & mask == should & mask
    })
}

fn holds(seen: &Seen, look: &Look) -> bool {
    let http = seen.http();
    match look {
        Look::Status(codes) => http.is_some_and(|http| codes.contains(&http.status)),
        Look::Header(name, compares) => http.is_some_and(|http| header_holds(http, name, compares)),
        Look::Json(pointer, compares) => {
            let Some(document) = seen.json() else { return false };
            let value = document.pointer(pointer);
            compares.iter().all(|compare| compare_json(value, compare, http.map_or(0, |http| http.status)))
        }
        Look::Body(regex) => seen.text().is_some_and(|text| regex.is_match(text)),
        Look::Title(regex) => seen.title().is_some_and(|title| regex.is_match(title)),
        Look::Location(regex) => {
            http.and_then(|http| http.header("location")).is_some_and(|to| regex.is_match(to))
        }
        Look::MediaType(types) => http.is_some_and(|http| types.contains(&page::media_type(http))),
        Look::Favicon(hashes) => http.is_some_and(|http| {
            http.status == 200 && hashes.contains(&murmur3_32(base64_lines(&http.body).as_bytes()))
        }),
        Look::Analyse(analyser, question) => {
            seen.json().is_some_and(|document| analyser.holds(document, question))
        }
        Look::Answered(_) | Look::Failed(_) | Look::Bytes { .. } => false,
    }
}

fn header_holds(http: &HttpAnswer, name: &str, compares: &[Compare]) -> bool {
    let values: Vec<_> =
        http.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.raw()).collect();
    compares.iter().all(|compare| match compare {
        Compare::Exists(wanted) => values.is_empty() != *wanted,
        _ => values.iter().any(|value| compare_json(Some(&Value::from(*value)), compare, http.status)),
    })
}

fn compare_json(value: Option<&Value>, compare: &Compare, status: u16) -> bool {
    if let Compare::Exists(wanted) = compare {
        return value.is_some() == *wanted;
    }
    let Some(value) = value else { return false };
    let length = || match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    };
    match compare {
        Compare::Exists(_) => true,
        Compare::Equals(wanted) => equal(value, wanted),
        Compare::OneOf(list) => list.iter().any(|wanted| equal(value, wanted)),
        Compare::Matches(regex) => match value {
            Value::String(text) => regex.is_match(text),
            Value::Number(number) => regex.is_match(&number.to_string()),
            _ => false,
        },
        Compare::Is(kind) => is(value, *kind),
        Compare::Min(min) => value.as_f64().is_some_and(|number| number >= *min),
        Compare::Max(max) => value.as_f64().is_some_and(|number| number <= *max),
        Compare::EqualsStatus => value.as_u64() == Some(u64::from(status)),
        Compare::HasKeys(keys) => {
            value.as_object().is_some_and(|object| keys.iter().all(|key| object.contains_key(key)))
        }
        Compare::AnyMatches(regex) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            items.iter().filter_map(Value::as_str).any(|text| regex.is_match(text))
        }
        Compare::LengthMin(min) => length().is_some_and(|length| length >= *min),
        Compare::LengthMax(max) => length().is_some_and(|length| length <= *max),
    }
}

fn equal(value: &Value, wanted: &Value) -> bool {
    match (value.as_f64(), wanted.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => value == wanted,
    }
}

fn is(value: &Value, kind: JsonType) -> bool {
    match kind {
        JsonType::String => value.is_string(),
        JsonType::Number => value.is_number(),
        JsonType::Integer => value.is_i64() || value.is_u64(),
        JsonType::Boolean => value.is_boolean(),
        JsonType::Array => value.is_array(),
        JsonType::Object => value.is_object(),
        JsonType::Null => value.is_null(),
    }
}

/// `*` matches any run of characters.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Base64 with a line feed after every 76 characters and at the end, as Python's `base64.encodebytes`: what the
/// usual favicon hash is taken over.
pub(crate) fn base64_lines(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len() / 3 * 4 + bytes.len() / 57 + 8);
    for line in bytes.chunks(57) {
        for group in line.chunks(3) {
            let word = group
                .iter()
                .enumerate()
                .fold(0u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
            for at in 0..4 {
                let sextet = (word >> (18 - 6 * at) & 63) as usize;
                out.push(if at <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_lines() {
        assert_eq!(base64_lines(b"hello"), "aGVsbG8=\n");
        assert_eq!(base64_lines(b"ab"), "YWI=\n");
        assert_eq!(base64_lines(&[0; 58]).lines().map(str::len).collect::<Vec<_>>(), [76, 4]);
        assert_eq!(base64_lines(b""), "");
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("kubernetes.default.svc", "kubernetes.default.svc", true),
            ("*.apps.*", "console.apps.example.org", true),
            ("*-admission", "x-admission", true),
            ("*-admission", "x-admission-1", false),
            ("a*b", "ab", true),
            ("a", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        assert!(equal(&serde_json::json!(1.0), &serde_json::json!(1)));
        assert!(!equal(&serde_json::json!("1"), &serde_json::json!(1)));
        assert!(!equal(&serde_json::json!(true), &serde_json::json!(1)));
    }
}
