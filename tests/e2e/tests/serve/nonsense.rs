//! Requests that make no sense: a clear refusal in the API's own shape, at once, and everybody else goes on.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use nightlatch_e2e::console::{Answer, Console, Estate, percent};

/// Nothing that is nonsense may take longer.
const AT_ONCE: Duration = Duration::from_secs(5);
/// What the server may hold after all of it.
const RESIDENT_MAX: u64 = 600 << 20;
const MANY: &str = "[server]\nrequests_per_minute = 1000000\nstrangers_per_minute = 1000000\n";

/// The refusal says why, as JSON, in the words of the API it belongs to.
fn is_told(answer: &Answer, path: &str) -> bool {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(&answer.body) else { return false };
    // Of `/api/v1/search`, trends, the words are Shodan's.
    let own = path.starts_with("/api/v1/") && !path.starts_with("/api/v1/search");
    let text = if own { &body["detail"] } else { &body["error"] };
    text.as_str().is_some_and(|text| text.len() > 3)
        && (!own || answer.head.contains("application/problem+json"))
}

#[track_caller]
fn refused(console: &Console, method: &str, path: &str, head: &str, body: &[u8]) {
    let key = format!("Authorization: Bearer {}\r\n{head}", console.key());
    let began = Instant::now();
    let answer = console.ask(method, path, &key, body);
    let took = began.elapsed();
    let shown = || {
        format!(
            "{method} {path:.150} {:.150}: {} {:.500}",
            String::from_utf8_lossy(body),
            answer.status,
            answer.body
        )
    };
    assert!((400..500).contains(&answer.status), "{}", shown());
    // An address that is longer than any may be is refused before anybody has a look at it.
    assert!(is_told(&answer, path) || answer.status == 414 && path.len() > 65_000, "{}", shown());
    assert!(answer.body.len() < 4_000, "{method} {path:.150}: an essay of {} bytes", answer.body.len());
    assert!(took < AT_ONCE, "{method} {path:.150} took {took:?}");
}

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn nonsense_is_refused_in_plain_words() {
    let estate = Estate::with(MANY);
    let mut console = estate.serve();
    let deep = "[".repeat(100_000);
    let json_bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b"\"text\"",
        b"{\"name\": 5}",
        b"{\"name\": \"\xff\xfe\"}",
        b"\x00\x00\x00\x00",
        b"{\"name\":\"x\",\"filters\":{\"ip\":[7]}}",
        b"{\"name\":1e999}",
        deep.as_bytes(),
    ];
    let own =
        ["alerts", "notifiers", "runs", "schedules", "keys", "queries"].map(|name| format!("/api/v1/{name}"));
    for path in own.iter().map(String::as_str).chain(["/shodan/alert"]) {
        for body in json_bodies {
            refused(&console, "POST", path, JSON, body);
        }
        refused(&console, "POST", path, JSON, "{\"a\":\"x\"}".repeat(1 << 20).as_bytes());
    }
    for path in &own {
        refused(&console, "POST", path, JSON, br#"{"no_such_member": true}"#);
        refused(&console, "POST", path, "Content-Type: text/plain\r\n", b"hello");
        refused(&console, "GET", &format!("{path}?no_such_parameter=1"), "", b"");
        refused(&console, "PATCH", path, "", b"");
    }
    let spec = |text: &str| format!("{{\"targets\":[\"127.0.0.1\"],{text}}}").into_bytes();
    for text in [
        "\"rate\":-1",
        "\"rate\":0",
        "\"rate\":4294967296",
        "\"rate\":1.5",
        "\"rate\":\"fast\"",
        "\"ports\":\"70000\"",
        "\"ports\":\"5-1\"",
        "\"ports\":\"\\u0000\"",
        "\"exclude\":[\"x\"]",
        "\"targets\":[]",
        "\"rate\":1,\"rate\":2",
    ] {
        refused(&console, "POST", "/api/v1/runs", JSON, &spec(text));
    }
    for target in
        ["8.8.8.8", "0.0.0.0/0", "::/0", "224.0.0.1", "x".repeat(70_000).as_str(), "a\u{0}b", "http://[", ""]
    {
        let body = serde_json::json!({ "targets": [target], "ports": "80" }).to_string();
        refused(&console, "POST", "/api/v1/runs", JSON, body.as_bytes());
        refused(&console, "POST", "/shodan/scan", FORM, format!("ips={}", percent(target)).as_bytes());
    }
    for every in ["0m", "-1h", "1s", "99999999999999999h", "* * * *", "99 * * * *", "\u{0}"] {
        let body = serde_json::json!({ "name": "s", "every": every, "targets": ["127.0.0.1"] }).to_string();
        refused(&console, "POST", "/api/v1/schedules", JSON, body.as_bytes());
    }
    refused(&console, "POST", "/shodan/scan", FORM, "a=b&".repeat(3 << 20).as_bytes());
    refused(&console, "POST", "/notifier", FORM, b"provider=carrier-pigeon");
    refused(&console, "POST", "/notifier", FORM, b"provider=webhook&url=http%3A%2F%2F169.254.169.254%2F");
    refused(&console, "POST", "/notifier", FORM, b"provider=webhook&url=http%3A%2F%2F127.0.0.1%3A1%2F");

    let search = "/shodan/host/search?query=port:22";
    let own_search = "/api/v1/observations/search?query=port:22";
    let facets = vec!["product"; 10_000].join(",");
    for path in [
        format!("{search}&facets={facets}"),
        format!("{search}&facets=no_such_facet"),
        format!("{search}&facets=port:-1"),
        format!("{search}&facets=port:99999999999999999999"),
        format!("{search}&page=0"),
        format!("{search}&page=-1"),
        format!("{search}&page=99999999999999999999999"),
        format!("{search}&page=one"),
        format!("{search}&minify=perhaps"),
        format!("{own_search}&cursor=AAAA"),
        format!("{own_search}&cursor=%ff%00"),
        format!("{own_search}&limit=-5"),
        format!("{own_search}&limit=99999999999999999999"),
        "/shodan/host/search".into(),
        "/shodan/host/search?query=".into(),
        format!("/shodan/host/search?query={}", "a".repeat(100_000)),
        format!("/shodan/host/search?query={}", "%28".repeat(30_000)),
        format!("/shodan/host/search?query={}", "port:1%20OR%20".repeat(7_000)),
        "/shodan/host/count?query=no_such_field:x".into(),
        "/shodan/host/count?query=%22never%20ends".into(),
        "/shodan/host/count?query=port:99999999999".into(),
        "/shodan/host/count?query=port:-1".into(),
        "/shodan/host/count?query=net:1.2.3.4/99".into(),
        "/shodan/host/count?query=before:31/31/2026".into(),
        "/shodan/host/999.1.1.1".into(),
        "/shodan/host/%ff%fe".into(),
        "/shodan/host/..%2f..%2fetc%2fpasswd".into(),
        "/shodan/host/1.1.1.1%00".into(),
        "/api/v1/hosts/nobody".into(),
        "/api/v1/endpoints/127.0.0.1/99999/tcp".into(),
        "/api/v1/endpoints/127.0.0.1/-1/tcp".into(),
        "/api/v1/endpoints/127.0.0.1/80/smoke".into(),
        "/api/v1/runs/..%2f..%2f".into(),
        format!("/api/v1/runs/{}", "r".repeat(10_000)),
        "/api/v1/events?since=yesterday".into(),
        "/api/v1/events?limit=0".into(),
        "/shodan/ports/0,99999".into(),
        "/shodan/custom".into(),
        "/shodan/alert/NOSUCHALERT00000/info".into(),
        "/dns/resolve".into(),
        "/api/v1/no/such/address".into(),
    ] {
        refused(&console, "GET", &path, "", b"");
    }
    let answer = console.get("/no/such/address");
    assert!(answer.status == 404 && answer.body.len() > 3, "{answer:?}");
    assert!(console.is_alive());
    assert!(console.resident_bytes() < RESIDENT_MAX, "{} bytes", console.resident_bytes());
    assert!(
        !console.log().contains("\"ERROR\""),
        "a stranger's mistake is no error of ours:\n{}",
        console.log_end()
    );
}

