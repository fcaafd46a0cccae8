//! From answers to an observation: what is kept of them, and nothing else.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use nightlatch_asset::{
    Answer, Failure, Favicon, Http, HttpAnswer, Observation, RunId, Text, Timestamp, Transport, murmur3_32,
};
use nightlatch_fingerprint::{Judged, QuestionId, QuestionKind};
use nightlatch_probe::{Guess, first_bytes, http::title};

use super::Talk;

/// Longest head kept for searching, in bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Longest text of a greeting or of something unknown, in bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Longest value of one header that gets a field of its own, in bytes.
const HEADER_BYTES_MAX: usize = 512;

/// What was heard, reduced to what an observation keeps.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What the peer said unasked.
    pub(super) greeting: Vec<u8>,
    greeting_used: bool,
    parts: BTreeMap<QuestionId, Part>,
    favicon: Option<Favicon>,
    /// The first bytes that were no HTTP.
    foreign: Vec<u8>,
    /// A question came to something else than a closed connection: an answer, or silence.
    pub(super) stayed: bool,
}

#[derive(Debug)]
enum Part {
    Http { facts: Box<Http>, head: Text },
    Dialogue { name: String, text: Text },
}

impl Heard {
    /// Keeps what an observation may need of an answer; the body is gone afterwards.
    pub(super) fn take(&mut self, id: QuestionId, kind: &QuestionKind, answer: &Answer) {
        use Failure::{Budget, ClientCertificate, Closed, Refused, Reset};
        self.stayed |=
            !matches!(answer, Answer::Failed(Budget | ClientCertificate | Closed | Refused | Reset));
        match (answer, kind) {
            (Answer::Http(answer), QuestionKind::Http { path, .. }) => {
                if answer.status == 200 && is_favicon(path, answer) {
                    self.favicon =
                        Some(Favicon { hash: favicon_hash(&answer.body), path: path.as_str().into() });
                }
                let facts = Box::new(http_facts(answer));
                self.parts.insert(id, Part::Http { facts, head: head(answer) });
            }
            (Answer::Dialogue(answer), QuestionKind::Dialogue { name }) => {
                self.parts.insert(id, Part::Dialogue { name: name.clone(), text: answer.text.clone() });
            }
            (Answer::Failed(Failure::Foreign(bytes)), _) if self.foreign.is_empty() => {
                self.foreign.clone_from(bytes);
            }
            _ => {}
        }
    }

    /// What was said in the clear on a port that turned out to want TLS is not what it is.
    pub(super) fn forget_plain(&mut self) {
        self.parts.clear();
        self.foreign.clear();
        self.stayed = false;
    }

    /// The greeting, for the first dialogue only: it belongs to the connection that is open.
    pub(super) fn unused_greeting(&mut self) -> Option<Vec<u8>> {
        let fresh = !self.greeting.is_empty() && !std::mem::replace(&mut self.greeting_used, true);
        fresh.then(|| self.greeting.clone())
    }
}

/// Puts everything together. Enrichment and the run come later.
pub(super) fn observation(talk: &Talk<'_>, judged: Judged, time: Timestamp) -> Observation {
    let socket = talk.line.target().socket();
    let main = judged.main.and_then(|id| talk.heard.parts.get(&id));
    let main = main.or_else(|| talk.heard.parts.get(&QuestionId::ROOT));
    let tls = talk.line.tls.clone();
    let (protocol, data, http) = match main {
        Some(Part::Http { facts, head }) => {
            let mut facts = facts.as_ref().clone();
            facts.host = talk.host.as_str().into();
            facts.favicon.clone_from(&talk.heard.favicon);
            (if tls.is_some() { "https" } else { "http" }.to_owned(), head.clone(), Some(facts))
        }
        Some(Part::Dialogue { name, text }) => (name.clone(), text.clone(), None),
        None => {
            let said =
                if talk.heard.greeting.is_empty() { &talk.heard.foreign } else { &talk.heard.greeting };
            (guessed(said, tls.is_some()).to_owned(), Text::from_bytes(said, TEXT_BYTES_MAX), None)
        }
    };
    Observation {
        ip: socket.ip(),
        port: socket.port(),
        transport: Transport::Tcp,
        protocol,
        time,
        run: RunId::default(),
        asked_as: talk.name.map(Text::from),
        verdict: judged.verdict,
        data,
        http,
        tls,
        hostnames: talk.name.map(Text::from).into_iter().collect(),
        domains: Vec::new(),
        place: None,
        network: None,
        cloud: None,
        owner: None,
        os: judged.os,
        tags: judged.tags,
    }
}

