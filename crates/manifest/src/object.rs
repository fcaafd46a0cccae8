//! One Kubernetes object.

use crate::{Document, Node};

/// A Kubernetes object: a mapping with `apiVersion` and `kind`. Members of lists are objects of their own.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The object itself; of a member of a list the member.
    pub root: Node<'a>,
    /// `apiVersion` as written; of a member of a typed list (`PodList`) the list's when it has none.
    pub api_version: &'a str,
    /// `kind` as written; of a member of a typed list without one the list's kind less `List`.
    pub kind: &'a str,
    /// `metadata.namespace`, or the namespace the user or kustomization gave; nothing when none is said, which is not
    /// `default`.
    pub namespace: Option<&'a str>,
    /// `metadata.name`; empty when absent (`generateName` included when that is what it has).
    pub name: &'a str,
}

impl<'a> Object<'a> {
    /// The document it stands in.
    pub fn document(&self) -> &'a Document {
        self.root.document()
    }

    /// The API group: empty for the core group.
    pub fn group(&self) -> &'a str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version without the group.
    pub fn version(&self) -> &'a str {
        self.api_version.split_once('/').map_or(self.api_version, |(_, version)| version)
    }

    /// `spec`.
    pub fn spec(&self) -> Option<Node<'a>> {
        self.root.get("spec")
    }

    /// A label of the object itself.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.root.get("metadata")?.get("labels")?.get(name)?.as_str()
    }

    /// An annotation of the object itself.
    pub fn annotation(&self, name: &str) -> Option<&'a str> {
        self.root.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// The labels as pairs; values that are not strings are left out, as the API server would refuse them.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let labels = self.root.get("metadata").and_then(|metadata| metadata.get("labels"));
        labels
            .into_iter()
            .flat_map(Node::entries)
            .filter_map(|(key, value)| Some((key.text(), value.as_str()?)))
    }
}
