//! Patches of kustomizations: parts of objects, which stand for nothing by themselves.

use std::collections::HashSet;

use crate::{Corpus, Diagnostic, DiagnosticKind, DocumentKind, Node, SourceId, Span};

const MESSAGE: &str = "a patch of a kustomization is not judged by itself: --render judges what it makes";

impl Corpus {
    /// Takes the documents out that a kustomization of the input names as patches, each file with a warning: what a
    /// patch leaves out is said by the object that it changes. A file that is named as a resource too stays.
    pub fn set_patches_aside(&mut self) {
        let (mut patches, mut resources) = (HashSet::new(), HashSet::new());
        for document in self.documents_of(DocumentKind::Kustomization) {
            let folder =
                self.source(document.source).name.raw().rsplit_once('/').map_or("", |(folder, _)| folder);
            let root = document.root();
            let texts = |key| root.get(key).into_iter().flat_map(Node::items).filter_map(Node::as_str);
            let paths = |key| {
                let items = root.get(key).into_iter().flat_map(Node::items);
                items.filter_map(|item| item.get("path").and_then(Node::as_str))
            };
            let named =
                texts("patchesStrategicMerge").chain(paths("patches")).chain(paths("patchesJson6902"));
            patches.extend(named.filter_map(|path| below(folder, path)));
            resources.extend(texts("resources").filter_map(|path| below(folder, path)));
        }
        if patches.is_empty() {
            return;
        }
        let is_patch = |name: &str| {
            let name = name.strip_prefix("./").unwrap_or(name);
            patches.contains(name) && !resources.contains(name)
        };
        let aside: HashSet<SourceId> = (0..self.sources.len() as u32)
            .map(SourceId)
            .filter(|&source| is_patch(self.source(source).name.raw()))
            .collect();
        self.documents.retain(|document| !aside.contains(&document.source));
        let mut aside: Vec<SourceId> = aside.into_iter().collect();
        aside.sort_unstable();
        self.diagnostics.extend(aside.into_iter().map(|source| Diagnostic {
            kind: DiagnosticKind::Warning,
            at: Some((source, Span::default())),
            name: self.sources[source.0 as usize].name.clone(),
            message: MESSAGE.into(),
        }));
    }
}

/// A path relative to a folder, without `.` and `..`; nothing for what is no path below where the names begin (a patch
/// written in place has several lines).
fn below(folder: &str, path: &str) -> Option<String> {
    if path.is_empty() || path.starts_with('/') || path.contains('\n') {
        return None;
    }
    let mut parts: Vec<&str> = if folder.starts_with('/') { vec![""] } else { Vec::new() };
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != ".." && !last.is_empty()) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use crate::{Corpus, Input};

    fn left(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let input =
            |(name, text): &(&str, &str)| Input { name: (*name).into(), bytes: text.as_bytes().to_vec() };
        let mut corpus = Corpus::read(files.iter().map(input));
        corpus.set_patches_aside();
        let objects = corpus.objects().map(|object| object.name.to_owned()).collect();
        (objects, corpus.diagnostics.iter().map(|said| said.name.raw().to_owned()).collect())
    }

    #[test]
    fn patches_are_no_objects() {
        let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{}}\n");
        let kustomization = "resources: [../base, own.yaml, both.yaml]\npatches:\n- path: ./a.yaml\n- path: both.yaml\n- patch: |-\n    - op: remove\n      path: /spec\npatchesStrategicMerge:\n- ../shared/b.yaml\n- |-\n  kind: Pod\npatchesJson6902:\n- {path: c.json, target: {kind: Pod}}\n";
        for top in ["", "deploy/", "/srv/deploy/", "../"] {
            let at = |name: &str| format!("{top}{name}");
            let (objects, said) = left(&[
                (&at("base/a.yaml"), &pod("base")),
                (&at("overlay/kustomization.yaml"), kustomization),
                (&at("overlay/a.yaml"), &pod("a")),
                (&at("overlay/own.yaml"), &pod("own")),
                (&at("overlay/both.yaml"), &pod("both")),
                (&at("overlay/c.json"), "[{\"op\": \"remove\", \"path\": \"/spec\"}]"),
                (&at("shared/b.yaml"), &pod("b")),
            ]);
            assert_eq!(objects, ["base", "own", "both"], "{top}");
            assert_eq!(said, [at("overlay/a.yaml"), at("overlay/c.json"), at("shared/b.yaml")], "{top}");
        }
        let (objects, said) = left(&[("a.yaml", &pod("a"))]);
        assert_eq!((objects.len(), said.len()), (1, 0));
    }
}
