//! One line for every thing the language can say, and for every mistake with its place.

mod laws;

use nightlatch_asset::Timestamp;

use crate::{CLAUSES_MAX, DEPTH_MAX, Expr, QUERY_BYTES_MAX, QueryErrorKind as E, parse, print};

/// 2026-09-21T10:15:00Z
fn now() -> Timestamp {
    "2026-09-21T10:15:00Z".parse().unwrap()
}

/// Parses `query`, compares its canonical form, and parses that again.
#[track_caller]
fn check(query: &str, canonical: &str) {
    let parsed = parse(query, now()).unwrap_or_else(|error| panic!("{}", error.render(query)));
    let printed = print(&parsed.expr);
    assert_eq!(printed, canonical, "of `{query}`");
    assert_eq!(parse(&printed, now()).unwrap().expr, parsed.expr, "of `{query}`");
}

/// Expects the error `kind` pointing at the bytes that read `at`, the first of them at `start`.
#[track_caller]
fn refuse(query: &str, kind: E, start: usize, at: &str) {
    let error = match parse(query, now()) {
        Ok(parsed) => panic!("`{query}` means `{}`", print(&parsed.expr)),
        Err(error) => error,
    };
    assert_eq!(
        (error.kind, error.span.start, &query[error.span.clone()]),
        (kind, start, at),
        "of `{query}`: {error}"
    );
    assert!(!error.expected.is_empty() && !error.to_string().ends_with('.'), "{error}");
    assert!(!error.render(query).contains("hint: \n"));
}

#[test]
fn words_and_operators() {
    check("", "*");
    check("   ", "*");
    check("*", "*");
    check("nginx", "nginx");
    check("NGINX Docker", "nginx docker");
    check("a AND b", "a b");
    check("a && b", "a b");
    check("a OR b", "a OR b");
    check("a || b c", "a OR b c");
    check("a or b", "a or b");
    check("(a OR b) c", "(a OR b) c");
    check("a (b c)", "a b c");
    check("a OR (b OR c)", "a OR b OR c");
    check("((a))", "a");
    check("-a", "-a");
    check("!a", "-a");
    check("NOT a", "-a");
    check("NOT(a b)", "-(a b)");
    check("--a", "--a");
    check("-a OR b", "-a OR b");
    check("-(a OR -b)", "-(a OR -b)");
    check("x-y", "\"x y\"");
    check("\"docker-cluster\"", "\"docker cluster\"");
    check("\"OR\"", "or");
    check("\\OR", "or");
    check("\"a \\\" b\"", "\"a b\"");
    check("12:30", "\"12 30\"");
    check("dock*", "dock*");
    check("do?k*", "do?k*");
    check("Grüße", "grüße");
    check("İSTANBUL", "İstanbul");
    check("İST*", "İst*");
    check("* -port:80", "* -port:80");
    check("data:*", "data:*");
    check("data:a,\"b c\",de*", "data:a,\"b c\",de*");
}

