use nightlatch_untrusted::Text;

/// Longest header name that is kept, in bytes; a longer one is no header.
const NAME_BYTES_MAX: usize = 128;

/// What a status line says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) minor_version: u8,
}

/// Reads `HTTP/1.1 200 OK`; the minor version, the reason and the space before it may be missing.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let space = rest.iter().position(|b| *b == b' ' || *b == b'\t')?;
    let (version, rest) = rest.split_at(space);
    let minor_version = match version {
        [major] if major.is_ascii_digit() => 0,
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => minor - b'0',
        _ => return None,
    };
    let rest = rest.trim_ascii_start();
    let (code, after) = rest.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || after.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let status = code.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    (status >= 100).then_some(StatusLine { status, minor_version: minor_version.min(1) })
}

/// Reads the header lines of a head whose first line is the status line: names in lower case, values
/// trimmed, folded lines joined by a space. Lines without a colon are skipped.
pub(super) fn headers(head: &[u8]) -> Vec<(String, Text)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut folds = false;
    for line in lines(head).skip(1) {
        if line.first().is_some_and(|b| *b == b' ' || *b == b'\t') {
            if let (true, Some((_, value))) = (folds, found.last_mut()) {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        folds = false;
        let Some((name, value)) = name_and_value(line) else { continue };
        found.push((name, value.to_vec()));
        folds = true;
    }
    found.into_iter().map(|(name, value)| (name, Text::from_bytes(value.trim_ascii(), value.len()))).collect()
}

fn name_and_value(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = line.split_at(colon);
    let name = name.trim_ascii();
    let token = |b: &u8| b.is_ascii_graphic();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.iter().all(token) {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// The lines of `head` without their terminators, `\r\n` or `\n`.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// There is none.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// So many bytes, but the head contradicts itself.
    DoubtfulLength(u64),
    /// Chunks.
    Chunked,
    /// Until the connection closes.
    UntilClose,
}

/// Decides the framing from status and headers. Source: RFC 9112, section 6.3; where the RFC says that a
/// message is invalid, the smallest promise is believed, so that nobody waits for what will not come.
pub(super) fn framing(status: u16, headers: &[(String, Text)], head_request: bool) -> Framing {
    if head_request || status < 200 || status == 204 || status == 304 {
        return Framing::Nothing;
    }
    let values = |wanted: &'static str| {
        let of_name = headers.iter().filter(move |(name, _)| name == wanted);
        of_name.flat_map(|(_, value)| value.raw().split(',')).map(str::trim)
    };
    let last_coding = values("transfer-encoding").rfind(|coding| !coding.is_empty());
    match last_coding {
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => return Framing::Chunked,
        Some(coding) if !coding.eq_ignore_ascii_case("identity") => return Framing::UntilClose,
        _ => {}
    }
    let lengths: Vec<Option<u64>> = values("content-length").map(decimal).collect();
    match lengths.iter().flatten().min() {
        None => Framing::UntilClose,
        Some(least) if lengths.iter().all(|length| *length == Some(*least)) => Framing::Length(*least),
        Some(least) => Framing::DoubtfulLength(*least),
    }
}

fn decimal(text: &str) -> Option<u64> {
    // `u64::from_str` takes a sign; a length has none.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Whether the head allows another request on the connection. Source: RFC 9112, section 9.3.
pub(super) fn keeps_alive(minor_version: u8, headers: &[(String, Text)]) -> bool {
    let says = |word: &str| {
        let mut options = headers
            .iter()
            .filter(|(name, _)| name == "connection")
            .flat_map(|(_, value)| value.raw().split(','));
        options.any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    !says("close") && (minor_version >= 1 || says("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(u16, u8)>) {
        let found = status_line(line.as_bytes()).map(|s| (s.status, s.minor_version));
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn status_lines() {
        check("HTTP/1.1 200 OK", Some((200, 1)));
        check("HTTP/1.0 404 Not Found", Some((404, 0)));
        check("HTTP/1.1 200", Some((200, 1)));
        check("HTTP/1.1 200 ", Some((200, 1)));
        check("HTTP/1.1  200\tOK", Some((200, 1)));
        check("HTTP/1.1 200OK", Some((200, 1)));
        check("HTTP/2 200", Some((200, 0)));
        check("HTTP/1.9 999 x", Some((999, 1)));
        for foreign in
            ["", "HTTP/", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/1.1 099"]
        {
            check(foreign, None);
        }
        for foreign in ["HTTP/1.1 abc", "HTTP/x.1 200 OK", "HTTP/11.1 200", "http/1.1 200 OK", "ICY 200 OK"] {
            check(foreign, None);
        }
    }

    #[test]
    fn header_lines_of_untidy_servers() {
        let head = b"HTTP/1.1 200 OK\n folded onto nothing\nA:1\r\nB : 2 \r\nC: 3\n\t4\r\nno colon\n 5\n: empty\nD:\nE: \xff\n";
        let found = headers(head);
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.raw())).collect();
        assert_eq!(found, [("a", "1"), ("b", "2"), ("c", "3 4"), ("d", ""), ("e", "\u{fffd}")]);
    }

    #[test]
    fn framing_follows_the_standard_and_then_the_smaller_promise() {
        let with = |lines: &str| headers(format!("HTTP/1.1 200 OK\r\n{lines}").as_bytes());
        let check =
            |lines: &str, expected| assert_eq!(framing(200, &with(lines), false), expected, "{lines}");
        check("", Framing::UntilClose);
        check("Content-Length: 5", Framing::Length(5));
        check("Content-Length: 5, 5\r\nContent-Length: 5", Framing::Length(5));
        check("Content-Length: 5\r\nContent-Length: 7", Framing::DoubtfulLength(5));
        check("Content-Length: 5\r\nContent-Length: x", Framing::DoubtfulLength(5));
        check("Content-Length: +5", Framing::UntilClose);
        check("Content-Length: -1", Framing::UntilClose);
        check("Content-Length: ", Framing::UntilClose);
        check("Content-Length: 18446744073709551616", Framing::UntilClose);
        check("Transfer-Encoding: chunked\r\nContent-Length: 5", Framing::Chunked);
        check("Transfer-Encoding: gzip, Chunked", Framing::Chunked);
        check("Transfer-Encoding: gzip\r\nContent-Length: 5", Framing::UntilClose);
        check("Transfer-Encoding: identity\r\nContent-Length: 5", Framing::Length(5));
        let five = with("Content-Length: 5");
        for (status, head_request) in [(200, true), (204, false), (304, false), (101, false)] {
            assert_eq!(framing(status, &five, head_request), Framing::Nothing);
        }
    }
}
