//! `name = value` in whatever notation: where the value of a name begins and ends.

use std::ops::Range;

use crate::pem;

/// Longest value that is looked at.
pub(crate) const VALUE_BYTES_MAX: usize = 1024;

/// The value of a name in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Assigned {
    pub(crate) span: Range<usize>,
    /// In quotes, or between two tags.
    pub(crate) is_quoted: bool,
    /// The name begins the line, as in YAML and properties files.
    pub(crate) begins_line: bool,
}

/// Finds the value of the name at `name`; nothing when none follows.
pub(crate) fn value_of(text: &str, name: &Range<usize>) -> Option<Assigned> {
    let bytes = text.as_bytes();
    let begins_line = begins_line(bytes, name.start);
    let is_flag = text.get(name.clone())?.starts_with('-');
    let after_name = skip_quote(bytes, name.end);
    if let Some(span) = between_tags(text, name, after_name) {
        return Some(Assigned { span, is_quoted: true, begins_line });
    }
    if let Some(at) = value_attribute(text, name, after_name) {
        return read(text, at, false, begins_line);
    }
    let mut at = skip_blanks(bytes, after_name);
    let mut is_equals = false;
    match bytes.get(at..)? {
        [b'=' | b'!' | b'<' | b'>' | b'~', b'=' | b'~', ..] | [b':', b':', ..] => return None,
        [b':', b'=', ..] | [b'=', b'>', ..] | [b'?', b'=', ..] => at += 2,
        [b'=', ..] => {
            at += 1;
            is_equals = true;
        }
        [b':', ..] => at += 1,
        [b',', ..] if is_flag && after_name > name.end => at += 1,
        _ if at > after_name && after_name == name.end && takes_next_word(text, name, at, is_flag) => {}
        _ => return None,
    }
    // `NAME=value more` is a shell's; in `name = several words` all of them are the value.
    read(text, skip_blanks(bytes, at), is_equals && !matches!(bytes.get(at), Some(b' ' | b'\t')), begins_line)
}

/// Reads the value that begins at byte `at`.
fn read(text: &str, at: usize, is_equals: bool, begins_line: bool) -> Option<Assigned> {
    let bytes = text.as_bytes();
    let window = pem::clip(text.get(at..)?, VALUE_BYTES_MAX);
    let line = &window[..window.find(['\n', '\r']).unwrap_or(window.len())];
    if let Some(span) = quoted(bytes, at, line) {
        return Some(Assigned { span, is_quoted: true, begins_line });
    }
    let bare = if begins_line { rest_of_line(line, is_equals) } else { word(line) };
    let starts_structure =
        matches!(bare.as_bytes(), [b'{' | b'[', next, ..] if *next != b'{') || matches!(bare, "{" | "[");
    (!bare.is_empty() && !starts_structure).then(|| Assigned {
        span: at..at + bare.len(),
        is_quoted: false,
        begins_line,
    })
}

/// The inside of a quoted text, its quotes perhaps escaped; nothing when it does not end on its line.
fn quoted(bytes: &[u8], at: usize, line: &str) -> Option<Range<usize>> {
    let escaped = line.starts_with('\\');
    let open = at + usize::from(escaped);
    let quote = *bytes.get(open).filter(|b| matches!(b, b'"' | b'\'' | b'`'))?;
    let end = at + line.len();
    let mut here = open + 1;
    while here < end {
        match bytes[here] {
            b'\\' if escaped && bytes.get(here + 1) == Some(&quote) => return Some(open + 1..here),
            b'\\' => here += 1,
            byte if byte == quote && !escaped => return Some(open + 1..here),
            _ => {}
        }
        here += 1;
    }
    None
}

/// A value that has the rest of its line: without a comment, a closing comma or semicolon; behind `=` up to a blank.
fn rest_of_line(line: &str, is_equals: bool) -> &str {
    let comment =
        [" #", "\t#", " ;", " //"].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    let mut value = line[..comment].trim();
    if is_equals {
        value = value.split([' ', '\t']).next().unwrap_or("");
        if let Some((first, rest)) = value.split_once(';')
            && (rest.contains('=') || rest.is_empty())
        {
            value = first;
        }
    }
    value.trim_end_matches([',', ';'])
}

/// A value in the middle of a line.
fn word(line: &str) -> &str {
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(c, ',' | ';' | '&' | '"' | '\'' | '`' | ')' | '}' | ']' | '|' | '<' | '>' | '\\')
    };
    // What begins with braces or a dollar is a template or a variable: it ends where they close.
    let template = if line.starts_with("${") || line.starts_with("{{") {
        line.find('}').map_or(line.len(), |at| at + 1)
    } else if line.starts_with("$(") {
        line.find(')').map_or(line.len(), |at| at + 1)
    } else {
        0
    };
    let tail = &line[template..];
    &line[..template + tail.find(ends).unwrap_or(tail.len())]
}

