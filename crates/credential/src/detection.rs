//! One credential that was found.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::{Kind, entropy};

/// How sure it is that something is a credential.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Confidence {
    /// A guess worth a look: a password hash, a word behind a name such as `secret`.
    Low,
    /// A sensitive name with a value that is one, or a shape whose checksum does not agree.
    Medium,
    /// A shape of its own, proved by structure or checksum where the kind has one.
    High,
}

/// One credential in a text. It carries places and a masked form, never the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Detection {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the text that was searched.
    pub span: Range<usize>,
    /// The bytes of the name in front of it, when a name gave it away and stands in the same text.
    pub name: Option<Range<usize>>,
    /// How sure that is.
    pub confidence: Confidence,
    /// What may be shown: `AKIA****************`, `12 characters`.
    pub masked: String,
}

impl Detection {
    pub(crate) fn new(kind: Kind, text: &str, span: Range<usize>, confidence: Confidence) -> Self {
        let masked = mask(text.get(span.clone()).unwrap_or(""));
        Self { kind, span, name: None, confidence, masked }
    }

    /// Shows the public prefix of a token and hides the rest.
    pub(crate) fn with_prefix(mut self, prefix: &str) -> Self {
        let hidden = self.span.len().saturating_sub(prefix.len()).min(STARS_MAX);
        self.masked = format!("{prefix}{}", "*".repeat(hidden));
        self
    }
}

/// The masked form of a value: its length, and for values that cannot be guessed the start of their digest, so that
/// two places with the same value can be told. The digest of a guessable value would give it away.
pub fn mask(value: &str) -> String {
    let length = value.chars().count();
    let unit = if length == 1 { "character" } else { "characters" };
    if !entropy::is_random(value) {
        return format!("{length} {unit}");
    }
    let digest = Sha256::digest(value.as_bytes());
    let start: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{length} {unit}, sha256 {start}...")
}

/// Stars of a masked token: longer tokens are cut so that lines stay short.
const STARS_MAX: usize = 16;
