use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How far a door opens to a stranger. Ordered: each state includes what the one below it gives away.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// The port answers; nothing can be concluded.
    #[default]
    Unknown,
    /// Identified; every informative request is refused in the product's own words.
    AuthRequired,
    /// Identified; a stranger gets health, version or a login page only.
    Limited,
    /// A stranger can read what the product holds, shown by a count or an empty-filter request.
    Readable,
    /// A stranger could change or run things, learnt without changing anything.
    Controllable,
}

impl Exposure {
    /// All states, from the least to the most exposed.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::AuthRequired, Self::Limited, Self::Readable, Self::Controllable];

    /// The same words in the same order, for catalogues and completion.
    pub const WORDS: [&'static str; 5] = ["unknown", "auth-required", "limited", "readable", "controllable"];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// Whether `controllable` was told by the product itself, or follows from what it said.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Concluded from configuration or from the known design of the product; the reason says how.
    Inferred,
    /// The product answered the question "what may I do?" for the anonymous caller.
    Proven,
}

impl Proof {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
            Self::Proven => "proven",
        }
    }
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One weak marker, or an answer that others give too.
    Low,
    /// Two independent markers.
    #[default]
    Medium,
    /// A certain marker of the product.
    High,
}

impl Confidence {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A word outside a closed list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown {what} `{word}`, expected {expected}")]
pub struct UnknownWord {
    /// What the word should have been.
    pub what: &'static str,
    /// The word as given.
    pub word: String,
    /// The list.
    pub expected: &'static str,
}

impl FromStr for Exposure {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|e| e.as_str() == text).ok_or_else(|| UnknownWord {
            what: "exposure",
            word: text.to_owned(),
            expected: "one of unknown, auth-required, limited, readable, controllable",
        })
    }
}

macro_rules! shown_as_str {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}
shown_as_str!(Exposure, Proof, Confidence);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_ordered_and_spelt_once() {
        assert!(Exposure::ALL.is_sorted());
        for exposure in Exposure::ALL {
            assert_eq!(exposure.as_str().parse(), Ok(exposure));
            let json = serde_json::to_string(&exposure).unwrap();
            assert_eq!(json, format!("\"{exposure}\""));
        }
        assert!("open".parse::<Exposure>().is_err());
    }
}
