//! Ends of life of Kubernetes versions.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

use crate::KubernetesVersion;

#[derive(Deserialize)]
struct File {
    release: Vec<Release>,
}

#[derive(Deserialize)]
struct Release {
    minor: u16,
    end: String,
}

/// Minor versions and the last day of each, by minor.
static RELEASES: LazyLock<Vec<(u16, Date)>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../data/kubernetes-releases.toml"))
        .unwrap_or(File { release: Vec::new() });
    file.release.into_iter().filter_map(|release| Some((release.minor, release.end.parse().ok()?))).collect()
});

/// What is known of the support of a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Support {
    /// Maintained until this day.
    Until(Date),
    /// Over since this day.
    Ended(Date),
    /// Over for longer than the table goes back.
    LongEnded,
    /// Newer than the table.
    Unknown,
}

/// The support of `version` on the day `today`.
pub(crate) fn support(version: KubernetesVersion, today: Date) -> Support {
    let Some((first, _)) = RELEASES.first() else { return Support::Unknown };
    if version.major < 1 || (version.major == 1 && version.minor < *first) {
        return Support::LongEnded;
    }
    match RELEASES.iter().find(|(minor, _)| version.major == 1 && version.minor == *minor) {
        Some((_, end)) if *end < today => Support::Ended(*end),
        Some((_, end)) => Support::Until(*end),
        None => Support::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn support_ends_after_its_last_day() {
        let version = |minor| KubernetesVersion { major: 1, minor };
        assert_eq!(support(version(35), date(2027, 2, 28)), Support::Until(date(2027, 2, 28)));
        assert_eq!(support(version(35), date(2027, 3, 1)), Support::Ended(date(2027, 2, 28)));
        assert_eq!(support(version(9), date(2027, 3, 1)), Support::LongEnded);
        assert_eq!(support(version(99), date(2027, 3, 1)), Support::Unknown);
        assert_eq!(RELEASES.len(), 18);
    }
}
