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
    /// Lines of a program's output (`stat`, `find`, `ps`), read as a list of mappings.
    Lines,
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

pub(crate) const NONE: u32 = u32::MAX;

/// One node: 28 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) span: Span,
    /// The sequence or mapping it stands in; `NONE` for the root. What an alias names stands where its anchor is.
    pub(crate) parent: u32,
    /// For children of a sequence their index, for values of a mapping the node of their key, for keys `NONE`.
    pub(crate) place: u32,
    /// Sequence, mapping: first of its `len` entries in `children`. Scalar: first of the `len` bytes of its text, in
    /// `decoded` when it is `decoded`, in the source otherwise.
    pub(crate) data: u32,
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    pub(crate) decoded: bool,
    /// Mapping: the bits of its keys ([`key_bit`]), so that most keys it does not have need no look at those it has.
    /// Scalar that is a key: its [`key_hash`], so that most others need no look at their text.
    pub(crate) keys: u16,
}

/// A hash of a key, by its length and three of its bytes: cheap, and known while compiling where the key is.
#[inline]
pub(crate) fn key_hash(key: &[u8]) -> u16 {
    let (Some(&first), Some(&last)) = (key.first(), key.last()) else { return 0 };
    let middle = key[key.len() / 2];
    let mixed = u32::from(first) | u32::from(middle) << 8 | u32::from(last) << 16 | (key.len() as u32) << 24;
    (mixed.wrapping_mul(0x9e37_79b1) >> 16) as u16
}

/// One of 16 bits for the hash of a key.
#[inline]
pub(crate) fn key_bit(hash: u16) -> u16 {
    1 << (hash >> 12)
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
    /// What it is; nothing when it is nothing known.
    pub what: Option<crate::DocumentKind>,
    pub(crate) text: Arc<str>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) children: Vec<u32>,
    /// The texts that are not in the source as they are (escapes, folded lines), one behind the other.
    pub(crate) decoded: String,
    /// Tags that mean something to a reader of the format (`!reset` of Compose, `!Ref` of CloudFormation), by node.
    pub(crate) tags: Vec<(u32, Box<str>)>,
    pub(crate) root: u32,
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

    /// The bytes of [`Node::text`].
    #[inline]
    pub(crate) fn bytes(&self, slot: &Slot) -> &[u8] {
        if matches!(slot.kind, Kind::Sequence | Kind::Mapping) {
            return &[];
        }
        let from = if slot.decoded { self.decoded.as_bytes() } else { self.text.as_bytes() };
        from.get(slot.data as usize..slot.data as usize + slot.len as usize).unwrap_or(&[])
    }
}

