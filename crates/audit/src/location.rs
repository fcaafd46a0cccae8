//! Places, pointers and fingerprints of findings.

use nightlatch_finding::audit::{Location, Subject as ReportedSubject};
use nightlatch_manifest::{Corpus, Kind, Node, SourceId, Span};
use nightlatch_untrusted::Text;
use sha2::{Digest, Sha256};

use crate::{At, Found, Rule, Subject};

/// Keys by which an element of a list is known, whatever its index.
const ELEMENT_KEYS: [&str; 8] = ["name", "key", "mountPath", "containerPort", "port", "host", "kind", "path"];

/// The node a place is found by: the value, or the deepest part that exists of a missing path.
pub(crate) fn node_of<'a>(at: At<'a>) -> Node<'a> {
    match at {
        At::Value(node) => node,
        At::Missing(parent, path) => {
            let mut node = parent;
            for key in path.split('.') {
                match node.get_raw(key) {
                    Some(next) if !next.is_null() => node = next,
                    _ => break,
                }
            }
            node
        }
    }
}

/// Where to point: a scalar whole, a mapping or list by its key, else by its first line.
pub(crate) fn location(corpus: &Corpus, at: At<'_>) -> Location {
    let node = node_of(at);
    let source = node.document().source;
    let is_whole = matches!(at, At::Value(_)) && !matches!(node.kind(), Kind::Mapping | Kind::Sequence);
    if is_whole && node.span().end > node.span().start {
        return of_span(corpus, source, node.span());
    }
    if let Some(key) = node.key() {
        return of_span(corpus, source, key.span());
    }
    of_span(corpus, source, first_line(corpus, source, node.span()))
}

/// Where the key of the value stands, when the place itself is not the key.
pub(crate) fn key_location(corpus: &Corpus, at: At<'_>) -> Option<Location> {
    let At::Value(node) = at else { return None };
    let key = node.key()?;
    (!matches!(node.kind(), Kind::Mapping | Kind::Sequence))
        .then(|| of_span(corpus, node.document().source, key.span()))
}

/// A whole line.
pub(crate) fn line(corpus: &Corpus, source: SourceId, line: u32) -> Location {
    let own = corpus.source(source);
    let start = own.line_starts().get(line.saturating_sub(1) as usize).copied().unwrap_or(0);
    let text = own.line(line);
    let indent = (text.len() - text.trim_start().len()) as u32;
    of_span(corpus, source, Span { start: start + indent, end: start + text.len() as u32 })
}

