//! JSON that can be printed: lossless for a parser, inert for a terminal.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::is_dangerous;

/// Serialises `value` on one line; every dangerous character inside a string is written as `\uXXXX`.
///
/// # Errors
/// As `serde_json`: a map with keys that are not strings, or a failing `Serialize`.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut out = Vec::with_capacity(256);
    to_writer(&mut out, value)?;
    // The serialiser writes UTF-8 fragments only; lossy keeps this total without a panic.
    Ok(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// Like [`to_string`], straight to a writer, without a line feed at the end.
///
/// # Errors
/// As [`to_string`], and what the writer reports.
pub fn to_writer<W: io::Write, T: Serialize + ?Sized>(writer: W, value: &T) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(writer, Inert(CompactFormatter));
    value.serialize(&mut serializer)
}

struct Inert(CompactFormatter);

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Most of what is written is plain, and told so much faster than by looking at characters.
        if is_plain(fragment.as_bytes()) {
            return self.0.write_string_fragment(writer, fragment);
        }
        let mut start = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_dangerous(*c)) {
            self.0.write_string_fragment(writer, &fragment[start..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            start = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, &fragment[start..])
    }
}

/// True for bytes that are printable ASCII. Without an early end, so that many are looked at in one step.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|chunk| chunk.iter().fold(true, |plain, b| plain & (b' '..0x7f).contains(b)))
}
