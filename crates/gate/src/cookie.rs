//! The cookie of a session.

use axum::http::{HeaderMap, HeaderValue, header};

/// Under TLS: a browser takes it from no other host and sends it to no other host, whatever a sibling domain sets.
const SECURE_NAME: &str = "__Host-nightlatch";
/// Without TLS, where browsers refuse the other name.
const PLAIN_NAME: &str = "nightlatch_session";
/// Longest token that is looked up.
const TOKEN_BYTES_MAX: usize = 128;

const fn name(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { PLAIN_NAME }
}

/// The token of the session that a request carries.
pub(crate) fn token(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(own, _)| *own == name(secure))?;
    let is_plain = token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_plain && !token.is_empty()).then_some(token)
}

/// The header `Set-Cookie` that begins a session, or with an empty token and 0 seconds ends it.
pub(crate) fn set(token: &str, seconds: i64, secure: bool) -> HeaderValue {
    let flag = if secure { "; Secure" } else { "" };
    let text =
        format!("{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{flag}", name(secure));
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_under_its_name_only() {
        for (line, secure, expected) in [
            ("nightlatch_session=abc", false, Some("abc")),
            ("a=b; nightlatch_session=abc; c=d", false, Some("abc")),
            ("__Host-nightlatch=abc", true, Some("abc")),
            ("nightlatch_session=abc", true, None),
            ("__Host-nightlatch=abc", false, None),
            ("xnightlatch_session=abc", false, None),
            ("nightlatch_session=", false, None),
            ("nightlatch_session=a\"b", false, None),
            ("nightlatch_session", false, None),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())]);
            assert_eq!(token(&headers, secure), expected, "{line}");
        }
    }

    #[test]
    fn a_cookie_has_its_flags() {
        let plain = "nightlatch_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict";
        assert_eq!(set("abc", 60, false).to_str().unwrap(), plain);
        let secure = "__Host-nightlatch=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(set("abc", 60, true).to_str().unwrap(), secure);
    }
}
