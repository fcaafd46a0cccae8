//! The quick YAML parser: block structure.
//!
//! Reads the part of YAML that machines and people write into manifests, over bytes, without copying what can stay
//! where it is. Whatever else it meets (tags, complex keys, directives, single pairs in lists, errors), it stops with
//! [`Stop::Unusual`] and the full parser reads the document again. Where both can read, both give the same tree; the
//! tests hold them to it.

use super::{
    resolve::resolve,
    sink::{Sink, Stop},
};
use crate::{Kind, Span};

/// A plain or quoted key is at most this long (libyaml's bound on the look-ahead for `:`).
pub(super) const KEY_BYTES_MAX: usize = 1024;

/// What a byte can mean inside a plain scalar.
const PLAIN: [u8; 256] = classes();
pub(super) const COLON: u8 = 1;
pub(super) const HASH: u8 = 2;
pub(super) const BREAK: u8 = 3;
pub(super) const FLOW: u8 = 4;
pub(super) const CONTROL: u8 = 5;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b':' => COLON,
            b'#' => HASH,
            b'\n' | b'\r' => BREAK,
            b'[' | b']' | b'{' | b'}' | b',' => FLOW,
            b'\t' => 0,
            0..=0x1F | 0x7F => CONTROL,
            _ => 0,
        };
        byte += 1;
    }
    table
}

pub(super) fn class(byte: u8) -> u8 {
    PLAIN[byte as usize]
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Column of its keys or dashes.
    indent: usize,
    is_mapping: bool,
    /// True when the value of a key, or of a dash, did not come yet; then `from` is where it is missing.
    awaiting: bool,
    from: usize,
}

/// What may stand at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expect {
    /// A value.
    Node,
    /// The next key of the innermost mapping.
    Key,
    /// The next dash of the innermost sequence.
    Item,
}

/// A scalar that was read: where, and its text when that is not simply a part of the source.
pub(super) struct Scalar {
    pub(super) span: Span,
    pub(super) value: Span,
    pub(super) text: Option<String>,
    pub(super) plain: bool,
    pub(super) lines: bool,
}

pub(super) struct Quick<'a, 's, 't> {
    pub(super) text: &'a str,
    /// The bytes up to the end of the document.
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Where the line starts that is being read.
    pub(super) line: usize,
    pub(super) sink: &'s mut Sink<'t, &'a str>,
    pub(super) last_end: usize,
    frames: Vec<Frame>,
    anchor: Option<&'a str>,
}

/// Parses the document in `text[start..end]`; the `---` line is not part of it.
pub(super) fn parse<'a>(
    text: &'a str,
    start: usize,
    end: usize,
    sink: &mut Sink<'_, &'a str>,
) -> Result<(), Stop> {
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    if has_odd_characters(bytes.get(start..).unwrap_or_default()) {
        return Err(Stop::Unusual);
    }
    let mut quick = Quick {
        text,
        bytes,
        at: start,
        line: start,
        sink,
        last_end: start,
        frames: Vec::new(),
        anchor: None,
    };
    quick.document()
}

/// True for C1 controls, byte order marks and noncharacters, which only the full parser judges.
fn has_odd_characters(bytes: &[u8]) -> bool {
    memchr::memchr2_iter(0xC2, 0xEF, bytes).any(|at| {
        matches!(
            (bytes[at], bytes.get(at + 1), bytes.get(at + 2)),
            (0xC2, Some(0x80..=0x9F), _)
                | (0xEF, Some(0xBF), Some(0xBE | 0xBF))
                | (0xEF, Some(0xBB), Some(0xBF))
        )
    })
}

impl<'a> Quick<'a, '_, '_> {
    /// The byte at `at`, or a line feed behind the end.
    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    #[inline(always)]
    pub(super) fn is_blank(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\t' | b'\n' | b'\r')
    }

