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

/// JSON pointer from the subject, the missing keys of a missing path included.
pub(crate) fn pointer(found: &Found<'_>) -> String {
    match found.at {
        At::Value(node) => node.pointer_from(found.subject.root),
        At::Missing(parent, path) => {
            let mut pointer = parent.pointer_from(found.subject.root);
            for key in path.split('.') {
                pointer.extend(["/", key]);
            }
            pointer
        }
    }
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

/// Rule, object and field as 16 hexadecimal digits. Elements of lists are known by their name, never by index or line, so
/// that code may move.
pub(crate) fn fingerprint(rule: &Rule, found: &Found<'_>) -> String {
    let subject = &found.subject;
    let group = subject.api_version.split_once('/').map_or("", |(group, _)| group);
    let (node, missing) = match found.at {
        At::Value(node) => (node, ""),
        At::Missing(parent, path) => (parent, path),
    };
    let before = [
        rule.id,
        group,
        subject.kind,
        subject.namespace.unwrap_or(""),
        subject.name,
        subject.container.unwrap_or(""),
    ];
    // In one piece: hashing many short ones takes several times as long.
    let mut hashed = Vec::with_capacity(384);
    before.into_iter().for_each(|part| push_part(part, &mut hashed));
    // The path comes behind its length, which is known when it stands there.
    let start = hashed.len();
    push_part("", &mut hashed);
    push_keyed_path(node, subject.root, &mut hashed);
    let length = (hashed.len() - start - LENGTH_BYTES) as u64;
    hashed[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    [missing, found.cause_or_empty()].into_iter().for_each(|part| push_part(part, &mut hashed));
    let digest = Sha256::digest(&hashed);
    let mut shown = String::with_capacity(16);
    shown.extend(digest.iter().take(8).flat_map(|byte| [byte >> 4, byte & 15]).map(hexadecimal));
    shown
}

const LENGTH_BYTES: usize = size_of::<u64>();

fn push_part(part: &str, hashed: &mut Vec<u8>) {
    hashed.extend_from_slice(&(part.len() as u64).to_le_bytes());
    hashed.extend_from_slice(part.as_bytes());
}

fn hexadecimal(digit: u8) -> char {
    char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit })
}

/// Keys and names of elements from `root` to `node`, with slashes between.
fn push_keyed_path(node: Node<'_>, root: Node<'_>, path: &mut Vec<u8>) {
    let mut nodes = Vec::with_capacity(16);
    let mut at = node;
    while at != root {
        let Some(parent) = at.parent() else { break };
        nodes.push(at);
        at = parent;
    }
    for (index, node) in nodes.into_iter().rev().enumerate() {
        if index > 0 {
            path.push(b'/');
        }
        match node.key() {
            Some(key) => path.extend_from_slice(key.text().as_bytes()),
            None => push_element_name(node, path),
        }
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
