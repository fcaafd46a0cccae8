//! JSON whose end was cut off by our own cap: everything before the cut is still readable.

use nightlatch_asset::BodyEnd;
use serde_json::Value;

/// Parses a body as JSON.
///
/// A body that *we* stopped reading is completed: the last unfinished member is dropped and what is open is closed,
/// so a list that was cut counts as at least so many. A body that the server cut, or broken JSON, is no JSON: a
/// half answer proves nothing.
pub(crate) fn parse(body: &[u8], end: BodyEnd) -> Option<Value> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') {
        return None;
    }
    if end != BodyEnd::Capped {
        return serde_json::from_slice(body).ok();
    }
    serde_json::from_slice(body).ok().or_else(|| serde_json::from_slice(&completed(body)?).ok())
}

/// Cuts `body` after its last complete member and closes what is open there.
fn completed(body: &[u8]) -> Option<Vec<u8>> {
    let mut open: Vec<u8> = Vec::new();
    let mut whole: Option<(usize, Vec<u8>)> = None;
    let (mut in_string, mut escaped) = (false, false);
    for (at, &byte) in body.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                open.push(if byte == b'{' { b'}' } else { b']' });
                whole = Some((at + 1, open.clone()));
            }
            b'}' | b']' => {
                open.pop();
                whole = Some((at + 1, open.clone()));
            }
            b',' => whole = Some((at, open.clone())),
            _ => {}
        }
        if open.len() > DEPTH_MAX {
            return None;
        }
    }
    let (end, closers) = whole?;
    let mut text = body[..end].to_vec();
    text.extend(closers.iter().rev());
    Some(text)
}

/// Nesting beyond which nothing is read; `serde_json` stops at 128 as well.
const DEPTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_capped_body_keeps_its_complete_members() {
        let check = |text: &str, expected: Option<Value>| {
            assert_eq!(parse(text.as_bytes(), BodyEnd::Capped), expected, "{text}");
        };
        check(
            r#"{"kind":"PodList","items":[{"a":1},{"b":"x"#,
            Some(json!({"kind": "PodList", "items": [{"a": 1}, {}]})),
        );
        check(r#"{"a":"x, y","b":tr"#, Some(json!({"a": "x, y"})));
        check(r#"{"a":[1,2,3],"b"#, Some(json!({"a": [1, 2, 3]})));
        check(r#"{"a":"\",","b":1,"#, Some(json!({"a": "\",", "b": 1})));
        check("<html>", None);
        check("", None);
    }

    #[test]
    fn a_body_that_the_server_cut_is_no_json() {
        assert_eq!(parse(br#"{"a":1,"b":"#, BodyEnd::Cut), None);
        assert_eq!(parse(br#"{"a":1"#, BodyEnd::Complete), None);
        assert_eq!(parse(b" [1]\n", BodyEnd::Complete), Some(json!([1])));
    }

    proptest::proptest! {
        #[test]
        fn a_prefix_of_json_is_json(items in proptest::collection::vec(".{0,8}", 0..6), cut in 0usize..80) {
            let text = json!({ "items": items, "n": { "a": [1, null, true] } }).to_string();
            let cut = cut.clamp(1, text.len());
            proptest::prop_assert!(parse(&text.as_bytes()[..cut], BodyEnd::Capped).is_some());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = parse(&bytes, BodyEnd::Capped);
        }
    }
}
