use std::{fmt, ops::Range};

/// Why a fingerprint file was refused, with the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}:{line}:{column}: {fault}")]
pub struct FingerprintError {
    /// The file, as named by its [`Source`](crate::Source).
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the file to point at.
    pub span: Range<usize>,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a fingerprint file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The text does not have the shape of a fingerprint.
    Shape {
        /// What the TOML reader said.
        message: String,
        /// The known key that is most like the one written.
        nearest: Option<String>,
    },
    /// A word outside a closed list.
    UnknownWord {
        /// What the word should have been.
        what: &'static str,
        /// The word.
        word: String,
        /// The known word that is most like it.
        nearest: Option<String>,
        /// The list, when it is short enough to be read.
        expected: String,
    },
    /// A name that is taken.
    Duplicate {
        /// What bears the name.
        what: &'static str,
        /// The name.
        word: String,
    },
    /// A request that must never be sent.
    Denied {
        /// Method and path.
        request: String,
        /// Why not, and what to do instead.
        reason: String,
    },
    /// A regular expression that does not compile, or is too large.
    Pattern {
        /// The expression.
        pattern: String,
        /// What the compiler said.
        reason: String,
    },
    /// A rule of the format that is broken.
    Rule {
        /// Which rule, and what to do.
        reason: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { message, nearest } => write!(f, "{message}{}", MeantBy(nearest)),
            Self::UnknownWord { what, word, nearest, expected } => {
                write!(f, "unknown {what} `{word}`{}", MeantBy(nearest))?;
                if nearest.is_none() && !expected.is_empty() {
                    write!(f, ", expected {expected}")?;
                }
                Ok(())
            }
            Self::Duplicate { what, word } => {
                write!(f, "{what} `{word}` exists already, choose another name")
            }
            Self::Denied { request, reason } => write!(f, "`{request}` is never sent: {reason}"),
            Self::Pattern { pattern, reason } => {
                write!(f, "invalid regular expression `{pattern}`: {reason}")
            }
            Self::Rule { reason } => f.write_str(reason),
        }
    }
}

struct MeantBy<'a>(&'a Option<String>);

impl fmt::Display for MeantBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, ", did you mean `{name}`?"))
    }
}

/// Line and column, both from 1, of byte `at` in `text`.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
