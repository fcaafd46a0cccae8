//! The last line of defence of the log: whatever has the shape of a key loses its secret.

use std::borrow::Cow;

/// How a key begins, see `nightlatch_control::key_id`: `nl_`, the id, `_`, the secret.
const PREFIX: &str = "nl_";
/// Shortest run of characters after the id that is taken for a secret, or a piece of one.
const SECRET_CHARS_MIN: usize = 8;

/// The text with the secrets of keys replaced by `***`; a key's id stays.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(PREFIX) {
        let after = &rest[at + PREFIX.len()..];
        let id = run(after);
        let secret = after[id..].strip_prefix('_').map_or(0, run);
        if id > 0 && secret >= SECRET_CHARS_MIN {
            let kept = at + PREFIX.len() + id + 1;
            out.push_str(&rest[..kept]);
            out.push_str("***");
            rest = &rest[kept + secret..];
        } else {
            let kept = at + PREFIX.len();
            out.push_str(&rest[..kept]);
            rest = &rest[kept..];
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn run(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_alphanumeric).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_cut_and_the_rest_stays() {
        let key = format!("nl_k3vdq8ap_{}", "s".repeat(32));
        for (text, expected) in [
            (format!("/host/{key}"), "/host/nl_k3vdq8ap_***".to_owned()),
            (format!("{key}{key}"), format!("nl_k3vdq8ap_***{key}").replace(&"s".repeat(32), "***")),
            ("nl_".into(), "nl_".into()),
            ("nl_a_b nl_nl_x".into(), "nl_a_b nl_nl_x".into()),
            ("ünl_k3vdq8ap_ssssssss.".into(), "ünl_k3vdq8ap_***.".into()),
        ] {
            assert_eq!(redact(&text), expected, "{text}");
        }
        assert!(matches!(redact("nothing here"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn no_key_survives(before in ".{0,20}", secret in "[a-z0-9]{32}", after in "[^a-zA-Z0-9].{0,20}") {
            let text = format!("{before}nl_abcdefgh_{secret}{after}");
            prop_assert!(!redact(&text).contains(&secret));
        }
    }
}
