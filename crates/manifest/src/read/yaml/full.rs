//! The full YAML parser: the library, for what the quick one leaves to it.

use granit_parser::{Event, Parser, ScalarStyle, Tag, options};

use super::{
    resolve::resolve,
    sink::{Sink, Stop, refused},
};
use crate::{Kind, NodeId, Span};

/// A bound of the library's own stacks; ours is lower.
const NESTING_MAX: usize = 4_096;

/// Short forms of CloudFormation functions, which stand for a mapping with one key.
const FUNCTIONS: [&str; 17] = [
    "Base64",
    "Cidr",
    "FindInMap",
    "GetAtt",
    "GetAZs",
    "ImportValue",
    "Join",
    "Select",
    "Split",
    "Sub",
    "Transform",
    "And",
    "Equals",
    "If",
    "Not",
    "Or",
    "Length",
];

/// Parses the document in `text[start..end]` into `sink`.
///
/// Returns where it ended. Anchors are named by the library's numbers.
pub(super) fn parse(text: &str, start: usize, end: usize, sink: &mut Sink<'_, usize>) -> Result<(), Stop> {
    let Some(slice) = text.get(start..end) else { return Ok(()) };
    let options = options! {
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: NESTING_MAX,
        block_nesting_limit: NESTING_MAX,
        emit_comments: false,
    };
    let parser = Parser::new_from_str_with_options(slice, options);
    let mut reader = Reader { start, sink, open: Vec::new(), last_end: start, documents: 0 };
    for event in parser {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = start + error.marker().byte_offset().unwrap_or(0);
                return Err(refused(at.min(end), &format!("not valid YAML: {}", error.info())));
            }
        };
        let range = span.byte_range().unwrap_or(0..0);
        let span = (start + range.start).min(end)..(start + range.end).min(end);
        if reader.event(event, span)? {
            break;
        }
    }
    Ok(())
}

struct Open {
    is_mapping: bool,
    /// How many children came, keys and values alike.
    count: usize,
    /// Mappings that a tag put around it, to be closed with it.
    around: u32,
}

struct Reader<'s, 't> {
    start: usize,
    sink: &'s mut Sink<'t, usize>,
    open: Vec<Open>,
    last_end: usize,
    documents: u32,
}

