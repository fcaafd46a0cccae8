//! The quick YAML parser: flow collections, `[a, b]` and `{a: b}`.

use super::{
    quick::{CONTROL, FLOW, HASH, KEY_BYTES_MAX, Quick, Scalar, class},
    sink::Stop,
};
use crate::{Kind, Span};

/// Deeper ones are left to the full parser: this one recurses.
const NESTING_MAX: u32 = 64;

impl Quick<'_, '_, '_> {
    /// Takes the flow collection at `at`.
    pub(super) fn flow(&mut self, depth: u32) -> Result<(), Stop> {
        if depth > NESTING_MAX {
            return Err(Stop::Unusual);
        }
        let is_mapping = self.byte(self.at) == b'{';
        let kind = if is_mapping { Kind::Mapping } else { Kind::Sequence };
        let anchor = self.take_anchor();
        self.sink.open(self.at, kind, anchor)?;
        self.at += 1;
        let close = if is_mapping { b'}' } else { b']' };
        loop {
            self.flow_blanks()?;
            if self.byte(self.at) == close {
                break;
            }
            if is_mapping {
                self.flow_entry(depth)?
            } else {
                self.flow_value(depth)?
            }
            self.flow_blanks()?;
            match self.byte(self.at) {
                b',' => self.at += 1,
                byte if byte == close => break,
                _ => return Err(Stop::Unusual),
            }
        }
        self.at += 1;
        self.last_end = self.at;
        self.sink.close(self.at);
        Ok(())
    }

    fn flow_entry(&mut self, depth: u32) -> Result<(), Stop> {
        let scalar = match self.byte(self.at) {
            b'"' | b'\'' => self.quoted()?,
            _ => self.flow_plain()?,
        };
        if scalar.lines || (scalar.span.end - scalar.span.start) as usize > KEY_BYTES_MAX {
            return Err(Stop::Unusual);
        }
        self.key_scalar(&scalar)?;
        let from = self.at;
        while matches!(self.byte(self.at), b' ' | b'\t') {
            self.at += 1;
        }
        if self.byte(self.at) != b':' {
            self.at = from;
            self.flow_blanks()?;
            // A colon in a later line is not this key's.
            return if self.byte(self.at) == b':' { Err(Stop::Unusual) } else { self.flow_null(from) };
        }
        self.at += 1;
        let from = self.at;
        self.flow_blanks()?;
        match self.byte(self.at) {
            b',' | b'}' => self.flow_null(from),
            _ => self.flow_value(depth),
        }
    }

    fn flow_null(&mut self, at: usize) -> Result<(), Stop> {
        let span = Span { start: at as u32, end: at as u32 };
        self.sink.slice(span, Kind::Null, span, None)?;
        Ok(())
    }

    fn flow_value(&mut self, depth: u32) -> Result<(), Stop> {
        match self.byte(self.at) {
            b'[' | b'{' => self.flow(depth + 1)?,
            b'"' | b'\'' => {
                let scalar = self.quoted()?;
                self.value_scalar(scalar)?;
            }
            b'*' => self.alias()?,
            _ => {
                let scalar = self.flow_plain()?;
                self.value_scalar(scalar)?;
            }
        }
        let after = self.at;
        self.flow_blanks()?;
        // `[a: b]` is a list of one mapping, and a lone colon is an empty key.
        if self.byte(self.at) == b':' {
            return Err(Stop::Unusual);
        }
        self.at = after;
        Ok(())
    }

    /// Takes a plain scalar inside a flow collection, of one line.
    fn flow_plain(&mut self) -> Result<Scalar, Stop> {
        let start = self.at;
        self.starts_plain(start)?;
        if matches!(self.byte(start), b'-' | b'?' | b':') {
            return self.flow_plain_after_indicator(start);
        }
        let end = self.flow_plain_end(start)?;
        self.at = end;
        let span = Span { start: start as u32, end: end as u32 };
        Ok(Scalar { span, value: span, text: None, plain: true, lines: false })
    }

    /// `-1` and `--flag` are plain; `?` and `:` in front are left to the full parser.
    fn flow_plain_after_indicator(&mut self, start: usize) -> Result<Scalar, Stop> {
        if self.byte(start) != b'-' || class(self.byte(start + 1)) == FLOW {
            return Err(Stop::Unusual);
        }
        let end = self.flow_plain_end(start)?;
        self.at = end;
        let span = Span { start: start as u32, end: end as u32 };
        Ok(Scalar { span, value: span, text: None, plain: true, lines: false })
    }

    fn flow_plain_end(&mut self, start: usize) -> Result<usize, Stop> {
        let mut at = start;
        loop {
            let byte = self.byte(at);
            match (byte, class(byte)) {
                (b'[' | b'{', _) | (_, CONTROL) => return Err(Stop::Unusual),
                (b',' | b']' | b'}', _) => break,
                (b':', _) if self.is_blank(at + 1) => break,
                (b':', _) if class(self.byte(at + 1)) == FLOW => return Err(Stop::Unusual),
                (_, HASH) if matches!(self.byte(at.wrapping_sub(1)), b' ' | b'\t') => break,
                (b'\n' | b'\r', _) => {
                    self.ends_at_line_end(at)?;
                    break;
                }
                _ => at += 1,
            }
        }
        let mut end = at;
        while end > start && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        if end == start { Err(Stop::Unusual) } else { Ok(end) }
    }

    /// A plain scalar that goes on in the next line is left to the full parser.
    fn ends_at_line_end(&mut self, at: usize) -> Result<(), Stop> {
        let before = self.at;
        self.at = at;
        self.flow_blanks()?;
        let ends = matches!(self.byte(self.at), b',' | b']' | b'}');
        self.at = before;
        if ends { Ok(()) } else { Err(Stop::Unusual) }
    }

    /// Skips blanks, line ends and comments.
    fn flow_blanks(&mut self) -> Result<(), Stop> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\n') => self.flow_line(1),
                Some(b'\r') if self.bytes.get(self.at + 1) == Some(&b'\n') => self.flow_line(2),
                Some(b'#') if matches!(self.byte(self.at.wrapping_sub(1)), b' ' | b'\t' | b'\n') => {
                    while self.at < self.bytes.len() && !matches!(self.byte(self.at), b'\n' | b'\r') {
                        if class(self.byte(self.at)) == CONTROL {
                            return Err(Stop::Unusual);
                        }
                        self.at += 1;
                    }
                }
                // The end of the document inside a collection is an error, which the full parser words.
                None => return Err(Stop::Unusual),
                Some(_) => return Ok(()),
            }
        }
    }

    fn flow_line(&mut self, bytes: usize) {
        self.at += bytes;
        self.line = self.at;
    }
}
