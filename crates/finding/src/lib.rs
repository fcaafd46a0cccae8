//! How bad something is, and one broken control.
//!
//! There is one severity scale in the whole project, ordered, with one parser and one printer.

pub mod audit;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How bad it is. Ordered: `Info < Low < Medium < High < Critical`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to do.
    #[default]
    Info,
    /// Gives a stranger a little.
    Low,
    /// Should be mended in the ordinary course of work.
    Medium,
    /// Should be mended now.
    High,
    /// A stranger can take over or take away.
    Critical,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is not a severity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown severity `{0}`, expected one of info, low, medium, high, critical")]
pub struct UnknownSeverity(pub String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

/// A broken control seen beside the main verdict: its identifier, how bad it is, and what is wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name of the problem, such as `legacy-discovery-binding`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence; empty when the identifier says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spelling_agree() {
        assert!(Severity::ALL.is_sorted());
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(severity));
        }
        assert!("Severe".parse::<Severity>().is_err());
    }
}
