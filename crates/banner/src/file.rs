//! Files of banners: one a line, gzip'ed.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use nightlatch_asset::{Observation, Record};
use nightlatch_untrusted::json;

use crate::{BannerError, read::read, to_banner};

/// Longest line read or written, in bytes after decompression: a page with a screenshot fits, a
/// compressed bomb does not.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes of a line that is too long are passed over to reach the next one: a bomb of a single line costs
/// seconds.
pub const SKIPPED_BYTES_MAX: u64 = 1 << 30;

/// How much longer a banner can be written than it was read: a two-byte control character becomes six bytes,
/// and a title is written twice.
const GROWTH_MAX: usize = 8;

/// Empty lines in a row before a file is given up: a bomb of line feeds costs time, not memory.
pub const BLANK_LINES_MAX: u32 = 10_000;

/// What Windows programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The first two bytes of a gzip member, RFC 1952, section 2.3.1.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a file of banners could not be read to its end, or one line of it could not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// One line is not a banner; the lines after it can still be read.
    #[error("line {line}")]
    Line {
        /// Line number, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: BannerError,
    },
    /// One line is not UTF-8; the lines after it can still be read.
    #[error("line {line}: not UTF-8 from byte {byte} on")]
    NotUtf8 {
        /// Line number, from 1.
        line: u64,
        /// Bytes of the line that were good.
        byte: usize,
    },
    /// A line is too long; the lines after it can still be read.
    #[error("line {line}: longer than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// Line number, from 1.
        line: u64,
    },
    /// A line that fits would be too long when it is written again, with everything neutralised; the lines after
    /// it can still be read.
    #[error("line {line}: would be longer than {LINE_BYTES_MAX} bytes when exported")]
    Unwritable {
        /// Line number, from 1.
        line: u64,
    },
    /// A line does not end; reading stops.
    #[error("line {line}: longer than {SKIPPED_BYTES_MAX} bytes")]
    Endless {
        /// Line number, from 1.
        line: u64,
    },
    /// Nothing but line feeds; reading stops.
    #[error("line {line}: more than {BLANK_LINES_MAX} empty lines in a row")]
    Blank {
        /// Line number, from 1.
        line: u64,
    },
    /// The file cannot be read or decompressed; reading stops.
    #[error("line {line}: cannot read")]
    Io {
        /// Line number, from 1, at which reading stopped.
        line: u64,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// True when no line after this one can be read.
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::Line { .. } | Self::NotUtf8 { .. } | Self::TooLong { .. } | Self::Unwritable { .. }
        )
    }
}

/// Writes records as banners, one a line, gzip'ed. The bytes depend on the records alone.
pub struct Writer<W: Write> {
    gzip: GzEncoder<W>,
    line: Vec<u8>,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Starts a file on `out`; give it something buffered.
    pub fn new(out: W) -> Self {
        Self { gzip: GzEncoder::new(out, Compression::default()), line: Vec::new(), written: 0 }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// What `out` reports; `InvalidData` for a record of more than [`LINE_BYTES_MAX`] bytes, which
    /// could not be read back.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        self.line.clear();
        json::to_writer(&mut self.line, &to_banner(record)).map_err(io::Error::from)?;
        if self.line.len() > LINE_BYTES_MAX {
            let message = format!("{} is longer than {LINE_BYTES_MAX} bytes", record.observation.endpoint());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.line.push(b'\n');
        self.gzip.write_all(&self.line)?;
        self.written += 1;
        Ok(())
    }

    /// Ends the file; returns `out`, not yet flushed, and the number of lines.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn finish(self) -> io::Result<(W, u64)> {
        let written = self.written;
        Ok((self.gzip.finish()?, written))
    }
}

/// Reads observations line by line, from gzip'ed (one or more members, as appended files have) or plain
/// text. Memory is bounded by one line, whatever the file expands to.
///
/// A line of ours whose answer was seen again later gives two observations, at the first time and at the last:
/// a store that takes both knows again from when to when the endpoint answered so.
pub struct Reader<'r> {
    source: Box<dyn BufRead + 'r>,
    line: u64,
    buffer: Vec<u8>,
    again: Option<Observation>,
    ended: bool,
}

impl<'r> Reader<'r> {
    /// Looks at the first two bytes to tell gzip from plain text.
    ///
    /// # Errors
    /// What `input` reports.
    pub fn new(mut input: impl Read + 'r) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
        input.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut magic)?;
        let gzipped = magic == GZIP_MAGIC;
        let whole = BufReader::new(Cursor::new(magic).chain(input));
        let source: Box<dyn BufRead + 'r> =
            if gzipped { Box::new(BufReader::new(MultiGzDecoder::new(whole))) } else { Box::new(whole) };
        Ok(Self { source, line: 0, buffer: Vec::new(), again: None, ended: false })
    }

    /// Number of the line read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Fills the buffer with the next line that is not empty; false at the end of the file.
    fn advance(&mut self) -> Result<bool, FileError> {
        for _ in 0..=BLANK_LINES_MAX {
            self.line += 1;
            let line = self.line;
            self.buffer.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            let read = self
                .source
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|source| FileError::Io { line, source })?;
            if read == 0 {
                return Ok(false);
            }
            if self.buffer.last() != Some(&b'\n') && self.buffer.len() > LINE_BYTES_MAX {
                return Err(self.skip_line());
            }
            if line == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
        Err(FileError::Blank { line: self.line })
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) -> FileError {
        let line = self.line;
        let mut left = SKIPPED_BYTES_MAX;
        while left > 0 {
            let read = match self.source.fill_buf() {
                Ok([]) => return FileError::TooLong { line },
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return FileError::Io { line, source },
            };
            if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
                self.source.consume(end + 1);
                return FileError::TooLong { line };
            }
            let count = read.len();
            self.source.consume(count);
            left = left.saturating_sub(count as u64);
        }
        FileError::Endless { line }
    }

    fn parse(&mut self) -> Result<Observation, FileError> {
        let line = self.line;
        let text = std::str::from_utf8(&self.buffer)
            .map_err(|e| FileError::NotUtf8 { line, byte: e.valid_up_to() })?;
        let (seen, last_seen) = read(text.trim()).map_err(|source| FileError::Line { line, source })?;
        // One banner that cannot be exported would keep all others from it.
        if self.buffer.len() > LINE_BYTES_MAX / GROWTH_MAX && !is_writable(&seen) {
            return Err(FileError::Unwritable { line });
        }
        self.again = last_seen.map(|time| Observation { time, ..seen.clone() });
        Ok(seen)
    }
}

/// Whether an observation can be written in one line.
fn is_writable(seen: &Observation) -> bool {
    let (id, time) = (u64::MAX, seen.time);
    let observation = seen.clone();
    let record =
        Record { id, first_seen: time, last_seen: time, times_seen: u32::MAX, latest: true, observation };
    json::to_string(&to_banner(&record)).is_ok_and(|line| line.len() <= LINE_BYTES_MAX)
}

impl Iterator for Reader<'_> {
    type Item = Result<Observation, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(again) = self.again.take() {
            return Some(Ok(again));
        }
        if self.ended {
            return None;
        }
        match self.advance() {
            Ok(true) => Some(self.parse()),
            Ok(false) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = error.is_fatal();
                Some(Err(error))
            }
        }
    }
}
