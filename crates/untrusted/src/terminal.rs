use unicode_width::UnicodeWidthChar;

use crate::is_dangerous;

/// Makes `text` safe to print on a terminal, on one line.
///
/// Line feed, carriage return and tab become `\n`, `\r`, `\t`; every other dangerous character becomes
/// `\u{..}`. A backslash is left alone: the result is for reading, not for parsing back.
pub fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_shown(&mut out, c);
    }
    out
}

/// Like [`terminal`], cut to `columns` with a closing `…` where something was left out.
///
/// Wide characters count two columns, combining ones none; the result never exceeds `columns`.
pub fn terminal_cut(text: &str, columns: usize) -> String {
    let shown = terminal(text);
    if terminal_width(&shown) <= columns {
        return shown;
    }
    let mut out = String::new();
    let mut used = 0;
    for c in shown.chars() {
        let width = c.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The columns that already neutralised `shown` takes on a terminal.
pub fn terminal_width(shown: &str) -> usize {
    shown.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn push_shown(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_dangerous(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}
