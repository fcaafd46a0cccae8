//! Which recorded answer fits a request that may never have been recorded.
//!
//! HTTP, first rule that gives an answer:
//! 1. same method and path (`HEAD` may use the head of a recorded `GET`): the exchange with the same kind of `Host`, then the same query, then the
//!    most parameters of `Accept`, of the query and words of the body in common. One that carried `Authorization` answers
//!    only requests that carry it, too.
//! 2. the path was not recorded: a recorded refusal (status 400 or above) of the same method, the one whose path shares the
//!    most leading segments; among equals 404 before 401 and 403, before any other, and `/absent` before the rest. This is
//!    what a random path meets: the recorded answer to a path that is not there.
//! 3. nothing was refused in the recording: [`NOT_FOUND`], the only answer here that no recorded server gave.
//!
//! A list that was recorded whole answers a request for a selection of it (`labelSelector` of Kubernetes, `filters` of Docker)
//! with the same list without items: a scanner asks for a random label, and the real server finds none.
//!
//! Other protocols: the exchange that begins with the same bytes; else the command with the same words; else a recorded command that
//! begins with the words asked; else what the server said to an unknown command; else silence.

use crate::{
    RecordedPort,
    recording::{Answer, Exchange},
    request::{HttpRequest, Request, find, words},
};

/// The answer to a path that nothing in the recording is like.
pub const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nnot found\n";

/// What a house says to one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) close: bool,
}

impl Reply {
    fn recorded(answer: &Answer) -> Self {
        Self { bytes: answer.bytes.clone(), close: answer.closed }
    }
}

/// The reply to an HTTP request; `None` when the port was never asked anything in HTTP.
pub(crate) fn to_http(port: &RecordedPort, asked: &HttpRequest) -> Option<Reply> {
    port.http().next()?;
    let head_only = asked.method == "HEAD";
    let exchange = same_path(port, asked, &asked.method)
        .or_else(|| head_only.then(|| same_path(port, asked, "GET")).flatten())
        .or_else(|| refusal(port, asked, &asked.method))
        .or_else(|| refusal(port, asked, "GET"));
    let Some(exchange) = exchange else {
        return Some(Reply { bytes: NOT_FOUND.to_vec(), close: !asked.keep_alive });
    };
    let mut bytes = without_items(asked, exchange).unwrap_or_else(|| exchange.answer.bytes.clone());
    if head_only {
        bytes.truncate(head_end(&bytes).unwrap_or(bytes.len()));
    }
    // Everything was recorded with `Connection: close`; an answer that says where it ends can be followed by another.
    let open = asked.keep_alive && (head_only || is_framed(&bytes));
    if open {
        bytes = without_connection_header(&bytes);
    }
    Some(Reply { bytes, close: !open && exchange.answer.closed })
}

fn same_path<'a>(port: &'a RecordedPort, asked: &HttpRequest, method: &str) -> Option<&'a Exchange> {
    port.http()
        .filter(|(recorded, _)| recorded.method == method && recorded.path == asked.path)
        .filter(|(recorded, _)| asked.authorization || !recorded.authorization)
        .rev_max_by_key(|(recorded, _)| {
            (
                recorded.authorization == asked.authorization,
                recorded.to_address == asked.to_address,
                recorded.query == asked.query,
                in_common(&recorded.accept, &asked.accept),
                in_common(&recorded.query, &asked.query),
                in_common(&body_words(recorded), &body_words(asked)),
            )
        })
        .map(|(_, exchange)| exchange)
}

fn refusal<'a>(port: &'a RecordedPort, asked: &HttpRequest, method: &str) -> Option<&'a Exchange> {
    port.http()
        .filter(|(recorded, _)| recorded.method == method && !recorded.authorization && recorded.to_address)
        .filter_map(|(recorded, exchange)| {
            Some((recorded, exchange, status(exchange).filter(|s| *s >= 400)?))
        })
        .rev_max_by_key(|(recorded, _, status)| {
            let kind = match status {
                404 => 3,
                401 | 403 => 2,
                405..500 | 400 => 1,
                _ => 0,
            };
            (leading_segments(&recorded.path, &asked.path), kind, recorded.path.ends_with("absent"))
        })
        .map(|(_, exchange, _)| exchange)
}

/// `max_by_key` that keeps the first of equals, so that the order of the file decides.
trait FirstMax: Iterator + Sized {
    fn rev_max_by_key<K: Ord>(self, key: impl Fn(&Self::Item) -> K) -> Option<Self::Item> {
        self.fold(None, |best: Option<(K, Self::Item)>, item| {
            let rank = key(&item);
            match best {
                Some((kept, first)) if kept >= rank => Some((kept, first)),
                _ => Some((rank, item)),
            }
        })
        .map(|(_, item)| item)
    }
}
impl<I: Iterator> FirstMax for I {}