#[test]
fn keyword_and_text_fields() {
    check("product:Kubernetes", "product:kubernetes");
    check("PRODUCT:x", "product:x");
    check("title:\"Log in\"", "http.title:\"log in\"");
    check("title:log-in", "http.title:\"log in\"");
    check("org:\"Foo, Inc\"", "org:\"foo inc\"");
    check("product:=\"Docker Registry\"", "product:=\"docker registry\"");
    check("product:=etcd", "product:=\"etcd\"");
    check("org:=\"Foo, \\\"Inc\\\"\"", "org:=\"foo, \\\"inc\\\"\"");
    check("product:Kube*", "product:kube*");
    check("http.server:nginx/1.2*", "http.server:nginx/1.2*");
    check("hostname:*.Example.com", "hostname:*.example.com");
    check("domain:*ple.com", "domain:*ple.com");
    check("city:\"San Diego,Austin\"", "city:\"san diego\",austin");
    check("city:\"San Diego , Austin\",Rom", "city:\"san diego\",austin,rom");
    check("city:\"Washington\\, D.C.\"", "city:\"washington\\, d.c.\"");
    check("city:=\"San Diego,Austin\"", "city:\"san diego\\,austin\"");
    check("city:=\" x\"", "city:=\" x\"");
    check("city:San\\ Die*", "city:san\\ die*");
    check("city:\"a*\"", "city:\"a\\*\"");
    check("fact:nodes=*", "fact:nodes=*");
    check("fact:a\\*b*", "fact:a\\*b*");
    check("version:1.2?.**", "version:1.2?.*");
    check("asn:15169,AS64496", "asn:as15169,as64496");
    check("asn:as151*", "asn:as151*");
    check("country:de,FR", "country:de,fr");
    check("ssl.cert.fingerprint:AA:BB:CC", "ssl.cert.fingerprint:aabbcc");
    check("ssl.cert.serial:03E8", "ssl.cert.serial:3e8");
    check("ssl.cert.serial:00:00", "ssl.cert.serial:=\"0\"");
    check("ssl.cert.serial:=\"0146473198\"", "ssl.cert.serial:=\"146473198\"");
    check("ssl.cert.serial:146473198", "ssl.cert.serial:=\"146473198\",8bb00ee");
    check("ssl.cert.serial:16,7", "ssl.cert.serial:=\"16\",=\"10\",=\"7\"");
    check(
        "ssl.cert.serial:1461501637330902918203684832716283019655932542975",
        "ssl.cert.serial:=\"1461501637330902918203684832716283019655932542975\",ffffffffffffffffffffffffffffffffffffffff",
    );
    check("cpe:\"cpe:/a:Docker:docker\"", "cpe:cpe:2.3:a:docker:docker:*");
    check("cpe:cpe:/a::engine:20.1?", "cpe:cpe:/a::engine:20.1?");
    check("cpe:\"cpe:/a::x*:\"", "cpe:cpe:2.3:a:*:x\\*:*");
    check("transport:TCP", "transport:tcp");
    check("version:1.2-3", "version:1.2-3");
    check("os:*", "os:*");
    check("version:\">=1.2\"", "version:\">=1.2\"");
    check("ssl:k3s", "ssl:k3s");
    check("run:20260921T101500Z-7f3a", "run:20260921t101500z-7f3a");
}

#[test]
fn what_is_probably_meant_otherwise_is_told() {
    let warnings = |query: &str| -> Vec<(std::ops::Range<usize>, String)> {
        let parsed = parse(query, now()).unwrap();
        parsed.warnings.into_iter().map(|warning| (warning.span, warning.message)).collect()
    };
    let messages = |query: &str| warnings(query).into_iter().map(|(_, message)| message).collect::<Vec<_>>();
    for address in ["192.0.2.1", "192.0.2.0/24", "2001:db8::1"] {
        let told =
            format!("`{address}` is looked for in responses; to find the address, write `net:{address}`");
        assert_eq!(messages(&format!("x {address}")), [told]);
    }
    assert_eq!(
        messages("port=22 Port>=8000"),
        [
            "`port=22` is looked for in responses; to ask the field, write `port:22`",
            "`Port>=8000` is looked for in responses; to ask the field, write `Port:>=8000`"
        ]
    );
    assert_eq!(messages("\u{201c}x y\u{201d}").len(), 2);
    for fine in ["\"192.0.2.1\"", "1.2.3", "a=b", "port=", "net:192.0.2.1", "x/24"] {
        assert_eq!(messages(fine), [""; 0], "{fine}");
    }
    assert_eq!(warnings("a or b"), [(2..4, "`or` in lower case is a word; the operator is `OR`".to_owned())]);
    assert_eq!(warnings("a \"or\" b"), []);
    let stars = warnings("city:\"San D*\"");
    assert_eq!(stars.len(), 1);
    assert_eq!(stars[0].0, 5..13);
    assert!(stars[0].1.contains("wildcard"));
    assert_eq!(warnings("city:\"San\\*\" tag:=\"a*\" city:San\\ D*"), []);
}

