//! Whatever the text: no panic, places at characters, in order, none over another.

use nightlatch_credential::{Detection, detect, scan_arguments, scan_text, subject};
use proptest::prelude::*;

fn holds(found: &[Detection], text: &str) {
    let mut end = 0;
    for one in found {
        assert!(one.span.start >= end && text.get(one.span.clone()).is_some(), "{one:?}");
        assert!(one.name.as_ref().is_none_or(|name| text.get(name.clone()).is_some()));
        end = one.span.end;
    }
}

fn check(text: &str) {
    holds(&scan_text(None, text), text);
    holds(&scan_text(Some("a.py"), text), text);
    for name in ["DB_PASSWORD", "token", "auth", "AWS_SECRET_ACCESS_KEY", ""] {
        holds(&detect(Some(name), text), text);
    }
    let words: Vec<&str> = text.split(' ').collect();
    for (index, one) in scan_arguments(&words) {
        assert!(words[index].get(one.span).is_some());
    }
    let _ = subject(text);
}

/// Pieces that the readers look for, so that drawn texts get past the first byte.
const PIECES: &[&str] = &[
    "password",
    "=",
    ": ",
    "\"",
    "'",
    "\\\"",
    "\n",
    "-----BEGIN ",
    "RSA PRIVATE KEY",
    "-----",
    "-----END ",
    "eyJ",
    ".",
    "://",
    "@",
    ":",
    "ghp_",
    "AKIA",
    "sk-",
    "${",
    "}",
    "{{",
    "$(",
    ")",
    "LS0tLS1CRUdJTi",
    "Basic ",
    "Bearer ",
    "Q~",
    ":AA",
    "$2b$",
    "{SSHA}",
    "sig=",
    "token",
    "ä",
    "😀",
    "<",
    ">",
    "</",
    "value",
    "name",
    "--",
    " ",
    "identified by '",
    "NRAL",
    "abcdef0123456789",
    "eyJhdXRocyI6",
    "@tcp(",
    "key",
    "AGE-SECRET-KEY-1",
    "K10",
    "::",
    "\r\n",
    "hooks.slack.com/",
    "/api/webhooks/",
    "requirepass",
    "login ",
    "export ",
    "\\n",
    "[",
    "]",
];

proptest! {
    #[test]
    fn any_text(text in ".{0,300}") {
        check(&text);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        check(&pieces.concat());
    }
}
