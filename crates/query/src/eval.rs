use std::net::IpAddr;

use nightlatch_asset::{Record, Value, token};

use crate::{Area, Expr, Match, Pattern, Test};

/// Mean radius of the Earth, in kilometres.
const EARTH_KM: f64 = 6_371.0;

/// Whether `record` is what `expr` asks for: the meaning of a query, by which every store is measured.
pub fn matches(expr: &Expr, record: &Record) -> bool {
    match expr {
        Expr::All => true,
        Expr::And(parts) => parts.iter().all(|part| matches(part, record)),
        Expr::Or(parts) => parts.iter().any(|part| matches(part, record)),
        Expr::Not(inner) => !matches(inner, record),
        Expr::Match(filter) => filter_matches(filter, record),
    }
}

fn filter_matches(filter: &Match, record: &Record) -> bool {
    let mut found = false;
    filter.field.values(record, &mut |value| {
        found = found || filter.tests.iter().any(|test| passes(test, &value));
    });
    found
}

fn passes(test: &Test, value: &Value<'_>) -> bool {
    match (test, value) {
        (Test::Exists, _) => true,
        (Test::Whole(whole), Value::Text(text)) => token::fold(text) == *whole,
        (Test::WholePattern(pattern), Value::Text(text)) => pattern.matches(&token::fold(text)),
        (Test::Phrase(phrase), Value::Text(text)) => has_phrase(text, phrase),
        (Test::WordPattern(pattern), Value::Text(text)) => has_word(text, pattern),
        (Test::Number { min, max }, Value::Number(number)) => (min..=max).contains(&number),
        (Test::Net { address, prefix }, Value::Ip(ip)) => in_block(*ip, *address, *prefix),
        (Test::Date { from, until }, Value::Date(time)) => {
            from.is_none_or(|from| time.as_second() >= from.as_second())
                && until.is_none_or(|until| time.as_second() < until.as_second())
        }
        (Test::Flag(wanted), Value::Flag(flag)) => wanted == flag,
        (Test::Geo(area), Value::Geo { latitude, longitude }) => in_area(area, *latitude, *longitude),
        // A test of another type than the field's; the parser makes none.
        _ => false,
    }
}

/// Whether the words of `text`, as [`token::words`] cuts them, hold `phrase` in a row.
fn has_phrase(text: &str, phrase: &[String]) -> bool {
    if phrase.is_empty() || !may_hold(text, phrase.iter().map(String::as_str)) {
        return false;
    }
    let pieces: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty()).collect();
    pieces
        .windows(phrase.len())
        .any(|window| window.iter().zip(phrase).all(|(piece, word)| same_word(piece, word)))
}

/// Whether some word of `text` is like `pattern`.
fn has_word(text: &str, pattern: &Pattern) -> bool {
    may_hold(text, std::iter::once(pattern.literal_prefix().as_str()))
        && token::words(text).any(|word| pattern.matches(&word))
}

/// A quick look before cutting: false only when plain text does not hold all `parts` of folded words.
fn may_hold<'a>(text: &str, mut parts: impl Iterator<Item = &'a str>) -> bool {
    if !text.is_ascii() {
        return true;
    }
    let folded = token::fold(text);
    parts.all(|part| folded.contains(part))
}

/// Compares without making a new string where both are plain and short, which is nearly always.
fn same_word(piece: &str, word: &str) -> bool {
    if piece.is_ascii() && piece.len() <= token::WORD_BYTES_MAX {
        return piece.eq_ignore_ascii_case(word);
    }
    token::words(piece).next().is_some_and(|folded| folded == word)
}

