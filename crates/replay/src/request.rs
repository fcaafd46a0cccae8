//! What a stranger asks a house: bytes cut into requests, without trust and within limits.

use std::borrow::Cow;

/// Longest request line plus headers that a house reads, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest request body that a house reads, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most arguments of one Redis command that a house reads.
const WORDS_MAX: usize = 64;

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"];

/// A request, as HTTP where it is HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    /// An HTTP/1 request.
    Http(HttpRequest),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Request {
    /// The request that `bytes` are.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        match HttpRequest::cut(&bytes) {
            Cut::Whole(request, _) => Self::Http(request),
            Cut::More | Cut::Other => Self::Bytes(bytes),
        }
    }
}

/// The outcome of cutting one request off a buffer.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Cut<T> {
    /// The request, and how many bytes of the buffer it takes.
    Whole(T, usize),
    /// It may become one when more bytes come.
    More,
    /// It never becomes one.
    Other,
}

/// The parts of an HTTP request that decide about its answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    /// Up to the question mark.
    pub(crate) path: String,
    /// After the question mark, cut at `&`.
    pub(crate) query: Vec<String>,
    /// Whether `Host` names an address (or nothing) rather than a name.
    pub(crate) to_address: bool,
    /// `Accept`, cut at `,` and `;`.
    pub(crate) accept: Vec<String>,
    /// Whether it carries `Authorization`.
    pub(crate) authorization: bool,
    /// Whether the client wants to ask more on this connection.
    pub(crate) keep_alive: bool,
    pub(crate) body: Vec<u8>,
}

impl HttpRequest {
    /// Cuts one HTTP/1 request off the start of `bytes`.
    pub(crate) fn cut(bytes: &[u8]) -> Cut<Self> {
        if !begins_like_http(bytes) {
            return Cut::Other;
        }
        let window = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
        let Some(end) = find(window, b"\r\n\r\n") else {
            return if bytes.len() < HEAD_BYTES_MAX { Cut::More } else { Cut::Other };
        };
        let head = String::from_utf8_lossy(window.get(..end).unwrap_or_default());
        let Some((mut request, length)) = Self::from_head(&head) else { return Cut::Other };
        if length > BODY_BYTES_MAX {
            return Cut::Other;
        }
        let (from, to) = (end + 4, end + 4 + length);
        match bytes.get(from..to) {
            Some(body) => {
                request.body = body.to_vec();
                Cut::Whole(request, to)
            }
            None => Cut::More,
        }
    }

    /// The request of a head, and the length of the body that it announces.
    fn from_head(head: &str) -> Option<(Self, usize)> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: cut_at(query, &['&']),
            to_address: true,
            keep_alive: version != "HTTP/1.0",
            ..Self::default()
        };
        let mut length = 0;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "host" => request.to_address = !is_name(value),
                "accept" => request.accept = cut_at(value, &[',', ';']),
                "authorization" => request.authorization = true,
                "connection" => request.keep_alive = !value.eq_ignore_ascii_case("close"),
                "content-length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        Some((request, length))
    }
}

/// The words of one line, or of one Redis command in array form, in lower case: two spellings of one question are equal.
///
/// `None` when `bytes` do not begin with a whole command.
pub(crate) fn words(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    if bytes.first() == Some(&b'*') { array_words(bytes) } else { line_words(bytes) }
}

fn line_words(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let (line, end) = line(bytes)?;
    let text = std::str::from_utf8(line).ok()?;
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    Some((text.split_whitespace().map(str::to_lowercase).take(WORDS_MAX).collect(), end))
}

fn array_words(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let (count, mut at) = number(bytes, b'*')?;
    let mut found = Vec::new();
    for _ in 0..count.min(WORDS_MAX) {
        let (length, end) = number(bytes.get(at..)?, b'$')?;
        let from = at.checked_add(end)?;
        let to = from.checked_add(length)?;
        found.push(String::from_utf8_lossy(bytes.get(from..to)?).to_lowercase());
        at = to.checked_add(2)?;
    }
    (at <= bytes.len()).then_some((found, at))
}

