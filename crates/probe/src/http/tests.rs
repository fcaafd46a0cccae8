use nightlatch_asset::{BodyEnd, Failure, HttpAnswer};
use proptest::prelude::*;

use super::*;
use crate::Stopped;

/// Reads `bytes` in pieces of `step`; gives the answer and whether the connection may be reused.
fn read_with(
    limits: Limits,
    head: bool,
    bytes: &[u8],
    step: usize,
    stopped: Stopped,
) -> (Result<HttpAnswer, Failure>, bool) {
    let mut reader = Reader::new(limits, head);
    for piece in bytes.chunks(step) {
        reader.push(piece);
    }
    let reusable = reader.reusable();
    (reader.finish(stopped), reusable)
}

fn read(text: &str) -> (HttpAnswer, bool) {
    let whole = read_with(Limits::default(), false, text.as_bytes(), usize::MAX, Stopped::Closed);
    let drops = read_with(Limits::default(), false, text.as_bytes(), 1, Stopped::Closed);
    assert_eq!(whole, drops, "the answer depends on how the bytes were cut");
    (whole.0.unwrap(), whole.1)
}

fn check(text: &str, status: u16, body: &str, end: BodyEnd, reusable: bool) {
    let (answer, reuse) = read(text);
    let found = (answer.status, String::from_utf8_lossy(&answer.body).into_owned(), answer.end, reuse);
    assert_eq!(found, (status, body.to_owned(), end, reusable), "{text:?}");
}

#[test]
fn framings() {
    use BodyEnd::*;
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", Complete, true);
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", 200, "hi", Complete, false);
    check("HTTP/1.1 200 OK\nContent-Length:2\n\nhi", 200, "hi", Complete, true);
    check("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", Complete, false);
    check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", Complete, false);
    check("HTTP/1.0 200\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", Complete, true);
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 200, "hi", Cut, false);
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 200, "hi", Malformed, false);
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 3\r\n\r\nhi", 200, "", Malformed, false);
    check("HTTP/1.1 200 OK\r\n\r\nhi", 200, "hi", Complete, false);
    check("HTTP/1.1 204 No Content\r\n\r\n", 204, "", Complete, true);
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", Complete, true);
    check("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nzz", 101, "", Complete, false);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&format!("{chunked}2\r\nhi\r\n0\r\n\r\n"), 200, "hi", Complete, true);
    check(&format!("{chunked}2\r\nhi\r\n0\r\n\r\nHTTP/1.1 400"), 200, "hi", Complete, false);
    check(&format!("{chunked}2\r\nhi\r\n0\r\n"), 200, "hi", Complete, false);
    check(&format!("{chunked}2\r\nhi\r\n"), 200, "hi", Cut, false);
    check(&format!("{chunked}2\r\nhi\r\n10000000000000000\r\nx"), 200, "hi", Malformed, false);
    check(&format!("{chunked}not chunked at all"), 200, "", Cut, false);
    check(&format!("{chunked}not chunked at all\n"), 200, "", Malformed, false);
}

#[test]
fn heads_of_untidy_servers() {
    use BodyEnd::*;
    check("\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", Complete, true);
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\nx",
        401,
        "x",
        Complete,
        true,
    );
    check("HTTP/1.1 200", 200, "", Cut, false);
    check("HTTP/1.1 200 OK\r\nServer: x", 200, "", Cut, false);
    let endless = "HTTP/1.1 103 Early\r\n\r\n".repeat(INTERIM_ANSWERS_MAX + 2);
    check(&endless, 103, "", Malformed, false);
    let (answer, _) = read("HTTP/1.1 200 OK\r\nServer:x\r\nX-A: 1\n 2\r\n\r\n");
    assert_eq!(answer.head, b"HTTP/1.1 200 OK\r\nServer:x\r\nX-A: 1\n 2\r\n");
    assert_eq!((answer.header("server"), answer.header("x-a")), (Some("x"), Some("1 2")));
}

