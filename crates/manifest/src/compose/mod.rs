//! Compose projects: files of a folder merged, services with one view on short and long syntax.
//!
//! Source: the Compose specification, sections 3 (application model), 13 (merge), 14 (include), extends, interpolation.

mod interpolation;
mod port;
mod service;
mod volume;

use std::collections::{HashMap, HashSet};

pub use self::{
    port::ComposePort,
    service::{ComposeService, ComposeVariable},
    volume::{ComposeMount, ComposeMountKind},
};
use crate::{Corpus, Document, DocumentKind, Format, Kind, Node, SourceId};

/// How many services an `extends` may go through, and how deep files may include others.
const CHAIN_MAX: usize = 16;

/// File names that Compose looks for, and the overrides that it puts on top.
const BASES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// One Compose project.
#[derive(Clone, Debug)]
pub struct ComposeProject<'a> {
    /// The folder, as the names of its files say; empty for the one where the user stands.
    pub folder: &'a str,
    /// Its files, the ones that override last, included ones first.
    pub documents: Vec<&'a Document>,
    /// Its services, in the order in which they are first named.
    pub services: Vec<ComposeService<'a>>,
    /// True when a file that it names is not in the corpus.
    pub has_unseen_files: bool,
    variables: HashMap<&'a str, &'a str>,
}

impl<'a> ComposeProject<'a> {
    /// `text` with its variables replaced: by the folder's `.env`, else by the default in the text. Nothing when one has
    /// neither.
    pub fn resolve(&self, text: &str) -> Option<String> {
        interpolation::resolve(text, &|name| self.variables.get(name).copied())
    }

    /// `text` as it stands in the file: variables replaced by the defaults in the text only. Nothing when one has none, so
    /// that what somebody sets outside is never taken for what is written here.
    pub fn literal(&self, text: &str) -> Option<String> {
        interpolation::resolve(text, &|_| None)
    }

    /// The text of a scalar with its variables replaced.
    pub fn text(&self, node: Node<'a>) -> Option<String> {
        self.resolve(node.text())
    }

    /// An entry of a top-level mapping (`volumes`, `networks`, `secrets`, `configs`), of the last file that has it.
    pub fn top(&self, section: &str, name: &str) -> Option<Node<'a>> {
        self.documents.iter().rev().find_map(|document| document.root().get(section)?.get(name))
    }
}

/// Every Compose project of the corpus.
///
/// A folder's `compose.yaml` (or another name that Compose looks for) with its override is one. A file of another name
/// beside it, such as `docker-compose.prod.yml`, is one of its own, whose services stand on those of the first; files that
/// others include or extend are none.
pub fn compose_projects(corpus: &Corpus) -> Vec<ComposeProject<'_>> {
    let files = Files::new(corpus);
    let mut named: Vec<SourceId> = Vec::new();
    for document in &files.documents {
        named.extend(files.named_by(document).into_iter().flatten().map(|other| other.source));
    }
    let mut projects = Vec::new();
    for &document in &files.documents {
        let (folder, file) = files.place(document);
        let is_override = OVERRIDES.contains(&file) && files.base(folder).is_some();
        let is_second_base =
            BASES.contains(&file) && files.base(folder).is_some_and(|base| !std::ptr::eq(base, document));
        let is_named = named.contains(&document.source) && !BASES.contains(&file);
        if is_override || is_second_base || is_named {
            continue;
        }
        projects.push(files.project(document));
    }
    projects
}

/// The Compose files of a corpus, by name.
struct Files<'a> {
    corpus: &'a Corpus,
    documents: Vec<&'a Document>,
    by_name: HashMap<&'a str, &'a Document>,
    services: HashMap<(SourceId, u32), HashMap<&'a str, Node<'a>>>,
}