    fn document(&mut self) -> Result<(), Stop> {
        while let Some(indent) = self.next_line()? {
            let dash = self.byte(self.at) == b'-' && self.is_blank(self.at + 1);
            let expect = self.unwind(indent, dash)?;
            self.node(indent, expect)?;
        }
        while let Some(frame) = self.frames.pop() {
            self.finish(frame)?;
        }
        if self.anchor.is_some() { Err(Stop::Unusual) } else { Ok(()) }
    }

    /// Goes to the next line with content and returns its indentation; nothing at the end.
    #[inline]
    fn next_line(&mut self) -> Result<Option<usize>, Stop> {
        loop {
            let line = self.at;
            let mut at = line;
            while self.bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            let Some(&byte) = self.bytes.get(at) else {
                self.at = at;
                return Ok(None);
            };
            match byte {
                b'\n' => self.at = at + 1,
                b'\r' if self.bytes.get(at + 1) == Some(&b'\n') => self.at = at + 2,
                b'#' => {
                    self.at = at;
                    self.skip_comment()?;
                }
                b'\t' | b'\r' => return Err(Stop::Unusual),
                b'%' if at == line => return Err(Stop::Unusual),
                _ => {
                    self.line = line;
                    self.at = at;
                    return Ok(Some(at - line));
                }
            }
        }
    }

