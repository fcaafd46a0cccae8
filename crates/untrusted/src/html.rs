use crate::is_dangerous;

/// Makes `text` safe as HTML text and as the value of a quoted attribute.
///
/// The five special characters become entities; line feed and tab stay (markup collapses them); every
/// other dangerous character is shown as `\u{..}`, because a browser honours overrides inside text too.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if is_dangerous(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}
