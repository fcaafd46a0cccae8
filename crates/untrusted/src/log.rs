use crate::terminal;

/// Makes `text` safe as a value in a log line: neutralised as for a terminal, and quoted when it holds
/// anything but letters, digits and `._:/@+-`, so that no value can pretend to be a field of its own.
pub fn log_field(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@+-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", terminal(text).replace('"', "\\\""))
}
