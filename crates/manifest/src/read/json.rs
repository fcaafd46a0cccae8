//! JSON: one value, or several behind each other (JSON lines, concatenated answers).

use super::Out;
use crate::{Format, Kind, NodeId, Span, TreeBuilder};

/// Values that cannot be read until the rest of a file is given up.
const FAILURES_MAX: usize = 20;

/// What the name of the text says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Name {
    Json,
    Yaml,
    Open,
}

/// Reads every value from byte `start` on.
///
/// Returns false, with nothing noted, when the text may be YAML's flow style instead: when a value is not JSON, the first
/// one for a name that leaves it open, any for a name that says YAML; and when a marker of YAML stands between values.
pub(super) fn read(out: &mut Out<'_>, start: usize, name: Name) -> bool {
    let mark = out.mark();
    let text = out.text.clone();
    let mut at = start;
    let mut failures = 0;
    let mut is_first = true;
    loop {
        at = blanks(text.as_bytes(), at);
        if at >= text.len() {
            return true;
        }
        let mut tree = out.builder(Format::Json);
        let mut reader = Reader {
            text: &text,
            bytes: text.as_bytes(),
            at,
            tree: &mut tree,
            out_depth: out.limits.depth_max,
            nodes_max: out.limits.nodes_max,
            lost: Vec::new(),
        };
        match reader.value() {
            Ok(()) => {
                at = reader.at;
                let lost = std::mem::take(&mut reader.lost);
                out.repeated_keys(&tree, &lost);
                out.push(tree.finish(at as u32));
            }
            Err((_, _)) if name == Name::Yaml || (is_first && name == Name::Open) || is_marker(&text, at) => {
                out.back_to(mark);
                return false;
            }
            Err((place, message)) => {
                out.error(place, &message);
                failures += 1;
                match resynchronised(text.as_bytes(), place.max(at + 1)) {
                    Some(next) if failures < FAILURES_MAX => at = next,
                    _ => return true,
                }
            }
        }
        is_first = false;
    }
}

/// True when YAML's marker of a document, or a comment, stands where a value would.
fn is_marker(text: &str, at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    rest.starts_with("---") || rest.starts_with("...") || rest.starts_with('#')
}

/// The next line that starts with an opening brace in column 0.
fn resynchronised(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, b"\n{").map(|offset| from + offset + 1)
}

fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r' | 0x1E)) {
        at += 1;
    }
    at
}

struct Reader<'a, 't> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tree: &'t mut TreeBuilder,
    out_depth: u32,
    nodes_max: usize,
    lost: Vec<NodeId>,
}

type Failure = (usize, String);

