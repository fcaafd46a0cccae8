use crate::is_dangerous;

/// Makes `text` safe as Markdown text or as a cell of a Markdown table.
///
/// Every ASCII punctuation character that can start or end markup is escaped with a backslash, `<`, `>`
/// and `&` become entities (renderers pass raw HTML through), `://` and `www.` are broken so that no
/// renderer makes a link, and line breaks become spaces.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' | '\t' => out.push(' '),
            ':' => out.push_str("&#58;"),
            '.' if previous.eq_ignore_ascii_case(&'w') => out.push_str("&#46;"),
            '@' => out.push_str("&#64;"),
            c if c.is_ascii_punctuation() && c != ',' && c != '/' && c != '.' => {
                out.push('\\');
                out.push(c);
            }
            c if is_dangerous(c) => {
                // The escape itself holds braces and a backslash, which Markdown would read.
                out.push_str(&format!("U+{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
        previous = c;
    }
    out
}
