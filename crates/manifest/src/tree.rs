//! A document as an arena of nodes, and a cursor on it.

use std::{fmt::Write as _, sync::Arc};

use crate::{SourceId, Span};

/// What a document was written in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// YAML, read as Kubernetes reads it (YAML 1.1 booleans, 1.2 otherwise).
    Yaml,
    /// JSON.
    Json,
    /// TOML (containerd, CRI-O).
    Toml,
    /// A systemd unit: a mapping of sections to mappings of keys; a repeated key is a sequence.
    Unit,
    /// `NAME=value` lines.
    Env,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// `null`, `~`, or a key without a value.
    Null,
    /// A boolean.
    Bool,
    /// A whole number.
    Int,
    /// Any other number.
    Float,
    /// Text.
    String,
    /// A list.
    Sequence,
    /// A mapping.
    Mapping,
}

/// Index of a node in its document.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u32);

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Slot {
    span: Span,
    /// The sequence or mapping it stands in; `NONE` for the root. What an alias names stands where its anchor is.
    parent: u32,
    /// For children of a sequence their index, for values of a mapping the node of their key, for keys `NONE`.
    place: u32,
    /// Sequence, mapping: first of its `len` entries in `children`. Scalar: its text in `strings`, or `NONE` when
    /// the text is `len` bytes of the source from `data_start`.
    data: u32,
    len: u32,
    kind: Kind,
}

/// One document of a source.
#[derive(Debug)]
pub struct Document {
    /// The source it stands in.
    pub source: SourceId,
    /// Which document of the source, from 0.
    pub index: u32,
    /// What it was written in.
    pub format: Format,
    /// The template a chart's renderer names in `# Source:`, when it does.
    pub template: Option<Box<str>>,
    text: Arc<str>,
    slots: Vec<Slot>,
    children: Vec<u32>,
    strings: Vec<Box<str>>,
    root: u32,
}

/// A cursor on a node. Cheap to copy; everything is asked of it.
///
/// [`Node::get`] and [`Node::at`] treat an explicit `null` as absent, because the API server does; ask
/// [`Node::get_raw`] where the difference matters.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    document: &'a Document,
    id: u32,
}

