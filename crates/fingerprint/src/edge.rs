//! Who answers in the place of the server that was meant: delivery networks, firewalls, walls of refusals, and
//! servers that say that the other scheme is spoken here.

use nightlatch_asset::{Failure, HttpAnswer};

/// What a network edge showed of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Edge {
    /// A delivery network is in front.
    pub(crate) cdn: bool,
    /// A firewall for web applications is in front.
    pub(crate) waf: bool,
    /// The edge itself answered, not what is behind it.
    pub(crate) blocked: bool,
}

impl Edge {
    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            cdn: self.cdn || other.cdn,
            waf: self.waf || other.waf,
            blocked: self.blocked || other.blocked,
        }
    }
}

/// Headers that a network adds, and whether it is a firewall. An empty value matches any.
static HEADERS: &[(&str, &str, bool)] = &[
    ("cf-ray", "", false),
    ("server", "cloudflare", false),
    ("server", "akamaighost", false),
    ("x-iinfo", "", false),
    ("x-cdn", "incapsula", false),
    ("x-cdn", "imperva", false),
    ("set-cookie", "visid_incap_", false),
    ("set-cookie", "incap_ses_", false),
    ("set-cookie", "nlbi_", false),
    ("x-amz-cf-id", "", false),
    ("x-azure-ref", "", false),
    ("x-served-by", "cache-", false),
    ("x-sucuri-id", "", true),
];

/// Sentences of block pages, and whether a firewall says them.
static SENTENCES: &[(&str, bool)] = &[
    ("incapsula incident id", true),
    ("the requested url was rejected", true),
    ("fastly error: unknown domain", false),
    ("direct ip access not allowed", false),
    ("error 1003", false),
];

/// Bytes of a body in which a sentence is looked for.
const SEARCH_BYTES: usize = 8 * 1024;

/// What `answer` shows of a network edge.
pub(crate) fn edge(answer: &HttpAnswer) -> Edge {
    let mut edge = Edge::default();
    for (name, wanted, waf) in HEADERS {
        let present = |(n, v): &(String, nightlatch_asset::Text)| {
            n == name && v.raw().to_ascii_lowercase().contains(wanted)
        };
        if answer.headers.iter().any(present) {
            edge.cdn |= !waf;
            edge.waf |= *waf;
        }
    }
    let body = lower(answer);
    for (sentence, waf) in SENTENCES {
        if body.contains(sentence) && (*waf || edge.cdn || sentence.starts_with("fastly")) {
            edge.waf |= *waf;
            edge.cdn |= !waf;
            edge.blocked = true;
        }
    }
    // Network errors of the edge itself: Cloudflare's 52x and 530, Akamai's 400 for a name it does not serve.
    edge.blocked |= edge.cdn && (matches!(answer.status, 520..=530) || answer.status == 400);
    edge
}

/// True when the server says that TLS is spoken here and the request came without.
pub(crate) fn wants_tls(answer: &HttpAnswer) -> bool {
    if answer.status != 400 && answer.status != 497 {
        return false;
    }
    let body = lower(answer);
    [
        "client sent an http request to an https server",
        "plain http request was sent to https port",
        "speaking plain http to an ssl-enabled server port",
        "this combination of host and port requires tls",
    ]
    .iter()
    .any(|sentence| body.contains(sentence))
}

/// True when what came instead of HTTP is a TLS alert record (RFC 8446, section 5.1: type 21, version 3.x).
pub(crate) fn is_tls_record(failure: &Failure) -> bool {
    matches!(failure, Failure::Foreign(bytes) if matches!(bytes.as_slice(), [0x15 | 0x16, 0x03, ..]))
}

/// True when both refuse with the same challenge: a wall in front of everything.
pub(crate) fn same_refusal(a: &HttpAnswer, b: &HttpAnswer) -> bool {
    let refused = matches!(a.status, 401 | 403 | 407);
    refused && a.status == b.status && a.header("www-authenticate") == b.header("www-authenticate")
}

fn lower(answer: &HttpAnswer) -> String {
    let body = &answer.body[..answer.body.len().min(SEARCH_BYTES)];
    String::from_utf8_lossy(body).to_lowercase()
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::BodyEnd;

    use super::*;

    fn read(raw: &str) -> HttpAnswer {
        crate::exchange::http(raw.as_bytes(), BodyEnd::Complete).unwrap()
    }

    #[test]
    fn edges_show_themselves() {
        let cloudflare = edge(&read(
            "HTTP/1.1 403 Forbidden\nServer: cloudflare\nCF-RAY: 1\n\nerror 1003: Direct IP access not allowed",
        ));
        assert_eq!(cloudflare, Edge { cdn: true, waf: false, blocked: true });
        let behind = edge(&read("HTTP/1.1 200 OK\nServer: cloudflare\n\n<title>Grafana</title>"));
        assert_eq!(behind, Edge { cdn: true, waf: false, blocked: false });
        let f5 = edge(&read("HTTP/1.1 200 OK\n\nThe requested URL was rejected. Your support ID is: 1"));
        assert_eq!(f5, Edge { cdn: false, waf: true, blocked: true });
        assert_eq!(edge(&read("HTTP/1.1 200 OK\nServer: nginx\n\nerror 1003")), Edge::default());
    }

    #[test]
    fn the_other_scheme_is_recognised() {
        assert!(wants_tls(&read(
            "HTTP/1.0 400 Bad Request\n\nClient sent an HTTP request to an HTTPS server.\n"
        )));
        assert!(!wants_tls(&read("HTTP/1.0 200 OK\n\nClient sent an HTTP request to an HTTPS server.\n")));
        assert!(is_tls_record(&Failure::Foreign(vec![0x15, 3, 1, 0, 2, 2, 70])));
        assert!(!is_tls_record(&Failure::Foreign(b"SSH-2.0".to_vec())));
    }
}
