//! systemd units and drop-ins (systemd.syntax(7)).

use super::Out;
use crate::{Format, Kind, Span, TreeBuilder};

/// One `key=value`, its continuation lines joined.
struct Assignment {
    key: Span,
    /// The value in the source, from its first byte to its last.
    place: Span,
    /// The value itself when lines were joined.
    joined: Option<String>,
}

/// Reads the text from byte `start` on as one document: a mapping of sections to mappings of keys.
///
/// A key given several times is a sequence of its values, in order, an empty value included (it resets the list, which
/// the reader of the key applies). A section given again continues the first.
pub(super) fn read(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let mut sections: Vec<(Span, Vec<Assignment>)> = Vec::new();
    let mut at = start;
    while at < text.len() {
        let line_start = at;
        let line = line_at(&text, at);
        at += line.len();
        let trimmed = line.trim();
        let first = line_start + (line.len() - line.trim_start().len());
        let span = Span { start: first as u32, end: (first + trimmed.len()) as u32 };
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let start = first as u32 + 1;
            sections.push((Span { start, end: start + name.len() as u32 }, Vec::new()));
            continue;
        }
        let (assignment, next) = match assignment(&text, first, at) {
            Some(found) => found,
            None => {
                out.error(first, "expected `[Section]` or `Key=value`");
                continue;
            }
        };
        at = next;
        match sections.last_mut() {
            Some((_, keys)) => keys.push(assignment),
            None => out.warning(span, "a setting before the first `[Section]` has no effect"),
        }
    }
    if sections.iter().map(|(_, keys)| keys.len() * 2 + 2).sum::<usize>() > out.limits.nodes_max {
        out.error(start, &format!("the document has more than {} values; split it", out.limits.nodes_max));
        return;
    }
    let mut tree = out.builder(Format::Unit);
    write(&text, start, &sections, &mut tree);
    let document = tree.finish(text.len() as u32);
    out.push(document);
}

/// The line at `at` with its end.
fn line_at(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    &rest[..rest.find('\n').map_or(rest.len(), |end| end + 1)]
}

/// The assignment whose first line starts at `first` and ends at `line_end`, and where the next line starts.
fn assignment(text: &str, first: usize, line_end: usize) -> Option<(Assignment, usize)> {
    let line = text.get(first..line_end)?;
    let equals = line.find('=')?;
    let key = line[..equals].trim_end();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return None;
    }
    let key = Span { start: first as u32, end: (first + key.len()) as u32 };
    let value = &line[equals + 1..];
    let start = first + equals + 1 + (value.len() - value.trim_start().len());
    if !value.trim_end().ends_with('\\') {
        let place = Span { start: start.min(line_end) as u32, end: (start + value.trim().len()) as u32 };
        return Some((Assignment { key, place, joined: None }, line_end));
    }
    let mut joined = value.trim().trim_end_matches('\\').to_owned();
    let mut at = line_end;
    let mut end = start + value.trim().len();
    while at < text.len() {
        let line = line_at(text, at);
        let trimmed = line.trim();
        let lead = line.len() - line.trim_start().len();
        // Comment lines inside a continued value are left out.
        if trimmed.starts_with(['#', ';']) {
            at += line.len();
            continue;
        }
        joined.push(' ');
        joined.push_str(trimmed.trim_end_matches('\\'));
        end = at + lead + trimmed.len();
        at += line.len();
        if !trimmed.ends_with('\\') {
            break;
        }
    }
    let joined = Some(joined.trim_end().to_owned());
    Some((Assignment { key, place: Span { start: start as u32, end: end as u32 }, joined }, at))
}

fn write(text: &str, start: usize, sections: &[(Span, Vec<Assignment>)], tree: &mut TreeBuilder) {
    let name = |span: &Span| text.get(span.start as usize..span.end as usize).unwrap_or("");
    tree.open(start as u32, Kind::Mapping);
    let mut order: Vec<&str> = Vec::new();
    let mut members: std::collections::HashMap<&str, (Span, Vec<&Assignment>)> =
        std::collections::HashMap::new();
    for (span, keys) in sections {
        let section = name(span);
        let entry = members.entry(section).or_insert_with(|| {
            order.push(section);
            (*span, Vec::new())
        });
        entry.1.extend(keys);
    }
    for (span, keys) in order.iter().filter_map(|section| members.get(section)) {
        tree.scalar_slice(*span, Kind::String, *span);
        tree.open(span.start.saturating_sub(1), Kind::Mapping);
        let mut seen: Vec<&str> = Vec::new();
        let mut by_key: std::collections::HashMap<&str, Vec<&Assignment>> = std::collections::HashMap::new();
        for assignment in keys {
            let values = by_key.entry(name(&assignment.key)).or_default();
            if values.is_empty() {
                seen.push(name(&assignment.key));
            }
            values.push(assignment);
        }
        let mut end = span.end;
        for values in seen.iter().filter_map(|key| by_key.get(key)) {
            let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
            tree.scalar_slice(first.key, Kind::String, first.key);
            if values.len() > 1 {
                tree.open(first.place.start, Kind::Sequence);
            }
            for value in values {
                match &value.joined {
                    Some(joined) => tree.scalar_text(value.place, Kind::String, joined),
                    None => tree.scalar_slice(value.place, Kind::String, value.place),
                };
            }
            if values.len() > 1 {
                tree.close(last.place.end);
            }
            end = end.max(last.place.end);
        }
        tree.close(end);
    }
    tree.close(text.len() as u32);
}
