//! Credentials in addresses: `scheme://user:password@host`, and `user:password@tcp(host)`.

use crate::{Confidence, Detection, Kind, entropy, jwt, pem, value};

/// Longest part before the host that is looked at.
const USERINFO_BYTES_MAX: usize = 1024;

/// Reads the address whose `://` stands at byte `at`.
///
/// Source: RFC 3986, section 3.2.1 (user information).
pub(crate) fn read(text: &str, at: usize) -> Option<Detection> {
    let bytes = text.as_bytes();
    let scheme = bytes[..at]
        .iter()
        .rev()
        .take(24)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
    if scheme.count() < 2 {
        return None;
    }
    let start = at + 3;
    let authority = authority(text, start)?;
    let userinfo = &authority[..authority.rfind('@')?];
    if userinfo.contains(['[', '{', '(']) {
        return None; // A form to be filled in: `scheme://[user:password@]host`.
    }
    let host = &authority[userinfo.len() + 1..];
    match userinfo.split_once(':') {
        Some((user, password)) => pair(text, start + user.len() + 1, user, password, host),
        None => single(text, start, userinfo, host),
    }
}

/// What stands between `://` and the path. A `/` or `?` in a password is left out of the authority by RFC 3986 too.
fn authority(text: &str, start: usize) -> Option<&str> {
    let window = pem::clip(text.get(start..)?, USERINFO_BYTES_MAX);
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '/' | '?' | '"' | '\'' | '`' | '<' | '>' | '\\' | ',' | '|')
    };
    let authority = &window[..window.find(ends).unwrap_or(window.len())];
    (!authority.contains("${") && !authority.contains("{{") && !authority.contains("$(")).then_some(authority)
}

fn pair(text: &str, at: usize, user: &str, password: &str, host: &str) -> Option<Detection> {
    let documented = matches!(user, "user" | "username" | "USER" | "USERNAME" | "login")
        && matches!(
            password,
            "pass" | "password" | "passwd" | "pwd" | "PASS" | "PASSWORD" | "PASSWD" | "secret"
        );
    let nowhere = matches!(
        host.split(':').next().unwrap_or(""),
        "host" | "hostname" | "HOST" | "server" | "proxy" | ""
    ) || host.contains("example.");
    if (documented && nowhere)
        || password == "x-oauth-basic"
        || value::is_something_else(password) && !password.contains('/')
    {
        return None;
    }
    let strength = value::password(password)?;
    let (kind, confidence) = match strength {
        value::Strength::WellKnown => (Kind::WeakPassword, Confidence::Medium),
        value::Strength::Plain => (Kind::UrlPassword, Confidence::High),
        value::Strength::Random => (Kind::UrlPassword, Confidence::High),
    };
    Some(Detection::new(kind, text, at..at + password.len(), confidence))
}

/// A token alone in front of the host, as `git clone https://TOKEN@host` takes it. Error trackers put a public key there.
fn single(text: &str, at: usize, token: &str, host: &str) -> Option<Detection> {
    let public = host.contains("sentry") || host.contains("ingest") || host.contains("glitchtip");
    (!public && token.len() >= 20 && entropy::is_random(token) && !value::is_something_else(token))
        .then(|| Detection::new(Kind::UrlPassword, text, at..at + token.len(), Confidence::Medium))
}

/// Reads the `user:password` in front of the `@` at byte `at`, as the MySQL driver of Go takes it.
pub(crate) fn read_dsn(text: &str, at: usize) -> Option<Detection> {
    let bytes = text.as_bytes();
    let allowed = |b: &&u8| b.is_ascii_graphic() && !matches!(**b, b'"' | b'\'' | b'/' | b'`' | b'=');
    let length = bytes[..at].iter().rev().take(256).take_while(allowed).count();
    let start = at - length;
    let (user, password) = text.get(start..at)?.split_once(':')?;
    pair(text, start + user.len() + 1, user, password, "tcp")
}

/// Reads `Basic` credentials whose base64 begins after the word at byte `at`.
pub(crate) fn read_basic(text: &str, at: usize) -> Option<Detection> {
    let start = at + "basic ".len();
    let run = text.as_bytes().get(start..)?.iter().take(4097).take_while(|b| is_token68(**b)).count();
    let encoded = text.get(start..start + run)?;
    let (user, _) = jwt::basic_pair(encoded)?;
    (encoded.len() >= 8 && !user.contains(' '))
        .then(|| Detection::new(Kind::BasicAuth, text, start..start + run, Confidence::High))
}

/// Reads a bearer token that begins after the word at byte `at`; JSON web tokens are found as such.
///
/// Source: RFC 6750, section 2.1 (`b64token`).
pub(crate) fn read_bearer(text: &str, at: usize) -> Option<Detection> {
    let start = at + "bearer ".len();
    let run = text.as_bytes().get(start..)?.iter().take(4097).take_while(|b| is_token68(**b)).count();
    let token = text.get(start..start + run)?;
    (run >= 16 && entropy::is_random(token) && !value::is_something_else(token))
        .then(|| Detection::new(Kind::BearerToken, text, start..start + run, Confidence::High))
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}
