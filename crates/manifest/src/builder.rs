//! Documents made from the events of a parser.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use crate::{
    Document, Format, Kind, Node, NodeId, SourceId, Span,
    tree::{NONE, Slot, key_bit, key_hash},
};

/// Mappings up to this size are searched for repeated keys by comparing all pairs; larger ones by hashing.
const COMPARED_PAIRS_MAX: usize = 12;

/// Makes a [`Document`] from the events of a parser.
///
/// Open a sequence or mapping, push what is in it, close it; in a mapping keys and values alternate. The first node
/// is the root. The parser bounds depth and size; the builder only keeps books.
#[derive(Debug)]
pub struct TreeBuilder {
    document: Document,
    open: Vec<Open>,
    /// The children of everything that is open, the innermost last.
    pending: Vec<u32>,
    /// Keys that are merge keys, in the order written.
    merge_keys: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    id: u32,
    /// Where its children start in `pending`.
    first: usize,
    is_mapping: bool,
    merges: bool,
}

impl TreeBuilder {
    /// Starts a document of `source` whose whole text is `text`.
    pub fn new(source: SourceId, index: u32, format: Format, text: Arc<str>) -> Self {
        let document = Document {
            source,
            index,
            format,
            template: None,
            what: None,
            text,
            slots: Vec::new(),
            children: Vec::new(),
            decoded: String::new(),
            tags: Vec::new(),
            root: NONE,
        };
        Self { document, open: Vec::new(), pending: Vec::new(), merge_keys: Vec::new() }
    }

    /// Forgets every node, so that another parser can try.
    pub fn clear(&mut self) {
        self.document.slots.clear();
        self.document.children.clear();
        self.document.decoded.clear();
        self.document.tags.clear();
        self.document.root = NONE;
        self.open.clear();
        self.pending.clear();
        self.merge_keys.clear();
    }

    /// Pushes a scalar whose text is exactly the bytes `value` of the source (no escape in it).
    pub fn scalar_slice(&mut self, span: Span, kind: Kind, value: Span) -> NodeId {
        self.push(span, kind, value.start, value.end.saturating_sub(value.start), false)
    }

    /// Pushes a scalar whose text had to be decoded.
    pub fn scalar_text(&mut self, span: Span, kind: Kind, value: impl AsRef<str>) -> NodeId {
        let value = value.as_ref();
        let start = self.document.decoded.len() as u32;
        self.document.decoded.push_str(value);
        self.push(span, kind, start, value.len() as u32, true)
    }

    /// Pushes a node that stands elsewhere already (an alias), without copying it.
    pub fn alias(&mut self, node: NodeId) {
        self.attach(node.0);
    }

    /// Says that the key pushed last is a merge key: when its mapping is closed, the key goes and the entries of its
    /// value (a mapping or a sequence of mappings) come, unless the mapping has them itself.
    pub fn merge_key(&mut self, key: NodeId) {
        if let Some(open) = self.open.last_mut() {
            open.merges = true;
            self.merge_keys.push(key.0);
        }
    }

    /// Notes the tag of a node.
    pub fn tag(&mut self, node: NodeId, tag: &str) {
        self.document.tags.push((node.0, tag.into()));
    }

    /// Opens a sequence or mapping at byte `start`.
    pub fn open(&mut self, start: u32, kind: Kind) -> NodeId {
        let id = self.push(Span { start, end: start }, kind, 0, 0, false);
        let first = self.pending.len();
        self.open.push(Open { id: id.0, first, is_mapping: kind == Kind::Mapping, merges: false });
        id
    }

    /// Closes the innermost open sequence or mapping, whose last byte is before `end`. Of a repeated key the last value
    /// stays, in the place of the first; the identifiers of the keys that lost are returned.
    pub fn close(&mut self, end: u32) -> Vec<NodeId> {
        let Some(open) = self.open.pop() else { return Vec::new() };
        let mut lost = Vec::new();
        if open.is_mapping {
            let count = (self.pending.len() - open.first) / 2 * 2;
            self.pending.truncate(open.first + count);
            if open.merges {
                lost = self.with_merged_entries(open.first);
            } else if let Some(kept) =
                without_repeated_keys(&self.document, &self.pending[open.first..], &mut lost)
            {
                self.pending.truncate(open.first);
                self.pending.extend(kept);
            }
        }
        let first = self.document.children.len() as u32;
        let children = &self.pending[open.first..];
        let keys = if open.is_mapping { bits_of_keys(&self.document, children) } else { 0 };
        self.document.children.extend_from_slice(children);
        let slot = &mut self.document.slots[open.id as usize];
        slot.data = first;
        slot.len = children.len() as u32;
        slot.keys = keys;
        slot.span.end = end.max(slot.span.start);
        self.pending.truncate(open.first);
        lost
    }

