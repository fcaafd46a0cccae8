//! Values as text.

use std::fmt::Write as _;

use crate::{Kind, Node, read::resolve};

/// How a collection is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// By lines and indentation.
    Block,
    /// With brackets, YAML.
    Flow,
    /// With brackets, JSON.
    Json,
}

/// A value on one line. In `Style::Block` it stands alone behind a key or dash.
pub(super) fn flow(node: Node<'_>, style: Style) -> String {
    let inner = if style == Style::Json { Style::Json } else { Style::Flow };
    match node.kind() {
        Kind::Sequence => {
            let items: Vec<String> = node.items().map(|item| flow(item, inner)).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Mapping => {
            let entries: Vec<String> = node
                .entries()
                .map(|(name, value)| format!("{}: {}", key(name.text(), inner), flow(value, inner)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Kind::String if style == Style::Json => quoted(node.text()),
        Kind::String => string(node.text(), style),
        Kind::Null => "null".to_owned(),
        Kind::Bool => if node.as_bool() == Some(true) { "true" } else { "false" }.to_owned(),
        Kind::Int if style == Style::Json => {
            node.as_int().map_or_else(|| quoted(node.text()), |number| number.to_string())
        }
        Kind::Float if style == Style::Json => node
            .as_float()
            .filter(|number| number.is_finite())
            .map_or_else(|| quoted(node.text()), |number| format!("{number:?}")),
        Kind::Int | Kind::Float => node.text().to_owned(),
    }
}

/// A key.
pub(super) fn key(text: &str, style: Style) -> String {
    if style == Style::Json { quoted(text) } else { string(text, Style::Flow) }
}

/// A text, quoted where it would otherwise be read as something else.
fn string(text: &str, style: Style) -> String {
    let inside = |c: char| {
        c.is_ascii_alphanumeric() || "_./-+=@%^~:,()$ ".contains(c) || (!c.is_ascii() && c.is_alphanumeric())
    };
    let first = |c: char| c.is_alphanumeric() || "_./$(^+=~".contains(c);
    let means_more = || {
        text.is_empty()
            || text.ends_with([' ', ':'])
            || text.contains(": ")
            || (style != Style::Block && text.contains([',', ':']))
            || resolve(text) != Kind::String
    };
    let is_plain = is_word(text) || (text.starts_with(first) && text.chars().all(inside) && !means_more());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// True for ASCII letters only, more of them than any word has that means something else: most keys are one.
fn is_word(text: &str) -> bool {
    text.len() > 5 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// A text in double quotes, which YAML and JSON read alike.
pub(super) fn quoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    for character in text.chars() {
        match character {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            '\0'..='\x1F' | '\x7F'..='\u{9F}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}' => {
                let _ = write!(result, "\\u{:04x}", character as u32);
            }
            other => result.push(other),
        }
    }
    result.push('"');
    result
}

/// A collection by lines, each indented to `column`, without the end of the last line.
pub(super) fn block(node: Node<'_>, column: usize, line_end: &str) -> String {
    let mut text = String::with_capacity(64);
    let mut add = |line: &str| {
        if !text.is_empty() {
            text.push_str(line_end);
        }
        text.extend(std::iter::repeat_n(' ', column));
        text.push_str(line);
    };
    match node.kind() {
        Kind::Mapping => {
            node.entries().for_each(|(key, value)| add(&entry(key.text(), value, column, 2, line_end)))
        }
        Kind::Sequence => node.items().for_each(|item| add(&element(item, column, line_end))),
        _ => add(&flow(node, Style::Block)),
    }
    text
}

/// A key and its value: the first line without its indentation.
pub(super) fn entry(name: &str, value: Node<'_>, column: usize, step: usize, line_end: &str) -> String {
    let name = key(name, Style::Flow);
    if value.is_empty() {
        return format!("{name}: {}", flow(value, Style::Block));
    }
    let column = if value.kind() == Kind::Sequence { column } else { column + step };
    format!("{name}:{line_end}{}", block(value, column, line_end))
}

/// A dash and its value: the first line without its indentation.
pub(super) fn element(value: Node<'_>, column: usize, line_end: &str) -> String {
    if value.is_empty() {
        return format!("- {}", flow(value, Style::Block));
    }
    format!("- {}", block(value, column + 2, line_end).trim_start())
}
