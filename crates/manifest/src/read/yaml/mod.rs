//! YAML: a stream of documents, each read by the quick parser or, when it declines, by the full one.

#[cfg(any(test, feature = "compare"))]
pub(crate) mod compare;
mod flow;
mod full;
mod quick;
pub(crate) mod resolve;
mod scalar;
mod sink;
#[cfg(test)]
mod tests;

use self::sink::{Sink, Stop};
use std::sync::Arc;

use super::{Limits, Out};
use crate::{Document, Format, SourceId, Span, TreeBuilder};

/// Lines at the start of a document that are searched for directives and the name of a template.
const COMMENT_LINES_MAX: usize = 1000;

/// One document's part of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Chunk {
    /// First byte: the `---` line, or what stands before the first one.
    start: usize,
    /// First byte behind the `---` line when nothing but a comment is on it; otherwise `start`.
    body: usize,
    end: usize,
    /// True when the `---` line has content, or directives stand before it.
    full: bool,
}

/// Reads every document from byte `start` on.
pub(crate) fn read(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let mut template_reported = false;
    for chunk in chunks(&text, start) {
        let mut tree = out.builder(Format::Yaml);
        match parse(&text, chunk, &mut tree, out) {
            Ok(()) => {
                if let Some(name) = template_name(&text[chunk.start..chunk.end]) {
                    tree.template(name);
                }
                out.push(tree.finish(chunk.end as u32));
            }
            Err((at, message)) => match text[chunk.start..chunk.end].find("{{") {
                Some(offset) => {
                    if !std::mem::replace(&mut template_reported, true) {
                        let message = "unrendered Helm template: use --render, or pipe the output of `helm template` in";
                        out.error(chunk.start + offset, message);
                    }
                }
                None => out.error(at, &message),
            },
        }
    }
}

/// Reads bytes `start` to `end` of `text` as one document, its places those of `text`; nothing when that cannot be done.
pub(crate) fn read_part(
    source: SourceId,
    text: &Arc<str>,
    start: usize,
    end: usize,
    limits: &Limits,
) -> Option<Document> {
    let mut tree = TreeBuilder::new(source, 0, Format::Yaml, Arc::clone(text));
    let quick = quick::parse(text, start, end, &mut Sink::new(&mut tree, limits));
    if quick == Err(Stop::Unusual) {
        tree.clear();
        full::parse(text, start, end, &mut Sink::new(&mut tree, limits)).ok()?;
    } else {
        quick.ok()?;
    }
    tree.finish(end as u32)
}

fn parse(text: &str, chunk: Chunk, tree: &mut TreeBuilder, out: &mut Out<'_>) -> Result<(), (usize, String)> {
    let limits = out.limits;
    if !chunk.full {
        let mut sink = Sink::new(tree, limits);
        match quick::parse(text, chunk.body, chunk.end, &mut sink) {
            Ok(()) => {
                let lost = std::mem::take(&mut sink.lost);
                out.repeated_keys(tree, &lost);
                return Ok(());
            }
            Err(Stop::Refused { at, message }) => return Err((at, message)),
            Err(Stop::Unusual) => tree.clear(),
        }
    }
    let mut sink = Sink::new(tree, limits);
    match full::parse(text, chunk.start, chunk.end, &mut sink) {
        Ok(()) => {
            let lost = std::mem::take(&mut sink.lost);
            out.repeated_keys(tree, &lost);
            Ok(())
        }
        Err(Stop::Refused { at, message }) => Err((at, message)),
        Err(Stop::Unusual) => Err((chunk.start, "not readable".to_owned())),
    }
}

/// Cuts a stream at its `---` and `...` lines: a marker in column 0 ends a document wherever it stands (YAML 1.2, 9.1.2).
fn chunks(text: &str, start: usize) -> Vec<Chunk> {
    let bytes = text.as_bytes();
    let line_end =
        |at: usize| memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |offset| at + offset + 1);
    let mut found = Vec::new();
    let mut directives: Option<usize> = None;
    let markers = markers(bytes, start);
    let ends = markers.iter().map(|&(at, _)| at).skip(1).chain([bytes.len()]);
    for (&(at, kind), end) in markers.iter().zip(ends) {
        let next_line = line_end(at);
        let rest = if kind == Marker::Dashes { bytes[at + 3..next_line].trim_ascii() } else { &[] };
        let bare = rest.is_empty() || rest[0] == b'#';
        let body = match kind {
            Marker::Start => at,
            Marker::Dots => next_line.min(end),
            Marker::Dashes if bare => next_line.min(end),
            Marker::Dashes => at,
        };
        let before = directives.take();
        if kind != Marker::Dashes && starts_with_directive(&text[body..end]) {
            directives = Some(body);
        } else if before.is_some() || body < end {
            let start = if kind == Marker::Dots { body } else { at };
            found.push(Chunk { start: before.unwrap_or(start), body, end, full: before.is_some() || !bare });
        }
    }
    found
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Marker {
    Start,
    Dashes,
    Dots,
}

/// Where documents start and end: the start of the text, and every marker line.
fn markers(bytes: &[u8], start: usize) -> Vec<(usize, Marker)> {
    let is_marker = |at: usize, marker: &[u8; 3]| {
        bytes.get(at..at + 3) == Some(marker)
            && matches!(bytes.get(at + 3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    };
    let mut found = Vec::new();
    let mut first = Marker::Start;
    for (needle, marker, kind) in [(b"\n---", b"---", Marker::Dashes), (b"\n...", b"...", Marker::Dots)] {
        if is_marker(start, marker) {
            first = kind;
        }
        let after = bytes.get(start..).unwrap_or_default();
        found.extend(
            memchr::memmem::find_iter(after, needle)
                .map(|offset| (start + offset + 1, kind))
                .filter(|&(at, _)| is_marker(at, marker)),
        );
    }
    found.sort_unstable_by_key(|&(at, _)| at);
    found.insert(0, (start, first));
    found
}

fn starts_with_directive(text: &str) -> bool {
    text.lines()
        .take(COMMENT_LINES_MAX)
        .find(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .is_some_and(|line| line.starts_with('%'))
}

/// The name in the comment that `helm template` puts above what it renders.
fn template_name(text: &str) -> Option<&str> {
    text.lines()
        .take(COMMENT_LINES_MAX)
        .take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("---"))
        .find_map(|line| line.strip_prefix("# Source: "))
        .map(str::trim_end)
}

/// The place of one byte.
pub(super) fn point(at: usize) -> Span {
    Span { start: at as u32, end: at as u32 }
}