impl Document {
    /// The top of the document.
    pub fn root(&self) -> Node<'_> {
        Node { document: self, id: self.root }
    }

    /// The node of an identifier that this document gave out.
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node { document: self, id: id.0 }
    }

    /// The whole text of the source.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many nodes it has, keys included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when it has no node, which no builder makes.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl<'a> Node<'a> {
    fn slot(self) -> &'a Slot {
        &self.document.slots[self.id as usize]
    }

    fn other(self, id: u32) -> Self {
        Node { document: self.document, id }
    }

    /// The document it stands in.
    pub fn document(self) -> &'a Document {
        self.document
    }

    /// Its identifier in the document.
    pub fn id(self) -> NodeId {
        NodeId(self.id)
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.slot().kind
    }

    /// Its bytes in the source: a quoted scalar with its quotes, a block from its first key to its last value.
    pub fn span(self) -> Span {
        self.slot().span
    }

    /// True for `null` and for a key without a value.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text of any scalar as written, quotes and escapes undone: `"8080"` and `8080` both give `8080`. Empty for
    /// sequences and mappings.
    pub fn text(self) -> &'a str {
        let slot = self.slot();
        match slot.kind {
            Kind::Sequence | Kind::Mapping => "",
            _ if slot.len == NONE => &self.document.strings[slot.data as usize],
            _ => self.document.text.get(slot.data as usize..(slot.data + slot.len) as usize).unwrap_or(""),
        }
    }

    /// The text of a string; nothing for any other kind.
    pub fn as_str(self) -> Option<&'a str> {
        (self.kind() == Kind::String).then(|| self.text())
    }

    /// A boolean. The strings `"true"` and `"false"` are not booleans: the API server refuses them.
    pub fn as_bool(self) -> Option<bool> {
        match (self.kind(), self.text().as_bytes().first()) {
            (Kind::Bool, Some(b't' | b'T' | b'y' | b'Y')) => Some(true),
            (Kind::Bool, Some(b'o' | b'O')) => Some(self.text().eq_ignore_ascii_case("on")),
            (Kind::Bool, _) => Some(false),
            _ => None,
        }
    }

    /// A whole number: decimal, `0x`, `0o`, `0b`, or with a leading zero octal, as YAML 1.1 reads them; `_` between digits.
    pub fn as_int(self) -> Option<i64> {
        (self.kind() == Kind::Int).then(|| whole_number(self.text())).flatten()
    }

    /// The value of a key, unless it is absent or `null`.
    pub fn get(self, key: &str) -> Option<Self> {
        self.get_raw(key).filter(|value| !value.is_null())
    }

    /// The value of a key, `null` included.
    pub fn get_raw(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| name.text() == key).map(|(_, value)| value)
    }

    /// Follows a dotted path of keys, such as `spec.template.spec`; nothing when a part is absent or `null`.
    pub fn at(self, path: &str) -> Option<Self> {
        path.split('.').try_fold(self, Node::get)
    }

    /// The elements of a sequence; none for any other kind.
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + use<'a> {
        let children = if self.kind() == Kind::Sequence { self.children() } else { &[] };
        children.iter().map(move |&id| self.other(id))
    }

    /// The keys and values of a mapping in the order written; none for any other kind. Of a repeated key only the last
    /// value is there.
    pub fn entries(self) -> impl ExactSizeIterator<Item = (Self, Self)> + use<'a> {
        let children = if self.kind() == Kind::Mapping { self.children() } else { &[] };
        children.chunks_exact(2).map(move |pair| (self.other(pair[0]), self.other(pair[1])))
    }

    /// How many elements or entries it has.
    pub fn len(self) -> usize {
        match self.kind() {
            Kind::Sequence => self.children().len(),
            Kind::Mapping => self.children().len() / 2,
            _ => 0,
        }
    }

    /// True when it has no element or entry.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn children(self) -> &'a [u32] {
        let slot = self.slot();
        &self.document.children[slot.data as usize..(slot.data + slot.len) as usize]
    }

    /// The sequence or mapping it stands in. What an alias names stands where its anchor is.
    pub fn parent(self) -> Option<Self> {
        let parent = self.slot().parent;
        (parent != NONE).then(|| self.other(parent))
    }

    /// The key under which it stands, when its parent is a mapping and it is a value.
    pub fn key(self) -> Option<Self> {
        let place = self.slot().place;
        (place != NONE && self.parent().is_some_and(|parent| parent.kind() == Kind::Mapping))
            .then(|| self.other(place))
    }

    /// The JSON pointer from `root` (RFC 6901); from the document's root when `root` is not above it.
    pub fn pointer_from(self, root: Self) -> String {
        let mut parts = Vec::new();
        let mut node = self;
        while node.id != root.id {
            let Some(parent) = node.parent() else { break };
            parts.push(match node.key() {
                Some(key) => key.text().replace('~', "~0").replace('/', "~1"),
                None => node.slot().place.to_string(),
            });
            node = parent;
        }
        let mut pointer = String::new();
        for part in parts.iter().rev() {
            let _ = write!(pointer, "/{part}");
        }
        pointer
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.id == other.id
    }
}

impl Eq for Node<'_> {}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind() {
            Kind::Sequence => f.debug_list().entries(self.items()).finish(),
            Kind::Mapping => f.debug_map().entries(self.entries()).finish(),
            kind => write!(f, "{kind:?}({:?})", self.text()),
        }
    }
}

fn whole_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = digits.replace('_', "");
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits.as_str()),
    };
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Makes a [`Document`] from the events of a parser.
///
/// Open a sequence or mapping, push what is in it, close it; in a mapping keys and values alternate. The first node
/// is the root. The parser bounds depth and size; the builder only keeps books.
#[derive(Debug)]
pub struct TreeBuilder {
    document: Document,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    id: u32,
    children: Vec<u32>,
}

impl TreeBuilder {
    /// Starts a document of `source` whose whole text is `text`.
    pub fn new(source: SourceId, index: u32, format: Format, text: Arc<str>) -> Self {
        let document = Document {
            source,
            index,
            format,
            template: None,
            text,
            slots: Vec::new(),
            children: Vec::new(),
            strings: Vec::new(),
            root: NONE,
        };
        Self { document, open: Vec::new() }
    }

    /// Pushes a scalar whose text is exactly the bytes `value` of the source (no escape in it).
    pub fn scalar_slice(&mut self, span: Span, kind: Kind, value: Span) -> NodeId {
        self.push(span, kind, value.start, value.end - value.start)
    }

    /// Pushes a scalar whose text had to be decoded.
    pub fn scalar_text(&mut self, span: Span, kind: Kind, value: impl Into<Box<str>>) -> NodeId {
        let index = self.document.strings.len() as u32;
        self.document.strings.push(value.into());
        self.push(span, kind, index, NONE)
    }

    /// Pushes a node that stands elsewhere already (an alias), without copying it.
    pub fn alias(&mut self, node: NodeId) {
        self.attach(node.0);
    }