impl<'a> Node<'a> {
    #[inline]
    fn slot(self) -> &'a Slot {
        &self.document.slots[self.id as usize]
    }

    #[inline]
    fn other(self, id: u32) -> Self {
        Node { document: self.document, id }
    }

    /// The document it stands in.
    #[inline]
    pub fn document(self) -> &'a Document {
        self.document
    }

    /// Its identifier in the document.
    #[inline]
    pub fn id(self) -> NodeId {
        NodeId(self.id)
    }

    /// What it is.
    #[inline]
    pub fn kind(self) -> Kind {
        self.slot().kind
    }

    /// Its bytes in the source: a quoted scalar with its quotes, a block from its first key to its last value.
    #[inline]
    pub fn span(self) -> Span {
        self.slot().span
    }

    /// True for `null` and for a key without a value.
    #[inline]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text of any scalar as written, quotes and escapes undone: `"8080"` and `8080` both give `8080`. Empty for
    /// sequences and mappings.
    #[inline]
    pub fn text(self) -> &'a str {
        let slot = self.slot();
        match slot.kind {
            Kind::Sequence | Kind::Mapping => "",
            _ => {
                let from = if slot.decoded { self.document.decoded.as_str() } else { &self.document.text };
                from.get(slot.data as usize..slot.data as usize + slot.len as usize).unwrap_or("")
            }
        }
    }

    /// The text of a string; nothing for any other kind.
    #[inline]
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

    /// Any number; a string that looks like one is none.
    pub fn as_float(self) -> Option<f64> {
        match self.kind() {
            Kind::Int => self.as_int().map(|value| value as f64).or_else(|| self.text().parse().ok()),
            Kind::Float => self.text().replace('_', "").parse().ok(),
            _ => None,
        }
    }

    /// The tag written before it, when that is one of the format's own (`!reset`, `!Ref`), with its mark.
    pub fn tag(self) -> Option<&'a str> {
        let tags = &self.document.tags;
        // Parsers note tags as nodes come, so that the list is in order.
        tags.binary_search_by_key(&self.id, |(id, _)| *id)
            .ok()
            .and_then(|at| tags.get(at))
            .map(|(_, tag)| &**tag)
    }

    /// The value of a key, unless it is absent or `null`.
    #[inline]
    pub fn get(self, key: &str) -> Option<Self> {
        self.get_raw(key).filter(|value| !value.is_null())
    }

    /// The value of a key, `null` included.
    #[inline]
    pub fn get_raw(self, key: &str) -> Option<Self> {
        // Asked more often than anything else, and mostly for keys that are not there.
        let (slot, hash) = (self.slot(), key_hash(key.as_bytes()));
        (slot.kind == Kind::Mapping && slot.keys & key_bit(hash) != 0).then(|| self.find(key, hash)).flatten()
    }

    /// The value of the key that has this hash.
    fn find(self, key: &str, hash: u16) -> Option<Self> {
        let document = self.document;
        self.children()
            .chunks_exact(2)
            .find(|pair| {
                let own = &document.slots[pair[0] as usize];
                own.keys == hash && document.bytes(own) == key.as_bytes()
            })
            .map(|pair| self.other(pair[1]))
    }

    /// Follows a dotted path of keys, such as `spec.template.spec`; nothing when a part is absent or `null`.
    pub fn at(self, path: &str) -> Option<Self> {
        // Parts of paths are a few bytes long, for which a search by machine words costs more than it saves.
        let (mut node, mut rest) = (self, path);
        while let Some(dot) = rest.bytes().position(|byte| byte == b'.') {
            node = node.get(&rest[..dot])?;
            rest = &rest[dot + 1..];
        }
        node.get(rest)
    }

    /// The elements of a sequence; none for any other kind.
    #[inline]
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + use<'a> {
        let children = if self.kind() == Kind::Sequence { self.children() } else { &[] };
        children.iter().map(move |&id| self.other(id))
    }

    /// The keys and values of a mapping in the order written; none for any other kind. Of a repeated key only the last
    /// value is there.
    #[inline]
    pub fn entries(self) -> impl ExactSizeIterator<Item = (Self, Self)> + use<'a> {
        let children = if self.kind() == Kind::Mapping { self.children() } else { &[] };
        children.chunks_exact(2).map(move |pair| (self.other(pair[0]), self.other(pair[1])))
    }

    /// How many elements or entries it has.
    #[inline]
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

    #[inline]
    fn children(self) -> &'a [u32] {
        let slot = self.slot();
        &self.document.children[slot.data as usize..(slot.data + slot.len) as usize]
    }

    /// The sequence or mapping it stands in. What an alias names stands where its anchor is.
    #[inline]
    pub fn parent(self) -> Option<Self> {
        let parent = self.slot().parent;
        (parent != NONE).then(|| self.other(parent))
    }

    /// The key under which it stands, when its parent is a mapping and it is a value.
    #[inline]
    pub fn key(self) -> Option<Self> {
        let place = self.slot().place;
        (place != NONE && self.parent().is_some_and(|parent| parent.kind() == Kind::Mapping))
            .then(|| self.other(place))
    }

    /// The JSON pointer from `root` (RFC 6901); from the document's root when `root` is not above it.
    pub fn pointer_from(self, root: Self) -> String {
        let mut nodes = Vec::with_capacity(16);
        let mut node = self;
        while node.id != root.id {
            let Some(parent) = node.parent() else { break };
            nodes.push(node);
            node = parent;
        }
        let mut pointer = String::with_capacity(80);
        nodes.into_iter().rev().for_each(|node| node.push_step(&mut pointer));
        pointer
    }

    /// Adds the last part of its JSON pointer, with its slash: from what it stands in to itself.
    pub fn push_step(self, pointer: &mut String) {
        pointer.push('/');
        match self.key().map(Self::text) {
            Some(key) if key.bytes().any(|byte| matches!(byte, b'~' | b'/')) => {
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Some(key) => pointer.push_str(key),
            None => {
                let _ = write!(pointer, "{}", self.slot().place);
            }
        }
    }
}

impl PartialEq for Node<'_> {
    #[inline]
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
