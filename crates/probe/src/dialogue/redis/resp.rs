use super::super::inbox::line;

/// Longest line of a reply, in bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// One reply, as far as our questions can be answered.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reply<'a> {
    /// `+OK`.
    Status(&'a [u8]),
    /// `-ERR ...`, without the dash.
    Error(&'a [u8]),
    /// `:0`; a count is never negative.
    Integer(u64),
    /// `$5`, then five bytes.
    Bulk(&'a [u8]),
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found<'a> {
    Incomplete,
    /// A reply and its length in bytes.
    Whole(Reply<'a>, usize),
    Foreign,
}

/// The first reply in `bytes`.
pub(super) fn reply(bytes: &[u8]) -> Found<'_> {
    if bytes.first().is_some_and(|kind| !b"+-:$".contains(kind)) {
        return Found::Foreign;
    }
    let Some((line, length)) = line(bytes) else {
        return if bytes.len() > LINE_BYTES_MAX { Found::Foreign } else { Found::Incomplete };
    };
    let Some((kind, content)) = line.split_first() else { return Found::Foreign };
    match kind {
        b'+' => Found::Whole(Reply::Status(content), length),
        b'-' => Found::Whole(Reply::Error(content), length),
        b':' => number(content).map_or(Found::Foreign, |n| Found::Whole(Reply::Integer(n), length)),
        _ => {
            let Some(size) = number(content).and_then(|n| usize::try_from(n).ok()) else {
                return Found::Foreign;
            };
            let rest = bytes.get(length..).unwrap_or_default();
            // Larger ones never become whole: the inbox overflows.
            match rest.get(..size.saturating_add(2)) {
                Some(text) if text.ends_with(b"\r\n") => {
                    Found::Whole(Reply::Bulk(&text[..size]), length + size + 2)
                }
                Some(_) => Found::Foreign,
                None => Found::Incomplete,
            }
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        assert_eq!(reply(b"+PONG\r\n:1"), Found::Whole(Reply::Status(b"PONG"), 7));
        assert_eq!(reply(b"-ERR x\r\n"), Found::Whole(Reply::Error(b"ERR x"), 8));
        assert_eq!(reply(b":42\r\n"), Found::Whole(Reply::Integer(42), 5));
        assert_eq!(reply(b"$2\r\nab\r\n"), Found::Whole(Reply::Bulk(b"ab"), 8));
        assert_eq!(reply(b"$0\r\n\r\n"), Found::Whole(Reply::Bulk(b""), 6));
        for part in ["", "+", "$2\r\n", "$2\r\nab", "$2\r\nab\r", "$18446744073709551615\r\nab"] {
            assert_eq!(reply(part.as_bytes()), Found::Incomplete, "{part:?}");
        }
        for foreign in
            ["HTTP", ":-1\r\n", ":\r\n", "$-1\r\n", "$99999999999999999999\r\n", "$1\r\nabc\r\n", "\r\n"]
        {
            assert_eq!(reply(foreign.as_bytes()), Found::Foreign, "{foreign:?}");
        }
    }
}
