use std::borrow::Cow;

use jiff::Timestamp;
use nightlatch_asset::{Observation, RunId, Text};
use sha2::{Digest, Sha256};

/// Header lines whose value differs from one answer of the same server to the next, lower case.
const VOLATILE_HEADERS: [&str; 34] = [
    "age",
    "audit-id",
    "cf-ray",
    "date",
    "etag",
    "expires",
    "nel",
    "report-to",
    "request-id",
    "server-timing",
    "set-cookie",
    "traceparent",
    "tracestate",
    "x-amz-cf-id",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-azure-ref",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cache",
    "x-cache-hits",
    "x-correlation-id",
    "x-ms-request-id",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
    "x-response-time",
    "x-runtime",
    "x-served-by",
    "x-timer",
    "x-trace-id",
    "x-varnish",
];

/// Marks before a value that is drawn anew for every answer, and the character that ends it.
const NONCES: [(&str, char); 4] =
    [("nonce=\"", '"'), ("opaque=\"", '"'), ("'nonce-", '\''), ("\"nonce-", '"')];

/// What an observation says, in 128 bits: equal for two observations of one endpoint that differ in nothing
/// but time, run, volatile header lines and nonces.
///
/// Left out are `time`, `run`, the values of volatile headers and nonces in `data` where that is an HTTP head,
/// `http.headers_hash` (the head itself is in) and `http.html_hash`: pages with a token drawn for every visitor
/// would else be new every day. A page that really changed nearly always changes `body_bytes` or the head too.
///
/// Source: the first 16 bytes, big endian, of SHA-256 over the JSON form; the same on every platform. The value
/// is stored; a change of what is left out makes the next observation of every endpoint a new record.
pub fn content_key(observation: &Observation) -> u128 {
    let mut masked = observation.clone();
    masked.time = Timestamp::UNIX_EPOCH;
    masked.run = RunId::default();
    masked.data = Text::new(without_volatile(observation.data.raw()));
    if let Some(http) = &mut masked.http {
        http.headers_hash = 0;
        http.html_hash = 0;
    }
    // Every value of an observation has a JSON form; the other one only spares a panic.
    let bytes = serde_json::to_vec(&masked).unwrap_or_else(|_| format!("{masked:?}").into_bytes());
    let digest = Sha256::digest(&bytes);
    digest.iter().take(16).fold(0, |key, byte| (key << 8) | u128::from(*byte))
}

/// An HTTP head with the values of its volatile lines and nonces taken out; any other text as it is.
fn without_volatile(data: &str) -> Cow<'_, str> {
    if !data.starts_with("HTTP/") {
        return Cow::Borrowed(data);
    }
    let mut out = String::with_capacity(data.len());
    for line in data.split_inclusive('\n') {
        match line.split_once(':') {
            Some((name, _)) if is_volatile(name) => {
                out.push_str(name);
                out.push('\n');
            }
            _ => push_without_nonces(&mut out, line),
        }
    }
    Cow::Owned(out)
}

fn is_volatile(name: &str) -> bool {
    VOLATILE_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn push_without_nonces(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some((at, mark, end)) = first_nonce(rest) {
        let value = at + mark.len();
        out.push_str(&rest[..value]);
        rest = rest[value..].find(end).map_or("", |length| &rest[value + length..]);
    }
    out.push_str(rest);
}

/// Where the next nonce's mark begins, the mark, and the character after the value.
fn first_nonce(text: &str) -> Option<(usize, &'static str, char)> {
    if !text.contains("nonce") && !text.contains("opaque") {
        return None;
    }
    NONCES.iter().filter_map(|(mark, end)| Some((text.find(mark)?, *mark, *end))).min_by_key(|found| found.0)
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::{Http, Transport, Verdict};

    use super::*;

    fn seen(data: &str) -> Observation {
        Observation {
            ip: "192.0.2.1".parse().unwrap(),
            port: 443,
            transport: Transport::Tcp,
            protocol: "https".into(),
            time: Timestamp::UNIX_EPOCH,
            run: RunId("a".into()),
            asked_as: None,
            verdict: Verdict::default(),
            data: data.into(),
            http: Some(Http { status: 200, body_bytes: 10, ..Http::default() }),
            tls: None,
            hostnames: vec![],
            domains: vec![],
            place: None,
            network: None,
            cloud: None,
            owner: None,
            os: None,
            tags: Default::default(),
        }
    }

    fn same(a: &str, b: &str) -> bool {
        content_key(&seen(a)) == content_key(&seen(b))
    }

    #[test]
    fn what_changes_by_itself_is_no_change() {
        assert!(same(
            "HTTP/1.1 200 OK\r\nDate: a\r\nServer: x",
            "HTTP/1.1 200 OK\r\ndate: b\r\nServer: x".replace("date", "Date").as_str()
        ));
        assert!(same("HTTP/1.1 200 OK\r\nAudit-Id: 1\r\n", "HTTP/1.1 200 OK\r\nAudit-Id: 2\r\n"));
        assert!(same(
            "HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"abc\", opaque=\"1\"\r\n",
            "HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"xyz\", opaque=\"2\"\r\n",
        ));
        assert!(same(
            "HTTP/1.1 200 OK\r\nContent-Security-Policy: script-src 'nonce-abc' 'self'\r\n",
            "HTTP/1.1 200 OK\r\nContent-Security-Policy: script-src 'nonce-def' 'self'\r\n",
        ));
        let mut again = seen("HTTP/1.1 200 OK");
        again.time = Timestamp::MAX;
        again.run = RunId("b".into());
        again.http.as_mut().unwrap().headers_hash = 7;
        again.http.as_mut().unwrap().html_hash = 8;
        assert_eq!(content_key(&again), content_key(&seen("HTTP/1.1 200 OK")));
    }

    #[test]
    fn everything_else_is_a_change() {
        assert!(!same("HTTP/1.1 200 OK\r\nServer: x\r\n", "HTTP/1.1 200 OK\r\nServer: y\r\n"));
        assert!(!same("HTTP/1.1 200 OK\r\nDate: x\r\n", "HTTP/1.1 200 OK\r\n"));
        assert!(!same("+OK date: 1", "+OK date: 2"));
        assert!(!same("HTTP/1.1 401 X\r\nA: nonce=\"x", "HTTP/1.1 401 X\r\nB: nonce=\"x"));
        let mut other = seen("x");
        other.http.as_mut().unwrap().body_bytes = 11;
        assert_ne!(content_key(&other), content_key(&seen("x")));
        let mut worse = seen("x");
        worse.verdict.severity = nightlatch_asset::Severity::High;
        assert_ne!(content_key(&worse), content_key(&seen("x")));
    }

    /// Stored keys must keep their meaning: a change here is a change of the format.
    #[test]
    fn the_key_is_the_same_everywhere() {
        assert_eq!(
            content_key(&seen("HTTP/1.1 200 OK\r\nDate: a\r\n")),
            63_227_315_699_272_501_121_684_004_423_095_699_800
        );
    }
}
