//! Private keys in PEM form, plain or wrapped in base64.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{Confidence, Detection, Kind};

/// How every PEM block begins.
pub(crate) const BEGIN: &str = "-----BEGIN ";
/// How a PEM block begins once it is base64 itself, as in `client-key-data`.
pub(crate) const BEGIN_BASE64: &str = "LS0tLS1CRUdJTi";

/// Longest block that is looked at; a key of 16,384 bits needs 13 kB.
const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// Base64 as it is found: padding or not, bits left over or not.
pub(crate) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads the block that begins at byte `at`. Certificates, public keys and blocks without a body are nothing.
pub(crate) fn read(text: &str, at: usize) -> Option<Detection> {
    let label_start = at + BEGIN.len();
    let window = clip(text.get(label_start..)?, BLOCK_BYTES_MAX);
    let (label, rest) = window.split_once("-----")?;
    if label.len() > 40 || !(label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK")) {
        return None;
    }
    // Up to the next dashes, not to the next END: many beginnings without an end must cost no more than their length.
    let (body, tail) = rest.split_once("-----").unwrap_or((rest, ""));
    let body_start = label_start + label.len() + 5;
    let (kind, confidence) = judge(label, body)?;
    let closing = if tail.starts_with("END ") { 5 + 4 + label.len() + 5 } else { 0 };
    let end = floor(text, (body_start + body.len() + closing).min(text.len()));
    let mut found = Detection::new(kind, text, at..end, confidence);
    let kind = label.split_whitespace().next().filter(|word| !matches!(*word, "PRIVATE" | "ENCRYPTED"));
    let kind = kind.map(|word| format!("{word}, ")).unwrap_or_default();
    found.masked = format!("{kind}{} characters", body.len());
    Some(found)
}

/// Reads a base64 text that begins at byte `at` and holds a PEM block.
pub(crate) fn read_base64(text: &str, at: usize) -> Option<Detection> {
    if at > 0 && is_base64(text.as_bytes()[at - 1]) && text.as_bytes()[at - 1] != b'=' {
        return None;
    }
    let bytes = text.as_bytes().get(at..)?;
    let run = bytes.iter().take(BLOCK_BYTES_MAX).take_while(|&&byte| is_base64(byte)).count();
    let decoded = LENIENT.decode(&bytes[..run - run % 4]).ok()?;
    let inner = String::from_utf8_lossy(&decoded);
    let mut from = 0;
    while let Some(found) = inner.get(from..)?.find(BEGIN) {
        if let Some(key) = read(&inner, from + found) {
            let mut outer = Detection::new(key.kind, text, at..at + run, key.confidence);
            outer.masked = format!("in base64, {}", key.masked);
            return Some(outer);
        }
        from += found + BEGIN.len();
    }
    None
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What the label and the body say. The body must be base64 that decodes to the structure of its kind.
fn judge(label: &str, body: &str) -> Option<(Kind, Confidence)> {
    let legacy_encrypted = body.contains("ENCRYPTED");
    let data: String = base64_lines(body);
    let decoded = LENIENT.decode(&data.as_bytes()[..data.len() - data.len() % 4]).ok()?;
    if decoded.len() < 16 || crate::entropy::distinct(&decoded) < 8 {
        return None;
    }
    let structured = match label {
        "OPENSSH PRIVATE KEY" => decoded.starts_with(b"openssh-key-v1\0"),
        "PGP PRIVATE KEY BLOCK" => decoded[0] & 0x80 != 0,
        _ => decoded[0] == 0x30,
    };
    if !structured && !legacy_encrypted {
        return None;
    }
    let encrypted = label.starts_with("ENCRYPTED") || legacy_encrypted;
    let kind = if encrypted { Kind::EncryptedPrivateKey } else { Kind::PrivateKey };
    let whole = legacy_encrypted || label.starts_with("PGP") || is_whole(label, &decoded);
    Some((kind, if whole && !encrypted { Confidence::High } else { Confidence::Medium }))
}

/// True when the outer length of the DER agrees with what is there; a cut key is still somebody's key.
fn is_whole(label: &str, der: &[u8]) -> bool {
    if label.starts_with("OPENSSH") {
        return der.len() > 100;
    }
    let length = match *der {
        [_, short, ..] if short < 0x80 => 2 + usize::from(short),
        [_, 0x81, a, ..] => 3 + usize::from(a),
        [_, 0x82, a, b, ..] => 4 + (usize::from(a) << 8) + usize::from(b),
        _ => return false,
    };
    der.len().abs_diff(length) <= 2
}

/// The base64 of a body: line breaks, also those written `\n`, indentation, quotes and header lines left out.
fn base64_lines(body: &str) -> String {
    let unescaped = body.replace("\\r", "").replace("\\n", "\n");
    let mut data = String::with_capacity(unescaped.len());
    for line in unescaped.lines() {
        let line = line.trim_matches([' ', '\t', '"', '\'', '\\', '+', ',', '#', '|', '>']);
        if line.contains(':') {
            continue;
        }
        if line.starts_with('=') && line.len() == 5 {
            continue; // The checksum of a PGP block.
        }
        data.extend(line.chars().filter(|c| !c.is_whitespace() && *c != '='));
    }
    data
}

/// The first `max` bytes, cut at a character.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    &text[..floor(text, max.min(text.len()))]
}

/// The nearest boundary of characters at or below `at`.
pub(crate) fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
