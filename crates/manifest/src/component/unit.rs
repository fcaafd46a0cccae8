//! Components that systemd starts: units with their drop-ins and environment files.

use std::collections::BTreeMap;

use super::{
    Component, ComponentKind, Distribution,
    command_line::{self, Word},
    environment::Environment,
};
use crate::{Corpus, Document, DocumentKind, Kind, Node};

/// The components of all units.
pub(super) fn components(corpus: &Corpus) -> Vec<Component<'_>> {
    units(corpus).into_values().flat_map(|documents| of_unit(corpus, &documents)).collect()
}

/// The files of each unit in the order systemd reads them, by the root of the node's files and the unit's name.
fn units(corpus: &Corpus) -> BTreeMap<(&str, &str), Vec<&Document>> {
    /// Whether it is a drop-in, its name, itself.
    type File<'a> = (bool, &'a str, &'a Document);
    let mut units: BTreeMap<(&str, &str), Vec<File<'_>>> = BTreeMap::new();
    for document in corpus.documents_of(DocumentKind::SystemdUnit) {
        let path = corpus.source(document.source).name.raw();
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = folder.rsplit('/').next().unwrap_or(folder);
        let (is_drop_in, unit) = match parent.strip_suffix(".d") {
            Some(unit) => (true, unit),
            None => (false, file),
        };
        units.entry((node_root(path), unit)).or_default().push((is_drop_in, file, document));
    }
    let ordered = units.into_iter().map(|(key, mut files)| {
        files.sort_by_key(|(is_drop_in, file, document)| {
            (*is_drop_in, *file, document.source, document.index)
        });
        (key, files.into_iter().map(|(_, _, document)| document).collect())
    });
    ordered.collect()
}

/// What stands before `/etc/`, `/usr/`, `/lib/` or `/run/`: the folder that holds one node's files.
fn node_root(path: &str) -> &str {
    let roots = ["/etc/", "/usr/", "/lib/", "/run/", "etc/", "usr/", "lib/", "run/"];
    let first = roots.iter().filter_map(|root| path.find(root)).min();
    first.map_or("", |at| &path[..at])
}

fn of_unit<'a>(corpus: &'a Corpus, documents: &[&'a Document]) -> Vec<Component<'a>> {
    let mut environment = Environment::default();
    let mut files_missing = false;
    for node in values(documents, "Environment") {
        for assignment in command_line::split(node.text()) {
            if let Some((name, value)) = assignment.split_once('=') {
                environment.set(name, value, node);
            }
        }
    }
    let root = documents.first().map_or("", |document| node_root(corpus.source(document.source).name.raw()));
    for node in values(documents, "EnvironmentFile") {
        match environment_file(corpus, root, node.text()) {
            Some(document) => {
                for (name, value) in document.root().entries() {
                    environment.set(name.text(), value.text(), value);
                }
            }
            None => files_missing = true,
        }
    }
    let mut found = Vec::new();
    for line in values(documents, "ExecStart") {
        let words = words(&environment, line);
        let uses_variables = line.text().contains('$');
        for program in command_line::programs(&words) {
            let mut flags = program.flags;
            if program.kind == ComponentKind::Etcd {
                flags.splice(0..0, environment.etcd_flags());
            }
            let environment_matters = uses_variables || program.kind == ComponentKind::Etcd;
            found.push(Component {
                kind: program.kind,
                object: None,
                container: None,
                at: line,
                arguments: None,
                flags,
                version: None,
                distribution: distribution(&words),
                is_whole: !(program.has_variable
                    || program.is_supervised
                    || (files_missing && environment_matters)),
            });
        }
    }
    found
}

fn distribution(words: &[Word<'_>]) -> Distribution {
    let has = |part: &str| words.iter().any(|word| word.text.contains(part));
    if has("/etc/kubernetes/bootstrap-kubelet.conf") {
        Distribution::Kubeadm
    } else if has("/var/lib/rancher/rke2") {
        Distribution::Rke2
    } else if has("/var/lib/rancher/k3s") {
        Distribution::K3s
    } else if has("/etc/eks/") {
        Distribution::Eks
    } else {
        Distribution::Unknown
    }
}

/// The values of a key of `[Service]` over all files; an empty one forgets those before it (systemd.service(5)).
fn values<'a>(documents: &[&'a Document], key: &str) -> Vec<Node<'a>> {
    let mut found = Vec::new();
    for document in documents {
        let Some(value) = document.root().get("Service").and_then(|service| service.get(key)) else {
            continue;
        };
        let one = (value.kind() != Kind::Sequence).then_some(value);
        for value in one.into_iter().chain(value.items()) {
            if value.text().is_empty() {
                found.clear();
            } else {
                found.push(value);
            }
        }
    }
    found
}

/// The document of the file at `path` on the node, `-` in front (may be absent) left out.
fn environment_file<'a>(corpus: &'a Corpus, root: &str, path: &str) -> Option<&'a Document> {
    let path = path.trim_start_matches('-').trim_start_matches('/');
    let mut files = corpus.documents_of(DocumentKind::Environment).filter(|document| {
        let name = corpus.source(document.source).name.raw();
        name.strip_suffix(path).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    });
    let first = files.next()?;
    let name = |document: &Document| corpus.source(document.source).name.raw();
    let own = std::iter::once(first)
        .chain(files)
        .find(|document| !root.is_empty() && name(document).starts_with(root));
    Some(own.unwrap_or(first))
}

/// The words of an `ExecStart` line: prefixes cut off, `$NAME` as a word of its own split, `${NAME}` put in place.
fn words<'a>(environment: &Environment<'a>, line: Node<'a>) -> Vec<Word<'a>> {
    let text = line.text().trim_start_matches(['-', '@', ':', '+', '!']);
    let mut words = Vec::new();
    for word in command_line::split(text) {
        match word
            .strip_prefix('$')
            .filter(|name| !name.starts_with('{'))
            .and_then(|name| environment.get(name))
        {
            Some(value) => words.extend(command_line::split(value)),
            None => words.push(environment.expand_braces(&word)),
        }
    }
    words.into_iter().map(|text| Word { text, node: line }).collect()
}
