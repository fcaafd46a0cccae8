use crate::{Corpus, Input, Kind, Node};

fn read(text: &str) -> Corpus {
    Corpus::read([Input { name: "a.yaml".to_owned().into(), bytes: text.as_bytes().to_vec() }])
}

fn show(text: &str) -> String {
    let corpus = read(text);
    let documents: Vec<String> = corpus.documents.iter().map(|document| plain(document.root())).collect();
    documents.join(" --- ")
}

/// A short form: JSON without quotes around words, kinds by a letter.
fn plain(node: Node<'_>) -> String {
    match node.kind() {
        Kind::Sequence => format!("[{}]", node.items().map(plain).collect::<Vec<_>>().join(",")),
        Kind::Mapping => {
            let entries: Vec<String> = node
                .entries()
                .map(|(key, value)| format!("{}:{}", key.text().escape_debug(), plain(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Kind::Null => "~".to_owned(),
        Kind::String => format!("'{}'", node.text().escape_debug()),
        _ => node.text().to_owned(),
    }
}

#[test]
fn documents_are_what_they_say() {
    let check = |text: &str, expected: &str| assert_eq!(show(text), expected, "{text}");
    check("a: 1\nb:\n- x\n- y: 2\n  z: 3\nc:\n  d: e\n", "{a:1,b:['x',{y:2,z:3}],c:{d:'e'}}");
    check("a:\nb: ~\n", "{a:~,b:~}");
    check("- - a\n  - b\n- c\n", "[['a','b'],'c']");
    check("-\n  a: 1\n-\n", "[{a:1},~]");
    check("a: \"x\\ty\\u00e9\"\nb: 'it''s'\nc: \"two\n  lines\"\n", "{a:'x\\tyé',b:'it\\'s',c:'two lines'}");
    check("a: some\n  folded\n\n  text\nb: 1\n", "{a:'some folded\\ntext',b:1}");
    check("a: |\n  x\n   y\n\n  z\n\nb: 1\n", "{a:'x\\n y\\n\\nz\\n',b:1}");
    check("a: |-\n  x\nb: >\n  p\n  q\n\n  r\n   s\n  t\n", "{a:'x',b:'p q\\nr\\n s\\nt\\n'}");
    check("a: |+\n  x\n\n", "{a:'x\\n\\n'}");
    check("a: |\n  no end", "{a:'no end'}");
    check("a: [x, 1, {b: c, d}, \"e\"]\n", "{a:['x',1,{b:'c',d:~},'e']}");
    check("a: [\n  x, # note\n  z,\n]\nb: {}\n", "{a:['x','z'],b:{}}");
    check("a: &x\n  b: 1\nc: *x\n", "{a:{b:1},c:{b:1}}");
    check("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", "{a:{b:1,c:2},d:{c:3,b:1}}");
    check("a: &x {b: 1}\ne: &y {b: 2, f: 4}\nd:\n  <<: [*x, *y]\n", "{a:{b:1},e:{b:2,f:4},d:{b:1,f:4}}");
    check("# c\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\nc: 3", "{a:1} --- {b:2} --- {c:3}");
    check("a: 1\r\nb: |\r\n  x\r\n  y\r\nc: yes\r\n", "{a:1,b:'x\\ny\\n',c:yes}");
    check("\u{FEFF}a: 1\n", "{a:1}");
    check("a: 1\t# tab\nb:\t2\n", "{a:1,b:2}");
    check("a: x#y\nb: http://h:80/p # c\nc: a:b\n", "{a:'x#y',b:'http://h:80/p',c:'a:b'}");
    check("a: !!str 1\nb: !!int \"2\"\n", "{a:'1',b:2}");
    check("a: !Ref b\nc: !GetAtt [x, z]\n", "{a:{Ref:'b'},c:{Fn::GetAtt:['x','z']}}");
    check("%YAML 1.1\n---\na: 1\n", "{a:1}");
    check("--- {a: 1}\n", "{a:1}");
    check("a: 1\na: 2\n", "{a:2}");
    check("\"a b\": 1\n'c': 2\nd e: 3\n", "{a b:1,c:2,d e:3}");
    check("a:\n    b: 1\n    c:\n    - d\n", "{a:{b:1,c:['d']}}");
    check("x: -1\ny: -\n", "");
    check("a: [b: c]\n", "{a:[{b:'c'}]}");
    check("just text\n", "'just text'");
    check("", "");
}

#[test]
fn one_bad_document_costs_itself_only() {
    let corpus = read("a: 1\n---\nb: [\n---\nc: 3\n");
    assert_eq!(corpus.documents.len(), 2);
    let places: Vec<_> = corpus
        .diagnostics
        .iter()
        .map(|d| d.at.map(|(_, span)| corpus.sources[0].place(span.start)))
        .collect();
    assert_eq!(corpus.diagnostics.len(), 1, "{:?}", corpus.diagnostics);
    assert!(places[0].is_some_and(|place| (3..=4).contains(&place.line)), "{places:?}");
}

#[test]
fn nothing_behind_a_document_is_lost_in_silence() {
    for text in ["'a'\n'b'\n", "a: !!str 1\n]\n", "[a: b]\nc: 1\n", "{a: b}\nc\n"] {
        assert_eq!(read(text).diagnostics.len(), 1, "{text}");
    }
}

#[test]
fn templates_are_recognised_once() {
    let corpus = read("{{- if .Values.x }}\nkind: Pod\n{{- end }}\n---\na: {{ .b }}\n---\nc: 1\n");
    assert_eq!(corpus.documents.len(), 1);
    assert_eq!(corpus.diagnostics.len(), 1);
    assert!(corpus.diagnostics[0].message.raw().contains("unrendered Helm template"));
}

#[test]
fn bounds_hold() {
    let laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(1..10)
            .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")))
            .collect::<String>();
    let check = |text: &str, message: &str| {
        let corpus = read(text);
        assert!(corpus.documents.is_empty());
        assert_eq!(corpus.diagnostics.len(), 1);
        assert!(
            corpus.diagnostics[0].message.raw().contains(message),
            "{:?}",
            corpus.diagnostics[0].message.raw()
        );
    };
    check(&laughs, "expand to more than 1000000");
    check("a: &a [*a]\n", "stands inside");
    check(&"[".repeat(10_000), "nested deeper");
    check(&"- ".repeat(10_000), "nested deeper");
    check(&(0..10_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>(), "nested deeper");
    check(&"{a: ".repeat(10_000), "nested deeper");
    let chain: String = "a0: &a0 [x]\n".to_owned()
        + &(1..600).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect::<String>();
    check(&chain, "nested deeper");
}

fn agree(text: &str) {
    if let Err(difference) = super::compare::agree(text) {
        panic!("{difference}");
    }
}

/// Most of what people write must be read by the quick parser, or the comparison compares nothing.
#[test]
fn the_quick_parser_reads_what_people_write() {
    for text in [
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    args: [\"--x\", y]\n    command:\n    - sh\n    - -c\n    - |\n      a: b\n",
        "a: {b: c, d: [e]} # note\nf: 'it''s'\ng: \"x\\n\"\nh: two\n  lines\ni:\n",
        "x: &a\n  b: 1\ny:\n  <<: *a\n",
        "a:\r\n  - b: >-\r\n      c\r\n",
    ] {
        assert_eq!(super::compare::agree(text), Ok(true), "{text}");
    }
}

mod property {
    use proptest::prelude::*;

    use super::agree;

    /// Pieces that meet in hand-written YAML, well and badly.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-c]: ?",
            4 => "[ ]{0,6}",
            4 => Just("\n".to_owned()),
            3 => "[a-z0-9.\\-_]{1,4}",
            2 => Just("- ".to_owned()),
            1 => prop::sample::select(vec![
                "\r\n", "\t", "#", " # c", "\"x\\n\"", "'it''s'", "\"", "'", "[", "]", "{", "}", ",", "|", ">", "|-\n", ">+\n",
                "|2", "&a ", "*a", "<<: ", "~", "yes", "ä", "? ", "!!str ", ": ", ":", "\\", "%", "@", "-", "...", "---", "{}", "[]",
                "|\n  x\n   y\n", ">\n  x\n  y\n\n  z\n", "\"a\n  b\"", "x\n   y", "\u{85}",
            ]).prop_map(str::to_owned),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4000), ..ProptestConfig::default() })]
        #[test]
        fn both_parsers_give_the_same_tree(pieces in prop::collection::vec(piece(), 0..24)) {
            agree(&pieces.concat());
        }

        #[test]
        fn structured_text_is_read_alike(lines in prop::collection::vec((0usize..4, "(- )?(- )?[a-c]: ?([a-z\"'\\[\\]{},|>&*#]{0,4}| [a-z ]{0,6}|\\|[-+]?|>[-+]?)"), 1..12)) {
            let text: String = lines.iter().map(|(indent, line)| format!("{}{line}\n", " ".repeat(indent * 2))).collect();
            agree(&text);
        }
    }
}