#[test]
fn numbers_and_ladders() {
    check("port:80", "port:80");
    check("port:=80", "port:80");
    check("port:22,80", "port:22,80");
    check("port:\"22,80\"", "port:22,80");
    check("-port:3388,3389", "-port:3388,3389");
    check("port:8000-8100", "port:8000-8100");
    check("port:8000..8100", "port:8000-8100");
    check("port:>=8000,22", "port:>=8000,22");
    check("port:>8000", "port:>=8001");
    check("port:<1024", "port:<=1023");
    check("hash:-5", "hash:-5");
    check("-hash:-5", "-hash:-5");
    check("hash:-5--3", "hash:-5..-3");
    check("hash:-5-3", "hash:-5..3");
    check("hash:-2147483648", "hash:-2147483648");
    check("exposure:>=readable", "exposure:>=readable");
    check("exposure:auth-required..readable", "exposure:auth-required..readable");
    check("exposure:<limited", "exposure:<=auth-required");
    check("severity:High,critical", "severity:high,critical");
    check("ssl.cert.expired:yes", "ssl.cert.expired:true");
    check("ssl.cert.expired:0", "ssl.cert.expired:false");
}

#[test]
fn addresses_and_places() {
    check("net:192.0.2.0/24", "ip:192.0.2.0/24");
    check("net:192.0.2.7", "ip:192.0.2.7");
    check("net:192.0.2.7/24", "ip:192.0.2.0/24");
    check("net:192.0.2.1,2001:DB8::/32", "ip:192.0.2.1,2001:db8::/32");
    check("net:\"192.0.2.1, 198.51.100.0/24\"", "ip:192.0.2.1,198.51.100.0/24");
    check("ip:::ffff:192.0.2.1", "ip:192.0.2.1");
    check("ip:::ffff:192.0.2.0/120", "ip:192.0.2.0/24");
    check("net:::/0", "ip:::/0");
    check("-net:0.0.0.0/0", "-ip:0.0.0.0/0");
    check("geo:32.8,-117", "geo:32.8,-117,1");
    check("geo:32.8,-117,50", "geo:32.8,-117,50");
    check("geo:33,-118,32,-117", "geo:33,-118,32,-117");
    check("geo:\"1,2,3\",\"4,5,6\"", "geo:\"1,2,3\",\"4,5,6\"");
    check("geo:*", "geo:*");
    let parsed = parse("a net:192.0.2.7/24", now()).unwrap();
    assert_eq!(parsed.warnings.len(), 1);
    assert_eq!(parsed.warnings[0].span, 6..18);
    assert_eq!(parsed.warnings[0].message, "`192.0.2.7/24` has host bits, taken as `192.0.2.0/24`");
}

#[test]
fn times() {
    check("after:2026-09-01", "last_seen:>=2026-09-01T00:00:00Z");
    check("before:01/09/2026", "time:<2026-09-01T00:00:00Z");
    check("after:7d", "last_seen:>=2026-09-14T10:15:00Z");
    check("before:12h", "time:<2026-09-20T22:15:00Z");
    check("time:2026-09-01", "time:2026-09-01T00:00:00Z..2026-09-01T23:59:59Z");
    check("time:2026-09-01T10:00Z", "time:2026-09-01T10:00:00Z..2026-09-01T10:00:59Z");
    check("time:2026-09-01T10:00:05.75+02:00", "time:2026-09-01T08:00:05Z..2026-09-01T08:00:05Z");
    check("time:2026-09-01..2026-09-03", "time:2026-09-01T00:00:00Z..2026-09-03T23:59:59Z");
    check("first_seen:7d", "first_seen:>=2026-09-14T10:15:00Z");
    check("last_seen:<7d", "last_seen:<2026-09-14T10:15:00Z");
    check("time:<=2026-09-01", "time:<2026-09-02T00:00:00Z");
    check("time:>2026-09-01", "time:>=2026-09-02T00:00:00Z");
    check("ssl.cert.expires:<9999-12-01", "ssl.cert.not_after:<9999-12-01T00:00:00Z");
}

