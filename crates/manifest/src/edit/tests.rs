use super::*;
use crate::{Corpus, Input};

fn corpus(name: &str, text: &str) -> Corpus {
    Corpus::read([Input { name: name.to_owned().into(), bytes: text.as_bytes().to_vec() }])
}

/// Makes one change to a text.
fn changed(name: &str, text: &str, change: impl Fn(Node<'_>) -> Option<Vec<TextEdit>>) -> Option<String> {
    let corpus = corpus(name, text);
    let edits = change(corpus.documents.first()?.root())?;
    apply(text, &edits)
}

fn check(text: &str, change: impl Fn(Node<'_>) -> Option<Vec<TextEdit>>, expected: &str) {
    let name = if text.starts_with('{') && text.contains("\":") { "a.json" } else { "a.yaml" };
    assert_eq!(changed(name, text, change).as_deref(), Some(expected), "{text}");
}

#[test]
fn values_are_set() {
    check("a: 1 # c\nb: 2\n", |n| set(n.get("a")?, "false"), "a: false # c\nb: 2\n");
    check("a:\nb: 2\n", |n| set(n.get_raw("a")?, "x y"), "a: x y\nb: 2\n");
    check("a:\n  b: 1\n", |n| set(n.get_raw("a")?, "{c: [d], e: {}}"), "a:\n  c:\n  - d\n  e: {}\n");
    check("a: 1\n", |n| set(n.get("a")?, "{c: d}"), "a:\n  c: d\n");
    check("a: 1 # why\n", |n| set(n.get("a")?, "{c: d}"), "a: {c: d} # why\n");
    check("a:\n    b: 1\n", |n| set(n.at("a.b")?, "{c: d}"), "a:\n    b:\n        c: d\n");
    check("a: |\n  x\n  y\nb: 1\n", |n| set(n.get("a")?, "'1'"), "a: \"1\"\nb: 1\n");
    check("- a: 1\n  b: 2\n", |n| set(n.items().next()?, "x"), "- x\n");
    check("- a\n- b\n", |n| set(n.items().next()?, "{c: d, e: f}"), "- c: d\n  e: f\n- b\n");
    check(
        "a: [x, {b: 1}]\n",
        |n| set(n.get("a")?.items().nth(1)?.get("b")?, "{c: 'a,b'}"),
        "a: [x, {b: {c: \"a,b\"}}]\n",
    );
    check(
        "{\"a\": 1, \"b\": [2]}",
        |n| set(n.get("a")?, "{x: yes, y: 0x10}"),
        "{\"a\": {\"x\": true, \"y\": 16}, \"b\": [2]}",
    );
    check("a: &x 1\nb: *x\n", |n| set(n.get("a")?, "2"), "a: &x 2\nb: *x\n");
    check("a: 1\r\nb: 2\r\n", |n| set(n.get("a")?, "[x, 'y']"), "a:\r\n- x\r\n- \"y\"\r\nb: 2\r\n");
    check("a: {}\n", |n| set(n.get("a")?, "{b: c}"), "a: {b: c}\n");
}

#[test]
fn values_are_removed() {
    check("a: 1\nb: 2 # c\nc: 3\n", |n| remove(n.get("b")?), "a: 1\nc: 3\n");
    check(
        "a: 1\nb:\n  c: 2\n  # about d\n  d: 3\ne: 4\n",
        |n| remove(n.at("b.d")?),
        "a: 1\nb:\n  c: 2\n  # about d\ne: 4\n",
    );
    check("a:\n  b: 1\nc: 2\n", |n| remove(n.at("a.b")?), "a: {}\nc: 2\n");
    check("- a: 1\n  b: 2\n- c\n", |n| remove(n.items().next()?.get("a")?), "- b: 2\n- c\n");
    check("a:\n- x\n- y: 1\n  z: 2\n- w\n", |n| remove(n.get("a")?.items().nth(1)?), "a:\n- x\n- w\n");
    check("a:\n- x\n- w\n", |n| remove(n.get("a")?.items().next()?), "a:\n- w\n");
    check("- - a\n  - b\n", |n| remove(n.items().next()?.items().next()?), "- - b\n");
    check("a: [x, z, w]\n", |n| remove(n.get("a")?.items().nth(1)?), "a: [x, w]\n");
    check("a: [x, z]\n", |n| remove(n.get("a")?.items().nth(1)?), "a: [x]\n");
    check("a: [x]\n", |n| remove(n.get("a")?.items().next()?), "a: []\n");
    check("{\n  \"a\": 1,\n  \"b\": 2\n}\n", |n| remove(n.get("b")?), "{\n  \"a\": 1\n}\n");
    check("a: |\n  x\n\nb: 2", |n| remove(n.get("b")?), "a: |\n  x\n");
    check("a: 1\r\nb: 2\r\n", |n| remove(n.get("b")?), "a: 1\r\n");
    check("a:\n-\n  x: 1\n-\n  x: 2\n", |n| remove(n.get("a")?.items().nth(1)?), "a:\n-\n  x: 1\n");
    check("a: 1\nb: 2\n", |n| remove(n.entries().next()?.0), "b: 2\n");
    let refused = |text: &str, change: fn(Node<'_>) -> Option<Vec<TextEdit>>| {
        assert_eq!(changed("a.yaml", text, change), None, "{text}")
    };
    refused("&&&&\n", |n| set(n, "x"));
    refused("?\n", |n| set(n.entries().next()?.1, "x"));
    refused("a: {b}\n", |n| set(n.get("a")?.get_raw("b")?, "x"));
    refused("a: 1\na: 2\nb: 3\n", |n| remove(n.get("a")?));
    refused("a: &x {b: 1}\nc: *x\n", |n| remove(n.get("a")?));
    refused("a: &x {b: 1}\nc:\n  <<: *x\n  d: 1\n", |n| remove(n.at("c.d")?));
}

#[test]
fn values_are_added() {
    check(
        "a:\n  b: 1\nc: 2\n",
        |n| insert(n.get("a")?, "d", "{e: [f, true]}"),
        "a:\n  b: 1\n  d:\n    e:\n    - f\n    - true\nc: 2\n",
    );
    check("- a: 1\n- b: 2", |n| insert(n.items().nth(1)?, "c", "3"), "- a: 1\n- b: 2\n  c: 3");
    check("a: {}\n", |n| insert(n.get("a")?, "b", "{c: d}"), "a: {b: {c: d}}\n");
    check("a: {b: 1}\n", |n| insert(n.get("a")?, "c d", "'2'"), "a: {b: 1, c d: \"2\"}\n");
    check("a:\n", |n| insert(n.get_raw("a")?, "b", "1"), "a:\n  b: 1\n");
    check("{\n  \"a\": 1\n}\n", |n| insert(n, "b", "[x]"), "{\n  \"a\": 1,\n  \"b\": [\"x\"]\n}\n");
    check(
        "a:\n  b: |\n    x\n\nc: 1\n",
        |n| insert(n.get("a")?, "d", "2"),
        "a:\n  b: |\n    x\n  d: 2\n\nc: 1\n",
    );
    check(
        "a: # c\n  b: [1,\n    2]  # d\n",
        |n| insert(n.get("a")?, "e", "f"),
        "a: # c\n  b: [1,\n    2]  # d\n  e: f\n",
    );
    check("a:\n- b\nc: d\n", |n| append(n.get("a")?, "{x: 1, z: 2}"), "a:\n- b\n- x: 1\n  z: 2\nc: d\n");
    check("a:\n  - b: 1\n    c: 2\n", |n| append(n.get("a")?, "d"), "a:\n  - b: 1\n    c: 2\n  - d\n");
    check("a: [b]\n", |n| append(n.get("a")?, "--c=d"), "a: [b, \"--c=d\"]\n");
    check("a: []\n", |n| append(n.get("a")?, "b"), "a: [b]\n");
    check("a: [\n  b, # c\n]\n", |n| append(n.get("a")?, "d"), "a: [\n  b,\n  d, # c\n]\n");
    assert_eq!(changed("a.yaml", "a: 1\n", |n| insert(n, "a", "2")), None);
    assert_eq!(changed("a.toml", "a = 1\n", |n| insert(n, "b", "2")), None);
}

#[test]
fn differences_are_shown() {
    assert_eq!(
        diff("a.yaml", "a\nb\nc\n", "a\nx\nc\n"),
        "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
    );
    assert_eq!(diff("a", "x", "x"), "");
    assert!(diff("a", "x", "y\n").contains("\\ No newline at end of file"));
}

mod property {
    use proptest::prelude::*;

    use super::*;
    use crate::Kind;

    /// A value as a test compares it.
    #[derive(Clone, Debug, PartialEq)]
    enum Plain {
        Scalar(Kind, String),
        List(Vec<Plain>),
        Map(Vec<(String, Plain)>),
    }

    fn plain(node: Node<'_>) -> Plain {
        match node.kind() {
            Kind::Sequence => Plain::List(node.items().map(plain).collect()),
            Kind::Mapping => {
                Plain::Map(node.entries().map(|(key, value)| (key.text().to_owned(), plain(value))).collect())
            }
            Kind::Null => Plain::Scalar(Kind::Null, String::new()),
            kind => Plain::Scalar(kind, node.text().to_owned()),
        }
    }

    /// What a value at a path becomes.
    fn at_path(value: &mut Plain, path: &[usize], change: &dyn Fn(&mut Plain)) {
        let Some((&first, rest)) = path.split_first() else { return change(value) };
        match value {
            Plain::List(items) => at_path(&mut items[first], rest, change),
            Plain::Map(entries) => at_path(&mut entries[first].1, rest, change),
            Plain::Scalar(..) => {}
        }
    }

    /// Text in a random layout: block or flow, compact or not, with comments and blank lines.
    fn layout() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "1",
            "x",
            "\"q # r\"",
            "'it''s'",
            "",
            "{}",
            "[]",
            "true",
            "two words",
            "{p: 1, \"q\": [2, 3]}",
            "[a, {b: c}, d]",
            "|\n@  text\n@   more",
            ">-\n@  text",
            "x # note",
            "[\n@  a, # c\n@  b\n@  ]",
            "plain\n@  continued",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                (prop::collection::vec(inner.clone(), 1..4), any::<u8>())
                    .prop_map(|(values, style)| mapping(&values, style)),
                (prop::collection::vec(inner, 1..4), any::<u8>())
                    .prop_map(|(values, style)| sequence(&values, style)),
            ]
        })
    }

    /// Lines of a node; `@` stands for the indentation of what it is the value of. A leading `\n` means block.
    fn mapping(values: &[String], style: u8) -> String {
        let mut text = String::new();
        for (index, value) in values.iter().enumerate() {
            if style & 4 != 0 && index == 1 {
                text.push_str("\n@  # comment");
            }
            let nested = value.replace('@', "@  ");
            let gap = if nested.is_empty() || nested.starts_with('\n') { "" } else { " " };
            text.push_str(&format!("\n@  k{index}:{gap}{nested}"));
        }
        text
    }

    fn sequence(values: &[String], style: u8) -> String {
        let mut text = String::new();
        for value in values {
            let nested = value.replace('@', "@  ");
            if style & 1 != 0 && nested.starts_with("\n@    k") {
                // Compact: the first key stands behind the dash.
                text.push_str(&format!("\n@  - {}", &nested["\n@    ".len()..]));
            } else {
                let gap = if nested.is_empty() || nested.starts_with('\n') { "" } else { " " };
                text.push_str(&format!("\n@  -{gap}{nested}"));
            }
        }
        text
    }

    fn document(layout: &str, crlf: bool) -> String {
        let text = layout.replace("\n@  ", "\n").replace('@', "").trim_start_matches('\n').to_owned() + "\n";
        if crlf { text.replace('\n', "\r\n") } else { text }
    }

    /// Follows choices down the tree; returns the path.
    fn descend<'a>(mut node: Node<'a>, choices: &[usize]) -> (Node<'a>, Vec<usize>) {
        let mut path = Vec::new();
        for choice in choices {
            if node.is_empty() {
                break;
            }
            let index = choice % node.len();
            path.push(index);
            let next = match node.kind() {
                Kind::Mapping => node.entries().nth(index).map(|(_, value)| value),
                _ => node.items().nth(index),
            };
            let Some(next) = next else { break };
            node = next;
        }
        (node, path)
    }

    fn value() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "false",
            "x",
            "'1'",
            "{a: 1, b: [c]}",
            "[x, {z: 1}]",
            "\"a: b\"",
            "{}",
            "[]",
            "null",
            "'# x'",
            "-",
        ])
    }

    fn compare(text: &str, edits: Option<Vec<TextEdit>>, expected: &Plain) -> Result<bool, TestCaseError> {
        let Some(edits) = edits else { return Ok(false) };
        let edited = apply(text, &edits);
        prop_assert!(edited.is_some(), "edits overlap in {text:?}");
        let edited = edited.unwrap_or_default();
        let corpus = corpus("a.yaml", &edited);
        prop_assert!(corpus.diagnostics.is_empty(), "{:?}\nof {text:?}\nis {edited:?}", corpus.diagnostics);
        prop_assert_eq!(
            plain(corpus.documents[0].root()),
            expected.clone(),
            "{:?} became {:?}",
            text,
            edited
        );
        for comment in ["# comment", "# note", "# c"] {
            let count = |text: &str| text.matches(comment).count();
            prop_assert!(count(&edited) <= count(text), "{edited}");
        }
        Ok(true)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), ..ProptestConfig::default() })]
        #[test]
        fn the_edited_text_reads_as_the_edited_tree(
            layout in layout(), crlf: bool, choices in prop::collection::vec(0usize..8, 0..6), new in value()
        ) {
            let text = document(&layout, crlf);
            let corpus = corpus("a.yaml", &text);
            prop_assume!(corpus.diagnostics.is_empty() && corpus.documents.len() == 1);
            let root = corpus.documents[0].root();
            let before = plain(root);
            let (node, path) = descend(root, &choices);
            let new_value = read::value(new).map(|document| plain(document.root()));
            prop_assume!(new_value.is_some());
            let new_value = new_value.unwrap_or(Plain::List(Vec::new()));

            let mut expected = before.clone();
            at_path(&mut expected, &path, &|value| *value = new_value.clone());
            prop_assert!(compare(&text, set(node, new), &expected)?, "not set: {text:?}");

            if let Some((last, above)) = path.split_last() {
                let mut expected = before.clone();
                at_path(&mut expected, above, &|value| match value {
                    Plain::List(items) => { items.remove(*last); }
                    Plain::Map(entries) => { entries.remove(*last); }
                    Plain::Scalar(..) => {}
                });
                compare(&text, remove(node), &expected)?;
            }
            if node.kind() == Kind::Mapping {
                let mut expected = before.clone();
                at_path(&mut expected, &path, &|value| if let Plain::Map(entries) = value { entries.push(("new".to_owned(), new_value.clone())) });
                compare(&text, insert(node, "new", new), &expected)?;
            }
            if node.kind() == Kind::Sequence {
                let mut expected = before;
                at_path(&mut expected, &path, &|value| if let Plain::List(items) = value { items.push(new_value.clone()) });
                compare(&text, append(node, new), &expected)?;
            }
        }
    }
}

#[test]
fn nothing_is_written_into_a_comment() {
    let input = Input { name: "a.yaml".to_owned().into(), bytes: b": - # 121a:".to_vec() };
    let corpus = Corpus::read([input]);
    for document in &corpus.documents {
        let mut node = document.root();
        loop {
            if let Some(edits) = set(node, "set") {
                let after = apply(document.text(), &edits).unwrap();
                assert!(!after.contains("# 121a: set"), "{after}");
            }
            let next = node.entries().next().map(|(_, value)| value).or_else(|| node.items().next());
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
    }
}