pub(crate) fn of_span(corpus: &Corpus, source: SourceId, span: Span) -> Location {
    let own = corpus.source(source);
    let start = own.place(span.start);
    let end = own.place(span.end.max(span.start));
    Location {
        file: own.name.clone(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

fn first_line(corpus: &Corpus, source: SourceId, span: Span) -> Span {
    let text = corpus.source(source).text.get(span.start as usize..span.end as usize).unwrap_or("");
    let length = text.find(['\n', '\r']).unwrap_or(text.len()) as u32;
    Span { start: span.start, end: span.start + length }
}

pub(crate) fn subject(subject: &Subject<'_>) -> ReportedSubject {
    ReportedSubject {
        api_version: Text::from(subject.api_version),
        kind: Text::from(subject.kind),
        namespace: subject.namespace.map(Text::from),
        name: Text::from(subject.name),
        container: subject.container.map(Text::from),
    }
}

/// Makes pointers and fingerprints. It remembers the ways to a few mappings: many findings are about the same container,
/// one behind the other.
#[derive(Default)]
pub(crate) struct Wayfinder<'a> {
    known: [Option<Way<'a>>; WAYS],
    hashed: Vec<u8>,
}

/// How many ways are remembered: the parts of one pod.
const WAYS: usize = 16;

/// The way from one node down to another.
struct Way<'a> {
    root: Node<'a>,
    node: Node<'a>,
    /// JSON pointer.
    pointer: String,
    /// Keys and names of elements, with slashes between.
    keyed: Vec<u8>,
    /// False when there is no step in `keyed`.
    has_steps: bool,
}

impl<'a> Way<'a> {
    fn new(root: Node<'a>, node: Node<'a>) -> Self {
        let mut nodes = Vec::with_capacity(16);
        let mut at = node;
        while at != root {
            let Some(parent) = at.parent() else { break };
            nodes.push(at);
            at = parent;
        }
        let mut way = Self {
            root,
            node,
            pointer: node.pointer_from(root),
            keyed: Vec::with_capacity(96),
            has_steps: !nodes.is_empty(),
        };
        for (index, node) in nodes.into_iter().rev().enumerate() {
            push_keyed_step(node, index == 0, &mut way.keyed);
        }
        way
    }
}

impl<'a> Wayfinder<'a> {
    fn way<'k>(known: &'k mut [Option<Way<'a>>; WAYS], root: Node<'a>, node: Node<'a>) -> &'k Way<'a> {
        let kept = &mut known[node.id().0 as usize % WAYS];
        if kept.as_ref().is_some_and(|way| way.node != node || way.root != root) {
            *kept = None;
        }
        kept.get_or_insert_with(|| Way::new(root, node))
    }

    /// JSON pointer from the subject, the missing keys of a missing path included.
    pub(crate) fn pointer(&mut self, found: &Found<'a>) -> String {
        let root = found.subject.root;
        let mut pointer = String::with_capacity(80);
        match found.at {
            At::Value(node) => {
                if let Some(parent) = node.parent().filter(|_| node.id() != root.id()) {
                    pointer.push_str(&Self::way(&mut self.known, root, parent).pointer);
                    node.push_step(&mut pointer);
                }
            }
            At::Missing(parent, path) => {
                pointer.push_str(&Self::way(&mut self.known, root, parent).pointer);
                for key in path.split('.') {
                    pointer.extend(["/", key]);
                }
            }
        }
        pointer
    }

    /// Rule, object and field as 16 hexadecimal digits. Elements of lists are known by their name, never by index or line,
    /// so that code may move.
    pub(crate) fn fingerprint(&mut self, rule: &Rule, found: &Found<'a>) -> String {
        let subject = &found.subject;
        let group = subject.api_version.split_once('/').map_or("", |(group, _)| group);
        let before = [
            rule.id,
            group,
            subject.kind,
            subject.namespace.unwrap_or(""),
            subject.name,
            subject.container.unwrap_or(""),
        ];
        // In one piece: hashing many short ones takes several times as long.
        let hashed = &mut self.hashed;
        hashed.clear();
        before.into_iter().for_each(|part| push_part(part, hashed));
        // The path comes behind its length, which is known when it stands there.
        let start = hashed.len();
        push_part("", hashed);
        let missing = match found.at {
            At::Value(node) => {
                if let Some(parent) = node.parent().filter(|_| node != subject.root) {
                    let way = Self::way(&mut self.known, subject.root, parent);
                    hashed.extend_from_slice(&way.keyed);
                    push_keyed_step(node, !way.has_steps, hashed);
                }
                ""
            }
            At::Missing(parent, path) => {
                hashed.extend_from_slice(&Self::way(&mut self.known, subject.root, parent).keyed);
                path
            }
        };
        let length = (hashed.len() - start - LENGTH_BYTES) as u64;
        hashed[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        [missing, found.cause_or_empty()].into_iter().for_each(|part| push_part(part, hashed));
        let digest = Sha256::digest(&*hashed);
        let mut shown = String::with_capacity(16);
        shown.extend(digest.iter().take(8).flat_map(|byte| [byte >> 4, byte & 15]).map(hexadecimal));
        shown
    }
}

const LENGTH_BYTES: usize = size_of::<u64>();

fn push_part(part: &str, hashed: &mut Vec<u8>) {
    hashed.extend_from_slice(&(part.len() as u64).to_le_bytes());
    hashed.extend_from_slice(part.as_bytes());
}

fn hexadecimal(digit: u8) -> char {
    char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit })
}

/// The key or the name of an element, with a slash before unless it is the first.
fn push_keyed_step(node: Node<'_>, is_first: bool, path: &mut Vec<u8>) {
    if !is_first {
        path.push(b'/');
    }
    match node.key() {
        Some(key) => path.extend_from_slice(key.text().as_bytes()),
        None => push_element_name(node, path),
    }
}

fn push_element_name(element: Node<'_>, path: &mut Vec<u8>) {
    let mut push = |parts: &[&str]| parts.iter().for_each(|part| path.extend_from_slice(part.as_bytes()));
    for key in ELEMENT_KEYS {
        if let Some(value) = element.get(key) {
            push(&["[", key, "=", value.text(), "]"]);
            return;
        }
    }
    match element.kind() {
        Kind::Mapping | Kind::Sequence => {
            push(&[&element.pointer_from(element.parent().unwrap_or(element))]);
        }
        _ => push(&["[=", element.text(), "]"]),
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_manifest::{Corpus, Input};

    use super::*;

    /// Every node below `node`, itself included.
    fn below<'a>(node: Node<'a>, found: &mut Vec<Node<'a>>) {
        found.push(node);
        node.entries().for_each(|(_, value)| below(value, found));
        node.items().for_each(|item| below(item, found));
    }

    /// More mappings than are remembered, in two documents whose nodes have the same numbers.
    fn corpus() -> Corpus {
        let containers: String =
            (0..40).map(|at| format!("- {{name: c{at}, a/b: {{x: [1, {{y: {at}}}]}}}}\n")).collect();
        let text = format!("kind: Pod\nspec:\n{containers}---\nkind: Other\nspec:\n{containers}");
        Corpus::read([Input { name: "a.yaml".into(), bytes: text.into_bytes() }])
    }

    #[test]
    fn what_is_remembered_says_the_same_as_what_is_looked_up() {
        let corpus = corpus();
        assert!(corpus.diagnostics.is_empty());
        let mut nodes = Vec::new();
        corpus.documents.iter().for_each(|document| below(document.root(), &mut nodes));
        assert!(nodes.len() > 20 * WAYS);
        let rule = &crate::rules()[0];
        let mut used = Wayfinder::default();
        for (at, &node) in nodes.iter().enumerate() {
            // The top, another node above, and one that is not above at all.
            for root in [node.document().root(), node.parent().unwrap_or(node), nodes[at / 2]] {
                let subject = Subject::other(root, "Pod", "p");
                for found in
                    [Found::new(subject, node, "m"), Found::missing(subject, node, "some.where", "m")]
                {
                    let expected = match found.at {
                        At::Value(node) => node.pointer_from(root),
                        At::Missing(node, _) => node.pointer_from(root) + "/some/where",
                    };
                    assert_eq!(used.pointer(&found), expected);
                    let fresh = Wayfinder::default().fingerprint(rule, &found);
                    assert_eq!(used.fingerprint(rule, &found), fresh);
                }
            }
        }
    }

    #[test]
    fn fingerprints_are_those_of_every_version_before() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n}\nspec:\n  containers:\n\
                    \x20 - {name: c, image: a/b:1, securityContext: {privileged: true}}\n";
        let corpus = Corpus::read([Input { name: "pod.yaml".into(), bytes: text.as_bytes().to_vec() }]);
        let report = crate::audit(&corpus, &crate::Settings::new(jiff::civil::date(2026, 11, 1)));
        let of = |rule: &str, pointer: &str| -> Vec<&str> {
            let is_it = |found: &&nightlatch_finding::audit::AuditFinding| {
                found.rule == rule && found.pointer.raw() == pointer
            };
            report.findings.iter().filter(is_it).map(|found| found.fingerprint.as_str()).collect()
        };
        // Baselines and stores hold them: they may never change.
        assert_eq!(of("POD-001", "/spec/containers/0/securityContext/privileged"), ["5c69807019d48d5c"]);
        assert_eq!(of("POD-034", "/spec/containers/0/resources/limits/memory"), ["4c19df3df9a3dc00"]);
        assert_eq!(of("NET-004", "/metadata/name"), ["9c0ec731f0071d7c"]);
    }
}
