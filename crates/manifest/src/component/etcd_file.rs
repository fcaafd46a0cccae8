//! etcd's configuration file, which makes it ignore flags and environment.

use super::{Component, ComponentKind, Distribution, Flag};
use crate::{Corpus, Document, DocumentKind, Kind, Node};

/// Puts the settings of configuration files in place of the flags of the etcd that names them, and adds an etcd for each
/// file that none names.
pub(super) fn apply<'a>(corpus: &'a Corpus, found: &mut Vec<Component<'a>>) {
    let mut used: Vec<&Document> = Vec::new();
    for component in found.iter_mut().filter(|component| component.kind == ComponentKind::Etcd) {
        let Some(path) = component.value("config-file").map(|path| path.trim_start_matches('/').to_owned())
        else {
            continue;
        };
        let file = corpus.documents_of(DocumentKind::EtcdConfig).find(|document| {
            let name = corpus.source(document.source).name.raw();
            name.strip_suffix(path.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        });
        match file {
            Some(document) => {
                component.flags = flags(document.root());
                component.is_whole = true;
                used.push(document);
            }
            None => component.is_whole = false,
        }
    }
    for document in corpus.documents_of(DocumentKind::EtcdConfig) {
        if !used.iter().any(|used| std::ptr::eq(*used, document)) {
            found.push(Component {
                kind: ComponentKind::Etcd,
                object: None,
                container: None,
                at: document.root(),
                arguments: None,
                flags: flags(document.root()),
                version: None,
                distribution: Distribution::Unknown,
                is_whole: true,
            });
        }
    }
}

/// The settings of a file under the names of the flags.
fn flags(root: Node<'_>) -> Vec<Flag<'_>> {
    let mut found = Vec::new();
    for (key, value) in root.entries() {
        let prefix = match key.text() {
            "client-transport-security" => "",
            "peer-transport-security" => "peer-",
            name => {
                if value.kind() != Kind::Mapping {
                    found.push(Flag {
                        name: name.replace('_', "-"),
                        value: Some(value.text().to_owned()),
                        node: value,
                    });
                }
                continue;
            }
        };
        for (key, value) in value.entries() {
            let name = format!("{prefix}{}", key.text().replace('_', "-"));
            found.push(Flag { name, value: Some(value.text().to_owned()), node: value });
        }
    }
    found
}
