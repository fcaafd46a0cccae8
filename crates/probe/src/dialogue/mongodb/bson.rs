//! As much of BSON as the answers to our commands need. Source: bsonspec.org, version 1.1.

/// A document that may be damaged: entries end where it stops making sense.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a>(&'a [u8]);

/// A value of a kind that matters here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    Number(f64),
    Text(&'a [u8]),
    Bool(bool),
    Document(Document<'a>),
    Other,
}

impl<'a> Document<'a> {
    /// The document at the beginning of `bytes`; absent when they are shorter than it says.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(i32::from_le_bytes(*bytes.first_chunk::<4>()?)).ok()?;
        let whole = bytes.get(..length)?;
        Some(Self(whole.get(4..)?.strip_suffix(&[0])?))
    }

    /// Names and values, in order.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'a [u8], Element<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (kind, after) = rest.split_first()?;
            let (name, after) = c_string(after)?;
            let (element, after) = element(*kind, after)?;
            rest = after;
            Some((name, element))
        })
    }

    pub(super) fn get(self, name: &str) -> Option<Element<'a>> {
        self.entries().find(|(found, _)| *found == name.as_bytes()).map(|(_, element)| element)
    }

    pub(super) fn number(self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Element::Number(number) => Some(number),
            Element::Bool(yes) => Some(f64::from(u8::from(yes))),
            _ => None,
        }
    }

    pub(super) fn text(self, name: &str) -> Option<&'a [u8]> {
        match self.get(name)? {
            Element::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_true(self, name: &str) -> bool {
        matches!(self.get(name), Some(Element::Bool(true)))
    }

    pub(super) fn array(self, name: &str) -> Option<Document<'a>> {
        match self.get(name)? {
            Element::Document(array) => Some(array),
            _ => None,
        }
    }
}

fn element(kind: u8, bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    Some(match kind {
        0x01 => {
            let (value, rest) = bytes.split_first_chunk::<8>()?;
            (Element::Number(f64::from_le_bytes(*value)), rest)
        }
        0x10 => {
            let (value, rest) = bytes.split_first_chunk::<4>()?;
            (Element::Number(f64::from(i32::from_le_bytes(*value))), rest)
        }
        0x12 => {
            let (value, rest) = bytes.split_first_chunk::<8>()?;
            // Counts and sizes; what a double cannot hold exactly does not occur among them.
            (Element::Number(i64::from_le_bytes(*value) as f64), rest)
        }
        0x08 => {
            let (value, rest) = bytes.split_first()?;
            (Element::Bool(*value != 0), rest)
        }
        0x02 | 0x0d | 0x0e => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (text, rest) = rest.split_at_checked(usize::try_from(i32::from_le_bytes(*length)).ok()?)?;
            (Element::Text(text.strip_suffix(&[0])?), rest)
        }
        0x03 | 0x04 => {
            let length = usize::try_from(i32::from_le_bytes(*bytes.first_chunk::<4>()?)).ok()?;
            let (document, rest) = bytes.split_at_checked(length)?;
            (Element::Document(Document::new(document)?), rest)
        }
        0x05 => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_le_bytes(*length)).ok()?.checked_add(1)?;
            (Element::Other, rest.split_at_checked(length)?.1)
        }
        0x0b => {
            let (_pattern, rest) = c_string(bytes)?;
            (Element::Other, c_string(rest)?.1)
        }
        _ => {
            let length = match kind {
                0x06 | 0x0a | 0x7f | 0xff => 0,
                0x09 | 0x11 => 8,
                0x07 => 12,
                0x13 => 16,
                _ => return None,
            };
            (Element::Other, bytes.split_at_checked(length)?.1)
        }
    })
}

fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == 0)?;
    Some((&bytes[..end], bytes.get(end + 1..)?))
}

/// A value that a command of ours may carry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'a> {
    Int(i32),
    True,
    Text(&'a str),
    Document(&'a [(&'a str, Given<'a>)]),
}

/// Writes a document.
pub(super) fn document(entries: &[(&str, Given<'_>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in entries {
        let (kind, bytes) = match value {
            Given::Int(number) => (0x10, number.to_le_bytes().to_vec()),
            Given::True => (0x08, vec![1]),
            Given::Text(text) => {
                let text = [text.as_bytes(), &[0]].concat();
                (0x02, [&length(text.len()), text.as_slice()].concat())
            }
            Given::Document(entries) => (0x03, document(entries)),
        };
        body.push(kind);
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(bytes);
    }
    [&length(body.len() + 5), body.as_slice(), &[0]].concat()
}

/// A length as the formats write it. What we write is far shorter than 2^31 bytes.
pub(super) fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_le_bytes()
}
