//! Merge keys: of Kubernetes objects what comes later wins, as the API server reads them; of everything else what is
//! written wins, as the definition of merge keys has it.

use nightlatch_manifest::{Corpus, Input};

fn check(head: &str, body: &str, expected: &[(&str, &str)]) {
    let text = format!("{head}x: &x {{a: 1, b: 1}}\ny: &y {{a: 2, c: 2}}\nd:\n{body}");
    let corpus = Corpus::read([Input { name: "m.yaml".into(), bytes: text.clone().into_bytes() }]);
    assert!(corpus.diagnostics.is_empty(), "{text}: {:?}", corpus.diagnostics);
    let found: Vec<(&str, &str)> = corpus.documents[0]
        .root()
        .get("d")
        .map(|node| node.entries().map(|(key, value)| (key.text(), value.text())).collect())
        .unwrap_or_default();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn kubernetes_takes_what_comes_later() {
    let head = "apiVersion: v1\nkind: X\n";
    check(head, "  a: 3\n  <<: *x\n", &[("a", "1"), ("b", "1")]);
    check(head, "  <<: *x\n  a: 3\n", &[("a", "3"), ("b", "1")]);
    check(head, "  <<: [*x, *y]\n", &[("a", "1"), ("c", "2"), ("b", "1")]);
}

#[test]
fn others_take_what_is_written() {
    check("", "  a: 3\n  <<: *x\n", &[("a", "3"), ("b", "1")]);
    check("", "  <<: *x\n  a: 3\n", &[("a", "3"), ("b", "1")]);
    check("", "  <<: [*x, *y]\n", &[("a", "1"), ("b", "1"), ("c", "2")]);
}
