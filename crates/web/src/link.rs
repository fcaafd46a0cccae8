//! Addresses that pages link to: our own, with every part encoded, or checked ones of elsewhere.

use std::net::IpAddr;

use nightlatch_asset::{Field, Kind, Timestamp, token};
use nightlatch_query::{Expr, Match, Test, parse, print};

/// `/search` for a query.
pub(crate) fn search(query: &str) -> String {
    with("/search", &[("q", query)])
}

/// A path of ours with parameters; those without a value are left out.
pub(crate) fn with(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    let mut some = false;
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        out.append_pair(name, value);
        some = true;
    }
    if some { format!("{path}?{}", out.finish()) } else { path.to_owned() }
}

/// The page of an address.
pub(crate) fn host(ip: IpAddr) -> String {
    format!("/host/{ip}")
}

/// A segment of a path, encoded.
pub(crate) fn segment(text: &str) -> String {
    // `+` means a space in a form only.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// `url` if a page may link to it: http or https, a plain host, nothing hidden in it.
pub(crate) fn outside(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '\\' | '`');
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (url.chars().all(plain) && !host.is_empty() && !host.contains('@')).then_some(url)
}

/// A path of ours to go back to: absolute here, never `//elsewhere`; else `/`.
pub(crate) fn back(path: &str) -> &str {
    let own = path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\");
    if own && path.bytes().all(|b| b.is_ascii_graphic()) { path } else { "/" }
}

/// The filter `field:value` for one value of a facet; none for a value that no query can name.
pub(crate) fn filter(field: Field, value: &str) -> Option<String> {
    let test = match field.info().kind {
        Kind::Keyword | Kind::Text => Test::Whole(token::fold(value)),
        Kind::Number { .. } => {
            let number = value.parse().ok()?;
            Test::Number { min: number, max: number }
        }
        Kind::Ladder(words) => {
            let at = i64::try_from(words.iter().position(|word| *word == value)?).ok()?;
            Test::Number { min: at, max: at }
        }
        Kind::Ip => {
            let address: IpAddr = value.parse().ok()?;
            Test::Net { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
        }
        Kind::Flag => Test::Flag(value.parse().ok()?),
        Kind::Date | Kind::Geo => return None,
    };
    let text = print(&Expr::Match(Match { field, tests: vec![test] }));
    parse(&text, Timestamp::UNIX_EPOCH).is_ok().then_some(text)
}

/// `query` and `more` as well. `query` is one that parses.
pub(crate) fn and(query: &str, more: &str) -> String {
    let query = query.trim();
    match parse(query, Timestamp::UNIX_EPOCH) {
        Ok(parsed) if parsed.expr == Expr::All && !query.contains(':') => more.to_owned(),
        Ok(parsed) if matches!(parsed.expr, Expr::Or(_)) => format!("({query}) {more}"),
        _ => format!("{query} {more}"),
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_untrusted::hostile;

    use super::*;

    #[test]
    fn only_plain_web_addresses_are_linked() {
        for good in ["https://kubernetes.io/docs/x?y=1#z", "http://192.0.2.1:80/"] {
            assert_eq!(outside(good), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            "//x/",
            "https://",
            "https://a@b/",
            "https://a/\u{202e}",
            "https://a/ b",
            "data:x",
            "https://a/\"x",
        ] {
            assert_eq!(outside(bad), None, "{bad}");
        }
    }

    #[test]
    fn going_back_stays_here() {
        assert_eq!(back("/search?q=a"), "/search?q=a");
        for away in ["//x", "/\\x", "https://x", "", "x", "/a\r\nSet-Cookie: b", "/ä"] {
            assert_eq!(back(away), "/", "{away}");
        }
    }

    #[test]
    fn filters_find_what_the_facet_counted() {
        assert_eq!(filter(Field::Port, "6443").unwrap(), "port:6443");
        assert_eq!(filter(Field::Exposure, "auth-required").unwrap(), "exposure:auth-required");
        assert_eq!(filter(Field::Product, "Docker Registry").unwrap(), "product:=\"docker registry\"");
        assert_eq!(filter(Field::Country, "DE").unwrap(), "country:de");
        assert_eq!(filter(Field::Ip, "192.0.2.7").unwrap(), "ip:192.0.2.7");
        assert_eq!(filter(Field::SslExpired, "true").unwrap(), "ssl.cert.expired:true");
        assert_eq!(filter(Field::Port, "x"), None);
        assert_eq!(filter(Field::Time, "x"), None);
    }

    #[test]
    fn hostile_values_become_one_filter_and_nothing_else() {
        for attack in hostile::CORPUS {
            for field in [Field::Product, Field::Tag, Field::HttpTitle] {
                let Some(text) = filter(field, attack) else { continue };
                let parsed = parse(&text, Timestamp::UNIX_EPOCH).unwrap();
                let Expr::Match(filter) = parsed.expr else { panic!("{text} is more than one filter") };
                assert_eq!(
                    (filter.field, filter.tests),
                    (field, vec![Test::Whole(token::fold(attack))]),
                    "{text}"
                );
                let address = search(&text);
                assert!(address.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'<'), "{address}");
            }
        }
    }

    #[test]
    fn queries_grow_by_one_filter() {
        assert_eq!(and("", "port:1"), "port:1");
        assert_eq!(and("*", "port:1"), "port:1");
        assert_eq!(and("a", "port:1"), "a port:1");
        assert_eq!(and("a OR b", "port:1"), "(a OR b) port:1");
        assert_eq!(and("history:true", "port:1"), "history:true port:1");
    }
}