impl Reader<'_, '_> {
    /// Takes one event; true when there is no more. What follows the document is an error, not silence.
    fn event(&mut self, event: Event<'_>, span: std::ops::Range<usize>) -> Result<bool, Stop> {
        match event {
            Event::StreamEnd => return Ok(true),
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(refused(
                        span.start,
                        "not valid YAML: something follows the end of the document",
                    ));
                }
            }
            Event::Alias(id) => {
                self.child(span.start, false)?;
                if self.sink.alias(&id, span.start)?.is_none() {
                    return Err(refused(span.start, "the alias names no anchor of this document"));
                }
                self.last_end = span.end;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), span)?
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(Kind::Sequence, anchor, tag.as_deref(), span)?
            }
            Event::MappingStart(_, anchor, tag) => self.start(Kind::Mapping, anchor, tag.as_deref(), span)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            _ => {}
        }
        Ok(false)
    }

    /// Counts a child of what is open; a key must be a scalar.
    fn child(&mut self, at: usize, is_collection: bool) -> Result<bool, Stop> {
        let Some(open) = self.open.last_mut() else { return Ok(false) };
        let is_key = open.is_mapping && open.count.is_multiple_of(2);
        open.count += 1;
        if is_key && is_collection {
            return Err(refused(at, "a list or mapping cannot be a key here"));
        }
        Ok(is_key)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: std::ops::Range<usize>,
    ) -> Result<(), Stop> {
        let is_key = self.child(span.start, false)?;
        let plain = style == ScalarStyle::Plain;
        let local = tag.and_then(local);
        let kind = match tag {
            _ if is_key => Kind::String,
            Some(tag) => tagged(tag, text),
            None if plain => resolve(text),
            None => Kind::String,
        };
        let around = if is_key { 0 } else { self.around(local.as_deref(), span.start)? };
        let first = match style {
            ScalarStyle::Literal | ScalarStyle::Folded => self.block_header(span.start),
            _ => span.start,
        };
        let end =
            if first < span.start || span.is_empty() { self.block_end(first, span.end) } else { span.end };
        let value = Span { start: first as u32, end: end as u32 };
        let anchor = (anchor != 0).then_some(anchor);
        let same = self.sink.tree_text(value) == Some(text);
        let node = if same {
            self.sink.slice(value, kind, value, anchor)?
        } else {
            self.sink.text(value, kind, text, anchor)?
        };
        if is_key && plain && text == "<<" {
            self.sink.tree.merge_key(node);
        }
        self.note(local.as_deref(), around, node);
        self.last_end = span.end.max(self.start);
        for _ in 0..around {
            self.sink.close(self.last_end);
        }
        Ok(())
    }

    /// Where a block scalar ends whose indicator stands at `first`: its line ends are not part of its place.
    fn block_end(&self, first: usize, end: usize) -> usize {
        let text = self.sink.tree.text().get(first..end.max(first)).unwrap_or("");
        if !text.starts_with(['|', '>']) {
            return end;
        }
        let header =
            text.bytes().take_while(|byte| matches!(byte, b'|' | b'>' | b'+' | b'-' | b'0'..=b'9')).count();
        first + text.trim_end_matches(['\n', '\r', ' ']).len().max(header)
    }

    /// Where the `|` or `>` stands of a block scalar whose text starts at `content`.
    fn block_header(&self, content: usize) -> usize {
        let before = self.sink.tree.text().get(self.start..content).unwrap_or("");
        let mut end = before.len();
        for line in before.rsplit('\n') {
            let start = end - line.len();
            let code = line.find(" #").map_or(line, |comment| &line[..comment]);
            if let Some(at) = code.rfind(['|', '>']) {
                return self.start + start + at;
            }
            if !line.trim().is_empty() {
                break;
            }
            end = start.saturating_sub(1);
        }
        content
    }

    fn start(
        &mut self,
        kind: Kind,
        anchor: usize,
        tag: Option<&Tag>,
        span: std::ops::Range<usize>,
    ) -> Result<(), Stop> {
        self.child(span.start, true)?;
        let local = tag.and_then(local);
        let around = self.around(local.as_deref(), span.start)?;
        let node = self.sink.open(span.start, kind, (anchor != 0).then_some(anchor))?;
        self.note(local.as_deref(), around, node);
        self.open.push(Open { is_mapping: kind == Kind::Mapping, count: 0, around });
        self.last_end = span.end;
        Ok(())
    }

    fn end(&mut self, span: &std::ops::Range<usize>) {
        // A flow collection ends with its bracket; a block ends where its last value does.
        if span.end > span.start {
            self.last_end = span.end;
        }
        self.sink.close(self.last_end);
        for _ in 0..self.open.pop().map_or(0, |open| open.around) {
            self.sink.close(self.last_end);
        }
    }

    /// Opens the mapping that the short form of a function stands for.
    fn around(&mut self, tag: Option<&str>, at: usize) -> Result<u32, Stop> {
        let Some(key) = tag.and_then(function) else { return Ok(0) };
        self.sink.open(at, Kind::Mapping, None)?;
        self.sink.text(Span { start: at as u32, end: at as u32 }, Kind::String, &key, None)?;
        Ok(1)
    }

    fn note(&mut self, tag: Option<&str>, around: u32, node: NodeId) {
        if let Some(tag) = tag
            && around == 0
        {
            self.sink.tree.tag(node, tag);
        }
    }
}

/// A tag of the file's own (`!Ref`), with its mark.
fn local(tag: &Tag) -> Option<String> {
    (!tag.is_yaml_core_schema() && tag.handle() == "!").then(|| format!("!{}", tag.suffix()))
}

/// The key that the short form of a CloudFormation function stands for.
fn function(tag: &str) -> Option<String> {
    let name = tag.strip_prefix('!')?;
    match name {
        "Ref" | "Condition" => Some(name.to_owned()),
        _ => FUNCTIONS.contains(&name).then(|| format!("Fn::{name}")),
    }
}

/// What a tag makes of a scalar; a tag of the file's own on a plain scalar leaves it text.
fn tagged(tag: &Tag, text: &str) -> Kind {
    if !tag.is_yaml_core_schema() {
        return if tag.handle() == "!" && matches!(tag.suffix(), "reset" | "override") {
            resolve(text)
        } else {
            Kind::String
        };
    }
    match tag.suffix() {
        "null" => Kind::Null,
        "bool" if resolve(text) == Kind::Bool => Kind::Bool,
        "int" if resolve(text) == Kind::Int => Kind::Int,
        "float" if matches!(resolve(text), Kind::Int | Kind::Float) => Kind::Float,
        _ => Kind::String,
    }
}