    /// Skips a comment and the end of its line.
    fn skip_comment(&mut self) -> Result<(), Stop> {
        while let Some(&byte) = self.bytes.get(self.at) {
            match class(byte) {
                BREAK => return self.line_end(),
                CONTROL => return Err(Stop::Unusual),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    /// Takes the end of a line at `at`, or the end of the document.
    fn line_end(&mut self) -> Result<(), Stop> {
        match self.bytes.get(self.at) {
            None => Ok(()),
            Some(b'\n') => {
                self.at += 1;
                Ok(())
            }
            Some(b'\r') if self.bytes.get(self.at + 1) == Some(&b'\n') => {
                self.at += 2;
                Ok(())
            }
            Some(_) => Err(Stop::Unusual),
        }
    }

    /// Takes blanks, a comment and the end of the line; anything else does not belong behind a value.
    #[inline]
    fn rest_of_line(&mut self) -> Result<(), Stop> {
        if self.at_comment_or_end() { self.finish_line() } else { Err(Stop::Unusual) }
    }

    /// Skips blanks; true at the end of the line or at a comment.
    #[inline]
    fn at_comment_or_end(&mut self) -> bool {
        let from = self.at;
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            None | Some(b'\n' | b'\r') => true,
            Some(b'#') => self.at > from,
            Some(_) => false,
        }
    }

    #[inline]
    fn finish_line(&mut self) -> Result<(), Stop> {
        if self.bytes.get(self.at) == Some(&b'#') { self.skip_comment() } else { self.line_end() }
    }

    /// Closes what a line with this indentation ends, and says what the line continues.
    fn unwind(&mut self, indent: usize, dash: bool) -> Result<Expect, Stop> {
        loop {
            let Some(&top) = self.frames.last() else {
                return if self.sink.tree.is_empty() { Ok(Expect::Node) } else { Err(Stop::Unusual) };
            };
            if indent > top.indent {
                return if top.awaiting { Ok(Expect::Node) } else { Err(Stop::Unusual) };
            }
            if indent == top.indent {
                match (top.is_mapping, dash) {
                    (true, true) if top.awaiting => return Ok(Expect::Node),
                    (true, true) => return Err(Stop::Unusual),
                    (true, false) => {
                        self.null_if_awaiting()?;
                        return Ok(Expect::Key);
                    }
                    (false, true) => {
                        self.null_if_awaiting()?;
                        return Ok(Expect::Item);
                    }
                    (false, false) => {}
                }
            }
            self.frames.pop();
            self.finish(top)?;
        }
    }

    fn finish(&mut self, frame: Frame) -> Result<(), Stop> {
        if frame.awaiting {
            self.null(frame.from)?;
        }
        self.sink.close(self.last_end);
        Ok(())
    }

    fn null_if_awaiting(&mut self) -> Result<(), Stop> {
        let Some(top) = self.frames.last_mut() else { return Ok(()) };
        if !top.awaiting {
            return Ok(());
        }
        top.awaiting = false;
        let from = top.from;
        self.null(from)
    }

    /// A value that is not there.
    fn null(&mut self, at: usize) -> Result<(), Stop> {
        if self.anchor.is_some() {
            return Err(Stop::Unusual);
        }
        let span = Span { start: at as u32, end: at as u32 };
        self.sink.slice(span, Kind::Null, span, None)?;
        self.last_end = at;
        Ok(())
    }

    pub(super) fn take_anchor(&mut self) -> Option<&'a str> {
        self.anchor.take()
    }

    /// Tells the innermost collection that its value is here.
    #[inline]
    fn arrive(&mut self) {
        if let Some(top) = self.frames.last_mut() {
            top.awaiting = false;
        }
    }

    fn open(&mut self, is_mapping: bool, indent: usize) -> Result<(), Stop> {
        self.arrive();
        let kind = if is_mapping { Kind::Mapping } else { Kind::Sequence };
        let anchor = self.anchor.take();
        self.sink.open(self.line + indent, kind, anchor)?;
        self.frames.push(Frame { indent, is_mapping, awaiting: false, from: 0 });
        Ok(())
    }

    /// Parses what stands at `at`, in column `column`.
    fn node(&mut self, mut column: usize, mut expect: Expect) -> Result<(), Stop> {
        while self.byte(self.at) == b'-' && self.is_blank(self.at + 1) {
            match expect {
                Expect::Item => {}
                Expect::Node => self.open(false, column)?,
                Expect::Key => return Err(Stop::Unusual),
            }
            self.at += 1;
            let from = self.at;
            if let Some(top) = self.frames.last_mut() {
                top.awaiting = true;
                top.from = from;
            }
            self.last_end = from;
            if self.byte(from) == b'\t' {
                return Err(Stop::Unusual);
            }
            if self.at_comment_or_end() {
                return self.finish_line();
            }
            if self.byte(self.at - 1) == b'\t' {
                return Err(Stop::Unusual);
            }
            column = self.at - self.line;
            expect = Expect::Node;
        }
        if expect == Expect::Item { Err(Stop::Unusual) } else { self.content(column, expect) }
    }

    /// Parses a key with its value, or a value that stands alone in its line.
    fn content(&mut self, column: usize, expect: Expect) -> Result<(), Stop> {
        let above = self.frames.last().map_or(-1, |frame| frame.indent as isize);
        match self.byte(self.at) {
            b'"' | b'\'' => {
                let scalar = self.quoted()?;
                let after = self.at;
                while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
                    self.at += 1;
                }
                if self.byte(self.at) == b':' && self.is_blank(self.at + 1) && !scalar.lines {
                    return self.key(column, expect, scalar);
                }
                self.at = after;
                self.alone(expect)?;
                self.value_scalar(scalar)?;
                self.rest_of_line()
            }
            b'[' | b'{' | b'|' | b'>' | b'&' | b'*' => {
                self.alone(expect)?;
                self.inline_value(above, true)
            }
            _ => {
                let (end, stop) = self.plain_end(self.at)?;
                if stop == COLON {
                    let span = Span { start: self.at as u32, end: end as u32 };
                    self.starts_plain(self.at)?;
                    self.at = self.colon_after(end);
                    return self.key(
                        column,
                        expect,
                        Scalar { span, value: span, text: None, plain: true, lines: false },
                    );
                }
                self.alone(expect)?;
                self.plain_value(above, end, stop)
            }
        }
    }

    fn alone(&self, expect: Expect) -> Result<(), Stop> {
        if expect == Expect::Node { Ok(()) } else { Err(Stop::Unusual) }
    }