/// The protocol of something that is no product we know.
fn guessed(said: &[u8], tls: bool) -> &'static str {
    match first_bytes(said) {
        _ if tls => "tls",
        Guess::Ssh => "ssh",
        Guess::Mysql => "mysql",
        Guess::Redis => "redis",
        Guess::Amqp => "amqp",
        Guess::Nats => "nats",
        Guess::Http2 => "h2",
        _ => "tcp",
    }
}

fn http_facts(answer: &HttpAnswer) -> Http {
    let header =
        |name: &str| answer.header(name).map(|value| Text::from_bytes(value.as_bytes(), HEADER_BYTES_MAX));
    Http {
        status: answer.status,
        title: title(answer),
        server: header("server"),
        location: header("location"),
        host: Text::default(),
        body_bytes: answer.body.len() as u64,
        html_hash: murmur3_32(String::from_utf8_lossy(&answer.body).as_bytes()),
        headers_hash: headers_hash(answer),
        favicon: None,
    }
}

/// Hash of the names and steady values of the head, so that two answers of one server are equal.
fn headers_hash(answer: &HttpAnswer) -> i32 {
    let mut text = format!("{}", answer.status);
    for (name, value) in &answer.headers {
        text.push('\n');
        text.push_str(name);
        if !is_fleeting(name) {
            text.push(':');
            text.push_str(value.raw());
        }
    }
    murmur3_32(text.as_bytes())
}

/// Values that differ between two answers of the same server.
fn is_fleeting(name: &str) -> bool {
    matches!(
        name,
        "date" | "expires" | "last-modified" | "etag" | "age" | "set-cookie" | "content-length" | "cf-ray"
    ) || name.contains("request-id")
        || name.contains("audit-id")
        || name.contains("trace")
        || name.contains("nonce")
        || name == "content-security-policy"
}

/// The head as text, with the values of cookies blanked: a session that was opened for us is nobody's to read.
fn head(answer: &HttpAnswer) -> Text {
    let raw = Text::from_bytes(&answer.head, HEAD_BYTES_MAX);
    let has_cookie = answer.headers.iter().any(|(name, _)| name == "set-cookie");
    if !has_cookie {
        return raw;
    }
    let lines = raw.raw().split_inclusive('\n').map(|line| {
        let cookie = line.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("set-cookie:"));
        match line.split_once('=') {
            Some((name, rest)) if cookie => {
                let end = rest.find([';', '\r', '\n']).unwrap_or(rest.len());
                format!("{name}=…{}", &rest[end..])
            }
            _ => line.to_owned(),
        }
    });
    Text::from(lines.collect::<String>())
}

fn is_favicon(path: &str, answer: &HttpAnswer) -> bool {
    let image = answer.header("content-type").is_some_and(|kind| kind.starts_with("image/"));
    path.contains("favicon") && (image || path.ends_with(".ico"))
}

/// Shodan's hash of a favicon: over its base64 text in lines of 76 characters.
fn favicon_hash(body: &[u8]) -> i32 {
    let lines = body.chunks(57).map(|line| STANDARD.encode(line) + "\n");
    murmur3_32(lines.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_blanked_and_nothing_else() {
        let head_of = |raw: &str, names: &[&str]| {
            let headers = names.iter().map(|n| ((*n).to_owned(), Text::default())).collect();
            let answer = HttpAnswer { head: raw.into(), headers, ..HttpAnswer::default() };
            head(&answer).raw().to_owned()
        };
        assert_eq!(
            head_of("HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret; Path=/\r\nX: a=b\r\n", &["set-cookie"]),
            "HTTP/1.1 200 OK\r\nSet-Cookie: sid=…; Path=/\r\nX: a=b\r\n"
        );
    }

    /// Values computed with the reference: mmh3.hash(base64.encodebytes(body)).
    #[test]
    fn favicon_hash_is_shodans() {
        assert_eq!(favicon_hash(b""), 0);
        assert_eq!(favicon_hash(b"hello"), 1_155_597_304);
        assert_eq!(favicon_hash(&(0..=255).collect::<Vec<u8>>()), -757_223_386);
    }
}
