//! What is told on standard error. It may be closed, full, or a pipe that nobody reads: none of that ends a command.

use std::{fmt, io::Write};

use nightlatch_untrusted::terminal;

/// Tells one remark. Line breaks stay; everything else that a terminal obeys is shown instead of sent.
pub(crate) fn say(remark: impl fmt::Display) {
    write(&safe_lines(&remark.to_string()));
}

/// Writes lines that are safe for a terminal already.
pub(crate) fn write(lines: &str) {
    // One write, so that lines of several processes do not mix; there is nobody to tell that it failed.
    let _ = std::io::stderr().lock().write_all(format!("{lines}\n").as_bytes());
}

/// Our own messages may hold line breaks (an excerpt, a list); every line is neutralised by itself.
pub(crate) fn safe_lines(text: &str) -> String {
    text.lines().map(terminal).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_keep_their_lines_and_lose_their_escapes() {
        assert_eq!(safe_lines("a\n\x1b[31mb\rc\n\nd\n"), "a\n\\u{1b}[31mb\\rc\n\nd");
    }
}