fn body_words(request: &HttpRequest) -> Vec<String> {
    String::from_utf8_lossy(&request.body)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn in_common(one: &[String], other: &[String]) -> usize {
    one.iter().filter(|part| other.contains(part)).count()
}

fn leading_segments(one: &str, other: &str) -> usize {
    let segments = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    segments(one).iter().zip(&segments(other)).take_while(|(a, b)| a == b).count()
}

/// The status of an exchange, where its answer is an HTTP response.
fn status(exchange: &Exchange) -> Option<u16> {
    let line = exchange.answer.bytes.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// Where the head of a response ends, the empty line included.
fn head_end(response: &[u8]) -> Option<usize> {
    find(response, b"\r\n\r\n").map(|at| at + 4)
}

/// Whether a response says where it ends, and does end there.
fn is_framed(response: &[u8]) -> bool {
    let Some(end) = head_end(response) else { return false };
    let (head, body) = response.split_at(end);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if head.starts_with("http/1.0") {
        return false;
    }
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n");
    }
    let announced =
        head.split("\r\n").find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    announced == Some(body.len()) || head.get(9..12).is_some_and(|status| status == "204" || status == "304")
}

fn without_connection_header(response: &[u8]) -> Vec<u8> {
    let Some(end) = head_end(response) else { return response.to_vec() };
    let (head, body) = response.split_at(end);
    let mut kept = Vec::with_capacity(response.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case(b"connection:")) {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(body);
    kept
}

/// The recorded list without its items, where a selection of it is asked for and the whole was recorded.
fn without_items(asked: &HttpRequest, exchange: &Exchange) -> Option<Vec<u8>> {
    let asks = |key: &str| asked.query.iter().any(|part| part.starts_with(key));
    let response = &exchange.answer.bytes;
    if status(exchange) != Some(200) || !(asks("labelSelector=") || asks("filters=")) {
        return None;
    }
    let (head, body) = response.split_at(head_end(response)?);
    let head = String::from_utf8_lossy(head);
    let start = find(body, b"\"items\":[").map(|at| at + b"\"items\":[".len());
    let list = match start {
        Some(open) => {
            // Behind a chunk size line the list begins at its brace.
            let from = find(body, b"{")?;
            [body.get(from..open)?, b"]}\n"].concat()
        }
        None if find(body, b"[").is_some_and(|at| at < 8) => b"[]\n".to_vec(),
        None => return None,
    };
    let mut made = String::new();
    for line in head.trim_end().split("\r\n") {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if name != "content-length" && name != "transfer-encoding" {
            made.push_str(line);
            made.push_str("\r\n");
        }
    }
    made.push_str(&format!("Content-Length: {}\r\n\r\n", list.len()));
    Some([made.into_bytes(), list].concat())
}

/// The reply to bytes that are not HTTP, and how many of them it answers; `None` when more are needed to tell.
pub(crate) fn to_bytes(port: &RecordedPort, asked: &[u8]) -> Option<(Reply, usize)> {
    let recorded = || {
        port.exchanges.iter().filter_map(|exchange| match &exchange.request {
            Request::Bytes(bytes) => Some((bytes, exchange)),
            Request::Http(_) => None,
        })
    };
    let longest =
        recorded().filter(|(bytes, _)| asked.starts_with(bytes)).max_by_key(|(bytes, _)| bytes.len());
    if let Some((bytes, exchange)) = longest {
        return Some((Reply::recorded(&exchange.answer), bytes.len()));
    }
    let (line, used) = words(asked)?;
    let alike = |wanted: &dyn Fn(&[String]) -> bool| {
        recorded()
            .find(|(bytes, _)| words(bytes).is_some_and(|(words, _)| wanted(&words)))
            .map(|(_, exchange)| exchange)
    };
    let exchange = alike(&|words| words == line)
        .or_else(|| alike(&|words| !line.is_empty() && words.starts_with(&line)))
        .or_else(|| {
            recorded().map(|(_, exchange)| exchange).find(|exchange| exchange.name == "unknown command")
        });
    let silence = Reply { bytes: Vec::new(), close: false };
    Some((exchange.map_or(silence, |exchange| Reply::recorded(&exchange.answer)), used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recording, request::Cut};

    fn recording(name: &str) -> Recording {
        let path = format!("{}/../../recordings/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Recording::read(name, &std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn ask(name: &str, request: &str) -> String {
        let text = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n");
        ask_raw(name, &text)
    }

    fn ask_raw(name: &str, text: &str) -> String {
        let recording = recording(name);
        let Cut::Whole(request, _) = HttpRequest::cut(text.as_bytes()) else {
            panic!("not a request: {text}")
        };
        let reply = to_http(recording.port(None).unwrap(), &request).unwrap();
        String::from_utf8_lossy(&reply.bytes).into_owned()
    }

    fn status_of(name: &str, request: &str) -> u16 {
        ask(name, request).get(9..12).unwrap().parse().unwrap()
    }

    #[test]
    fn a_random_path_meets_the_recorded_refusal() {
        let cases = [
            ("docker/open", 404),
            ("etcd/open-v3", 404),
            ("nginx/default", 404),
            ("docker-registry/htpasswd", 404),
            ("prometheus/basic-auth", 401),
            ("openshift-kube-apiserver-1.36/anonymous-default-rbac", 403),
            ("openshift-kube-apiserver-1.36/anonymous-cluster-admin", 404),
            ("openshift-kube-apiserver-1.36/anonymous-auth-false", 401),
            ("kubelet-1.20/no-anonymous-webhook", 404),
            ("prometheus/open", 404),
        ];
        for (name, expected) in cases {
            assert_eq!(status_of(name, "GET /4f1d0c2b9a887766"), expected, "{name}");
        }
    }

    #[test]
    fn a_random_resource_meets_the_refusal_nearest_to_it() {
        let path = "GET /apis/4f1d0c2b.invalid/v1/4f1d0c2bs";
        assert_eq!(status_of("openshift-kube-apiserver-1.36/anonymous-default-rbac", path), 403);
        assert_eq!(status_of("openshift-kube-apiserver-1.36/anonymous-cluster-admin", path), 404);
    }

    #[test]
    fn the_same_path_is_told_apart_by_accept_host_and_authorization() {
        let whole = ask("openshift-kube-apiserver-1.36/anonymous-read-pods", "GET /api/v1/pods?limit=1");
        assert!(whole.contains("\"kind\":\"PodList\""), "{whole}");
        let metadata = ask_raw(
            "openshift-kube-apiserver-1.36/anonymous-read-pods",
            "GET /api/v1/pods?limit=1 HTTP/1.1\r\nAccept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io\r\n\r\n",
        );
        assert!(metadata.contains("PartialObjectMetadataList"), "{metadata}");
        let rebound =
            ask_raw("caddy/admin-open", "GET /config/ HTTP/1.1\r\nHost: rebind.example.org\r\n\r\n");
        assert!(rebound.starts_with("HTTP/1.1 403"), "{rebound}");
        let default = "openshift-kube-apiserver-1.36/anonymous-default-rbac";
        assert_eq!(
            status_of(default, "GET /version"),
            200,
            "the answer to an invalid token is not for strangers"
        );
        let token = ask_raw(default, "GET /version HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n");
        assert!(token.starts_with("HTTP/1.1 401"), "{token}");
    }

    #[test]
    fn a_selection_of_a_recorded_list_is_empty_and_whole() {
        let pods = ask(
            "openshift-kube-apiserver-1.36/anonymous-read-pods",
            "GET /api/v1/namespaces?limit=1&labelSelector=4f1d%3D1",
        );
        let body = pods.split("\r\n\r\n").nth(1).unwrap();
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["kind"], "NamespaceList");
        assert_eq!(json["items"], serde_json::json!([]));
        assert!(is_framed(pods.as_bytes()));
        let containers = ask("docker/open-with-containers", "GET /containers/json?limit=1&filters=%7B%7D");
        assert!(containers.ends_with("\r\n\r\n[]\n"), "{containers}");
    }

    #[test]
    fn a_framed_answer_keeps_the_connection_and_loses_its_header() {
        let port = recording("docker/open");
        let Cut::Whole(mut request, _) = HttpRequest::cut(b"GET /version HTTP/1.1\r\n\r\n") else { panic!() };
        let open = to_http(port.port(None).unwrap(), &request).unwrap();
        assert!(
            !open.close && !String::from_utf8_lossy(&open.bytes).to_lowercase().contains("connection: close")
        );
        request.keep_alive = false;
        let closed = to_http(port.port(None).unwrap(), &request).unwrap();
        assert!(
            closed.close
                && String::from_utf8_lossy(&closed.bytes).to_lowercase().contains("connection: close")
        );
    }

    #[test]
    fn head_is_answered_from_get() {
        let reply = ask("openshift-kube-apiserver-1.36/anonymous-default-rbac", "HEAD /version");
        assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("\r\n\r\n"), "{reply}");
    }

    fn say(name: &str, bytes: &[u8]) -> Option<(String, usize)> {
        let recording = recording(name);
        let (reply, used) = to_bytes(recording.port(None).unwrap(), bytes)?;
        Some((String::from_utf8_lossy(&reply.bytes).into_owned(), used))
    }

    #[test]
    fn commands_are_found_in_either_spelling() {
        let check = |name: &str, asked: &[u8], expected: &str| {
            let (reply, used) = say(name, asked).unwrap();
            assert!(reply.starts_with(expected), "{name}: {reply}");
            assert_eq!(used, asked.len());
        };
        check("redis/open", b"PING\r\n", "+PONG");
        check("redis/open", b"*1\r\n$4\r\nping\r\n", "+PONG");
        check("redis/open", b"INFO\r\n", "$568");
        check("redis/open", b"*1\r\n$6\r\nDBSIZE\r\n", ":0");
        check("redis/open", b"ACL DRYRUN default SET k v\r\n", "-ERR unknown command");
        check("redis/requirepass", b"DBSIZE\r\n", "-NOAUTH");
        check("zookeeper/default", b"srvr", "Zookeeper version: 3.8.0");
        check("memcached/open", b"version\r\n", "VERSION 1.6.18");
        check("memcached/sasl", b"version\r\n", "");
        assert_eq!(say("redis/open", b"*1\r\n$4\r\npi"), None);
    }
}
