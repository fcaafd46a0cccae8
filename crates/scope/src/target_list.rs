use std::path::{Path, PathBuf};

use crate::{Target, scope_error::line_and_column};

/// Most targets one list may hold; a list that long describes a network and is better written as blocks.
pub const TARGETS_MAX: usize = 5_000_000;

/// What is wrong in a list of targets, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}:{line}:{column}: {what}, expected {expected}", path.display())]
pub struct TargetListError {
    /// The file, or a word such as `standard input`.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Bytes before the mistake.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// What would have been right.
    pub expected: String,
}

/// Reads a list of targets: separated by white space or line breaks, `#` starts a comment.
///
/// - `path`: where the text came from, for messages.
///
/// # Errors
/// The first mistake, with its line and column.
pub fn read_targets(text: &str, path: &Path) -> Result<Vec<Target>, TargetListError> {
    let fail = |at: usize, what: String, expected: String| {
        let (line, column) = line_and_column(text, at);
        TargetListError { path: path.to_owned(), line, column, at, what, expected }
    };
    let mut targets = Vec::new();
    let mut line_start = 0;
    // A byte order mark is what some editors leave in front; it is no part of the first target.
    for (index, line) in text.split('\n').enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let (skip, content) = match content.strip_prefix('\u{feff}').filter(|_| index == 0) {
            Some(rest) => ('\u{feff}'.len_utf8(), rest),
            None => (0, content),
        };
        let mut at = line_start + skip;
        for word in content.split(char::is_whitespace) {
            let start = at;
            // Separators are single characters, of one to three bytes; where the next word begins tells which.
            at += word.len();
            at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            if word.is_empty() {
                continue;
            }
            if targets.len() == TARGETS_MAX {
                return Err(fail(
                    start,
                    format!("more than {TARGETS_MAX} targets"),
                    "fewer, or blocks".to_owned(),
                ));
            }
            targets.push(
                word.parse::<Target>().map_err(|error| fail(start + error.at, error.what, error.expected))?,
            );
        }
        line_start += line.len() + 1;
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_have_comments_blank_lines_and_several_targets_a_line() {
        let text = "\u{feff}# mine\r\n192.0.2.1 192.0.2.2:80\r\n\n  example.org # web\n#end";
        assert_eq!(read_targets(text, Path::new("t")).unwrap().len(), 3);
    }

    #[test]
    fn a_mistake_is_named_with_line_and_column() {
        let error = read_targets("192.0.2.1\n  ü\u{a0}192.0.2.0/40\n", Path::new("targets.txt")).unwrap_err();
        assert_eq!((error.line, error.column), (2, 3), "{error}");
        let error = read_targets("192.0.2.1\n  \u{a0}192.0.2.0/40\n", Path::new("targets.txt")).unwrap_err();
        assert_eq!((error.line, error.column), (2, 14), "{error}");
        assert!(error.to_string().starts_with("targets.txt:2:14: `/40` is longer"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            if let Err(error) = read_targets(&text, Path::new("t")) {
                prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at));
            }
        }
    }
}
