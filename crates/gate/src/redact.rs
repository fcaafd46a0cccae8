//! The last line of defence of the log: whatever has the shape of a key loses its secret.

use std::borrow::Cow;

/// How a key begins, see `nightlatch_control::key_id`: `nl_`, the id, `_`, the secret.
const PREFIX: &str = "nl_";
const ID_CHARS: usize = 8;
const SECRET_CHARS: usize = 32;
/// Shortest piece after the id that is taken for a piece of a secret.
const SECRET_CHARS_MIN: usize = 8;
const MASK: &str = "***";

/// The text with the secrets of keys replaced by `***`; a key's id stays.
pub fn redact(text: &str) -> Cow<'_, str> {
    // Every place where a key could begin is looked at by itself: what looks like one may end inside a real one.
    let secrets = text.match_indices(PREFIX).filter_map(|(at, _)| {
        let start = at + PREFIX.len() + ID_CHARS + 1;
        let after = &text[at + PREFIX.len()..];
        let follows = run(after) == ID_CHARS && after[ID_CHARS..].starts_with('_');
        let length = if follows { secret(&text[start..]) } else { 0 };
        (length > 0).then_some((start, start + length))
    });
    let (mut out, mut written) = (String::new(), 0);
    for (start, end) in secrets {
        if start >= written {
            out.push_str(&text[written..start]);
            out.push_str(MASK);
        }
        written = written.max(end);
    }
    if written == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[written..]);
    Cow::Owned(out)
}

/// The path of a request, where a key may stand in any encoding: also every run of letters and digits as long as a
/// secret is masked.
pub(crate) fn redact_path(path: &str) -> String {
    let clean = redact(path);
    let (mut out, mut rest) = (String::new(), clean.as_ref());
    while !rest.is_empty() {
        let length = run(rest);
        let (head, tail) = rest.split_at(length);
        out.push_str(if length >= SECRET_CHARS { MASK } else { head });
        let other = tail.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(tail.len());
        out.push_str(&tail[..other]);
        rest = &tail[other..];
    }
    out
}

/// Length of the secret, or piece of one, that a text begins with; 0 when it is none.
fn secret(text: &str) -> usize {
    let length = run(text);
    // What runs into the next key ends where that begins.
    let joined = text[..length].ends_with("nl") && text[length..].starts_with('_');
    let length = if joined { length - 2 } else { length };
    if length >= SECRET_CHARS_MIN { length.min(SECRET_CHARS) } else { 0 }
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
            (format!("{key}{key}"), "nl_k3vdq8ap_***nl_k3vdq8ap_***".into()),
            (format!("nl_{key}"), "nl_nl_k3vdq8ap_***".into()),
            (format!("nl_abcdefgh_abcdefgh{key}"), "nl_abcdefgh_***nl_k3vdq8ap_***".into()),
            (format!("nl_aallll{key}"), "nl_aallllnl_***_***".into()),
            ("nl_".into(), "nl_".into()),
            ("nl_a_b nl_nl_x".into(), "nl_a_b nl_nl_x".into()),
            ("ünl_k3vdq8ap_ssssssss.".into(), "ünl_k3vdq8ap_***.".into()),
        ] {
            assert_eq!(redact(&text), expected, "{text}");
        }
        for (path, expected) in [
            ("/host/192.0.2.1", "/host/192.0.2.1"),
            ("/a/nl%5Fk3vdq8ap%5Fssssssssssssssssssssssssssssssss/b", "/a/nl%5Fk3vdq8ap%***/b"),
            ("/ü/é", "/ü/é"),
            ("", ""),
        ] {
            assert_eq!(redact_path(path), expected);
        }
        assert!(matches!(redact("nothing here"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn no_key_survives(before in ".{0,20}|[nl_a]{0,20}", secret in "[a-z0-9]{32}", after in "[^a-zA-Z0-9].{0,20}") {
            let text = format!("{before}nl_abcdefgh_{secret}{after}");
            prop_assert!(!redact(&text).contains(&secret));
            prop_assert!(!redact_path(&text).contains(&secret));
        }
    }
}