    fn colon_after(&self, end: usize) -> usize {
        let mut at = end;
        while matches!(self.bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        at
    }

    /// Takes a key, whose colon is at `at`, and what follows it in the line.
    fn key(&mut self, column: usize, expect: Expect, scalar: Scalar) -> Result<(), Stop> {
        let length = (scalar.span.end - scalar.span.start) as usize;
        if length > KEY_BYTES_MAX || (scalar.plain && length == 0) {
            return Err(Stop::Unusual);
        }
        if expect == Expect::Node {
            self.open(true, column)?;
        }
        if self.anchor.is_some() {
            return Err(Stop::Unusual);
        }
        self.key_scalar(&scalar)?;
        self.at += 1;
        let from = self.at;
        self.last_end = from;
        if let Some(top) = self.frames.last_mut() {
            top.awaiting = true;
            top.from = from;
        }
        if self.at_comment_or_end() {
            return self.finish_line();
        }
        self.inline_value(column as isize, false)
    }

    pub(super) fn key_scalar(&mut self, scalar: &Scalar) -> Result<(), Stop> {
        let node = match &scalar.text {
            Some(text) => self.sink.text(scalar.span, Kind::String, text, None)?,
            None => self.sink.slice(scalar.span, Kind::String, scalar.value, None)?,
        };
        if scalar.plain && self.slice(scalar.value) == "<<" {
            self.sink.tree.merge_key(node);
        }
        Ok(())
    }

    pub(super) fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Takes a value that starts in this line; `above` is the indentation of what it is the value of. `own_line` is
    /// true when nothing but dashes stands before it.
    fn inline_value(&mut self, above: isize, own_line: bool) -> Result<(), Stop> {
        match self.byte(self.at) {
            b'"' | b'\'' => {
                let scalar = self.quoted()?;
                self.value_scalar(scalar)?;
                self.rest_of_line()
            }
            b'[' | b'{' => {
                self.arrive();
                self.flow(0)?;
                self.rest_of_line()
            }
            b'|' | b'>' => {
                let scalar = self.block_scalar(above)?;
                self.value_scalar(scalar)
            }
            b'&' => {
                if self.anchor.is_some() {
                    return Err(Stop::Unusual);
                }
                self.at += 1;
                self.anchor = Some(self.anchor_name()?);
                self.last_end = self.at;
                if self.at_comment_or_end() {
                    return self.finish_line();
                }
                if own_line {
                    // `&a key: value` names the key: leave it to the full parser, unless it is no key for sure.
                    return match self.byte(self.at) {
                        b'[' | b'{' | b'|' | b'>' => self.inline_value(above, false),
                        _ => Err(Stop::Unusual),
                    };
                }
                self.inline_value(above, false)
            }
            b'*' => {
                if self.anchor.is_some() {
                    return Err(Stop::Unusual);
                }
                self.arrive();
                self.alias()?;
                self.rest_of_line()
            }
            _ => {
                let (end, stop) = self.plain_end(self.at)?;
                if stop == COLON {
                    return Err(Stop::Unusual);
                }
                self.plain_value(above, end, stop)
            }
        }
    }

    pub(super) fn alias(&mut self) -> Result<(), Stop> {
        let start = self.at;
        self.at += 1;
        let name = self.anchor_name()?;
        self.last_end = self.at;
        match self.sink.alias(&name, start)? {
            Some(_) => Ok(()),
            None => Err(Stop::Unusual),
        }
    }

    /// The name of an anchor or alias: letters, digits, `-` and `_`.
    pub(super) fn anchor_name(&mut self) -> Result<&'a str, Stop> {
        let start = self.at;
        while self.byte(self.at).is_ascii_alphanumeric() || matches!(self.byte(self.at), b'-' | b'_') {
            self.at += 1;
        }
        let ends = self.is_blank(self.at) || matches!(self.byte(self.at), b',' | b']' | b'}');
        if !ends || self.at == start {
            return Err(Stop::Unusual);
        }
        Ok(self.text.get(start..self.at).unwrap_or(""))
    }

    /// Pushes a scalar as a value.
    pub(super) fn value_scalar(&mut self, scalar: Scalar) -> Result<(), Stop> {
        self.arrive();
        let anchor = self.anchor.take();
        self.last_end = scalar.span.end as usize;
        match &scalar.text {
            Some(text) => {
                let kind = if scalar.plain { resolve(text) } else { Kind::String };
                self.sink.text(scalar.span, kind, text, anchor)?;
            }
            None => {
                let kind = if scalar.plain { resolve(self.slice(scalar.value)) } else { Kind::String };
                self.sink.slice(scalar.span, kind, scalar.value, anchor)?;
            }
        }
        Ok(())
    }

