//! Input that was made to hurt: bounded in time and memory, one diagnostic each, the rest read.

use std::time::{Duration, Instant};

use nightlatch_manifest::{Corpus, DiagnosticKind, Input, Limits};

fn read(name: &str, bytes: impl Into<Vec<u8>>) -> Corpus {
    Corpus::read([Input { name: name.to_owned().into(), bytes: bytes.into() }])
}

/// Reads within a time that a debug build on a busy machine keeps, and that anything quadratic does not.
fn read_soon(what: &str, name: &str, bytes: Vec<u8>) -> Corpus {
    let start = Instant::now();
    let corpus = read(name, bytes);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{what} took {took:?}");
    corpus
}

fn errors(corpus: &Corpus) -> Vec<&str> {
    let errors = corpus.diagnostics.iter().filter(|diagnostic| diagnostic.kind == DiagnosticKind::Error);
    errors.map(|diagnostic| diagnostic.message.raw()).collect()
}

#[test]
fn ten_thousand_levels_are_refused_at_once() {
    let levels = 10_000;
    let blocks: String = (0..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let toml = format!("{} = 1\n", vec!["a"; levels].join("."));
    for (name, text) in [
        ("a.yaml", "[".repeat(levels)),
        ("a.yaml", "- ".repeat(levels)),
        ("a.yaml", "{a: ".repeat(levels)),
        ("a.yaml", "? ".repeat(levels)),
        ("a.yaml", blocks),
        ("a.json", "[".repeat(levels)),
        ("a.json", "{\"a\":".repeat(levels)),
        ("a.toml", toml),
        ("a.toml", format!("a = {}", "[".repeat(levels))),
    ] {
        let corpus = read_soon("nesting", name, format!("{text}\n").into_bytes());
        assert!(corpus.documents.is_empty(), "{name}: {}", &text[..20]);
        assert_eq!(errors(&corpus).len(), 1, "{name}: {}: {:?}", &text[..20], corpus.diagnostics);
    }
    let corpus = read("a.yaml", format!("a: {}\n---\nb: 1\n", "[".repeat(levels)));
    assert_eq!(corpus.documents.len(), 1);
}

#[test]
fn large_inputs_are_read_or_refused() {
    // A build without optimisation needs seconds for each ten megabytes on a busy machine.
    let size: usize = if cfg!(debug_assertions) { 24 << 20 } else { 100 << 20 };
    let mut text = b"a: \"".to_vec();
    text.resize(size, b'x');
    text.extend(b"\"\n---\nb: 1\n");
    let corpus = read_soon("one text", "a.yaml", text);
    assert_eq!(corpus.documents.len(), 2);

    let corpus = read_soon("brackets", "a.yaml", vec![b'['; size]);
    assert_eq!(errors(&corpus).len(), 1);
    let corpus = read_soon("brackets", "a.json", vec![b'['; size]);
    assert_eq!(errors(&corpus).len(), 1);
    let corpus = read_soon("line ends", "a.yaml", vec![b'\n'; size]);
    assert!(corpus.documents.is_empty() && corpus.diagnostics.is_empty());

    let limits = Limits { bytes_max: size - 1, ..Limits::default() };
    let input = Input { name: "a.yaml".to_owned().into(), bytes: vec![b'x'; size] };
    let corpus = Corpus::read_within([input], &limits);
    let expected = format!("the input has {} MiB, more than {} MiB; split it", size >> 20, (size >> 20) - 1);
    assert_eq!(errors(&corpus), [expected.as_str()]);
}

#[test]
fn repetition_costs_no_more_than_its_length() {
    let lines = 30_000;
    let same_key = "a: 1\n".repeat(lines);
    let many_keys: String = (0..lines).map(|line| format!("k{line}: v\n")).collect();
    let aliases = format!("x: &a 1\ny: [{}]\n", vec!["*a"; lines].join(", "));
    let merges = format!("x: &a {{b: 1}}\ny:\n{}", "  <<: *a\n".repeat(lines));
    let tags = format!("y:\n{}", "- !reset x\n".repeat(lines));
    let unclosed = "a: \"\n".repeat(lines);
    let services: String = "services:\n".to_owned()
        + &(0..lines).map(|line| format!("  s{line}: {{image: x, extends: s0}}\n")).collect::<String>();
    let unit = "[Service]\n".to_owned() + &"Environment=A=1\n".repeat(lines);
    let markers = "---\n...\n".repeat(lines);
    for (name, text) in [
        ("same-key.yaml", same_key),
        ("many-keys.yaml", many_keys),
        ("aliases.yaml", aliases),
        ("merges.yaml", merges),
        ("tags.yaml", tags),
        ("unclosed.yaml", unclosed),
        ("compose.yaml", services),
        ("a.service", unit),
        ("markers.yaml", markers),
        ("a.env", "A=\"\n".repeat(lines)),
        ("spaces.yaml", format!("a: b{}c\n", " ".repeat(lines * 10)).repeat(3)),
        ("comments.yaml", format!("a: # nightlatch:ignore\n{}", "- b # nightlatch:ignore\n".repeat(lines))),
    ] {
        let start = Instant::now();
        let corpus = read(name, text);
        let _ = (corpus.census(), nightlatch_manifest::compose_projects(&corpus).len());
        let objects: Vec<_> = corpus.objects().collect();
        let workloads = nightlatch_manifest::workloads(&corpus, &objects);
        let _ = nightlatch_manifest::components(&corpus, &objects, &workloads).len();
        let tagged = corpus
            .documents
            .iter()
            .flat_map(|document| document.root().get("y"))
            .flat_map(|node| node.items());
        let _ = tagged.filter(|node| node.tag().is_some()).count();
        let _ = nightlatch_manifest::comment_lines(&corpus.sources[0], "nightlatch:ignore").len();
        let took = start.elapsed();
        assert!(took < Duration::from_secs(60), "{name} took {took:?}");
        assert!(corpus.diagnostics.len() <= 102, "{name}: {} diagnostics", corpus.diagnostics.len());
    }
}

#[test]
fn what_is_not_text_is_said_with_its_place() {
    let corpus = read("a.yaml", b"a: 1\nb: \xFF\n".to_vec());
    let (source, span) = corpus.diagnostics[0].at.expect("there is a place");
    let place = corpus.source(source).place(span.start);
    assert_eq!((place.line, place.column), (2, 4));
    assert!(errors(&corpus)[0].contains("0xff"));

    let utf16: Vec<u8> = "\u{FEFF}a: ä\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        read("a.yaml", utf16).documents[0].root().get("a").map(|node| node.text().to_owned()),
        Some("ä".to_owned())
    );
    let utf32: Vec<u8> = "\u{FEFF}a: ä\n".chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
    assert_eq!(read("a.yaml", utf32).documents.len(), 1);

    let corpus = read("picture.png", b"\x89PNG\0\0".to_vec());
    assert!(corpus.documents.is_empty() && corpus.diagnostics.len() == 1);
}

