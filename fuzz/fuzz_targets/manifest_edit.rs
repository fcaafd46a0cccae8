//! Edits: whatever node of whatever text is set, removed or added to, the edits apply, and a scalar that was set is read
//! back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_manifest::{Corpus, Input, Kind, Node, append, apply, insert, remove, set};

fn read(text: &str) -> Corpus {
    Corpus::read([Input { name: "a.yaml".to_owned().into(), bytes: text.as_bytes().to_vec() }])
}

/// Follows choices down the tree; returns the node and the way to it.
fn descend<'a>(mut node: Node<'a>, choices: &[u8]) -> (Node<'a>, Vec<usize>) {
    let mut way = Vec::new();
    for choice in choices {
        if node.is_empty() {
            break;
        }
        let index = *choice as usize % node.len();
        let next = match node.kind() {
            Kind::Mapping => node.entries().nth(index).map(|(_, value)| value),
            _ => node.items().nth(index),
        };
        let Some(next) = next else { break };
        way.push(index);
        node = next;
    }
    (node, way)
}

fuzz_target!(|input: ([u8; 4], &str)| {
    let (choices, text) = input;
    let corpus = read(text);
    let Some(document) = corpus.documents.first() else { return };
    let (node, way) = descend(document.root(), &choices);
    for edits in [remove(node), insert(node, "new", "{a: [b]}"), append(node, "c: d")].into_iter().flatten() {
        assert!(apply(text, &edits).is_some(), "the edits lie inside and apart");
    }
    // With aliases, or a byte order mark, the way may lead elsewhere afterwards.
    let is_plain =
        !text.contains(['*', '\u{FEFF}']) && corpus.documents.len() == 1 && corpus.diagnostics.is_empty();
    if let (true, Some(edits)) = (is_plain, set(node, "set")) {
        let edited = apply(text, &edits).expect("one edit");
        let after = read(&edited);
        let choices: Vec<u8> = way.iter().map(|index| *index as u8).collect();
        let found = after.documents.first().map(|document| descend(document.root(), &choices).0);
        if way.iter().all(|index| *index < 256) {
            assert_eq!(found.and_then(Node::as_str), Some("set"), "{text:?} became {edited:?}");
        }
    }
});