/// `<password>value</password>`, `<entry key="password">value</entry>`.
fn between_tags(text: &str, name: &Range<usize>, after_name: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_tag = name.start > 0 && bytes[name.start - 1] == b'<';
    let is_key = after_name > name.end && bytes.get(after_name) == Some(&b'>');
    if bytes.get(after_name) != Some(&b'>') || !(is_tag || is_key) {
        return None;
    }
    let window = pem::clip(text.get(after_name + 1..)?, VALUE_BYTES_MAX);
    let end = window.find(['<', '\n'])?;
    window[end..].starts_with("</").then(|| after_name + 1..after_name + 1 + end)
}

/// The place of `value` in `name="password" value="..."` and in `name: PASSWORD`, next line `value: ...`.
fn value_attribute(text: &str, name: &Range<usize>, after_name: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let before = &bytes[name.start.saturating_sub(16)..name.start];
    let before = before.trim_ascii_end();
    let before = before
        .strip_suffix(b"\\\"")
        .or_else(|| before.strip_suffix(b"\""))
        .or_else(|| before.strip_suffix(b"'"))
        .unwrap_or(before);
    let before =
        before.trim_ascii_end().strip_suffix(b":").or_else(|| before.trim_ascii_end().strip_suffix(b"="))?;
    let before = before.strip_suffix(b"\"").unwrap_or(before);
    if !(before.ends_with(b"name") || before.ends_with(b"key") || before.ends_with(b"Name")) {
        return None;
    }
    let skip = |at: usize| {
        let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'"' | b'-');
        at + bytes.get(at..).unwrap_or(&[]).iter().take(128).take_while(blank).count()
    };
    let at = skip(after_name);
    let rest = bytes.get(at..)?;
    let rest = rest.strip_prefix(b"value")?;
    let at = at + 5 + usize::from(rest.first() == Some(&b'"'));
    matches!(bytes.get(at), Some(b':' | b'=')).then(|| skip_blanks(bytes, at + 1))
}

/// True for names that take the next word: flags, `requirepass` of Redis, `PASSWORD '...'` of SQL, netrc.
fn takes_next_word(text: &str, name: &Range<usize>, at: usize, is_flag: bool) -> bool {
    let bytes = text.as_bytes();
    if is_flag {
        return !matches!(bytes.get(at), Some(b'-'));
    }
    let word = text[name.clone()].to_ascii_lowercase();
    let line_start = pem::floor(text, name.start.saturating_sub(160));
    let line = &text[line_start..name.start];
    let line = &line[line.rfind('\n').map_or(0, |at| at + 1)..];
    match word.as_str() {
        "requirepass" | "masterauth" => line.trim().is_empty(),
        "password" => bytes.get(at) == Some(&b'\'') || line.contains("login ") || line.contains("machine "),
        _ => false,
    }
}

/// True when only blanks, a dash, quotes or `export`, `set`, `ENV`, `ARG` stand before the name on its line.
fn begins_line(bytes: &[u8], start: usize) -> bool {
    let before = &bytes[start.saturating_sub(80)..start];
    let is_whole = start <= 80 || before.contains(&b'\n') || before.contains(&b'\r');
    let line = before.rsplit(|&b| b == b'\n' || b == b'\r').next().unwrap_or(before);
    let line = line.trim_ascii();
    let line = line.strip_prefix(b"- ").unwrap_or(line);
    is_whole
        && matches!(
            line,
            b"" | b"-"
                | b"\""
                | b"'"
                | b"- \""
                | b"export"
                | b"set"
                | b"ENV"
                | b"ARG"
                | b"SET"
                | b"declare -x"
        )
}

fn skip_blanks(bytes: &[u8], at: usize) -> usize {
    let blanks =
        bytes.get(at..).unwrap_or(&[]).iter().take(256).take_while(|b| matches!(b, b' ' | b'\t')).count();
    at + blanks
}

/// Behind the closing quote of a name, escaped or not, and the bracket of `env["NAME"]`.
fn skip_quote(bytes: &[u8], at: usize) -> usize {
    let at = match bytes.get(at..).unwrap_or(&[]) {
        [b'\\', b'"', ..] => at + 2,
        [b'"' | b'\'', ..] => at + 1,
        _ => return at,
    };
    at + usize::from(bytes.get(at) == Some(&b']'))
}