    /// Adds the entries of mapping `from` that the innermost open mapping has no key for (a merge key, YAML 1.1
    /// "Merge Key Language-Independent Type").
    pub fn merge(&mut self, from: NodeId) {
        let Some(open) = self.open.last() else { return };
        let document = &self.document;
        let own: HashSet<&str> = self.pending[open.first..]
            .chunks_exact(2)
            .map(|pair| document.node(NodeId(pair[0])).text())
            .collect();
        let added: Vec<u32> = document
            .node(from)
            .entries()
            .filter(|(key, _)| !own.contains(key.text()))
            .flat_map(|(key, value)| [key.id().0, value.id().0])
            .collect();
        self.pending.extend(added);
    }

    /// The document; nothing when no node was pushed. Whatever is still open is closed at `end`.
    pub fn finish(mut self, end: u32) -> Option<Document> {
        while !self.open.is_empty() {
            self.close(end);
        }
        self.document.slots.shrink_to_fit();
        self.document.children.shrink_to_fit();
        self.document.decoded.shrink_to_fit();
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

    /// The whole text of the source.
    pub fn text(&self) -> &str {
        &self.document.text
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.document.slots.len()
    }

    /// True while nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.document.slots.is_empty()
    }

    #[inline]
    fn push(&mut self, span: Span, kind: Kind, data: u32, len: u32, decoded: bool) -> NodeId {
        let id = self.document.slots.len() as u32;
        let mut slot = Slot { span, parent: NONE, place: NONE, data, len, kind, decoded, keys: 0 };
        let mut is_key = false;
        match self.open.last() {
            Some(open) => {
                slot.parent = open.id;
                slot.place = self.place_in(open);
                is_key = open.is_mapping && slot.place == NONE;
                self.pending.push(id);
            }
            None if self.document.root == NONE => self.document.root = id,
            None => {}
        }
        self.document.slots.push(slot);
        if is_key {
            self.note_hash(id);
        }
        NodeId(id)
    }

    /// The `place` of the next child of `open`.
    #[inline]
    fn place_in(&self, open: &Open) -> u32 {
        let count = self.pending.len() - open.first;
        match (open.is_mapping, count % 2) {
            (false, _) => count as u32,
            (true, 0) => NONE,
            (true, _) => self.pending[self.pending.len() - 1],
        }
    }

    fn attach(&mut self, id: u32) {
        let Some(open) = self.open.last() else {
            if self.document.root == NONE {
                self.document.root = id;
            }
            return;
        };
        let is_key = open.is_mapping && (self.pending.len() - open.first).is_multiple_of(2);
        self.pending.push(id);
        if is_key {
            self.note_hash(id);
        }
    }

    /// Gives a scalar that is a key its hash.
    #[inline]
    fn note_hash(&mut self, id: u32) {
        let slot = self.document.slots[id as usize];
        if !matches!(slot.kind, Kind::Sequence | Kind::Mapping) {
            self.document.slots[id as usize].keys = key_hash(self.document.bytes(&slot));
        }
    }

    /// Replaces the merge keys of the mapping whose children start at `first` by what they bring.
    fn with_merged_entries(&mut self, first: usize) -> Vec<NodeId> {
        let document = &self.document;
        let pairs: Vec<[u32; 2]> =
            self.pending[first..].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        // Identifiers grow, and what is nested in this mapping is closed already: the list is in order.
        let is_merge = |pair: &&[u32; 2]| self.merge_keys.binary_search(&pair[0]).is_ok();
        let own: Vec<u32> = pairs.iter().filter(|pair| !is_merge(pair)).flatten().copied().collect();
        let mut lost = Vec::new();
        let mut children = without_repeated_keys(document, &own, &mut lost).unwrap_or(own);
        if self.is_kubernetes(first) {
            children =
                in_order_of_appearance(document, &pairs, |key| self.merge_keys.binary_search(&key).is_ok());
            return self.take_merged(first, &pairs, children, lost);
        }
        let mut seen: HashSet<&str> =
            children.chunks_exact(2).map(|pair| document.node(NodeId(pair[0])).text()).collect();
        for [_, value] in pairs.iter().filter(is_merge) {
            let value = document.node(NodeId(*value));
            let one = (value.kind() == Kind::Mapping).then_some(value);
            for mapping in one.into_iter().chain(value.items()) {
                for (key, value) in mapping.entries() {
                    if seen.insert(key.text()) {
                        children.extend([key.id().0, value.id().0]);
                    }
                }
            }
        }
        self.take_merged(first, &pairs, children, lost)
    }

