//! The chunked transfer coding. Source: RFC 9112, section 7.1.

/// Longest line that tells the size of a chunk, with its extensions, in bytes.
const SIZE_LINE_BYTES_MAX: usize = 1024;

/// Most bytes of trailers, which are skipped.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Takes a chunked body apart, in pieces of any size.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Collecting the line with the size.
    Size(Vec<u8>),
    /// So many bytes of this chunk are still to come.
    Data(u64),
    /// The line end after the data of a chunk; true once its carriage return was seen.
    DataEnd { carriage_return: bool },
    /// After the last chunk: so many bytes of trailers were seen; `line` counts the current line without `\r`.
    Trailers { seen: usize, line: usize },
    /// Past the end.
    Ended,
    /// Not chunked from here on.
    Broken,
}

/// What one call of [`Chunked::push`] came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chunking {
    /// More to come.
    More,
    /// The coding ended; so many bytes of the piece belong to what follows it.
    Ended { left: usize },
    /// The coding broke.
    Broken,
    /// `body` is full and another byte for it came.
    Full,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size(Vec::new()) }
    }

    /// True when all data were seen, though the closing empty line may be missing.
    pub(super) fn has_all_data(&self) -> bool {
        matches!(self.state, State::Trailers { .. } | State::Ended)
    }

    /// Takes a piece apart and appends its data to `body`, up to `body_bytes_max` in all.
    pub(super) fn push(&mut self, mut piece: &[u8], body: &mut Vec<u8>, body_bytes_max: usize) -> Chunking {
        while let Some((&byte, rest)) = piece.split_first() {
            if let State::Data(remaining) = &mut self.state {
                let room = body_bytes_max.saturating_sub(body.len());
                let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX).min(piece.len());
                let (data, after) = piece.split_at(wanted.min(room));
                body.extend_from_slice(data);
                *remaining -= data.len() as u64;
                if data.len() < wanted {
                    return Chunking::Full;
                }
                if *remaining == 0 {
                    self.state = State::DataEnd { carriage_return: false };
                }
                piece = after;
                continue;
            }
            self.state = match std::mem::replace(&mut self.state, State::Broken) {
                State::Size(line) => size_byte(line, byte),
                State::DataEnd { carriage_return } => match byte {
                    b'\n' => State::Size(Vec::new()),
                    b'\r' if !carriage_return => State::DataEnd { carriage_return: true },
                    _ => State::Broken,
                },
                State::Trailers { seen, line } => trailer_byte(seen, line, byte),
                other => other,
            };
            piece = rest;
            match self.state {
                State::Ended => return Chunking::Ended { left: piece.len() },
                State::Broken => return Chunking::Broken,
                _ => {}
            }
        }
        Chunking::More
    }
}

fn size_byte(mut line: Vec<u8>, byte: u8) -> State {
    if byte != b'\n' {
        line.push(byte);
        return if line.len() > SIZE_LINE_BYTES_MAX { State::Broken } else { State::Size(line) };
    }
    match size(&line) {
        None => State::Broken,
        Some(0) => State::Trailers { seen: 0, line: 0 },
        Some(bytes) => State::Data(bytes),
    }
}

/// The number before the first extension, in hexadecimal; absent when it is none or exceeds 64 bits.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next()?.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn trailer_byte(seen: usize, line: usize, byte: u8) -> State {
    match byte {
        b'\n' if line == 0 => State::Ended,
        _ if seen >= TRAILER_BYTES_MAX => State::Broken,
        b'\n' => State::Trailers { seen: seen + 1, line: 0 },
        b'\r' => State::Trailers { seen: seen + 1, line },
        _ => State::Trailers { seen: seen + 1, line: line + 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, body_bytes_max: usize, expected: Chunking, expected_body: &str) {
        let mut body = Vec::new();
        let found = Chunked::new().push(text.as_bytes(), &mut body, body_bytes_max);
        assert_eq!((found, String::from_utf8_lossy(&body).as_ref()), (expected, expected_body), "{text:?}");
    }

    #[test]
    fn chunks_and_what_breaks_them() {
        let ended = Chunking::Ended { left: 0 };
        check("5\r\nhello\r\n0\r\n\r\n", 100, ended, "hello");
        check("5\nhello\n0\n\n", 100, ended, "hello");
        check(
            "000005 ; name=value\r\nhello\r\n00\r\nTrailer: x\r\n\r\nrest",
            100,
            Chunking::Ended { left: 4 },
            "hello",
        );
        check("5\r\nhello", 100, Chunking::More, "hello");
        check("5\r\nhello\r\n6\r\n", 100, Chunking::More, "hello");
        check("5\r\nhelloX", 100, Chunking::Broken, "hello");
        check("5\r\nhello\r\r\n", 100, Chunking::Broken, "hello");
        for junk in ["\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x10\r\n", "10000000000000000\r\n", "1 1\r\n"] {
            check(&format!("1\r\na\r\n{junk}"), 100, Chunking::Broken, "a");
        }
        check("ffffffffffffffff\r\nhello", 5, Chunking::More, "hello");
        check("ffffffffffffffff\r\nhello!", 5, Chunking::Full, "hello");
        check("5\r\nhello\r\n0\r\n\r\n", 5, ended, "hello");
        check(&format!("{}\r\n", "0".repeat(SIZE_LINE_BYTES_MAX + 1)), 5, Chunking::Broken, "");
        check(&format!("0\r\n{}", "a: b\r\n".repeat(TRAILER_BYTES_MAX)), 5, Chunking::Broken, "");
    }
}