impl<'a> Files<'a> {
    fn new(corpus: &'a Corpus) -> Self {
        let documents: Vec<&Document> = corpus.documents_of(DocumentKind::Compose).collect();
        let by_name =
            documents.iter().map(|document| (corpus.source(document.source).name.raw(), *document)).collect();
        let services_of = |document: &&'a Document| {
            let entries = document.root().get("services").into_iter().flat_map(Node::entries);
            let named =
                entries.filter(|(_, service)| !service.is_null()).map(|(key, service)| (key.text(), service));
            ((document.source, document.index), named.collect())
        };
        let services = documents.iter().map(services_of).collect();
        Self { corpus, documents, by_name, services }
    }

    /// Folder and name of a document's file.
    fn place(&self, document: &Document) -> (&'a str, &'a str) {
        let name = self.corpus.source(document.source).name.raw();
        name.rsplit_once('/').unwrap_or(("", name))
    }

    fn at(&self, folder: &str, file: &str) -> Option<&'a Document> {
        self.by_name.get(joined(folder, file).as_str()).copied()
    }

    fn base(&self, folder: &str) -> Option<&'a Document> {
        BASES.iter().find_map(|file| self.at(folder, file))
    }

    /// The files that a document includes or extends from; nothing for those not in the corpus.
    fn named_by(&self, document: &'a Document) -> Vec<Option<&'a Document>> {
        let (folder, _) = self.place(document);
        let includes =
            document.root().get("include").into_iter().flat_map(Node::items).flat_map(include_paths);
        let services = document.root().get("services").into_iter().flat_map(Node::entries);
        let extends = services.filter_map(|(_, service)| service.get("extends")?.get("file"));
        includes.chain(extends).map(|path| self.at(folder, path.text())).collect()
    }

    fn project(&self, document: &'a Document) -> ComposeProject<'a> {
        let (folder, file) = self.place(document);
        let mut project = ComposeProject {
            folder,
            documents: Vec::new(),
            services: Vec::new(),
            has_unseen_files: false,
            variables: self.variables(folder),
        };
        self.include(document, &mut project, 0);
        let is_base = BASES.contains(&file);
        if is_base {
            let on_top = OVERRIDES.iter().find_map(|name| self.at(folder, name));
            if let Some(on_top) = on_top {
                self.include(on_top, &mut project, 0);
            }
        }
        let below = self.base(folder).filter(|_| !is_base && file.contains("compose."));
        let layers: Vec<&Document> = below.into_iter().chain(project.documents.iter().copied()).collect();
        let mut names: Vec<(Node<'a>, Node<'a>)> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for document in &project.documents {
            let services = document.root().get("services").into_iter().flat_map(Node::entries);
            names.extend(services.filter(|(key, _)| seen.insert(key.text())));
        }
        for (key, node) in names {
            let mut chain = Chain::default();
            for layer in &layers {
                self.service(layer, key.text(), &mut chain);
            }
            project.has_unseen_files |= chain.has_unseen;
            project.services.push(ComposeService { name: key.text(), key, node, layers: chain.layers });
        }
        project
    }

    /// Adds a document and what it includes.
    fn include(&self, document: &'a Document, project: &mut ComposeProject<'a>, depth: usize) {
        if depth > CHAIN_MAX || project.documents.iter().any(|known| std::ptr::eq(*known, document)) {
            return;
        }
        let (folder, _) = self.place(document);
        for path in document.root().get("include").into_iter().flat_map(Node::items).flat_map(include_paths) {
            match self.at(folder, path.text()) {
                Some(included) => self.include(included, project, depth + 1),
                None => project.has_unseen_files = true,
            }
        }
        project.documents.push(document);
    }

    /// Adds the layers of a service of one document: what it extends, then itself.
    fn service(&self, document: &'a Document, name: &str, chain: &mut Chain<'a>) {
        let named = self.services.get(&(document.source, document.index));
        let Some(&service) = named.and_then(|named| named.get(name)) else { return };
        if chain.depth >= CHAIN_MAX {
            return;
        }
        if let Some(extends) = service.get("extends") {
            let other = extends.get("service").unwrap_or(extends);
            let from = match extends.get("file") {
                Some(file) => self.at(self.place(document).0, file.text()),
                None => Some(document),
            };
            match from {
                Some(from) => {
                    chain.depth += 1;
                    self.service(from, other.text(), chain);
                    chain.depth -= 1;
                }
                None => chain.has_unseen = true,
            }
        }
        if !chain.layers.contains(&service) {
            chain.layers.push(service);
        }
    }

    /// The variables of the folder's `.env`.
    fn variables(&self, folder: &str) -> HashMap<&'a str, &'a str> {
        let name = joined(folder, ".env");
        let file = self.corpus.documents.iter().find(|document| {
            document.format == Format::Env && self.corpus.source(document.source).name.raw() == name
        });
        file.into_iter()
            .flat_map(|document| document.root().entries())
            .map(|(key, value)| (key.text(), value.text()))
            .collect()
    }
}

#[derive(Default)]
struct Chain<'a> {
    layers: Vec<Node<'a>>,
    depth: usize,
    has_unseen: bool,
}

/// The paths of an element of `include`: a text, or `path` with one or several.
fn include_paths(element: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let path = element.get("path").unwrap_or(element);
    let one = (path.kind() == Kind::String).then_some(path);
    one.into_iter().chain(path.items())
}

/// `file` seen from `folder`, `.` and `..` undone.
fn joined(folder: &str, file: &str) -> String {
    if file.starts_with('/') {
        return file.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let rooted = if folder.starts_with('/') { "/" } else { "" };
    let here = if folder == "." || folder.starts_with("./") { "./" } else { "" };
    format!("{rooted}{here}{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
