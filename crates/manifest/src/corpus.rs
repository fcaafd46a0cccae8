//! Everything that one audit looks at.

use nightlatch_untrusted::Text;

use crate::{Diagnostic, Document, Object, Source, SourceId};

/// How complete the input is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum View {
    /// Some files: what is not there may stand elsewhere.
    #[default]
    Partial,
    /// A cluster, a whole dump, or files that the user declared complete.
    Full,
}

/// One thing to read: its name and bytes.
#[derive(Debug)]
pub struct Input {
    /// What to call it.
    pub name: Text,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

/// Everything that one audit looks at: sources, the documents in them, and what could not be read.
///
/// Sources and documents are in the order in which they were given, whatever the number of threads.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The texts, indexed by [`SourceId`].
    pub sources: Vec<Source>,
    /// The documents, in order of source and place.
    pub documents: Vec<Document>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
    /// How complete it is.
    pub view: View,
    /// The namespace of objects that name none, when the user gave one.
    pub namespace: Option<String>,
    /// The version of the cluster, such as `1.29`, when it was read from one that tells.
    pub kubernetes: Option<String>,
    /// Kinds that embed a pod beside those known: group, kind, dotted path of the template.
    pub pod_templates: Vec<(String, String, String)>,
    /// Configuration files in ConfigMaps, once somebody asked for them.
    pub(crate) embedded: std::sync::OnceLock<Vec<crate::embedded::Found>>,
}

impl Corpus {
    /// The source of an identifier.
    pub fn source(&self, id: SourceId) -> &Source {
        &self.sources[id.0 as usize]
    }

    /// All Kubernetes objects: documents that are one, and members of lists (nested lists to a depth of 4; bare lists
    /// at the top).
    pub fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        self.documents.iter().flat_map(|document| objects_of(document, self.namespace.as_deref()))
    }
}

/// The objects of a document.
pub(crate) fn objects_of<'a>(document: &'a Document, namespace: Option<&'a str>) -> Vec<Object<'a>> {
    let mut found = Vec::new();
    collect(document.root(), None, namespace, 0, &mut found);
    found
}

fn collect<'a>(
    root: crate::Node<'a>,
    list: Option<(&'a str, &'a str)>,
    namespace: Option<&'a str>,
    depth: u32,
    found: &mut Vec<Object<'a>>,
) {
    // A bare list of objects, as of a `kubectl get -o json` whose `items` somebody cut out.
    if root.kind() == crate::Kind::Sequence && depth == 0 {
        return root.items().for_each(|item| collect(item, None, namespace, depth + 1, found));
    }
    let own = |key| root.get(key).and_then(crate::Node::as_str);
    let (Some(api_version), Some(kind)) =
        (own("apiVersion").or(list.map(|l| l.0)), own("kind").or(list.map(|l| l.1)))
    else {
        return;
    };
    if let (Some(of), Some(items)) = (kind.strip_suffix("List"), root.get("items"))
        && depth < 4
    {
        let inherited = (!of.is_empty()).then_some((api_version, of));
        for item in items.items() {
            collect(item, inherited, namespace, depth + 1, found);
        }
        return;
    }
    let metadata = root.get("metadata");
    let field = |key| metadata.and_then(|metadata| metadata.get(key)).and_then(crate::Node::as_str);
    found.push(Object {
        root,
        api_version,
        kind,
        namespace: field("namespace").or(namespace),
        name: field("name").or_else(|| field("generateName")).unwrap_or(""),
    });
}
