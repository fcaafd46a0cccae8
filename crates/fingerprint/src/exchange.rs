//! The answers written in examples: raw HTTP responses, facts of dialogues, failures.
//!
//! A small tolerant reader for files that people write (line feeds are enough). Responses from the network are
//! read by `nightlatch-probe`, which bounds and judges their framing.

use nightlatch_asset::{Answer, BodyEnd, DialogueAnswer, Failure, HttpAnswer, Text};

/// Reads one exchange of an example.
///
/// - `text`: `HTTP/...` a raw response, `{...}` facts, `!...` a failure, anything else the name of a side file.
/// - `side_files`: names and contents.
///
/// # Errors
/// One sentence saying what was expected.
pub(crate) fn read<N: AsRef<str>, B: AsRef<[u8]>>(
    text: &str,
    side_files: &[(N, B)],
) -> Result<Answer, String> {
    if let Some(answer) = inline(text.as_bytes())? {
        return Ok(answer);
    }
    let name = text.trim();
    let file = side_files.iter().find(|(known, _)| known.as_ref() == name).map(|(_, bytes)| bytes.as_ref());
    let bytes = file.ok_or_else(|| {
        format!("no side file `{name}`; an exchange begins with `HTTP/`, `{{` or `!`, or names a file in `examples/`")
    })?;
    inline(bytes)?.ok_or_else(|| format!("side file `{name}` begins with none of `HTTP/`, `{{`, `!`"))
}

fn inline(bytes: &[u8]) -> Result<Option<Answer>, String> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let bytes = &bytes[start..];
    match bytes.first() {
        Some(b'H') if bytes.starts_with(b"HTTP/") => match http(bytes, BodyEnd::Complete) {
            Some(answer) => Ok(Some(Answer::Http(answer))),
            None => Err("the first line is a status line, `HTTP/1.1 200 OK`".to_owned()),
        },
        Some(b'{') => match serde_json::from_slice(bytes) {
            Ok(facts) => Ok(Some(Answer::Dialogue(DialogueAnswer { facts, text: Text::default() }))),
            Err(error) => Err(format!("facts are a JSON object: {error}")),
        },
        Some(b'!') => {
            failure(&String::from_utf8_lossy(&bytes[1..])).map(|failure| Some(Answer::Failed(failure)))
        }
        _ => Ok(None),
    }
}

fn failure(text: &str) -> Result<Failure, String> {
    let (word, rest) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
    Ok(match word {
        "refused" => Failure::Refused,
        "timeout" => Failure::Timeout,
        "reset" => Failure::Reset,
        "closed" => Failure::Closed,
        "tls" => Failure::Tls(Text::from(rest)),
        "client-certificate" => Failure::ClientCertificate,
        "foreign" => Failure::Foreign(rest.as_bytes().to_vec()),
        _ => {
            return Err(format!(
                "unknown failure `{word}`, expected one of refused, timeout, reset, closed, tls, client-certificate, foreign"
            ));
        }
    })
}

/// Reads a raw response: status line, headers, an empty line, the body; CRLF or LF. A chunked body is put together.
///
/// - `end`: how the body ended, as far as the caller knows; a broken chunked body becomes `Malformed`.
/// - returns `None` when the first line is no status line.
pub(crate) fn http(bytes: &[u8], end: BodyEnd) -> Option<HttpAnswer> {
    let (head_end, body_start) = end_of_head(bytes);
    let head = &bytes[..head_end];
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let status_line = lines.next()?;
    let mut words = status_line.split_whitespace();
    let minor_version = words.next()?.strip_prefix("HTTP/1.").map_or(1, |minor| u8::from(minor != "0"));
    let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
    let headers: Vec<(String, Text)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), Text::from(value.trim())))
        .collect();
    let mut answer = HttpAnswer {
        status,
        minor_version,
        head: head.to_vec(),
        headers,
        body: bytes[body_start..].to_vec(),
        end,
    };
    if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        let (body, whole) = unchunk(&answer.body);
        answer.body = body;
        if !whole && end == BodyEnd::Complete {
            answer.end = BodyEnd::Malformed;
        }
    }
    Some(answer)
}

/// Where the head ends, and where the body begins.
fn end_of_head(bytes: &[u8]) -> (usize, usize) {
    let mut line_start = 0;
    while let Some(length) = bytes[line_start..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[line_start..line_start + length];
        if line.is_empty() || line == b"\r" {
            return (line_start, line_start + length + 1);
        }
        line_start += length + 1;
    }
    (bytes.len(), bytes.len())
}

/// Puts the chunks together; also says whether the last chunk was there.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line_end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..line_end]);
        let digits = line.trim().split(';').next().unwrap_or_default().to_owned();
        let Ok(size) = usize::from_str_radix(&digits, 16) else { return (body, false) };
        rest = &rest[line_end + 1..];
        if size == 0 {
            return (body, true);
        }
        let chunk = &rest[..size.min(rest.len())];
        body.extend_from_slice(chunk);
        if chunk.len() < size {
            return (body, false);
        }
        rest = &rest[size..];
        rest = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n")).unwrap_or(rest);
    }
    (body, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side_files() -> Vec<(&'static str, &'static [u8])> {
        vec![("examples/a.http", b"HTTP/1.0 204 No Content\r\n\r\n")]
    }

    #[test]
    fn each_kind_of_exchange_is_read() {
        let Ok(Answer::Http(answer)) = read("HTTP/1.1 200 OK\nServer: x\n\n{}", &side_files()) else {
            panic!()
        };
        assert_eq!(
            (answer.status, answer.header("server"), answer.body.as_slice()),
            (200, Some("x"), &b"{}"[..])
        );
        let Ok(Answer::Http(answer)) = read("examples/a.http", &side_files()) else { panic!() };
        assert_eq!((answer.status, answer.minor_version), (204, 0));
        assert!(matches!(read("{\"ping\":1}", &side_files()), Ok(Answer::Dialogue(_))));
        assert_eq!(read("!closed", &side_files()), Ok(Answer::Failed(Failure::Closed)));
        for wrong in ["!lost", "HTTP/1.1", "{", "examples/b.http"] {
            assert!(read(wrong, &side_files()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn chunks_are_put_together() {
        let raw =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n";
        let answer = http(raw, BodyEnd::Complete).unwrap();
        assert_eq!((answer.body.as_slice(), answer.end), (&b"abcde"[..], BodyEnd::Complete));
        let answer = http(&raw[..raw.len() - 12], BodyEnd::Complete).unwrap();
        assert_eq!(answer.end, BodyEnd::Malformed);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            raw.extend(&bytes);
            let answer = http(&raw, BodyEnd::Complete).unwrap();
            proptest::prop_assert!(answer.body.len() <= bytes.len());
            let _ = http(&bytes, BodyEnd::Complete);
        }
    }
}
