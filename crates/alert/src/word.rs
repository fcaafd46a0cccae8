/// A word that names nothing in a closed list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown {what} `{}`, expected one of {expected}", nightlatch_untrusted::terminal_cut(.word, 40))]
pub struct UnknownName {
    /// What the word should have been, such as `trigger`.
    pub what: &'static str,
    /// The word as given; cut and neutralised when shown.
    pub word: String,
    /// The list, separated by commas.
    pub expected: String,
}

/// Gives a closed enum with `ALL` and `as_str` its one parser, its one printer and the same in serde.
macro_rules! one_spelling {
    ($type:ty, $what:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownName> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    $crate::UnknownName {
                        what: $what,
                        word: text.chars().take(64).collect(),
                        expected: Self::ALL.map(Self::as_str).join(", "),
                    }
                })
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use one_spelling;