/// The number on a line that begins with `mark`, and where the line ends.
fn number(bytes: &[u8], mark: u8) -> Option<(usize, usize)> {
    let (line, end) = line(bytes)?;
    let (first, digits) = line.split_first()?;
    if *first != mark {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, end))
}

/// The first line without its ending, and where the next one begins.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let window = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    let end = window.iter().position(|byte| *byte == b'\n')?;
    let line = window.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

fn begins_like_http(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| {
        let start: Cow<'_, [u8]> = Cow::Owned([method.as_bytes(), b" "].concat());
        bytes.starts_with(&start) || (!bytes.is_empty() && start.starts_with(bytes))
    })
}

fn is_name(host: &str) -> bool {
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    bare != "localhost" && !bare.starts_with('[') && bare.chars().any(|c| c.is_ascii_alphabetic())
}

fn cut_at(text: &str, separators: &[char]) -> Vec<String> {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Where `needle` first stands in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_http_request_is_cut_into_what_decides() {
        let bytes = b"POST /a/b?x=1&y HTTP/1.1\r\nHost: lab.example:80\r\nAccept: a/b;v=1, */*\r\nContent-Length: 2\r\n\r\nhiGET";
        let Cut::Whole(request, used) = HttpRequest::cut(bytes) else { panic!("not whole") };
        assert_eq!(used, bytes.len() - 3);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a/b"));
        assert_eq!(request.query, ["x=1", "y"]);
        assert_eq!(request.accept, ["a/b", "v=1", "*/*"]);
        assert!(!request.to_address && request.keep_alive && !request.authorization);
        assert_eq!(request.body, b"hi");
    }

    #[test]
    fn an_address_is_not_a_name() {
        for (host, name) in
            [("127.0.0.1:6443", false), ("[::1]:80", false), ("localhost:1", false), ("a.example", true)]
        {
            assert_eq!(is_name(host), name, "{host}");
        }
    }

    #[test]
    fn partial_and_foreign_requests_are_told_apart() {
        assert_eq!(HttpRequest::cut(b"GE"), Cut::More);
        assert_eq!(HttpRequest::cut(b"GET / HTTP/1.1\r\n"), Cut::More);
        assert_eq!(HttpRequest::cut(b"\x16\x03\x01"), Cut::Other);
        assert_eq!(HttpRequest::cut(b"PRI * HTTP/2.0\r\n\r\n"), Cut::Other);
        let endless = [b"GET /".as_slice(), &vec![b'a'; HEAD_BYTES_MAX]].concat();
        assert_eq!(HttpRequest::cut(&endless), Cut::Other);
        let greedy = b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert_eq!(HttpRequest::cut(greedy), Cut::Other);
    }

    #[test]
    fn one_redis_command_in_two_spellings_is_one_question() {
        let array = words(b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n").unwrap();
        assert_eq!(array.0, words(b"info  SERVER\r\n").unwrap().0);
        assert_eq!(array.1, 26);
        assert!(words(b"*2\r\n$4\r\nINFO\r\n$6\r\nser").is_none());
        assert!(words(b"*1\r\n$18446744073709551615\r\nx\r\n").is_none());
        assert!(words(b"PING").is_none());
    }

    proptest! {
        #[test]
        fn cutting_never_fails_and_never_takes_more_than_there_is(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Cut::Whole(_, used) = HttpRequest::cut(&bytes) {
                prop_assert!(used <= bytes.len());
            }
            if let Some((_, used)) = words(&bytes) {
                prop_assert!(used <= bytes.len());
            }
        }

        #[test]
        fn arrays_of_odd_lengths_are_survived(count in any::<i64>(), length in any::<u64>(), rest in ".{0,20}") {
            let text = format!("*{count}\r\n${length}\r\n{rest}\r\n");
            if let Some((_, used)) = words(text.as_bytes()) {
                prop_assert!(used <= text.len());
            }
        }
    }
}
