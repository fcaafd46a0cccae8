//! JSON: what serde_json reads as one value, this reads with the same texts, and the other way round.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_manifest::{Corpus, Input, Kind, Node};
use serde_json::Value;

fn same(node: Node<'_>, value: &Value) -> bool {
    match value {
        Value::Null => node.is_null(),
        Value::Bool(value) => node.as_bool() == Some(*value),
        Value::Number(_) => matches!(node.kind(), Kind::Int | Kind::Float),
        Value::String(text) => node.as_str() == Some(text.as_str()),
        Value::Array(items) => {
            node.kind() == Kind::Sequence
                && node.len() == items.len()
                && node.items().zip(items).all(|(node, value)| same(node, value))
        }
        Value::Object(entries) => {
            node.kind() == Kind::Mapping
                && node.len() == entries.len()
                && entries.iter().all(|(key, value)| node.get_raw(key).is_some_and(|node| same(node, value)))
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let corpus = Corpus::read([Input { name: "a.json".to_owned().into(), bytes: bytes.to_vec() }]);
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(corpus.documents.len(), 1, "{:?}", corpus.diagnostics);
        assert!(same(corpus.documents[0].root(), &value));
    }
});