    /// Where the plain scalar that starts at `start` ends in its line, trailing blanks left out, and what ends it.
    #[inline]
    pub(super) fn plain_end(&self, start: usize) -> Result<(usize, u8), Stop> {
        let mut at = start;
        let stop = loop {
            let Some(&byte) = self.bytes.get(at) else { break BREAK };
            match class(byte) {
                COLON if self.is_blank(at + 1) => break COLON,
                HASH if at > start && matches!(self.bytes[at - 1], b' ' | b'\t') => break HASH,
                BREAK => break BREAK,
                CONTROL => return Err(Stop::Unusual),
                _ => at += 1,
            }
        };
        let mut end = at;
        while end > start && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        Ok((end, stop))
    }

    /// Refuses what cannot start a plain scalar.
    pub(super) fn starts_plain(&self, at: usize) -> Result<(), Stop> {
        match self.byte(at) {
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
            | b'%' | b'@' | b'`' => Err(Stop::Unusual),
            b'-' | b'?' | b':' if self.is_blank(at + 1) => Err(Stop::Unusual),
            // A byte order mark, whose place only the full parser judges.
            0xEF if self.bytes.get(at..at + 3) == Some(&[0xEF, 0xBB, 0xBF]) => Err(Stop::Unusual),
            _ => Ok(()),
        }
    }

    /// Pushes the plain scalar at `at`, whose first line ends at `end`, with the lines that continue it.
    fn plain_value(&mut self, above: isize, end: usize, stop: u8) -> Result<(), Stop> {
        let start = self.at;
        self.starts_plain(start)?;
        self.at = end;
        let first = Span { start: start as u32, end: end as u32 };
        let more = if stop == BREAK { self.continuation(end, above)? } else { None };
        let Some(mut next) = more else {
            self.value_scalar(Scalar { span: first, value: first, text: None, plain: true, lines: false })?;
            return self.rest_of_line();
        };
        let mut text = self.slice(first).to_owned();
        let last = loop {
            let (line, breaks) = next;
            fold(&mut text, breaks);
            let (end, stop) = self.plain_end(line)?;
            if stop == COLON || end == line {
                return Err(Stop::Unusual);
            }
            text.push_str(self.text.get(line..end).unwrap_or(""));
            let more = if stop == BREAK { self.continuation(end, above)? } else { None };
            match more {
                Some(more) => next = more,
                None => break end,
            }
        };
        self.at = last;
        let span = Span { start: start as u32, end: last as u32 };
        self.value_scalar(Scalar { span, value: span, text: Some(text), plain: true, lines: true })?;
        self.rest_of_line()
    }

    /// The start of the next line's content and how many line ends lie before it, when that line is indented deeper
    /// than `above` and so continues a plain scalar that ends its line at `end`.
    #[inline]
    fn continuation(&self, end: usize, above: isize) -> Result<Option<(usize, usize)>, Stop> {
        let mut at = end;
        let mut breaks = 0;
        loop {
            while matches!(self.bytes.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (None, _) => return Ok(None),
                (Some(b'\n'), _) => at += 1,
                (Some(b'\r'), Some(b'\n')) => at += 2,
                _ => return Err(Stop::Unusual),
            }
            breaks += 1;
            let line = at;
            while self.bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            match self.bytes.get(at) {
                None => return Ok(None),
                Some(b'\n' | b'\r') => {}
                Some(b'\t') => return Err(Stop::Unusual),
                Some(b'#') => return Ok(None),
                Some(_) if (at - line) as isize <= above => return Ok(None),
                Some(_) => return Ok(Some((at, breaks))),
            }
        }
    }
}

/// Folds line ends: one is a space, each more a line feed.
pub(super) fn fold(text: &mut String, breaks: usize) {
    if breaks == 1 {
        text.push(' ');
    }
    for _ in 1..breaks {
        text.push('\n');
    }
}