/// What may be a question or may not: answered or refused, at once, never with a failure of ours.
#[test]
fn strange_questions_take_neither_long_nor_much() {
    let estate = Estate::with(MANY);
    let console = estate.serve();
    let stars = "*a".repeat(2_000);
    for query in [
        "page",
        "%",
        "\u{0}",
        "\u{202e}\u{7}\u{1b}[31m",
        "product:*",
        "product:\"*a*a*a*a*a*a*a*a*a*a*b\"",
        "http.title:/(a+)+$/",
        "http.title:\"(.*)(.*)(.*)(.*)(.*)[^x]\"",
        "-port:22 -port:23",
        "port:1-65535",
        "NOT NOT NOT NOT port:22",
        "((((((((((port:22))))))))))",
        "product:\"\"",
        "ip:::1",
        "net:::/0",
        "\"\"",
        "*",
        "-*",
        &format!("product:{stars}"),
        &"(".repeat(3_000),
        &"-".repeat(3_000),
        &"port:22 ".repeat(400),
        "hash:-99999999999",
    ] {
        for path in [
            "/shodan/host/count?query=",
            "/api/v1/observations/count?query=",
            "/shodan/host/search/tokens?query=",
        ] {
            let began = Instant::now();
            let answer = console.get(&format!("{path}{}", percent(query)));
            assert!(answer.status < 500, "{path}{query:.100}: {answer:?}");
            assert!(answer.status == 200 || is_told(&answer, path), "{path}{query:.100}: {answer:?}");
            assert!(began.elapsed() < AT_ONCE, "{path}{query:.100} took {:?}", began.elapsed());
        }
    }
    for path in [
        "/shodan/host/search?query=port:22&page=1000000",
        "/shodan/query?page=1000000",
        "/shodan/scans?page=4294967295",
    ] {
        let answer = console.get(path);
        assert!(answer.status == 200 || is_told(&answer, path), "{path}: {answer:?}");
    }
}

