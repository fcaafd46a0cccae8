//! Selections of rules.

use crate::Rule;

/// A selection of rules.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Profile {
    /// Tiers 1 and 2, without what is contested.
    #[default]
    Default,
    /// The Pod Security Standards, level Baseline, exactly.
    PssBaseline,
    /// The Pod Security Standards, level Restricted (Baseline included), exactly.
    PssRestricted,
    /// Whatever has a number in the CIS Kubernetes Benchmark.
    Cis,
    /// Whatever has a number in the CIS Docker Benchmark.
    CisDocker,
    /// Whatever has a chapter in the NSA/CISA Kubernetes Hardening Guidance.
    Nsa,
    /// Whatever has a technique in MITRE ATT&CK.
    Attack,
    /// Everything.
    All,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 8] = [
        Self::Default,
        Self::PssBaseline,
        Self::PssRestricted,
        Self::Cis,
        Self::CisDocker,
        Self::Nsa,
        Self::Attack,
        Self::All,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::PssBaseline => "pss-baseline",
            Self::PssRestricted => "pss-restricted",
            Self::Cis => "cis",
            Self::CisDocker => "cis-docker",
            Self::Nsa => "nsa",
            Self::Attack => "attack",
            Self::All => "all",
        }
    }

    /// True when the profile asks for the letter of the Pod Security Standards instead of what is effectively so.
    pub const fn is_pss(self) -> bool {
        matches!(self, Self::PssBaseline | Self::PssRestricted)
    }

    /// True when `rule` is in it.
    pub fn selects(self, rule: &Rule) -> bool {
        let name = self.as_str();
        if self == Self::All || rule.also_in.contains(&name) {
            return true;
        }
        if !rule.only_in.is_empty() {
            return rule.only_in.contains(&name);
        }
        let has = |test: fn(&str) -> bool| rule.references.iter().any(|reference| test(reference));
        match self {
            Self::Default => rule.tier <= 2 && !rule.contested,
            Self::PssBaseline => has(|reference| reference.starts_with("PSS baseline")),
            Self::PssRestricted => has(|reference| reference.starts_with("PSS ")),
            Self::Cis => has(|reference| reference.starts_with("CIS ")),
            Self::CisDocker => has(|reference| reference.starts_with("CIS-Docker ")),
            Self::Nsa => has(|reference| reference.starts_with("NSA-")),
            Self::Attack => has(is_technique),
            Self::All => true,
        }
    }
}

/// `T1611` or `T1552.007`.
fn is_technique(reference: &str) -> bool {
    reference
        .strip_prefix('T')
        .is_some_and(|rest| rest.len() >= 4 && rest.bytes().take(4).all(|b| b.is_ascii_digit()))
}

/// A word that names no profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "there is no profile `{0}`, expected one of default, pss-baseline, pss-restricted, cis, cis-docker, nsa, attack, all"
)]
pub struct UnknownProfile(pub String);

impl std::str::FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}
