//! Who lets routes of other namespaces refer to its Services: ReferenceGrant of the Gateway API.

use nightlatch_manifest::{Node, Object};

use super::text;

/// One permission.
#[derive(Debug)]
pub(super) struct ReferenceGrant {
    namespace: Box<str>,
    from: Vec<(Box<str>, Box<str>)>,
    /// Names of Services; nothing: all.
    to: Vec<Option<Box<str>>>,
}

impl ReferenceGrant {
    pub(super) fn read(object: &Object<'_>) -> Self {
        let items = |key| object.spec().and_then(|spec| spec.get(key)).into_iter().flat_map(Node::items);
        let from = items("from")
            .filter_map(|node| Some((text(node, "kind")?.into(), text(node, "namespace")?.into())));
        let to = items("to").filter(|node| text(*node, "kind") == Some("Service"));
        Self {
            namespace: object.namespace.unwrap_or("").into(),
            from: from.collect(),
            to: to.map(|node| text(node, "name").map(Box::from)).collect(),
        }
    }

    /// Whether a route of a kind and namespace may refer to a Service here.
    pub(super) fn grants(&self, kind: &str, from: &str, namespace: &str, service: &str) -> bool {
        *self.namespace == *namespace
            && self.from.iter().any(|(k, n)| **k == *kind && **n == *from)
            && self.to.iter().any(|name| name.as_deref().is_none_or(|name| name == service))
    }
}