    /// Opens a sequence or mapping at byte `start`.
    pub fn open(&mut self, start: u32, kind: Kind) -> NodeId {
        let id = self.push(Span { start, end: start }, kind, 0, 0);
        self.open.push(Open { id: id.0, children: Vec::new() });
        id
    }

    /// Closes the innermost open sequence or mapping, whose last byte is before `end`. Of a repeated key the last value
    /// stays, in the place of the first; the identifiers of the keys that lost are returned.
    pub fn close(&mut self, end: u32) -> Vec<NodeId> {
        let Some(mut open) = self.open.pop() else { return Vec::new() };
        let mut lost = Vec::new();
        if self.document.slots[open.id as usize].kind == Kind::Mapping {
            open.children.truncate(open.children.len() / 2 * 2);
            lost = self.without_repeated_keys(&mut open.children);
        }
        let first = self.document.children.len() as u32;
        self.document.children.extend_from_slice(&open.children);
        let slot = &mut self.document.slots[open.id as usize];
        slot.data = first;
        slot.len = open.children.len() as u32;
        slot.span.end = end.max(slot.span.start);
        lost
    }

    /// Adds the entries of mapping `from` that the innermost open mapping has no key for (a merge key, YAML 1.1
    /// "Merge Key Language-Independent Type").
    pub fn merge(&mut self, from: NodeId) {
        let document = &self.document;
        let source = document.node(from);
        let Some(open) = self.open.last() else { return };
        let mut added = Vec::new();
        for (key, value) in source.entries() {
            let has = open.children.chunks_exact(2).any(|pair| document.node(NodeId(pair[0])).text() == key.text());
            if !has {
                added.extend([key.id, value.id]);
            }
        }
        if let Some(open) = self.open.last_mut() {
            open.children.extend(added);
        }
    }

    /// The document; nothing when no node was pushed. Whatever is still open is closed at `end`.
    pub fn finish(mut self, end: u32) -> Option<Document> {
        while !self.open.is_empty() {
            self.close(end);
        }
        (self.document.root != NONE).then_some(self.document)
    }

    /// Names the template that the document was rendered from.
    pub fn template(&mut self, name: &str) {
        self.document.template = Some(name.into());
    }

    /// What was built so far of a node, for parsers that must look back (merge keys, anchors).
    pub fn node(&self, id: NodeId) -> Node<'_> {
        self.document.node(id)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.document.slots.len()
    }

    /// True while nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.document.slots.is_empty()
    }

    fn push(&mut self, span: Span, kind: Kind, data: u32, len: u32) -> NodeId {
        let id = self.document.slots.len() as u32;
        self.document.slots.push(Slot { span, parent: NONE, place: NONE, data, len, kind });
        self.attach(id);
        NodeId(id)
    }

    fn attach(&mut self, id: u32) {
        let Some(open) = self.open.last_mut() else {
            if self.document.root == NONE {
                self.document.root = id;
            }
            return;
        };
        let is_mapping = self.document.slots[open.id as usize].kind == Kind::Mapping;
        let count = open.children.len() as u32;
        let place = match (is_mapping, count % 2) {
            (false, _) => count,
            (true, 0) => NONE,
            (true, _) => open.children[count as usize - 1],
        };
        let slot = &mut self.document.slots[id as usize];
        if slot.parent == NONE && id != self.document.root {
            slot.parent = open.id;
            slot.place = place;
        }
        open.children.push(id);
    }

    /// Keeps the last value of each key. Quadratic only for small mappings; larger ones are hashed.
    fn without_repeated_keys(&self, children: &mut Vec<u32>) -> Vec<NodeId> {
        use std::collections::HashMap;
        let document = &self.document;
        let text = |id: u32| document.node(NodeId(id)).text();
        let pairs = children.len() / 2;
        let small = pairs <= 16;
        let repeats = if small {
            (0..pairs).any(|a| (0..a).any(|b| text(children[2 * a]) == text(children[2 * b])))
        } else {
            let mut seen = std::collections::HashSet::with_capacity(pairs);
            !(0..pairs).all(|a| seen.insert(text(children[2 * a])))
        };
        if !repeats {
            return Vec::new();
        }
        let mut kept: Vec<u32> = Vec::with_capacity(children.len());
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(pairs);
        let mut lost = Vec::new();
        for pair in children.chunks_exact(2) {
            match seen.get(text(pair[0])) {
                Some(&at) => {
                    lost.push(NodeId(kept[at]));
                    kept[at] = pair[0];
                    kept[at + 1] = pair[1];
                }
                None => {
                    seen.insert(text(pair[0]), kept.len());
                    kept.extend_from_slice(pair);
                }
            }
        }
        *children = kept;
        lost
    }
}