#[test]
fn other_inputs_do_not_suffer() {
    let inputs = [
        ("bad.yaml", "a: [\n"),
        ("good.yaml", "kind: Pod\napiVersion: v1\n"),
        ("bad.json", "{\"a\": }"),
        ("good.json", "{\"a\": 1}\n{\"b\": 2}\n"),
    ];
    let corpus = Corpus::read(
        inputs.map(|(name, text)| Input { name: name.to_owned().into(), bytes: text.as_bytes().to_vec() }),
    );
    assert_eq!(corpus.documents.len(), 3);
    assert_eq!(errors(&corpus).len(), 2, "{:?}", corpus.diagnostics);
    assert_eq!(corpus.documents[2].index, 1);
}

#[test]
fn json_may_be_one_document_among_others_of_yaml() {
    let pod = |name: &str| {
        format!("{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"{name}\"}}}}")
    };
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n";
    let (a, c) = (pod("a"), pod("c"));
    for name in ["a.yaml", "a.yml", "-", "dump", "a.json"] {
        for text in [
            format!("{a}\n---\n{yaml}---\n{c}\n"),
            format!("{a}\r\n---\r\n{yaml}---\r\n{c}"),
            format!("{a}\n# of b\n---\n{yaml}...\n---\n{c}\n"),
            format!("---\n{a}\n---\n{yaml}---\n{c}\n"),
        ] {
            let corpus = read(name, text.clone());
            assert!(corpus.diagnostics.is_empty(), "{name}: {text}: {:?}", corpus.diagnostics);
            let names: Vec<&str> = corpus.objects().map(|object| object.name).collect();
            assert_eq!(names, ["a", "b", "c"], "{name}: {text}");
        }
    }
}

#[test]
fn a_bare_list_of_objects_is_read() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;
    for (name, text, expected) in [
        ("a.json", format!("[{pod}, {pod}]"), 2),
        ("a.yaml", format!("- {pod}\n- null\n- 3\n- {pod}\n"), 2),
        // Not a list of lists, and not what has no kind.
        ("a.json", format!("[[{pod}]]"), 0),
        ("a.json", r#"[{"apiVersion": "v1", "metadata": {"name": "a"}}]"#.to_owned(), 0),
    ] {
        assert_eq!(read(name, text.clone()).objects().count(), expected, "{text}");
    }
}
