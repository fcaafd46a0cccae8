use std::io::{self, BufRead, Read};

/// Longest piece that is held at once (a line, a tag, an object), in bytes. All 65535 ports of one host on a line of
/// grepable output are 2 MB.
const PIECE_BYTES_MAX: usize = 8 << 20;

/// What is wrong, before the file has its name.
#[derive(Debug)]
pub(super) enum Mistake {
    /// In the text.
    Syntax { line: u32, column: u32, what: String, expected: String },
    /// Below it.
    Read(io::Error),
}

impl From<io::Error> for Mistake {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Bytes that know their place, and end when there are too many of them.
pub(super) struct Source<R> {
    inner: R,
    /// Bytes that may still come.
    left: u64,
    /// Bytes that may still come before [`Source::begin`] is called again.
    piece_left: usize,
    /// Place of the next byte.
    next: (u32, u32),
    /// Place where the piece in hand begins.
    begun: (u32, u32),
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(inner: R, bytes_max: u64) -> Self {
        Self { inner, left: bytes_max, piece_left: PIECE_BYTES_MAX, next: (1, 1), begun: (1, 1) }
    }

    /// Says that a new piece begins: mistakes point to its start from now on, and it may be as long as any.
    pub(super) fn begin(&mut self) {
        (self.begun, self.piece_left) = (self.next, PIECE_BYTES_MAX);
    }

    /// Line of the piece in hand, from 1.
    pub(super) fn line(&self) -> u32 {
        self.begun.0
    }

    /// A mistake in the piece in hand.
    pub(super) fn mistake(&self, what: impl Into<String>, expected: impl Into<String>) -> Mistake {
        let (line, column) = self.begun;
        Mistake::Syntax { line, column, what: what.into(), expected: expected.into() }
    }

    /// The next line without its end, and whether it had one; `None` at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<(String, bool)>, Mistake> {
        self.begin();
        let mut bytes = Vec::new();
        // Goes through `fill_buf`, which keeps to the bounds.
        self.read_until(b'\n', &mut bytes).map_err(|error| self.too_long(error))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let whole = bytes.last() == Some(&b'\n');
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some((text.trim_end_matches(['\r', '\n']).to_owned(), whole)))
    }

    /// Tells a bound that was reached from an error of the file.
    pub(super) fn too_long(&self, error: io::Error) -> Mistake {
        if self.left == 0 {
            self.mistake("the list is too large", "less; split it")
        } else if self.piece_left == 0 {
            self.mistake(format!("this goes on for more than {PIECE_BYTES_MAX} bytes"), "a list of ports")
        } else {
            Mistake::Read(error)
        }
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        let allowed = self.piece_left.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if allowed == 0 && !bytes.is_empty() {
            return Err(io::Error::other("too long"));
        }
        Ok(bytes.get(..allowed).unwrap_or(bytes))
    }

    fn consume(&mut self, count: usize) {
        // What is in the buffer is not read again.
        let bytes = self.inner.fill_buf().unwrap_or_default();
        for byte in bytes.iter().take(count) {
            match byte {
                b'\n' => self.next = (self.next.0.saturating_add(1), 1),
                // The rest of a character.
                0x80..=0xbf => {}
                _ => self.next.1 = self.next.1.saturating_add(1),
            }
        }
        self.left = self.left.saturating_sub(count as u64);
        self.piece_left = self.piece_left.saturating_sub(count);
        self.inner.consume(count);
    }
}
