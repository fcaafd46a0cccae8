//! What could not be read, and where.

use nightlatch_untrusted::Text;

use crate::{SourceId, Span};

/// How much a diagnostic hides.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DiagnosticKind {
    /// Read, with something worth knowing: a repeated key, a tab in a comment.
    Warning,
    /// A document, file or answer could not be read; everything else was.
    Error,
}

/// One thing that could not be read as it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// How much it hides.
    pub kind: DiagnosticKind,
    /// Where; nothing when there is no text to point into (a file that cannot be opened).
    pub at: Option<(SourceId, Span)>,
    /// What to call the place when `at` is nothing: a path, a resource of a cluster.
    pub name: Text,
    /// What is wrong, what was expected, and what to do, in one sentence.
    pub message: Text,
}
