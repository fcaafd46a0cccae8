//! Environment files: `NAME=value` lines (systemd's `EnvironmentFile`, Compose's `env_file`, `/etc/default`).

use super::Out;
use crate::{Format, Kind, Span};

/// Reads the text from byte `start` on as one document: a mapping of names to texts, the last of a name kept.
pub(super) fn read(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let mut tree = out.builder(Format::Env);
    tree.open(start as u32, Kind::Mapping);
    let mut at = start;
    while at < text.len() {
        let line_start = at;
        let rest = &text[at..];
        let line = &rest[..rest.find('\n').map_or(rest.len(), |end| end + 1)];
        at += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let mut first = line_start + (line.len() - line.trim_start().len());
        let assignment = match trimmed.strip_prefix("export ") {
            Some(assignment) => {
                first += trimmed.len() - assignment.trim_start().len();
                assignment.trim_start()
            }
            None => trimmed,
        };
        let Some((name, _)) = assignment.split_once('=') else {
            out.error(first, "expected `NAME=value`");
            continue;
        };
        if tree.len() + 2 > out.limits.nodes_max {
            out.error(
                first,
                &format!("the document has more than {} values; split it", out.limits.nodes_max),
            );
            return;
        }
        let key = Span { start: first as u32, end: (first + name.trim_end().len()) as u32 };
        tree.scalar_slice(key, Kind::String, key);
        let from = first + name.len() + 1;
        at = at.max(value(&text, from, at, &mut tree));
    }
    let lost = tree.close(text.len() as u32);
    out.repeated_keys(&tree, &lost);
    let document = tree.finish(text.len() as u32);
    out.push(document);
}

/// Pushes the value that starts at `from` in the line that ends at `line_end`; returns where the next line starts.
fn value(text: &str, from: usize, line_end: usize, tree: &mut crate::TreeBuilder) -> usize {
    let raw = text.get(from..line_end).unwrap_or("");
    let lead = raw.len() - raw.trim_start().len();
    let start = from + lead;
    let trimmed = raw.trim();
    let quote = trimmed.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''));
    if let Some(quote) = quote
        && let Some(close) = closing(text, start + 1, quote)
    {
        let span = Span { start: start as u32, end: close as u32 + 1 };
        let inner = text.get(start + 1..close).unwrap_or("");
        if quote == b'"' && inner.contains('\\') {
            tree.scalar_text(span, Kind::String, unescaped(inner));
        } else {
            tree.scalar_slice(span, Kind::String, Span { start: start as u32 + 1, end: close as u32 });
        }
        return text[close..].find('\n').map_or(text.len(), |offset| close + offset + 1);
    }
    let end = trimmed.find(" #").map_or(trimmed.len(), |comment| trimmed[..comment].trim_end().len());
    let span = Span { start: start.min(line_end) as u32, end: (start + end).min(text.len()) as u32 };
    tree.scalar_slice(span, Kind::String, span);
    line_end
}

fn closing(text: &str, from: usize, quote: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            _ if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('\n') | None => {}
                Some(other) => value.push(other),
            },
            other => value.push(other),
        }
    }
    value
}