impl Reader<'_, '_> {
    fn fail<T>(&self, message: &str) -> Result<T, Failure> {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => format!("`{}`", found.escape_debug()),
            None => "the end of the text".to_owned(),
        };
        Err((self.at, format!("not valid JSON: {message}, found {found}")))
    }

    /// Reads one value with all that is in it. Not recursive: depth costs a byte of `open` per level.
    fn value(&mut self) -> Result<(), Failure> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.at = blanks(self.bytes, self.at);
            let is_empty = self.opening(&mut open)?;
            if is_empty == Some(false) {
                if open.last() == Some(&b'}') {
                    self.key()?;
                }
                continue;
            }
            // A value is complete: close what ends here, and go on behind the next comma.
            loop {
                let Some(&close) = open.last() else { return Ok(()) };
                self.at = blanks(self.bytes, self.at);
                match self.bytes.get(self.at) {
                    Some(b',') => {
                        self.at = blanks(self.bytes, self.at + 1);
                        if close == b'}' {
                            self.key()?;
                        }
                        break;
                    }
                    Some(&byte) if byte == close => {
                        self.at += 1;
                        open.pop();
                        let lost = self.tree.close(self.at as u32);
                        self.lost.extend(lost);
                    }
                    _ => return self.fail(&format!("expected `,` or `{}`", close as char)),
                }
            }
        }
    }

    /// Takes a scalar (nothing), an empty collection (true) or an opening bracket (false).
    fn opening(&mut self, open: &mut Vec<u8>) -> Result<Option<bool>, Failure> {
        let (kind, close) = match self.bytes.get(self.at) {
            Some(b'{') => (Kind::Mapping, b'}'),
            Some(b'[') => (Kind::Sequence, b']'),
            _ => return self.scalar().map(|()| None),
        };
        if open.len() >= self.out_depth as usize {
            return Err((self.at, format!("the document is nested deeper than {} levels", self.out_depth)));
        }
        self.count()?;
        self.tree.open(self.at as u32, kind);
        self.at = blanks(self.bytes, self.at + 1);
        if self.bytes.get(self.at) == Some(&close) {
            self.at += 1;
            self.tree.close(self.at as u32);
            return Ok(Some(true));
        }
        open.push(close);
        Ok(Some(false))
    }

    fn key(&mut self) -> Result<(), Failure> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.fail("expected a key in double quotes");
        }
        self.count()?;
        self.string()?;
        self.at = blanks(self.bytes, self.at);
        if self.bytes.get(self.at) != Some(&b':') {
            return self.fail("expected `:` behind the key");
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Failure> {
        self.count()?;
        match self.bytes.get(self.at) {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::Bool),
            Some(b'f') => self.word("false", Kind::Bool),
            Some(b'n') => self.word("null", Kind::Null),
            _ => self.fail("expected a value"),
        }
    }

    fn count(&self) -> Result<(), Failure> {
        if self.tree.len() < self.nodes_max {
            return Ok(());
        }
        Err((self.at, format!("the document has more than {} values; split it", self.nodes_max)))
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), Failure> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("expected a value");
        }
        let span = self.take(word.len());
        self.tree.scalar_slice(span, kind, span);
        Ok(())
    }

    fn take(&mut self, length: usize) -> Span {
        let start = self.at as u32;
        self.at += length;
        Span { start, end: self.at as u32 }
    }

    fn number(&mut self) -> Result<(), Failure> {
        let start = self.at;
        let digits = |mut at: usize| {
            while matches!(self.bytes.get(at), Some(b'0'..=b'9')) {
                at += 1;
            }
            at
        };
        let first = start + usize::from(self.bytes[start] == b'-');
        let mut end = digits(first);
        if end == first || (self.bytes[first] == b'0' && end > first + 1) {
            return self.fail("expected a number");
        }
        let mut kind = Kind::Int;
        if self.bytes.get(end) == Some(&b'.') {
            kind = Kind::Float;
            let fraction = digits(end + 1);
            if fraction == end + 1 {
                return self.fail("expected a number");
            }
            end = fraction;
        }
        if matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            kind = Kind::Float;
            let sign = usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent == end + 1 + sign {
                return self.fail("expected a number");
            }
            end = exponent;
        }
        let span = self.take(end - start);
        self.tree.scalar_slice(span, kind, span);
        Ok(())
    }

    fn string(&mut self) -> Result<(), Failure> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    let span = Span { start: start as u32, end: self.at as u32 };
                    self.tree.scalar_slice(
                        span,
                        Kind::String,
                        Span { start: start as u32 + 1, end: at as u32 },
                    );
                    return Ok(());
                }
                Some(b'\\') => return self.escaped(start, at),
                Some(0x20..) => at += 1,
                _ => {
                    self.at = at;
                    return self.fail("expected the end of a string");
                }
            }
        }
    }

    /// The rest of a string with an escape at `at`.
    fn escaped(&mut self, start: usize, mut at: usize) -> Result<(), Failure> {
        let mut value = self.text.get(start + 1..at).unwrap_or("").to_owned();
        loop {
            let from = at;
            while matches!(self.bytes.get(at), Some(&byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
                at += 1;
            }
            value.push_str(self.text.get(from..at).unwrap_or(""));
            self.at = at;
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(&mut value, at)?,
                _ => return self.fail("expected the end of a string"),
            }
        }
        self.at = at + 1;
        let span = Span { start: start as u32, end: self.at as u32 };
        self.tree.scalar_text(span, Kind::String, &value);
        Ok(())
    }

    fn escape(&mut self, value: &mut String, at: usize) -> Result<usize, Failure> {
        let simple = match self.bytes.get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0C',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_unit(value, at),
            _ => return self.fail("expected an escape of JSON"),
        };
        value.push(simple);
        Ok(at + 2)
    }

    /// `\uXXXX`, two of them for a character beyond the basic plane; half a pair becomes U+FFFD, as Go reads it.
    fn code_unit(&self, value: &mut String, at: usize) -> Result<usize, Failure> {
        let unit = |at: usize| {
            let hex = self
                .text
                .get(at + 2..at + 6)
                .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            (self.bytes.get(at..at + 2) == Some(b"\\u")).then(|| u16::from_str_radix(hex, 16).ok()).flatten()
        };
        let Some(high) = unit(at) else { return self.fail("expected four hexadecimal digits") };
        if let (0xD800..=0xDBFF, Some(low)) = (high, unit(at + 6))
            && let Some(Ok(character)) = char::decode_utf16([high, low]).next()
        {
            value.push(character);
            return Ok(at + 12);
        }
        value.push(char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(at + 6)
    }
}
