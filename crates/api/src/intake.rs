//! All that reads what a request brings, at once: what the fuzz target calls.

use jiff::Timestamp;

use crate::{facet, members::Wanted, params::Params, question, shodan, stream};

/// Reads `text` as parameters, and its values as everything that a value can be. Total: that is what is shown.
pub fn take_in(text: &[u8]) {
    let params = Params::parse(text);
    let now = Timestamp::UNIX_EPOCH;
    for (name, value) in params.iter() {
        assert_ne!(name, "key", "the key is no parameter");
        // What a value is refused for is said without a byte that a terminal obeys.
        let refusals = [
            params.flag(name, true).err(),
            params.number::<u32>(name, 1, 1000).err(),
            params.only(&["query"]).err(),
            facet::asked(name, value).err(),
            question::selection(name, value, now).err(),
            shodan::read_trigger(value).err(),
            shodan::read_provider(value).err(),
            shodan::read_ips(value).err(),
            stream::read_list(value).err(),
        ];
        for refused in refusals.into_iter().flatten() {
            assert!(!refused.detail.contains(['\u{1b}', '\n', '\u{202e}']), "{:?}", refused.detail);
        }
        shodan::read_tokens(value, now);
        let picked = Wanted::of(value.split(',')).pick(r#"{"a":{"b":[1,{}],"c":null},"d":"e"}"#);
        assert!(serde_json::from_str::<serde_json::Map<_, _>>(&picked).is_ok(), "{picked}");
        let again = Wanted::of(["x"]).pick(value);
        assert!(serde_json::from_str::<serde_json::Map<_, _>>(&again).is_ok(), "{again}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn anything_is_taken_in() {
        for text in [
            "query=a+port%3A1&facets=port:5,org&ips=%7B%22192.0.2.1%22%3A%5B%5B1%2C%22x%22%5D%5D%7D&key=x",
            "a=%1b%5b2J&b=%e2%80%ae&c=%ff%00&=&&==&d=%7B%22x%22%3A%7B%7D%7D&e=a.b.c.d.e.f.g.h.i.j,,.",
        ] {
            super::take_in(text.as_bytes());
        }
        super::take_in(&[0xff; 300]);
    }
}