/// Bytes that are hardly HTTP.
#[test]
fn what_is_hardly_http_is_refused_or_dropped() {
    let estate = Estate::with(&format!("{MANY}head_seconds = 3\nrequest_seconds = 5\n"));
    let console = estate.serve();
    let host = format!("Host: {}\r\n", console.address);
    let key = format!("Authorization: Bearer {}\r\n", console.key());
    let long = "x".repeat(300_000);
    let many: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    for (what, request) in [
        ("no method", b"\r\n\r\n\r\n".to_vec()),
        ("noise", vec![0xa5; 70_000]),
        ("NUL", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("another version", format!("GET / HTTP/9.9\r\n{host}\r\n").into_bytes()),
        ("no host", b"GET /api-info HTTP/1.1\r\n\r\n".to_vec()),
        ("another host", b"GET /api-info HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_vec()),
        ("a long line", format!("GET /{long} HTTP/1.1\r\n{host}\r\n").into_bytes()),
        ("a long header", format!("GET / HTTP/1.1\r\n{host}X-Long: {long}\r\n\r\n").into_bytes()),
        ("many headers", format!("GET / HTTP/1.1\r\n{host}{many}\r\n").into_bytes()),
        ("a raw byte", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("two lengths", format!("POST /shodan/alert HTTP/1.1\r\n{host}{key}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}").into_bytes()),
        ("a length that is none", format!("POST /shodan/alert HTTP/1.1\r\n{host}{key}Content-Length: -2\r\n\r\n").into_bytes()),
        ("a chunk that is none", format!("POST /shodan/alert HTTP/1.1\r\n{host}{key}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n").into_bytes()),
        ("an endless chunk", format!("POST /shodan/alert HTTP/1.1\r\n{host}{key}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nffffffffffffffff\r\n{long}").into_bytes()),
        ("a body that breaks off", format!("POST /shodan/alert HTTP/1.1\r\n{host}{key}Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{").into_bytes()),
    ] {
        let began = Instant::now();
        let mut stream = console.connect();
        let _ = stream.write_all(&request);
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            answer.extend_from_slice(&chunk[..length]);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{what}: {text:.300}");
        assert!(began.elapsed() < Duration::from_secs(15), "{what} took {:?}", began.elapsed());
    }
    assert_eq!(console.get("/api-info").status, 200);
}

#[test]
fn a_key_in_the_wrong_place_is_no_key() {
    let estate = Estate::with(MANY);
    let console = estate.serve();
    let key = console.key().to_owned();
    for (what, path, head) in [
        ("a cookie", "/api-info".to_owned(), format!("Cookie: key={key}\r\n")),
        (
            "the session's cookie",
            "/api-info".into(),
            format!("Cookie: session={key}; nightlatch={key}; __Host-session={key}\r\n"),
        ),
        ("Basic", "/api-info".into(), "Authorization: Basic bmw6bmw=\r\n".into()),
        ("without a scheme", "/api-info".into(), format!("Authorization: {key}\r\n")),
        ("another header", "/api-info".into(), format!("X-Key: {key}\r\n")),
        ("another parameter", format!("/api-info?apikey={key}"), String::new()),
        ("another spelling", format!("/api-info?KEY={key}"), String::new()),
        ("the fragment", format!("/api-info?#key={key}"), String::new()),
        ("its own API", format!("/api/v1/me?apikey={key}"), String::new()),
    ] {
        let answer = console.ask("GET", &path, &head, b"");
        // Such as an address with a fragment, which is none.
        assert!([400, 401].contains(&answer.status), "{what}: {answer:?}");
        assert!(!answer.body.contains(&key), "{what}: the key is repeated");
    }
    let answer = console.ask("GET", &format!("/shodan/{key}"), "", b"");
    assert!([401, 404].contains(&answer.status) && !answer.body.contains(&key), "{answer:?}");
    assert_eq!(console.get("/api-info").status, 200, "none of it counts as a guess");
}