#[test]
fn presence_and_view() {
    check("has_ssl:true", "has_ssl:true");
    check("has_tls:0", "-has_ssl:true");
    check("-has_ssl:false", "--has_ssl:true");
    check("has_http:true", "http.status:*");
    check("has_ipv6:true", "ip:::/0");
    check("has_http.title:false", "-http.title:*");
    check("has_state:yes", "region:*");
    let view = |query: &str| parse(query, now()).map(|parsed| (print(&parsed.expr), parsed.history)).unwrap();
    assert_eq!(view("a"), ("a".into(), None));
    assert_eq!(view("history:true"), ("*".into(), Some(true)));
    assert_eq!(view("a latest:true b"), ("a b".into(), Some(false)));
    assert_eq!(view("(a OR b) AND latest:false"), ("a OR b".into(), Some(true)));
    assert_eq!(parse("history:1", now()).unwrap().expr, Expr::All);
}

#[test]
fn mistakes_in_the_structure() {
    refuse("port:9200 (country:CN", E::UnclosedParenthesis, 10, "(");
    refuse("a b) c", E::StrayParenthesis, 3, ")");
    refuse("\"abc", E::UnclosedQuote, 0, "\"");
    refuse("title:\"abc", E::UnclosedQuote, 6, "\"");
    refuse("a OR", E::MissingTerm, 4, "");
    refuse("OR a", E::MissingTerm, 0, "OR");
    refuse("a AND OR b", E::MissingTerm, 6, "OR");
    refuse("()", E::MissingTerm, 1, ")");
    refuse("(", E::UnclosedParenthesis, 0, "(");
    refuse("a - b", E::MissingTerm, 3, " ");
    refuse("a -", E::MissingTerm, 3, "");
    refuse("NOT", E::MissingTerm, 3, "");
    refuse("foo(bar)", E::Glued, 3, "(");
    refuse("title:\"a\"b", E::Glued, 9, "b");
    refuse("title:a\"b\"", E::Glued, 7, "\"");
    refuse("\"a\",\"b\"", E::Glued, 3, ",");
    refuse("a &", E::NoWords, 2, "&");
    refuse("title:\"...\"", E::NoWords, 6, "\"...\"");
    refuse("a\\", E::BadValue, 1, "\\");
    refuse("a OR history:true", E::Misplaced, 5, "history:true");
    refuse("-history:true", E::Misplaced, 1, "history:true");
    refuse("(latest:true)", E::Misplaced, 1, "latest:true");
    refuse("latest:true history:true", E::Misplaced, 12, "history:true");
    refuse("history:true,false", E::BadValue, 13, "false");
    refuse(&"a".repeat(QUERY_BYTES_MAX + 1), E::TooLong, QUERY_BYTES_MAX, "a");
    refuse(&"(".repeat(DEPTH_MAX + 1), E::TooDeep, DEPTH_MAX, "(");
    refuse(&format!("{}a", "-".repeat(DEPTH_MAX + 1)), E::TooDeep, DEPTH_MAX, "-");
    refuse(&"a ".repeat(CLAUSES_MAX + 1), E::TooMany, 2 * CLAUSES_MAX, "a");
    assert!(parse(&"a ".repeat(CLAUSES_MAX), now()).is_ok());
    assert!(parse(&format!("{}a{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX)), now()).is_ok());
    let list = vec!["80"; CLAUSES_MAX + 1].join(",");
    refuse(&format!("port:{list}"), E::TooMany, 5, &list);
    refuse(&format!("port:\"{list}\""), E::TooMany, 5, &format!("\"{list}\""));
}

#[test]
fn mistakes_in_names_and_values() {
    refuse("country:DE prot:443", E::UnknownField, 11, "prot");
    refuse("has_porrt:true", E::UnknownField, 0, "has_porrt");
    refuse("http://example.com", E::UnknownField, 0, "http");
    refuse("fe80::1", E::UnknownField, 0, "fe80");
    refuse("port:", E::MissingValue, 5, "");
    refuse("port: 80", E::MissingValue, 5, " ");
    refuse("port:80, 443", E::MissingValue, 8, " ");
    refuse("port:>=", E::MissingValue, 7, "");
    refuse("title:\"\"", E::MissingValue, 6, "\"\"");
    refuse("city:\"a,,b\"", E::MissingValue, 5, "\"a,,b\"");
    refuse("port:70000", E::OutOfRange, 5, "70000");
    refuse("port:80,70000", E::OutOfRange, 8, "70000");
    refuse("port:99999999999999999999", E::OutOfRange, 5, "99999999999999999999");
    refuse("port:-1", E::OutOfRange, 5, "-1");
    refuse("port:80x", E::BadValue, 5, "80x");
    refuse("port:80-", E::BadValue, 5, "80-");
    refuse("port:>=80-90", E::BadValue, 5, ">=80-90");
    refuse("port:8100-8000", E::ReversedRange, 5, "8100-8000");
    refuse("port:>65535", E::OutOfRange, 5, ">65535");
    refuse("port:8*", E::NotComparable, 5, "8*");
    refuse("net:1.2.3.0/33", E::OutOfRange, 4, "1.2.3.0/33");
    refuse("net:1.2.3.0/", E::OutOfRange, 4, "1.2.3.0/");
    refuse("net:1.2.3.400", E::BadValue, 4, "1.2.3.400");
    refuse("net:1.2.*", E::NotComparable, 4, "1.2.*");
    refuse("exposure:open", E::UnknownWord, 9, "open");
    refuse("exposure:readable..limited", E::ReversedRange, 9, "readable..limited");
    refuse("severity:>critical", E::OutOfRange, 9, ">critical");
    refuse("transport:tpc", E::UnknownWord, 10, "tpc");
    refuse("country:Germany", E::BadValue, 8, "Germany");
    refuse("asn:google", E::BadValue, 4, "google");
    refuse("version:>=1.2", E::NotComparable, 8, ">=1.2");
    refuse("data:=\"x\"", E::NotComparable, 5, "=\"x\"");
    refuse("ssl:a.b*", E::NotComparable, 4, "a.b*");
    refuse("product:k*", E::BroadPattern, 8, "k*");
    refuse("product:*kube", E::BroadPattern, 8, "*kube");
    refuse("hostname:*a", E::BroadPattern, 9, "*a");
    refuse(&format!("product:{}*", "a".repeat(300)), E::BroadPattern, 8, &format!("{}*", "a".repeat(300)));
    refuse("time:yesterday", E::BadValue, 5, "yesterday");
    refuse("after:2026-02-30", E::BadValue, 6, "2026-02-30");
    refuse("after:2026-09-01,2026-09-02", E::BadValue, 17, "2026-09-02");
    refuse("after:>2026-09-01", E::NotComparable, 6, ">2026-09-01");
    refuse("time:1800-01-01", E::OutOfRange, 5, "1800-01-01");
    refuse("time:9999-12-31", E::OutOfRange, 5, "9999-12-31");
    refuse("time:99999999999999y", E::OutOfRange, 5, "99999999999999y");
    refuse("time:2026-09-02..2026-09-01", E::ReversedRange, 5, "2026-09-02..2026-09-01");
    refuse("has_ssl:maybe", E::BadValue, 8, "maybe");
    refuse("geo:91,0", E::OutOfRange, 4, "91,0");
    refuse("geo:1", E::BadValue, 4, "1");
    refuse("geo:1,2,nan", E::BadValue, 4, "1,2,nan");
    refuse("geo:1,2,0", E::OutOfRange, 4, "1,2,0");
    refuse("geo:1,2,3,4", E::ReversedRange, 4, "1,2,3,4");
}

#[test]
fn advice_names_the_nearest() {
    let nearest = |query: &str| parse(query, now()).unwrap_err().nearest;
    assert_eq!(nearest("prodcut:x").as_deref(), Some("product"));
    assert_eq!(nearest("befor:7d").as_deref(), Some("before"));
    assert_eq!(nearest("has_titel:true").as_deref(), Some("has_title"));
    assert_eq!(nearest("exposure:>=raedable").as_deref(), Some("readable"));
    assert_eq!(nearest("transport:upd").as_deref(), Some("udp"));
    assert_eq!(nearest("zzzzzzzz:x"), None);
    let hint = |query: &str| parse(query, now()).unwrap_err().hint;
    assert!(hint("vuln:CVE-2020-1").contains("finding:"));
    assert!(hint("fe80::1").contains("net:fe80::1"));
    assert!(hint("port:80-").contains(">=80"));
}
