//! Things that begin with `eyJ`, the base64 of `{"`: JSON web tokens and registry logins.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{Confidence, Detection, Kind, pem};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How the base64 of `{"auths":` begins, without and with a line break and blanks, as `docker login` writes it.
pub(crate) const AUTHS_BASE64: &[&str] =
    &["eyJhdXRocyI6", "ewogICJhdXRocyI6", "ewoJImF1dGhzI", "ewogICAgImF1dGhzI"];

/// Reads a JSON web token that begins at byte `at`: three parts, of which the first two are JSON objects.
///
/// Source: RFC 7515, section 3.1 (compact serialisation).
pub(crate) fn read(text: &str, at: usize) -> Option<Detection> {
    let bytes = text.as_bytes();
    if at > 0
        && (bytes[at - 1].is_ascii_alphanumeric()
            || matches!(bytes[at - 1], b'_' | b'-' | b'.' | b'+' | b'/'))
    {
        return None;
    }
    let window = &bytes[at..];
    let run = window.iter().take(TOKEN_BYTES_MAX).take_while(|&&byte| is_token_byte(byte)).count();
    let token = text.get(at..at + run)?.trim_end_matches('.');
    let mut parts = token.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.len() < 10 {
        return None;
    }
    object(header)?.get("alg")?.as_str()?;
    let claims = object(payload)?;
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or("");
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("");
    let of_cluster = issuer == "kubernetes/serviceaccount" || subject.starts_with("system:serviceaccount:");
    let kind = if of_cluster { Kind::ServiceAccountToken } else { Kind::JsonWebToken };
    Some(Detection::new(kind, text, at..at + token.len(), Confidence::High).with_prefix("eyJ"))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn object(part: &str) -> Option<serde_json::Map<String, Value>> {
    let decoded = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    match serde_json::from_slice(&decoded).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Reads the base64 of a Docker client configuration that begins at byte `at` and holds a login.
pub(crate) fn read_auths(text: &str, at: usize) -> Option<Detection> {
    if at > 0 && text.as_bytes()[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let bytes = text.as_bytes().get(at..)?;
    let run = bytes
        .iter()
        .take(TOKEN_BYTES_MAX)
        .take_while(|&&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        .count();
    let decoded = pem::LENIENT.decode(&bytes[..run - run % 4]).ok()?;
    let inner = std::str::from_utf8(&decoded).ok()?;
    let config: Value = serde_json::from_str(inner).ok()?;
    let logins = config.get("auths")?.as_object()?;
    logins
        .values()
        .any(has_login)
        .then(|| Detection::new(Kind::RegistryAuth, text, at..at + run, Confidence::High))
}

fn has_login(login: &Value) -> bool {
    let field = |key| login.get(key).and_then(Value::as_str).unwrap_or("");
    let pair = basic_pair(field("auth")).is_some();
    pair || !crate::value::is_placeholder(field("password")) || field("identitytoken").len() > 16
}

/// User and password of a base64 text `user:password`, when that is what it is.
///
/// Source: RFC 7617, section 2.
pub(crate) fn basic_pair(encoded: &str) -> Option<(String, String)> {
    if !(4..=4096).contains(&encoded.len()) {
        return None;
    }
    let decoded = pem::LENIENT.decode(encoded.trim_end_matches('=')).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (user, password) = pair.split_once(':')?;
    let printable = pair.chars().all(|c| !c.is_control());
    let ok = printable && !password.is_empty() && !crate::value::is_placeholder(password);
    ok.then(|| (user.to_owned(), password.to_owned()))
}