    /// Puts the entries of a mapping in the place of those that stood there, merge keys among them.
    fn take_merged(
        &mut self,
        first: usize,
        pairs: &[[u32; 2]],
        children: Vec<u32>,
        lost: Vec<NodeId>,
    ) -> Vec<NodeId> {
        let merged: HashSet<u32> = pairs.iter().map(|pair| pair[0]).collect();
        self.merge_keys.retain(|key| !merged.contains(key));
        self.pending.truncate(first);
        self.pending.extend(children);
        lost
    }

    /// True when the document is a Kubernetes object, as far as it was read: its root has `apiVersion`.
    ///
    /// - `first`: where the entries of the mapping that is being closed begin.
    fn is_kubernetes(&self, first: usize) -> bool {
        let from = self.open.first().map_or(first, |root| root.first);
        let to = self
            .open
            .get(1)
            .map_or(if self.open.is_empty() { self.pending.len() } else { first }, |own| own.first);
        let root = self.pending.get(from..to).unwrap_or(&[]);
        root.iter().step_by(2).any(|&key| self.document.node(NodeId(key)).text() == "apiVersion")
    }
}

/// The bits of all keys of a mapping with these children. What is a mapping or a sequence and yet a key is never asked
/// for.
fn bits_of_keys(document: &Document, children: &[u32]) -> u16 {
    let bit = |key: &u32| key_bit(document.slots[*key as usize].keys);
    children.iter().step_by(2).map(bit).fold(0, |bits, bit| bits | bit)
}

/// The children without the values of repeated keys except the last; nothing when no key is repeated.
fn without_repeated_keys(document: &Document, children: &[u32], lost: &mut Vec<NodeId>) -> Option<Vec<u32>> {
    let text = |id: u32| document.node(NodeId(id)).text();
    let pairs = children.len() / 2;
    let repeats = if pairs <= COMPARED_PAIRS_MAX {
        (1..pairs).any(|a| {
            let own = &document.slots[children[2 * a] as usize];
            (0..a).any(|b| {
                let other = &document.slots[children[2 * b] as usize];
                own.keys == other.keys && document.bytes(own) == document.bytes(other)
            })
        })
    } else {
        let mut seen = HashSet::with_capacity(pairs);
        !(0..pairs).all(|a| seen.insert(text(children[2 * a])))
    };
    if !repeats {
        return None;
    }
    let mut kept: Vec<u32> = Vec::with_capacity(children.len());
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(pairs);
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
    Some(kept)
}

/// The entries of a mapping as the API server's reader takes them: what comes later wins, be it written or merged; of
/// several mappings that are merged at once the first. Seen on Kubernetes 1.20 and in the source of its YAML reader.
fn in_order_of_appearance(
    document: &Document,
    pairs: &[[u32; 2]],
    is_merge: impl Fn(u32) -> bool,
) -> Vec<u32> {
    let mut children: Vec<u32> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut put = |key: u32, value: u32| match places.entry(document.node(NodeId(key)).text()) {
        Entry::Occupied(place) => {
            children[*place.get()] = key;
            children[*place.get() + 1] = value;
        }
        Entry::Vacant(place) => {
            place.insert(children.len());
            children.extend([key, value]);
        }
    };
    for &[key, value] in pairs {
        if !is_merge(key) {
            put(key, value);
            continue;
        }
        let value = document.node(NodeId(value));
        let one = (value.kind() == Kind::Mapping).then_some(value);
        for mapping in one.into_iter().chain(value.items()).collect::<Vec<_>>().into_iter().rev() {
            for (key, value) in mapping.entries() {
                put(key.id().0, value.id().0);
            }
        }
    }
    children
}
