//! Where nodes stand in the text, and which bytes belong to them.

use super::{TextEdit, emit::Style, is_editable};
use crate::{Document, Format, Kind, Node, NodeId, Span, tree::NONE};

/// Where a child starts (its key, its dash's value) and ends.
type Extent = (u32, u32);

/// The text around a node.
pub(super) struct Place<'a> {
    document: &'a Document,
    pub(super) text: &'a str,
}

impl<'a> Place<'a> {
    /// Nothing for formats that are not edited.
    pub(super) fn new(node: Node<'a>) -> Option<Self> {
        let document = node.document();
        is_editable(document.format).then(|| Self { document, text: document.text() })
    }

    pub(super) fn edit(&self, span: Span, replacement: impl Into<String>) -> TextEdit {
        TextEdit { source: self.document.source, span, replacement: replacement.into() }
    }

    pub(super) fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(b'\n')
    }

    /// How a node is written; scalars count as what stands around them.
    pub(super) fn style(&self, node: Node<'_>) -> Style {
        if self.document.format == Format::Json {
            return Style::Json;
        }
        let around = match node.kind() {
            Kind::Mapping | Kind::Sequence => Some(node),
            _ => node.parent(),
        };
        let in_brackets = |node: Node<'_>| matches!(self.byte(node.span().start as usize), b'{' | b'[');
        // An empty collection can only be written with brackets, and what replaces it need not be.
        match around {
            Some(node) if !node.is_empty() && in_brackets(node) => Style::Flow,
            Some(node) if node.is_empty() => {
                node.parent().map_or(Style::Flow, |parent| match self.style(parent) {
                    Style::Block if in_brackets(node) => Style::Flow,
                    style => style,
                })
            }
            _ => Style::Block,
        }
    }

    /// True when brackets stand around a node.
    pub(super) fn in_flow(&self, node: Node<'_>) -> bool {
        node.parent().is_some_and(|parent| self.style(parent) != Style::Block)
    }

    /// The style of what stands between brackets in this document.
    pub(super) fn flow_style(&self) -> Style {
        if self.document.format == Format::Json { Style::Json } else { Style::Flow }
    }

    /// The bytes from the colon of its key to the end of a block collection that starts in a later line, when nothing
    /// but blanks stands between.
    pub(super) fn below_key(&self, node: Node<'_>) -> Option<Span> {
        let colon = self.colon(node.key()?)?;
        let span = node.span();
        let between = self.text.get(colon..span.start as usize)?;
        let is_below = !node.is_empty() && between.contains('\n') && between.trim().is_empty();
        is_below.then_some(Span { start: colon as u32, end: span.end })
    }

    /// True where an absent value can be written: not amid an anchor or tag, nor behind a key without a colon.
    pub(super) fn can_start(&self, node: Node<'_>) -> bool {
        let at = node.span().start;
        if let Some(key) = node.key() {
            let between = self.colon(key).and_then(|colon| self.text.get(colon..at as usize));
            if key.span().start == key.span().end || between.is_none_or(|text| !text.trim().is_empty()) {
                return false;
            }
        }
        let before = at.checked_sub(1).map_or(b' ', |before| self.byte(before as usize));
        let fits_before = before.is_ascii_whitespace() || b":-{[,".contains(&before);
        let after = self.byte(at as usize);
        fits_before && (after.is_ascii_whitespace() || b",]}".contains(&after))
    }

    /// `text` for the place of `node`, with a blank in front when the place is an absent value.
    pub(super) fn spaced(&self, node: Node<'_>, text: &str) -> String {
        let span = node.span();
        let touches = span.start > 0 && matches!(self.byte(span.start as usize - 1), b':' | b'-');
        if span.start == span.end && touches { format!(" {text}") } else { text.to_owned() }
    }

    pub(super) fn line_start(&self, at: u32) -> usize {
        let before = self.text.get(..at as usize).unwrap_or("");
        before.rfind(['\n', '\r']).map_or(0, |end| end + 1)
    }

    /// Bytes from the start of the line; a byte order mark does not count.
    pub(super) fn column(&self, at: u32) -> usize {
        let line = self.text.get(self.line_start(at)..at as usize).unwrap_or("");
        line.trim_start_matches('\u{FEFF}').len()
    }

    /// True when only spaces and dashes stand before a byte in its line.
    pub(super) fn is_indentation(&self, at: u32) -> bool {
        let line = self.text.get(self.line_start(at)..at as usize).unwrap_or("");
        line.trim_start_matches('\u{FEFF}').bytes().all(|byte| matches!(byte, b' ' | b'-'))
    }

    /// What stands between a byte and the end of its line.
    pub(super) fn rest_of_line(&self, at: usize) -> &'a str {
        let rest = self.text.get(at..).unwrap_or("");
        &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())]
    }

    /// The first byte of the next line.
    fn next_line(&self, at: usize) -> usize {
        let end = at + self.rest_of_line(at).len();
        match self.text.get(end..) {
            Some(rest) if rest.starts_with("\r\n") => end + 2,
            Some("") | None => end,
            Some(_) => end + 1,
        }
    }

    /// The line end that the text uses.
    pub(super) fn line_end(&self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if at > 0 && self.byte(at - 1) == b'\r' => "\r\n",
            _ => "\n",
        }
    }

    /// By how many columns the document indents: of the first mapping below a key.
    pub(super) fn step(&self) -> usize {
        let root = self.document.root();
        let below = root.entries().find_map(|(key, value)| {
            let nested =
                value.kind() == Kind::Mapping && self.style(value) == Style::Block && !value.is_empty();
            nested
                .then(|| self.column(value.span().start).checked_sub(self.column(key.span().start)))
                .flatten()
        });
        below.filter(|step| (1..=8).contains(step)).unwrap_or(2)
    }

    /// The byte behind the colon of a key.
    pub(super) fn colon(&self, key: Node<'_>) -> Option<usize> {
        let end = key.span().end as usize;
        let rest = self.text.get(end..)?;
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[blanks..].starts_with(':').then_some(end + blanks + 1)
    }

    pub(super) fn is_key(&self, node: Node<'_>) -> bool {
        let is_key =
            node.parent().is_some_and(|parent| parent.kind() == Kind::Mapping) && node.key().is_none();
        is_key && node.id() != self.document.root().id()
    }

    pub(super) fn value_of(&self, key: Node<'a>) -> Option<Node<'a>> {
        key.parent()?.entries().find(|(own, _)| own.id() == key.id()).map(|(_, value)| value)
    }

    /// True when a mapping has a key twice.
    pub(super) fn is_repeated(&self, mapping: Node<'_>, key: Node<'_>) -> bool {
        let document = self.document;
        let keys = document.slots.iter().enumerate().skip(mapping.id().0 as usize + 1);
        keys.take_while(|(_, slot)| slot.span.start <= mapping.span().end)
            .filter(|(_, slot)| slot.parent == mapping.id().0 && slot.place == NONE)
            .filter(|(id, _)| document.node(NodeId(*id as u32)).text() == key.text())
            .count()
            > 1
    }

    /// The children that stand in a collection itself, not in something merged into it.
    pub(super) fn own_children(&self, parent: Node<'_>) -> Vec<Extent> {
        let is_own = |node: Node<'_>| node.parent().is_some_and(|above| above.id() == parent.id());
        let end = |start: &dyn Fn() -> u32, value: Node<'_>| {
            if is_own(value) { value.span().end } else { self.alias_end(start()) }
        };
        if parent.kind() == Kind::Mapping {
            let own = parent.entries().filter(|(key, _)| is_own(*key));
            let behind = |key: Node<'_>| self.colon(key).map_or(key.span().end, |at| at as u32);
            let mut found: Vec<Extent> = Vec::with_capacity(parent.len());
            found.extend(own.map(|(key, value)| (key.span().start, end(&|| behind(key), value))));
            found.sort_unstable();
            return found;
        }
        let mut found: Vec<Extent> = Vec::new();
        let mut last = parent.span().start;
        for item in parent.items() {
            let start = if is_own(item) { item.span().start } else { self.alias_start(last) };
            let extent = (start, end(&|| start, item));
            last = extent.1;
            found.push(extent);
        }
        found
    }

    fn alias_start(&self, from: u32) -> u32 {
        self.text.get(from as usize..).and_then(|rest| rest.find('*')).map_or(from, |at| from + at as u32)
    }

    /// The end of the alias that follows a byte.
    fn alias_end(&self, from: u32) -> u32 {
        let start = self.alias_start(from) as usize + 1;
        let rest = self.text.get(start..).unwrap_or("");
        (start + rest.find(|c: char| c.is_whitespace() || ",]}".contains(c)).unwrap_or(rest.len())) as u32
    }

    /// What goes when one of several children leaves a flow collection: it and the comma on one side.
    pub(super) fn remove_from_flow(&self, start: u32, end: u32, own: &[Extent]) -> Option<Span> {
        let at = own.iter().position(|extent| extent.0 == start)?;
        if let Some(next) = own.get(at + 1) {
            let gap = self.text.get(end as usize..next.0 as usize)?;
            return is_gap(gap).then_some(Span { start, end: next.0 });
        }
        let before = own.get(at.checked_sub(1)?)?;
        let gap = self.text.get(before.1 as usize..start as usize)?;
        is_gap(gap).then_some(Span { start: before.1, end })
    }

    /// What goes when one of several children leaves a block collection: its lines.
    pub(super) fn remove_from_block(
        &self,
        parent: Node<'_>,
        start: u32,
        end: u32,
        own: &[Extent],
    ) -> Option<Span> {
        let at = own.iter().position(|extent| extent.0 == start)?;
        let is_mapping = parent.kind() == Kind::Mapping;
        let first = if is_mapping { start } else { self.dash(parent, start, at)? };
        let line = self.line_start(first);
        if self.text.get(line..first as usize)?.trim_start_matches('\u{FEFF}').trim().is_empty() {
            let line =
                if self.text[line..].starts_with('\u{FEFF}') { line + '\u{FEFF}'.len_utf8() } else { line };
            return Some(self.whole_lines(line, end as usize));
        }
        // Something else starts in the same line: what comes next moves up to it.
        let next = own.get(at + 1)?;
        let next = if is_mapping { next.0 } else { self.dash(parent, next.0, at + 1)? };
        Some(Span { start: first, end: next })
    }

    /// From the start of a line to the end of the line in which `end` is; the line end before goes when there is none
    /// behind.
    fn whole_lines(&self, line: usize, end: usize) -> Span {
        let next = self.next_line(end);
        let has_end = self.text.get(..next).is_some_and(|text| text.ends_with(['\n', '\r']));
        let start = match self.text.get(..line) {
            Some(before) if !has_end && before.ends_with("\r\n") => line - 2,
            Some(before) if !has_end && before.ends_with(['\n', '\r']) => line - 1,
            _ => line,
        };
        Span { start: start as u32, end: next as u32 }
    }

    /// The dash of the element of a block sequence that starts at `start`.
    fn dash(&self, sequence: Node<'_>, start: u32, index: usize) -> Option<u32> {
        let column = self.dash_column(sequence)?;
        if index == 0 {
            let first = sequence.span().start as usize;
            return (self.byte(first) == b'-').then_some(first as u32);
        }
        // The dash is alone in its column, in the line of the value or above it.
        let mut line = self.line_start(start);
        loop {
            let at = line + column;
            let is_dash =
                self.byte(at) == b'-' && self.text.get(line..at).is_some_and(|lead| lead.trim().is_empty());
            if is_dash && at <= start as usize {
                return Some(at as u32);
            }
            if line <= sequence.span().start as usize {
                return None;
            }
            line = self.line_start(line as u32 - 1);
        }
    }

    /// The column of a block sequence's dashes.
    pub(super) fn dash_column(&self, sequence: Node<'_>) -> Option<usize> {
        let start = sequence.span().start;
        (self.byte(start as usize) == b'-').then(|| self.column(start))
    }

    /// Adds `entry` behind the last child of a flow collection.
    pub(super) fn add_to_flow(&self, collection: Node<'_>, entry: &str) -> Option<TextEdit> {
        let span = collection.span();
        let own = self.own_children(collection);
        let Some(&(start, end)) = own.last() else {
            let inner = Span { start: span.start + 1, end: span.end.checked_sub(1)? };
            let is_blank = self.slice(inner).trim().is_empty();
            return is_blank.then(|| self.edit(inner, entry));
        };
        let at = Span { start: end, end };
        let on_own_line = self.text.get(self.line_start(start)..start as usize)?.trim().is_empty();
        if on_own_line && start > span.start {
            let indent = self.text.get(self.line_start(start)..start as usize)?;
            return Some(self.edit(at, format!(",{}{indent}{entry}", self.line_end())));
        }
        Some(self.edit(at, format!(", {entry}")))
    }

    /// Adds `entry` in lines of its own behind a block collection.
    ///
    /// - `own`: its children, of [`Place::own_children`].
    pub(super) fn add_line(
        &self,
        collection: Node<'_>,
        own: &[Extent],
        column: usize,
        entry: &str,
    ) -> Option<TextEdit> {
        // The end of the last child, wherever the collection itself says it ends.
        let end = own.last().map_or(0, |extent| extent.1).max(collection.span().end) as usize;
        let next = self.next_line(end);
        let has_end = self.text.get(..next).is_some_and(|text| text.ends_with(['\n', '\r']));
        let keeps_lines = self.ends_with_kept_lines(collection, has_end);
        if keeps_lines {
            return None;
        }
        let line_end = self.line_end();
        let mut text = String::with_capacity(column + entry.len() + line_end.len());
        if !has_end {
            text.push_str(line_end);
        }
        text.extend(std::iter::repeat_n(' ', column));
        text.push_str(entry);
        if has_end {
            text.push_str(line_end);
        }
        Some(self.edit(Span { start: next as u32, end: next as u32 }, text))
    }

    /// True when the last thing in a collection is a block scalar whose text depends on the lines behind it.
    fn ends_with_kept_lines(&self, collection: Node<'_>, has_end: bool) -> bool {
        let mut node = collection;
        while let Some(last) =
            node.items().next_back().or_else(|| node.entries().map(|(_, value)| value).last())
        {
            node = last;
        }
        let text = self.slice(node.span());
        if node.kind() != Kind::String || !text.starts_with(['|', '>']) {
            return false;
        }
        let header = text.lines().next().unwrap_or("");
        header.contains('+') || !has_end
    }
}

/// One comma with blanks and line ends around it; a comment in between would be lost.
fn is_gap(gap: &str) -> bool {
    gap.trim() == ","
}
