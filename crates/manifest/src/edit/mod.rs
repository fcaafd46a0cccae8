//! Changes to a text that keep its comments and its layout.
//!
//! [`set`], [`remove`], [`insert`] and [`append`] turn a change of one node into edits of the text, in the style that
//! stands around it: block or flow, indentation, line ends. They give nothing where the change cannot be made without
//! touching what somebody else relies on (an anchor in use, a repeated key) or in a format they do not write. [`apply`]
//! makes the edits, [`diff`] shows them.

mod diff;
mod emit;
mod place;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

pub use self::diff::diff;
use self::{
    emit::{Style, block, flow},
    place::Place,
};
use crate::{Format, Kind, Node, SourceId, Span, read};

/// A replacement of some bytes of a source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TextEdit {
    /// The source.
    pub source: SourceId,
    /// What goes; empty for an insertion.
    pub span: Span,
    /// What comes instead.
    pub replacement: String,
}

/// Sets the value of a node to `value`, a YAML text such as `false`, `"a b"` or `{drop: [ALL]}`.
pub fn set(node: Node<'_>, value: &str) -> Option<Vec<TextEdit>> {
    let place = Place::new(node)?;
    let value = Value::read(value)?;
    let new = value.root();
    let old = node.span();
    if anchors_in_use(&place, old.start as usize..old.end as usize) {
        return None;
    }
    if old.start == old.end && (!place.can_start(node) || is_behind_comment(&place, old.start as usize)) {
        return None;
    }
    let is_small = new.is_empty() || place.style(node) != Style::Block;
    if is_small {
        let style = if place.in_flow(node) { place.flow_style() } else { Style::Block };
        let text = flow(new, style);
        if let Some(span) = place.below_key(node) {
            return Some(vec![place.edit(span, format!(" {text}"))]);
        }
        return Some(vec![place.edit(node.span(), place.spaced(node, &text))]);
    }
    match node.parent() {
        Some(parent) if parent.kind() == Kind::Mapping => set_under_key(&place, node, new),
        _ if old.start == old.end => {
            Some(vec![place.edit(old, place.spaced(node, &flow(new, Style::Block)))])
        }
        _ => {
            let column = place.column(old.start);
            if !place.is_indentation(old.start) {
                return Some(vec![place.edit(old, flow(new, Style::Block))]);
            }
            Some(vec![place.edit(old, block(new, column, place.line_end()).trim_start())])
        }
    }
}

/// Whether a comment begins on the line before `at`: what is written there is part of it.
fn is_behind_comment(place: &Place<'_>, at: usize) -> bool {
    let line = place.text.get(..at).and_then(|before| before.rsplit(['\n', '\r']).next()).unwrap_or_default();
    line.starts_with('#') || line.contains(" #") || line.contains("\t#")
}

/// Sets the value of a key of a block mapping to a collection, written below the key.
fn set_under_key(place: &Place<'_>, node: Node<'_>, new: Node<'_>) -> Option<Vec<TextEdit>> {
    let key = node.key()?;
    let colon = place.colon(key)?;
    let value = node.span();
    let between = place.text.get(colon..value.start as usize)?;
    let line = place.rest_of_line(value.end as usize);
    // An anchor, a comment or a tag between the key and the value, or a comment behind it, stays where it is.
    if !between.trim().is_empty() || !line.trim().is_empty() {
        return Some(vec![place.edit(value, place.spaced(node, &flow(new, Style::Block)))]);
    }
    let own = place.column(key.span().start);
    let column = if new.kind() == Kind::Sequence { own } else { own + place.step() };
    let text = format!("{}{}", place.line_end(), block(new, column, place.line_end()));
    let span = Span { start: colon as u32, end: value.end };
    Some(vec![place.edit(span, &text)])
}

/// Removes a value with its key, or an element of a list, with the lines it has for itself.
pub fn remove(node: Node<'_>) -> Option<Vec<TextEdit>> {
    let place = Place::new(node)?;
    let node = if place.is_key(node) { place.value_of(node)? } else { node };
    let parent = node.parent()?;
    let key = node.key();
    if key.is_some_and(|key| place.is_repeated(parent, key)) {
        return None;
    }
    let start = key.map_or(node.span().start, |key| key.span().start);
    let end = node.span().end;
    if anchors_in_use(&place, start as usize..end as usize) {
        return None;
    }
    let own = place.own_children(parent);
    if own.len() == 1 {
        if parent.kind() == Kind::Mapping && (parent.len() > 1 || place.slice(parent.span()).contains("<<")) {
            return None;
        }
        return set(parent, if parent.kind() == Kind::Mapping { "{}" } else { "[]" });
    }
    if place.style(parent) != Style::Block {
        return place.remove_from_flow(start, end, &own).map(|span| vec![place.edit(span, "")]);
    }
    place.remove_from_block(parent, start, end, &own).map(|span| vec![place.edit(span, "")])
}

