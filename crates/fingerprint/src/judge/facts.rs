//! What may be kept: each extract yields a bounded value in the form that the fingerprint allows.

use std::collections::BTreeMap;

use nightlatch_asset::Text;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Judge, Seen};
use crate::{
    file::{KeepWord, TlsPart},
    model::{Extract, Fingerprint, Origin, Target},
};

/// Longest kept value, in bytes.
const FACT_BYTES_MAX: usize = 200;
/// Most facts of one verdict.
const FACTS_MAX: usize = 64;

/// All facts, by name; `version` and `os` among them.
pub(super) fn all(judge: &Judge, fingerprint: &Fingerprint) -> BTreeMap<String, Text> {
    let mut facts = BTreeMap::new();
    for extract in &fingerprint.extracts {
        if facts.len() < FACTS_MAX
            && !facts.contains_key(&extract.name)
            && let Some(value) = value(judge, fingerprint, extract)
        {
            facts.insert(extract.name.clone(), value);
        }
    }
    facts
}

/// The fact `version`.
pub(super) fn version(judge: &Judge, fingerprint: &Fingerprint) -> Option<String> {
    let mut extracts = fingerprint.extracts.iter().filter(|extract| extract.name == "version");
    extracts.find_map(|extract| value(judge, fingerprint, extract)).map(|text| text.raw().to_owned())
}

fn value(judge: &Judge, fingerprint: &Fingerprint, extract: &Extract) -> Option<Text> {
    let raw = raw(judge, fingerprint, &extract.from)?;
    let found = match &extract.matches {
        Some(regex) => {
            let captures = regex.captures(&raw)?;
            captures.get(1).or_else(|| captures.get(0))?.as_str()
        }
        None => &raw,
    };
    if found.is_empty() {
        return None;
    }
    match extract.keep {
        KeepWord::Drop => None,
        KeepWord::Plain => Some(Text::from_bytes(found.as_bytes(), FACT_BYTES_MAX)),
        // A count is a number, whatever stood there.
        KeepWord::Count => Some(Text::from(found.trim().parse::<u64>().ok()?.to_string())),
        KeepWord::KeyedHash => Some(Text::from(keyed_hash(&judge.context.hash_key, found))),
    }
}

/// 16 hexadecimal digits that tell whether two names are the same, and nothing else.
///
/// SHA-256 over key and name, cut to 64 bits: without the key names cannot be tried out, and the cut makes
/// lengthening useless.
fn keyed_hash(key: &[u8; 32], name: &str) -> String {
    let digest = Sha256::new().chain_update(key).chain_update(name.as_bytes()).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn raw(judge: &Judge, fingerprint: &Fingerprint, origin: &Origin) -> Option<String> {
    let on = |target: &Target| usable(judge, fingerprint, *target);
    match origin {
        Origin::Json(target, pointer) => scalar(on(target)?.json()?.pointer(pointer)?),
        Origin::Header(target, name) => on(target)?.http()?.header(name).map(str::to_owned),
        Origin::Body(target) => on(target)?.text().map(str::to_owned),
        Origin::Title(target) => on(target)?.title().map(str::to_owned),
        Origin::Count { target, pointer, plus } => {
            let document = on(target)?.json()?;
            let members = match document.pointer(pointer)? {
                Value::Array(items) => items.len(),
                Value::Object(members) => members.len(),
                // An empty list is `null` in some servers.
                Value::Null => 0,
                _ => return None,
            };
            let more =
                plus.as_ref().and_then(|plus| document.pointer(plus)).and_then(Value::as_u64).unwrap_or(0);
            Some((members as u64).saturating_add(more).to_string())
        }
        Origin::Tls(part) => {
            let leaf = judge.context.tls.as_ref()?.chain.first()?;
            Some(match part {
                TlsPart::Issuer => leaf.issuer.raw().to_owned(),
                TlsPart::Subject => leaf.subject.raw().to_owned(),
                TlsPart::San => leaf.sans.iter().map(Text::raw).collect::<Vec<_>>().join(","),
            })
        }
    }
}

/// The answer to a request, unless it is the canary's page again.
fn usable<'j>(judge: &'j Judge, fingerprint: &Fingerprint, target: Target) -> Option<&'j Seen> {
    let (slot, request) = judge.resolve(fingerprint, target);
    let kept = |seen: &&Seen| !seen.same_as_canary || request.is_none_or(|request| request.catch_all);
    judge.seen(slot).filter(kept)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_depends_on_key_and_name() {
        let hash = keyed_hash(&[1; 32], "cluster");
        assert_eq!(hash.len(), 16);
        assert_ne!(hash, keyed_hash(&[2; 32], "cluster"));
        assert_ne!(hash, keyed_hash(&[1; 32], "cluster2"));
    }
}
