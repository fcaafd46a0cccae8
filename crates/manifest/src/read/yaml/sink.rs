//! Where both YAML parsers put what they find: the tree, with anchors, and with every bound in one place.

use std::{collections::HashMap, hash::Hash};

use crate::{Kind, NodeId, Span, TreeBuilder, read::Limits};

/// Why a parser stopped.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The quick parser met something that it leaves to the full one.
    Unusual,
    /// The document cannot be read.
    Refused { at: usize, message: String },
}

/// What an anchor names.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    node: NodeId,
    /// How many nodes an alias stands for.
    size: u64,
    /// How many levels are below it.
    height: u32,
    /// True while it is open, so that an alias to it would contain itself.
    open: bool,
}

#[derive(Debug)]
struct Frame<K> {
    anchor: Option<K>,
    /// Expanded nodes before it.
    before: u64,
    height: u32,
}

/// The tree under construction. `K` names anchors.
#[derive(Debug)]
pub(super) struct Sink<'t, K> {
    pub(super) tree: &'t mut TreeBuilder,
    limits: &'t Limits,
    anchors: HashMap<K, Anchor>,
    frames: Vec<Frame<K>>,
    /// How many nodes there are when every alias is replaced by what it names.
    expanded: u64,
    /// How many of those come from aliases.
    aliased: u64,
    /// Keys that lost against a later one of the same name.
    pub(super) lost: Vec<NodeId>,
}

impl<'t, K: Hash + Eq> Sink<'t, K> {
    pub(super) fn new(tree: &'t mut TreeBuilder, limits: &'t Limits) -> Self {
        Self {
            tree,
            limits,
            anchors: HashMap::new(),
            frames: Vec::new(),
            expanded: 0,
            aliased: 0,
            lost: Vec::new(),
        }
    }

    /// Bytes of the source.
    pub(super) fn tree_text(&self, span: Span) -> Option<&str> {
        self.tree.text().get(span.start as usize..span.end as usize)
    }

    /// How deep the next node stands.
    pub(super) fn depth(&self) -> u32 {
        self.frames.len() as u32
    }

    pub(super) fn slice(
        &mut self,
        span: Span,
        kind: Kind,
        value: Span,
        anchor: Option<K>,
    ) -> Result<NodeId, Stop> {
        let node = self.tree.scalar_slice(span, kind, value);
        self.count(span.start as usize)?;
        self.name(anchor, node);
        Ok(node)
    }

    pub(super) fn text(
        &mut self,
        span: Span,
        kind: Kind,
        value: &str,
        anchor: Option<K>,
    ) -> Result<NodeId, Stop> {
        let node = self.tree.scalar_text(span, kind, value);
        self.count(span.start as usize)?;
        self.name(anchor, node);
        Ok(node)
    }

    pub(super) fn open(&mut self, start: usize, kind: Kind, anchor: Option<K>) -> Result<NodeId, Stop>
    where
        K: Clone,
    {
        if self.depth() >= self.limits.depth_max {
            return Err(self.too_deep(start));
        }
        let node = self.tree.open(start as u32, kind);
        if let Some(key) = anchor.clone() {
            self.anchors.insert(key, Anchor { node, size: 0, height: 0, open: true });
        }
        self.frames.push(Frame { anchor, before: self.expanded, height: 0 });
        self.count(start)?;
        Ok(node)
    }

    pub(super) fn close(&mut self, end: usize) {
        let lost = self.tree.close(end as u32);
        if !lost.is_empty() {
            self.lost.extend(lost);
        }
        let Some(frame) = self.frames.pop() else { return };
        let height = frame.height + 1;
        if let Some(above) = self.frames.last_mut() {
            above.height = above.height.max(height);
        }
        if let Some(key) = frame.anchor
            && let Some(anchor) = self.anchors.get_mut(&key)
        {
            anchor.size = self.expanded - frame.before;
            anchor.height = height;
            anchor.open = false;
        }
    }

    /// Pushes what an anchor names; nothing when there is no such anchor.
    pub(super) fn alias(&mut self, key: &K, at: usize) -> Result<Option<NodeId>, Stop> {
        let Some(&anchor) = self.anchors.get(key) else { return Ok(None) };
        if anchor.open {
            return Err(refused(at, "the alias stands inside the value that its anchor names"));
        }
        if self.depth() + anchor.height > self.limits.depth_max {
            return Err(self.too_deep(at));
        }
        self.expanded += anchor.size;
        self.aliased += anchor.size;
        if self.aliased > self.limits.expanded_max {
            let most = self.limits.expanded_max;
            return Err(refused(
                at,
                &format!("the aliases expand to more than {most} values; write them out"),
            ));
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.height = frame.height.max(anchor.height);
        }
        self.tree.alias(anchor.node);
        Ok(Some(anchor.node))
    }

    fn count(&mut self, at: usize) -> Result<(), Stop> {
        self.expanded += 1;
        if self.tree.len() > self.limits.nodes_max {
            let most = self.limits.nodes_max;
            return Err(refused(at, &format!("the document has more than {most} values; split it")));
        }
        Ok(())
    }

    fn name(&mut self, anchor: Option<K>, node: NodeId) {
        if let Some(key) = anchor {
            self.anchors.insert(key, Anchor { node, size: 1, height: 0, open: false });
        }
    }

    fn too_deep(&self, at: usize) -> Stop {
        refused(at, &format!("the document is nested deeper than {} levels", self.limits.depth_max))
    }
}

pub(super) fn refused(at: usize, message: &str) -> Stop {
    Stop::Refused { at, message: message.to_owned() }
}
