use crate::is_dangerous;

/// Makes `text` one CSV field that a spreadsheet shows and never computes.
///
/// A field whose first visible character is `=`, `+`, `-`, `@`, or a full-width form of them, or that
/// begins with a tab or line break, gets a leading apostrophe; dangerous characters are shown as
/// `\u{..}`; fields with a comma, quote, semicolon or apostrophe are quoted.
/// Plain numbers such as `-12` keep their sign: they compute to themselves.
///
/// Source: RFC 4180 for quoting; OWASP, "CSV Injection", for the characters.
pub fn csv_field(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    if starts_formula(text) {
        out.push('\'');
    }
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\"\""),
            c if is_dangerous(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    let quoted = out.contains([',', '"', ';', '\'', '|']) || out.starts_with(' ') || out.ends_with(' ');
    if quoted { format!("\"{out}\"") } else { out }
}

fn starts_formula(text: &str) -> bool {
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        return false;
    }
    if text.starts_with(['\t', '\r', '\n']) {
        return true;
    }
    let first = text.chars().find(|c| !c.is_whitespace() && !is_dangerous(*c));
    matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'))
}
