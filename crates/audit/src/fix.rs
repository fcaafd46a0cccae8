//! Changes as edits of files.

use nightlatch_finding::audit::Replacement;
use nightlatch_manifest::{Corpus, Node, TextEdit, append, insert, remove, set};
use nightlatch_untrusted::Text;

use crate::Change;

/// The edits of all changes; none when one of them cannot be made, because half a fix is none.
pub(crate) fn edits(corpus: &Corpus, changes: &[Change<'_>]) -> Vec<Replacement> {
    let mut all = Vec::new();
    for change in changes {
        match edits_of(change) {
            Some(edits) => all.extend(edits),
            None => return Vec::new(),
        }
    }
    all.into_iter()
        .map(|edit| Replacement {
            file: corpus.source(edit.source).name.clone(),
            start: edit.span.start,
            end: edit.span.end,
            text: Text::new(edit.replacement),
        })
        .collect()
}

fn edits_of(change: &Change<'_>) -> Option<Vec<TextEdit>> {
    match change {
        Change::Set(node, value) => set(*node, value),
        Change::Remove(node) => remove(*node),
        Change::Append(list, value) => append(*list, value),
        Change::SetPath(root, path, value) => set_path(*root, path, value),
    }
}

/// Sets what exists; else inserts the missing keys, nested, into the deepest mapping that exists.
fn set_path(root: Node<'_>, path: &str, value: &str) -> Option<Vec<TextEdit>> {
    let keys: Vec<&str> = path.split('.').collect();
    let mut at = root;
    for (depth, key) in keys.iter().enumerate() {
        match at.get_raw(key) {
            Some(next) if depth + 1 == keys.len() => return set(next, value),
            Some(next) if next.is_null() => return set(next, &flow(&keys[depth + 1..], value)),
            Some(next) => at = next,
            None => return insert(at, key, &flow(&keys[depth + 1..], value)),
        }
    }
    None
}

/// `a.b` and `c` as `{a: {b: c}}`; without keys the value itself.
fn flow(keys: &[&str], value: &str) -> String {
    keys.iter().rev().fold(value.to_owned(), |inner, key| format!("{{{key}: {inner}}}"))
}
