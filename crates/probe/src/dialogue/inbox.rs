use nightlatch_untrusted::{Text, is_dangerous};

/// Bytes of the peer that are not read yet, up to a bound.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    bytes_max: usize,
    heard: bool,
    overflowed: bool,
}

impl Inbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, heard: false, overflowed: false }
    }

    /// Appends as much as fits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.heard |= !bytes.is_empty();
        let room = self.bytes_max.saturating_sub(self.bytes.len());
        self.overflowed |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether anything ever came.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// Whether the peer sent more than fits; nothing more will be appended.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
    }

    /// Forgets everything that is unread, for a new connection.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.overflowed = false;
    }
}

/// The first line of `bytes` without its end, `\r\n` or `\n`, and its length with it.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// A short value the peer named, for a fact: at most `bytes_max` bytes, one line, nothing a terminal obeys.
/// Absent when it is empty.
pub(super) fn word(bytes: &[u8], bytes_max: usize) -> Option<String> {
    let text = Text::from_bytes(bytes, bytes_max);
    let shown: String = text.raw().trim().chars().map(|c| if is_dangerous(c) { '.' } else { c }).collect();
    (!shown.is_empty()).then_some(shown)
}