/// Whether `ip` is inside the block; addresses of the other family never are.
fn in_block(ip: IpAddr, address: IpAddr, prefix: u8) -> bool {
    match (ip, address) {
        (IpAddr::V4(ip), IpAddr::V4(address)) => {
            let host_bits = 32u32.saturating_sub(prefix.into());
            (ip.to_bits() ^ address.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(address)) => {
            let host_bits = 128u32.saturating_sub(prefix.into());
            (ip.to_bits() ^ address.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl Area {
    /// Whether a position, in degrees, is inside.
    pub fn holds(&self, latitude: f64, longitude: f64) -> bool {
        in_area(self, latitude, longitude)
    }
}

fn in_area(area: &Area, latitude: f64, longitude: f64) -> bool {
    match *area {
        Area::Around { latitude: to_latitude, longitude: to_longitude, km } => {
            haversine_km(latitude, longitude, to_latitude, to_longitude) <= km
        }
        Area::Box { top, left, bottom, right } => {
            let between = if left <= right {
                (left..=right).contains(&longitude)
            } else {
                longitude >= left || longitude <= right
            };
            between && (bottom..=top).contains(&latitude)
        }
    }
}

/// Distance on a sphere between two positions in degrees, in kilometres.
///
/// Source: the haversine formula, hav(d/r) = hav(Δφ) + cos φ1 cos φ2 hav(Δλ).
fn haversine_km(latitude_1: f64, longitude_1: f64, latitude_2: f64, longitude_2: f64) -> f64 {
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin();
    let (across, along) = (half_sine(latitude_2 - latitude_1), half_sine(longitude_2 - longitude_1));
    let haversine =
        across * across + latitude_1.to_radians().cos() * latitude_2.to_radians().cos() * along * along;
    2.0 * EARTH_KM * haversine.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::Timestamp;

    use super::*;
    use crate::parse;

    const RECORD: &str = r#"{
        "id": 1, "first_seen": "2026-09-01T00:00:00Z", "last_seen": "2026-09-20T12:00:00.9Z",
        "times_seen": 3, "latest": true,
        "observation": {
            "ip": "192.0.2.7", "port": 6443, "protocol": "https", "time": "2026-09-10T10:00:00Z",
            "run": "R-1",
            "verdict": { "product": "Docker Registry", "version": "2.8.1", "exposure": "readable",
                         "severity": "high", "confidence": "high", "facts": { "nodes": "3" } },
            "data": "HTTP/1.1 200 OK\r\nServer: Docker-Cluster\r\nX-Stra\u00dfe: \u0130stanbul\r\n",
            "http": { "status": 200, "title": "Log in", "html_hash": -5 },
            "hostnames": ["Node1.Example.com"], "domains": ["example.com"],
            "place": { "country_code": "US", "city": "San Diego", "latitude": 32.7157, "longitude": -117.1611 },
            "network": { "asn": 64496, "org": "Foo, \"Inc\"" },
            "tags": ["a*b"]
        }
    }"#;

    #[track_caller]
    fn check(query: &str, expected: bool) {
        let record: Record = serde_json::from_str(RECORD).unwrap();
        let now: Timestamp = "2026-09-21T00:00:00Z".parse().unwrap();
        let parsed = parse(query, now).unwrap_or_else(|error| panic!("{}", error.render(query)));
        assert_eq!(matches(&parsed.expr, &record), expected, "{query}");
    }

    #[test]
    fn words_and_phrases() {
        check("*", true);
        check("docker cluster", true);
        check("\"docker cluster\"", true);
        check("\"cluster docker\"", false);
        check("dock", false);
        check("dock*", true);
        check("clus?er", true);
        check("straße İSTANBUL", true);
        check("registry", false);
        check("product:registry", true);
        check("product:=docker", false);
        check("product:=\"docker registry\"", true);
        check("org:\"foo inc\"", true);
        check("hostname:*.example.com", true);
        check("hostname:example", true);
        check("hostname:exam*", true);
        check("domain:example.com", true);
        check("domain:example", false);
    }

    #[test]
    fn values_of_every_kind() {
        check("port:6000-7000", true);
        check("port:80,443", false);
        check("exposure:>=limited severity:high", true);
        check("exposure:controllable", false);
        check("city:\"san diego,austin\"", true);
        check("city:san\\ d*", true);
        check("tag:\"a*b\"", true);
        check("tag:a\\*b", true);
        check("asn:64496", true);
        check("fact:nodes=3", true);
        check("http.html_hash:-5", true);
        check("net:192.0.2.0/29", true);
        check("net:192.0.2.8/29", false);
        check("net:0.0.0.0/0", true);
        check("has_ipv6:true", false);
        check("net:::/0", false);
        check("ssl.cert.expired:true", false);
    }

    #[test]
    fn times_and_places() {
        check("time:2026-09-10", true);
        check("time:<2026-09-10T10:00:00Z", false);
        check("time:<=2026-09-10T10:00:00Z", true);
        check("after:2026-09-10", true);
        check("after:2026-09-15", true);
        check("time:>=2026-09-15", false);
        check("after:2026-09-15 before:2026-09-12", true);
        check("before:2026-09-10", false);
        check("last_seen:2026-09-20T12:00:00Z", true);
        check("last_seen:7d first_seen:<7d", true);
        check("geo:32.72,-117.16,1", true);
        check("geo:33.7,-117.16,100", false);
        check("geo:33.7,-117.16,110", true);
        check("geo:33,-118,32,-117", true);
        check("geo:33,170,32,-117", true);
        check("geo:33,170,32,-118", false);
    }

    #[test]
    fn combinations_and_absence() {
        check("-port:6443", false);
        check("-port:80 OR nosuch", true);
        check("-(port:80 OR docker)", false);
        check("has_ssl:true", false);
        check("has_http:true has_city:true", true);
        check("-os:*", true);
        check("os:linux", false);
        check("-os:linux", true);
    }
}
