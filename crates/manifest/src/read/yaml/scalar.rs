//! The quick YAML parser: quoted scalars and block scalars.

use super::{
    quick::{CONTROL, Quick, Scalar, class, fold},
    sink::Stop,
};
use crate::Span;

impl Quick<'_, '_, '_> {
    /// Takes the quoted scalar at `at`.
    pub(super) fn quoted(&mut self) -> Result<Scalar, Stop> {
        let start = self.at;
        let quote = self.byte(start);
        let mut at = start + 1;
        loop {
            let Some(&byte) = self.bytes.get(at) else { return Err(Stop::Unusual) };
            match byte {
                b'\\' if quote == b'"' => return self.decoded(start, at, quote),
                b'\n' | b'\r' => return self.decoded(start, at, quote),
                _ if byte == quote => {
                    if quote == b'\'' && self.byte(at + 1) == b'\'' {
                        return self.decoded(start, at, quote);
                    }
                    break;
                }
                _ if class(byte) == CONTROL => return Err(Stop::Unusual),
                _ => at += 1,
            }
        }
        self.at = at + 1;
        let span = Span { start: start as u32, end: self.at as u32 };
        let value = Span { start: start as u32 + 1, end: at as u32 };
        Ok(Scalar { span, value, text: None, plain: false, lines: false })
    }

    /// The rest of a quoted scalar that has an escape or a second line, from byte `at` on.
    fn decoded(&mut self, start: usize, mut at: usize, quote: u8) -> Result<Scalar, Stop> {
        let mut text = self.text.get(start + 1..at).unwrap_or("").to_owned();
        let mut lines = false;
        let mut from = at;
        loop {
            let Some(&byte) = self.bytes.get(at) else { return Err(Stop::Unusual) };
            match byte {
                b'\n' | b'\r' => {
                    lines = true;
                    text.push_str(self.text.get(from..at).unwrap_or(""));
                    text.truncate(text.trim_end_matches([' ', '\t']).len());
                    at = self.folded(&mut text, at)?;
                    from = at;
                }
                b'\\' if quote == b'"' => {
                    text.push_str(self.text.get(from..at).unwrap_or(""));
                    let (next, has_break) = self.escape(&mut text, at)?;
                    lines |= has_break;
                    at = next;
                    from = at;
                }
                b'\'' if quote == b'\'' && self.byte(at + 1) == b'\'' => {
                    text.push_str(self.text.get(from..=at).unwrap_or(""));
                    at += 2;
                    from = at;
                }
                _ if byte == quote => break,
                _ if class(byte) == CONTROL => return Err(Stop::Unusual),
                _ => at += 1,
            }
        }
        text.push_str(self.text.get(from..at).unwrap_or(""));
        self.at = at + 1;
        let span = Span { start: start as u32, end: self.at as u32 };
        Ok(Scalar { span, value: span, text: Some(text), plain: false, lines })
    }

    /// Takes line ends and the blanks around them at `at`; returns where the text goes on.
    fn folded(&mut self, text: &mut String, mut at: usize) -> Result<usize, Stop> {
        let mut breaks = 0;
        loop {
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (Some(b'\n'), _) => {
                    at += 1;
                    breaks += 1;
                    self.line = at;
                }
                (Some(b'\r'), Some(b'\n')) => at += 1,
                (Some(b' '), _) => at += 1,
                (Some(b'\t' | b'\r'), _) | (None, _) => return Err(Stop::Unusual),
                _ => break,
            }
        }
        fold(text, breaks);
        Ok(at)
    }

    /// Takes the escape at `at`; returns where the text goes on, and whether the escape was a line end.
    fn escape(&mut self, text: &mut String, at: usize) -> Result<(usize, bool), Stop> {
        let simple = match self.byte(at + 1) {
            b'0' => '\0',
            b'a' => '\x07',
            b'b' => '\x08',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\x0B',
            b'f' => '\x0C',
            b'r' => '\r',
            b'e' => '\x1B',
            b' ' => ' ',
            b'"' => '"',
            b'/' => '/',
            b'\\' => '\\',
            b'N' => '\u{85}',
            b'_' => '\u{A0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            b'x' => return self.code_point(text, at, 2),
            b'u' => return self.code_point(text, at, 4),
            b'U' => return self.code_point(text, at, 8),
            b'\n' | b'\r' => return self.escaped_line(text, at + 1),
            _ => return Err(Stop::Unusual),
        };
        // Escaped blanks before a line end must survive the trimming there: rare, so the full parser does it.
        if matches!(simple, ' ' | '\t') && self.is_blank(at + 2) {
            return Err(Stop::Unusual);
        }
        text.push(simple);
        Ok((at + 2, false))
    }

    fn code_point(&self, text: &mut String, at: usize, digits: usize) -> Result<(usize, bool), Stop> {
        let end = at + 2 + digits;
        let code = self.text.get(at + 2..end).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let character = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        match character {
            Some(' ' | '\t') | None => Err(Stop::Unusual),
            Some(character) if end <= self.bytes.len() => {
                text.push(character);
                Ok((end, false))
            }
            Some(_) => Err(Stop::Unusual),
        }
    }

    /// A backslash at the end of a line: nothing is put for the line end; blank lines after it are line feeds.
    fn escaped_line(&mut self, text: &mut String, at: usize) -> Result<(usize, bool), Stop> {
        let mut folded = String::new();
        let next = self.folded(&mut folded, at)?;
        if folded != " " {
            text.push_str(&folded);
        }
        Ok((next, true))
    }

    /// Takes the block scalar at `at` with all its lines; `above` is the indentation of what it is the value of.
    pub(super) fn block_scalar(&mut self, above: isize) -> Result<Scalar, Stop> {
        let start = self.at;
        let literal = self.byte(start) == b'|';
        let (chomp, digit, header_end) = self.block_header()?;
        let least = (above + 1).max(1) as usize;
        let indent = match digit {
            Some(digit) => above.max(0) as usize + digit,
            None => self.block_indent(least)?,
        };
        let mut body = Body { literal, ..Body::default() };
        body.text.reserve(64);
        let mut end = header_end;
        self.block_breaks(indent, &mut body.trailing)?;
        while self.has_indent(indent) {
            let line = self.at + indent;
            let mut at = line;
            while let Some(&byte) = self.bytes.get(at) {
                match byte {
                    b'\n' | b'\r' => break,
                    _ if class(byte) == CONTROL => return Err(Stop::Unusual),
                    _ => at += 1,
                }
            }
            body.line(self.text.get(line..at).ok_or(Stop::Unusual)?);
            end = at;
            self.at = at;
            body.leading = self.take_break()?;
            self.block_breaks(indent, &mut body.trailing)?;
        }
        let text = body.finish(chomp);
        self.line = self.at;
        // The indicator alone when there is no line; line ends behind the last line are not part of the place.
        let span = Span { start: start as u32, end: end as u32 };
        Ok(Scalar { span, value: span, text: Some(text), plain: false, lines: true })
    }

    /// `|` or `>`, chomping and indentation indicators, and the end of the line. Returns how it chomps, the indentation
    /// that is given, and where the indicators end.
    fn block_header(&mut self) -> Result<(u8, Option<usize>, usize), Stop> {
        self.at += 1;
        let mut chomp = b' ';
        let mut digit = None;
        for _ in 0..2 {
            match self.byte(self.at) {
                byte @ (b'-' | b'+') if chomp == b' ' => chomp = byte,
                byte @ b'1'..=b'9' if digit.is_none() => digit = Some((byte - b'0') as usize),
                _ => break,
            }
            self.at += 1;
        }
        let from = self.at;
        while matches!(self.byte(self.at), b' ' | b'\t') {
            self.at += 1;
        }
        if self.byte(self.at) == b'#' && self.at > from {
            while self.at < self.bytes.len() && !matches!(self.byte(self.at), b'\n' | b'\r') {
                if class(self.byte(self.at)) == CONTROL {
                    return Err(Stop::Unusual);
                }
                self.at += 1;
            }
        }
        let at_end = self.at >= self.bytes.len();
        if !self.take_break()? && !at_end {
            return Err(Stop::Unusual);
        }
        Ok((chomp, digit, from))
    }

    /// Takes one line end; false when there is none because the document is over.
    fn take_break(&mut self) -> Result<bool, Stop> {
        match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
            (None, _) => Ok(false),
            (Some(b'\n'), _) => {
                self.at += 1;
                Ok(true)
            }
            (Some(b'\r'), Some(b'\n')) => {
                self.at += 2;
                Ok(true)
            }
            _ => Err(Stop::Unusual),
        }
    }

    /// The indentation of the first line with content, at least `least`.
    fn block_indent(&self, least: usize) -> Result<usize, Stop> {
        let mut at = self.at;
        let mut most = 0;
        loop {
            let line = at;
            while self.bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            let indent = at - line;
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (Some(b'\n'), _) => at += 1,
                (Some(b'\r'), Some(b'\n')) => at += 2,
                (Some(b'\t' | b'\r'), _) => return Err(Stop::Unusual),
                // Blank lines deeper than the content: the full parser judges.
                _ if most > indent.max(least) => return Err(Stop::Unusual),
                _ => return Ok(indent.max(least)),
            }
            most = most.max(indent);
        }
    }

    /// Takes lines with nothing but at most `indent` spaces, and counts their ends.
    fn block_breaks(&mut self, indent: usize, count: &mut usize) -> Result<(), Stop> {
        loop {
            let mut at = self.at;
            while at - self.at < indent && self.bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (Some(b'\n'), _) => self.at = at + 1,
                (Some(b'\r'), Some(b'\n')) => self.at = at + 2,
                (Some(b'\t'), _) if at - self.at < indent => return Err(Stop::Unusual),
                (Some(b'\r'), _) => return Err(Stop::Unusual),
                // A last line of blanks without an end.
                (None, _) => {
                    self.at = at;
                    return Ok(());
                }
                _ => return Ok(()),
            }
            *count += 1;
        }
    }

    fn has_indent(&self, indent: usize) -> bool {
        self.bytes.get(self.at..self.at + indent).is_some_and(|lead| lead.iter().all(|&byte| byte == b' '))
            && self.at + indent < self.bytes.len()
    }
}

/// The text of a block scalar as it grows (libyaml's rules for folding).
#[derive(Default)]
struct Body {
    text: String,
    literal: bool,
    /// The end of the line before was taken and not yet written.
    leading: bool,
    /// Ends of blank lines since then.
    trailing: usize,
    /// The line before started with a blank, which keeps its end from folding.
    was_blank: bool,
}

impl Body {
    fn line(&mut self, line: &str) {
        let is_blank = line.starts_with([' ', '\t']);
        if !self.literal && self.leading && !self.was_blank && !is_blank {
            if self.trailing == 0 {
                self.text.push(' ');
            }
        } else if self.leading {
            self.text.push('\n');
        }
        for _ in 0..self.trailing {
            self.text.push('\n');
        }
        self.trailing = 0;
        self.was_blank = is_blank;
        self.text.push_str(line);
    }

    fn finish(mut self, chomp: u8) -> String {
        if chomp != b'-' && self.leading {
            self.text.push('\n');
        }
        if chomp == b'+' {
            for _ in 0..self.trailing {
                self.text.push('\n');
            }
        }
        self.text
    }
}
