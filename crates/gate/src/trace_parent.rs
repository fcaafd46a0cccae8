//! `traceparent`: which trace a request belongs to.

use axum::http::HeaderMap;

/// A trace and the span that asked, in lower-case hexadecimal: 32 and 16 digits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TraceParent {
    pub(crate) trace: String,
    pub(crate) span: String,
}

impl TraceParent {
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get("traceparent")?.to_str().ok()?)
    }

    /// Source: W3C Trace Context, section 3.2; versions after 00 may add fields at the end.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let is_known = hex(version, 2) && version != "ff" && hex(flags, 2);
        let is_whole = version != "00" || parts.next().is_none();
        let is_set = |id: &str| id.bytes().any(|b| b != b'0');
        let is_good =
            is_known && is_whole && hex(trace, 32) && hex(span, 16) && is_set(trace) && is_set(span);
        is_good.then(|| Self { trace: trace.to_owned(), span: span.to_owned() })
    }
}

fn hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_whole_parent_counts() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for (text, expected) in [
            (format!("00-{trace}-{span}-01"), true),
            (format!("01-{trace}-{span}-01-more"), true),
            (format!("00-{trace}-{span}-01-more"), false),
            (format!("ff-{trace}-{span}-01"), false),
            (format!("00-{}-{span}-01", trace.to_uppercase()), false),
            (format!("00-{}-{span}-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{trace}-{span}"), false),
            (String::new(), false),
        ] {
            let parent = expected.then(|| TraceParent { trace: trace.into(), span: span.into() });
            assert_eq!(TraceParent::parse(&text), parent, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_sent(text in "(00|01|x)-[0-9a-fA-F]{31,33}-[0-9a-f]{16}-0[01](-.*)?|\\PC*") {
            if let Some(parent) = TraceParent::parse(&text) {
                let start = format!("-{}-{}-", parent.trace, parent.span);
                prop_assert!(text.contains(&start));
                prop_assert_eq!((parent.trace.len(), parent.span.len()), (32, 16));
            }
        }
    }
}
