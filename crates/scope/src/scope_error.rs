use std::path::{Path, PathBuf};

use std::ops::Range;

/// What is wrong in a scope file, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}:{line}:{column}: {what}, expected {expected}{}", path.display(), did_you_mean(nearest.as_deref()))]
pub struct ScopeError {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Bytes of the file that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What would have been right.
    pub expected: String,
    /// The known name that is nearest to an unknown one.
    pub nearest: Option<String>,
}

pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl ScopeError {
    pub(crate) fn at(
        (path, text): (&Path, &str),
        span: Range<usize>,
        what: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (line, column) = line_and_column(text, span.start);
        let (what, expected) = (what.into(), expected.into());
        Self { path: path.to_owned(), line, column, span, what, expected, nearest: None }
    }

    pub(crate) fn near(mut self, nearest: Option<&str>) -> Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }
}

/// Line and column (in characters), from 1, of the byte at `at`.
pub(crate) fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