#[test]
fn a_head_answer_has_no_body() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let (answer, reusable) = read_with(Limits::default(), true, bytes, 7, Stopped::Closed);
    assert_eq!((answer.unwrap().end, reusable), (BodyEnd::Complete, true));
    let (_, reusable) =
        read_with(Limits::default(), true, b"HTTP/1.1 200 OK\r\n\r\nhello", 7, Stopped::Closed);
    assert!(!reusable, "a body after the answer to HEAD would be taken for the next answer");
}

#[test]
fn every_part_has_a_bound() {
    let limits = Limits { head_bytes_max: 1000, header_lines_max: 3, body_bytes_max: 4 };
    let capped = |text: String| {
        let (whole, _) = read_with(limits, false, text.as_bytes(), usize::MAX, Stopped::Closed);
        let (drops, reusable) = read_with(limits, false, text.as_bytes(), 1, Stopped::Closed);
        assert_eq!(whole, drops);
        assert!(!reusable);
        whole.unwrap()
    };
    let answer = capped(format!("HTTP/1.1 200 OK\r\nServer: x\r\nLong: {}\r\n\r\nbody", "y".repeat(9_000)));
    assert_eq!((answer.status, answer.head.len(), answer.end), (200, 1000, BodyEnd::Capped));
    assert_eq!(answer.header("server"), Some("x"));
    assert!(answer.header("long").is_some_and(|value| value.len() > 900));

    let answer = capped(format!("HTTP/1.1 200 {}", "y".repeat(9_000)));
    assert_eq!((answer.status, answer.end), (200, BodyEnd::Capped));

    let lines = "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nContent-Length: 9\r\n";
    let answer = capped(format!("HTTP/1.1 200 OK\r\n{lines}\r\n123456789"));
    assert_eq!(answer.headers.len(), 3);
    assert_eq!((answer.body.as_slice(), answer.end), (b"1234".as_slice(), BodyEnd::Capped));

    let answer = capped("HTTP/1.1 200 OK\r\n\r\n12345".into());
    assert_eq!((answer.body.as_slice(), answer.end), (b"1234".as_slice(), BodyEnd::Capped));
    let answer = capped("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456".into());
    assert_eq!((answer.body.as_slice(), answer.end), (b"1234".as_slice(), BodyEnd::Capped));
    let (fits, _) = read_with(limits, false, b"HTTP/1.1 200 OK\r\n\r\n1234", 3, Stopped::Closed);
    assert_eq!(fits.unwrap().end, BodyEnd::Complete);
}

#[test]
fn ten_megabytes_of_header_cost_no_more_than_the_bound() {
    let mut reader = Reader::new(Limits::default(), false);
    reader.push(b"HTTP/1.1 200 OK\r\nX: ");
    let piece = [b'x'; 8192];
    let mut pushed = 0;
    while reader.push(&piece) == Progress::More {
        pushed += piece.len();
        assert!(pushed < 64 * 1024, "the reader must say stop at its bound");
    }
    let answer = reader.finish(Stopped::Enough).unwrap();
    assert_eq!((answer.head.len(), answer.end), (16 * 1024, BodyEnd::Capped));
}

#[test]
fn what_is_not_http_is_handed_on() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "<html>no head</html>",
        "HTTP/1.1 abc\r\n\r\n",
        "\x15\x03\x01\x00\x02\x02\x46",
    ] {
        for step in [1, usize::MAX] {
            let (found, _) = read_with(Limits::default(), false, text.as_bytes(), step, Stopped::Closed);
            assert_eq!(found, Err(Failure::Foreign(text.into())));
        }
    }
    assert_eq!(Reader::new(Limits::default(), false).push(b"S"), Progress::Foreign);
    let long = [b'x'; 4096];
    let (found, _) = read_with(Limits::default(), false, &long, 1, Stopped::Closed);
    assert_eq!(found, Err(Failure::Foreign(vec![b'x'; FIRST_BYTES_MAX])));
}