/// Adds a key to a mapping that does not have it.
pub fn insert(mapping: Node<'_>, key: &str, value: &str) -> Option<Vec<TextEdit>> {
    if mapping.is_null() {
        return set(mapping, &format!("{{{}: {value}}}", emit::quoted(key)));
    }
    if mapping.kind() != Kind::Mapping || mapping.get_raw(key).is_some() {
        return None;
    }
    let place = Place::new(mapping)?;
    let value = Value::read(value)?;
    let style = place.style(mapping);
    if style != Style::Block {
        let entry = format!("{}: {}", emit::key(key, style), flow(value.root(), style));
        return place.add_to_flow(mapping, &entry).map(|edit| vec![edit]);
    }
    let own = place.own_children(mapping);
    let column = place.column(own.first()?.0);
    let (step, line_end) = (place.step(), place.line_end());
    value.with_entry(Entry { key, column, step, line_end }, |entry| {
        place.add_line(mapping, &own, column, entry).map(|edit| vec![edit])
    })
}

/// Adds an element to the end of a list.
pub fn append(sequence: Node<'_>, value: &str) -> Option<Vec<TextEdit>> {
    if sequence.is_null() {
        return set(sequence, &format!("[{value}]"));
    }
    if sequence.kind() != Kind::Sequence {
        return None;
    }
    let place = Place::new(sequence)?;
    let value = Value::read(value)?;
    let style = place.style(sequence);
    if style != Style::Block {
        return place.add_to_flow(sequence, &flow(value.root(), style)).map(|edit| vec![edit]);
    }
    let column = place.dash_column(sequence)?;
    let element = emit::element(value.root(), column, place.line_end());
    place.add_line(sequence, &place.own_children(sequence), column, &element).map(|edit| vec![edit])
}

/// `text` with the edits made; nothing when two of them overlap or one lies outside. Equal edits count once.
pub fn apply<'e>(text: &str, edits: impl IntoIterator<Item = &'e TextEdit>) -> Option<String> {
    let mut edits: Vec<&TextEdit> = edits.into_iter().collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    edits.dedup();
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        result.push_str(text.get(at..edit.span.start as usize)?);
        result.push_str(&edit.replacement);
        at = edit.span.end as usize;
    }
    result.push_str(text.get(at..)?);
    Some(result)
}

/// True when an anchor is defined in a part of the text and its name used outside of it.
fn anchors_in_use(place: &Place<'_>, part: std::ops::Range<usize>) -> bool {
    let Some(text) = place.text.get(part.clone()) else { return true };
    let name_of = |rest: &str| {
        let length =
            rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)).count();
        rest[..length].to_owned()
    };
    text.match_indices('&').any(|(at, _)| {
        let name = name_of(&text[at + 1..]);
        let alias = format!("*{name}");
        !name.is_empty()
            && place
                .text
                .match_indices(&alias)
                .any(|(used, _)| !part.contains(&used) && name_of(&place.text[used + 1..]) == name)
    })
}

/// A value that was given as text.
#[derive(Clone)]
struct Value {
    document: Rc<crate::Document>,
    written: Rc<RefCell<Vec<Written>>>,
}

/// How a value was written below a key.
struct Written {
    key: String,
    column: usize,
    step: usize,
    line_end: &'static str,
    lines: String,
}

/// Where a value is to be written below a key.
struct Entry<'k> {
    key: &'k str,
    column: usize,
    step: usize,
    line_end: &'static str,
}

/// Ways in which a value was written that are kept: in one estate all files are indented alike, and one value stands below
/// one key.
const WRITTEN_MAX: usize = 8;

/// Values and bytes of each that are kept read: thousands of edits write the same few.
const KEPT_MAX: usize = 64;
const KEPT_BYTES_MAX: usize = 200;

thread_local! {
    static KEPT: RefCell<HashMap<String, Value>> = RefCell::default();
}

impl Value {
    fn read(text: &str) -> Option<Self> {
        if let Some(kept) = KEPT.with_borrow(|kept| kept.get(text).cloned()) {
            return Some(kept);
        }
        let value = Self { document: Rc::new(read::value(text)?), written: Rc::default() };
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX && text.len() <= KEPT_BYTES_MAX {
                kept.insert(text.to_owned(), value.clone());
            }
        });
        Some(value)
    }

    fn root(&self) -> Node<'_> {
        self.document.root()
    }

    /// Gives the lines of the value below a key to `asked`.
    fn with_entry<T>(&self, entry: Entry<'_>, asked: impl FnOnce(&str) -> T) -> T {
        let Entry { key, column, step, line_end } = entry;
        let is_it = |kept: &&Written| {
            kept.key == key && (kept.column, kept.step, kept.line_end) == (column, step, line_end)
        };
        if let Some(kept) = self.written.borrow().iter().find(is_it) {
            return asked(&kept.lines);
        }
        let lines = emit::entry(key, self.root(), column, step, line_end);
        let result = asked(&lines);
        let mut written = self.written.borrow_mut();
        if written.len() < WRITTEN_MAX && key.len() + lines.len() <= KEPT_BYTES_MAX {
            written.push(Written { key: key.to_owned(), column, step, line_end, lines });
        }
        result
    }
}

/// True for formats that can be edited.
fn is_editable(format: Format) -> bool {
    matches!(format, Format::Yaml | Format::Json)
}

#[cfg(test)]
mod tests;
