//! All scalars of a document, each once, with the name it stands under.

use std::collections::HashSet;

use nightlatch_manifest::{Kind, Node, NodeId};

/// A scalar and its name.
#[derive(Clone, Debug)]
pub(super) struct Scalar<'a> {
    /// What it stands under: its key; of `name: X, value: Y` the X; of a key that says nothing (`value`, `key`) the key
    /// above it as well. Empty for elements of lists.
    pub(super) name: String,
    pub(super) node: Node<'a>,
}

/// The scalars at and below `root`. What an alias stands for is visited once.
pub(super) fn scalars<'a>(root: Node<'a>) -> Vec<Scalar<'a>> {
    let mut found = Vec::new();
    let mut seen: HashSet<NodeId> = HashSet::new();
    let mut open = vec![(root, String::new())];
    while let Some((node, name)) = open.pop() {
        match node.kind() {
            Kind::Mapping | Kind::Sequence if !seen.insert(node.id()) => {}
            Kind::Mapping => {
                let pair = node.get("name").or_else(|| node.get("key")).and_then(Node::as_str);
                let children = node.entries().map(|(key, value)| (value, name_of(key.text(), &name, pair)));
                open.extend(children.collect::<Vec<_>>().into_iter().rev());
            }
            Kind::Sequence => open.extend(node.items().rev().map(|item| (item, String::new()))),
            Kind::Null => {}
            _ => found.push(Scalar { name, node }),
        }
    }
    found
}

fn name_of(key: &str, above: &str, pair: Option<&str>) -> String {
    match (key, pair) {
        ("value", Some(name)) => name.to_owned(),
        ("value" | "key" | "default" | "secret" | "token" | "data", _) if !above.is_empty() => {
            format!("{above}.{key}")
        }
        _ => key.to_owned(),
    }
}
