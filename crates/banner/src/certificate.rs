//! `ssl.cert`: distinguished names as objects, serial numbers as decimal numbers of any size.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use nightlatch_asset::{Certificate, Text};
use serde_json::value::RawValue;

use crate::lenient::Object;
use crate::shape::{Cert, CertFingerprint, CertPublicKey};

/// Longest serial number that is converted, in hexadecimal digits; RFC 5280 allows 40.
const SERIAL_DIGITS_MAX: usize = 128;

/// How both sides write the two ends of validity.
const DATE_FORMAT: &str = "%Y%m%d%H%M%SZ";

/// The order in which the attributes of a foreign name are put.
const NAME_ORDER: [&str; 6] = ["C", "ST", "L", "O", "OU", "CN"];

pub(crate) fn to_cert(leaf: &Certificate, seen: Timestamp) -> Cert {
    Cert {
        subject: attributes(leaf.subject.raw(), leaf.subject_cn.as_ref()),
        issuer: attributes(leaf.issuer.raw(), leaf.issuer_cn.as_ref()),
        issued: date(leaf.not_before),
        expires: date(leaf.not_after),
        expired: leaf.not_after < seen,
        serial: decimal(leaf.serial.raw()).and_then(|digits| RawValue::from_string(digits).ok()),
        sig_alg: leaf.signature_algorithm.clone(),
        pubkey: CertPublicKey { kind: leaf.key_type.clone(), bits: leaf.key_bits },
        fingerprint: CertFingerprint { sha1: leaf.sha1.clone(), sha256: leaf.sha256.clone() },
        extensions: Vec::new(),
    }
}

/// Reads somebody else's certificate; none when it lacks the two ends of validity.
pub(crate) fn from_cert(cert: &Object<'_>) -> Option<Certificate> {
    let subject = cert.object("subject").unwrap_or_default();
    let issuer = cert.object("issuer").unwrap_or_default();
    let key = cert.object("pubkey").unwrap_or_default();
    let fingerprint = cert.object("fingerprint").unwrap_or_default();
    let names = (distinguished_name(&subject), distinguished_name(&issuer));
    Some(Certificate {
        self_signed: !names.0.is_empty() && names.0 == names.1,
        subject: names.0.into(),
        subject_cn: subject.text("CN"),
        issuer: names.1.into(),
        issuer_cn: issuer.text("CN"),
        sans: Vec::new(),
        serial: cert.raw("serial").and_then(hexadecimal).unwrap_or_default().into(),
        not_before: parse_date(cert.text("issued")?.raw())?,
        not_after: parse_date(cert.text("expires")?.raw())?,
        signature_algorithm: cert.text("sig_alg").unwrap_or_default(),
        key_type: key.text("type").unwrap_or_default(),
        key_bits: key.number("bits").unwrap_or_default(),
        sha256: fingerprint.text("sha256").unwrap_or_default(),
        sha1: fingerprint.text("sha1").unwrap_or_default(),
    })
}

/// Cuts `O=k3s, CN=k3s` into its attributes. The first of several alike is kept.
fn attributes(name: &str, common_name: Option<&Text>) -> BTreeMap<String, Text> {
    let mut found: Vec<(String, String)> = Vec::new();
    for part in name.split([',', '+']) {
        match attribute(part) {
            Some((key, value)) => found.push((key.to_owned(), value.to_owned())),
            // A comma inside a value: what follows belongs to the value before.
            None => {
                if let Some((_, value)) = found.last_mut() {
                    value.push(',');
                    value.push_str(part);
                }
            }
        }
    }
    let mut map = BTreeMap::new();
    for (key, value) in found {
        map.entry(key).or_insert_with(|| Text::from(value.trim_end()));
    }
    if let Some(cn) = common_name {
        map.insert("CN".to_owned(), cn.clone());
    }
    map
}

fn attribute(part: &str) -> Option<(&str, &str)> {
    let (key, value) = part.trim_start().split_once('=')?;
    let plausible = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    plausible.then_some((key, value))
}

fn distinguished_name(object: &Object<'_>) -> String {
    let known = NAME_ORDER.iter().copied();
    let others = object.keys().filter(|key| !NAME_ORDER.contains(key));
    let parts: Vec<String> = known
        .chain(others)
        .filter_map(|key| object.text(key).map(|value| format!("{key}={}", value.raw())))
        .collect();
    parts.join(", ")
}

fn date(time: Timestamp) -> String {
    TimeZone::UTC.to_datetime(time).strftime(DATE_FORMAT).to_string()
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let date = DateTime::strptime(DATE_FORMAT, text).ok()?;
    TimeZone::UTC.to_timestamp(date).ok()
}

/// Hexadecimal to decimal digits.
fn decimal(hex: &str) -> Option<String> {
    if hex.is_empty() || hex.len() > SERIAL_DIGITS_MAX {
        return None;
    }
    let mut digits = vec![0u8];
    for c in hex.chars() {
        shift_in(&mut digits, 16, 10, c.to_digit(16)?);
    }
    Some(digits.iter().rev().map(|d| char::from(b'0' + d)).collect())
}

/// Decimal to upper-case hexadecimal digits.
fn hexadecimal(decimal: &str) -> Option<String> {
    if decimal.is_empty() || decimal.len() > SERIAL_DIGITS_MAX {
        return None;
    }
    let mut digits = vec![0u8];
    for c in decimal.chars() {
        shift_in(&mut digits, 10, 16, c.to_digit(10)?);
    }
    Some(
        digits
            .iter()
            .rev()
            .filter_map(|d| char::from_digit(u32::from(*d), 16))
            .collect::<String>()
            .to_uppercase(),
    )
}

/// `digits` (base `base`, least significant first) := `digits` * `factor` + `add`.
fn shift_in(digits: &mut Vec<u8>, factor: u32, base: u32, add: u32) {
    let mut carry = add;
    for digit in digits.iter_mut() {
        let value = u32::from(*digit) * factor + carry;
        *digit = (value % base) as u8;
        carry = value / base;
    }
    while carry > 0 {
        digits.push((carry % base) as u8);
        carry /= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_go_both_ways() {
        for (hex, number) in [("0", "0"), ("FF", "255"), ("0102030405060708090A", "4759477275222530853130")] {
            assert_eq!(decimal(hex).as_deref(), Some(number));
            assert_eq!(hexadecimal(number).unwrap(), hex.trim_start_matches('0').max("0").to_owned());
        }
        assert_eq!(decimal("xyz"), None);
        assert_eq!(decimal(""), None);
        assert_eq!(hexadecimal("-1"), None);
        assert_eq!(decimal(&"F".repeat(SERIAL_DIGITS_MAX + 1)), None);
    }

    #[test]
    fn names_are_cut_at_attributes() {
        let cut = |name| attributes(name, None).into_iter().map(|(k, v)| format!("{k}:{}", v.raw()));
        let check = |name, expected: &[&str]| assert_eq!(cut(name).collect::<Vec<_>>(), expected, "{name}");
        check("O=k3s, CN=k3s", &["CN:k3s", "O:k3s"]);
        check("C=US,O=Example, Inc.,CN=a", &["C:US", "CN:a", "O:Example, Inc."]);
        check("CN=a+OU=b, OU=c", &["CN:a", "OU:b"]);
        check("nonsense", &[]);
        check("", &[]);
    }
}