#[test]
fn silence_has_a_reason() {
    let silent = |bytes: &[u8], stopped| read_with(Limits::default(), false, bytes, 1, stopped).0;
    assert_eq!(silent(b"", Stopped::Closed), Err(Failure::Closed));
    assert_eq!(silent(b"", Stopped::Reset), Err(Failure::Reset));
    assert_eq!(silent(b"", Stopped::Timeout), Err(Failure::Timeout));
    assert_eq!(silent(b"", Stopped::Enough), Err(Failure::Budget));
    assert_eq!(silent(b"HTTP/1.", Stopped::Timeout), Err(Failure::Timeout));
    assert_eq!(silent(b"HTTP/1.", Stopped::Closed), Err(Failure::Foreign(b"HTTP/1.".to_vec())));
    assert_eq!(silent(b"HTTP/1.1 100 Continue\r\n\r\n", Stopped::Closed), Err(Failure::Closed));
    let late = silent(b"HTTP/1.1 200 OK\r\n\r\nhalf", Stopped::Timeout).unwrap();
    assert_eq!((late.body.as_slice(), late.end), (b"half".as_slice(), BodyEnd::Timeout));
}

#[test]
fn a_compressed_body_stays_as_it_came() {
    let (answer, _) = read("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x0b");
    assert_eq!(answer.body, b"\x1f\x0b");
    assert_eq!((json(&answer), title(&answer)), (None, None));
}

/// Bytes that often look like an answer: fragments of one, in any order, with noise.
fn almost_http() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 404\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "\r\n",
        "\n",
        "\r",
        "Content-Length: 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Connection: close\r\n",
        "0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n",
        " folded\r\n",
        "5\r\nhello\r\n",
        "ffffffffffffffff\r\n",
        "hello",
        "A:b\r\n",
        "HTTP/",
    ]);
    let noise = prop::collection::vec(any::<u8>(), 0..6);
    let part = prop_oneof![8 => fragment.prop_map(|f| f.as_bytes().to_vec()), 1 => noise];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn cutting_changes_nothing(
        bytes in almost_http(),
        step in 1usize..40,
        head in any::<bool>(),
        head_bytes_max in 0usize..120,
        body_bytes_max in 0usize..12,
    ) {
        let limits = Limits { head_bytes_max, header_lines_max: 3, body_bytes_max };
        for stopped in [Stopped::Closed, Stopped::Reset, Stopped::Timeout, Stopped::Enough] {
            let whole = read_with(limits, head, &bytes, usize::MAX, stopped);
            let pieces = read_with(limits, head, &bytes, step, stopped);
            prop_assert_eq!(&whole, &pieces);
            if let Ok(answer) = whole.0 {
                prop_assert!(answer.head.len() <= head_bytes_max && answer.body.len() <= body_bytes_max);
                prop_assert!(answer.headers.len() <= 3 && (100..1000).contains(&answer.status));
                let _ = (title(&answer), json(&answer), media_type(&answer));
            }
        }
    }
}

#[test]
fn recorded_answers_are_read_as_another_parser_reads_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/http");
    let expected = std::fs::read_to_string(folder.join("EXPECTED.txt")).unwrap();
    let mut compared = 0;
    for line in expected.lines().filter(|line| !line.starts_with('#')) {
        let (name, numbers) = line.split_once(": ").unwrap();
        let bytes = std::fs::read(folder.join(format!("{name}.http"))).unwrap();
        let head = numbers.ends_with(" head");
        for step in [1, usize::MAX] {
            let (answer, _) = read_with(Limits::default(), head, &bytes, step, Stopped::Closed);
            let answer = answer.unwrap();
            let found = format!("{} {} {}", answer.status, answer.headers.len(), answer.body.len());
            assert_eq!(found, numbers.trim_end_matches(" head"), "{name}");
            assert_eq!(answer.end, BodyEnd::Complete, "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, 27);
}
