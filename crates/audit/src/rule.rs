//! Rules: what `rules/<family>/<rule>/rule.toml` says, embedded by the build script.

use nightlatch_finding::Severity;

use crate::{NativeCheck, PartCheck, checks};

/// One rule. Everything about it is constant; a configuration may select it, exempt from it and change its severity.
#[derive(Debug)]
pub struct Rule {
    /// Stable identifier, such as `POD-001`; never reused.
    pub id: &'static str,
    /// Name after its folder, such as `pod/privileged`; the problem, never the cure.
    pub name: &'static str,
    /// The problem in a few words.
    pub title: &'static str,
    /// How bad it is where the check says nothing else.
    pub severity: Severity,
    /// 1: first release; 2: also in the default profile; 3: only when asked for.
    pub tier: u8,
    /// Why it matters, in a sentence or three.
    pub rationale: &'static str,
    /// How to mend it.
    pub remediation: &'static str,
    /// Where it comes from: `CIS 5.2.2`, `CIS-Docker 2.7`, `PSS baseline`, `PSS restricted`, `NSA-POD`, `T1611`,
    /// `CVE-2020-8554`, or an address.
    pub references: &'static [&'static str],
    /// True when reasonable people disagree: not in the default profile.
    pub contested: bool,
    /// The only profiles it is in, `all` aside; empty: those that its tier and references say.
    pub only_in: &'static [&'static str],
    /// Further profiles it is in.
    pub also_in: &'static [&'static str],
    /// Rules whose finding on the same field or container makes this one's superfluous: one cause, one finding.
    pub hidden_by: &'static [&'static str],
    /// Former identifiers and names.
    pub aliases: &'static [&'static str],
    /// A few lines of configuration as they should be; empty when the remediation says it all.
    pub example: &'static str,
    pub(crate) check: Check,
}

impl Rule {
    /// The family: `pod` of `pod/privileged`.
    pub fn family(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(family, _)| family)
    }
}

/// How a check is run.
#[derive(Clone, Copy)]
pub(crate) enum Runs {
    /// Over everything at once.
    Whole(NativeCheck),
    /// One workload after the other.
    ByWorkload(PartCheck),
    /// Over the network, by a view that they share.
    OfNetwork(checks::network::NetworkCheck),
    /// The first two, of a rule file.
    DeclaredWhole(&'static Declared),
    DeclaredByWorkload(&'static Declared),
}

#[derive(Debug)]
pub(crate) enum Check {
    Native(&'static str),
    Declared(Declared),
}

impl Check {
    /// How it is run; nothing for a native check that is not registered, of which a test says that there is none.
    pub(crate) fn runs(&'static self) -> Option<Runs> {
        match self {
            Self::Native(name) => (checks::native(name).map(Runs::Whole))
                .or_else(|| checks::by_workload(name).map(Runs::ByWorkload))
                .or_else(|| checks::of_network(name).map(Runs::OfNetwork)),
            Self::Declared(declared) if matches!(declared.on, On::PodSpec | On::Container) => {
                Some(Runs::DeclaredByWorkload(declared))
            }
            Self::Declared(declared) => Some(Runs::DeclaredWhole(declared)),
        }
    }
}

/// A check in the closed shapes of a rule file.
#[derive(Debug)]
pub(crate) struct Declared {
    pub on: On,
    pub target: Target,
    pub fails_when: Condition,
    pub absent: Absent,
    pub message: &'static str,
    pub fix: Option<DeclaredFix>,
    /// Not for pods that say they run Windows (`spec.os.name`).
    pub windows_exempt: bool,
}

/// What the check looks at, one by one.
#[derive(Debug)]
#[allow(dead_code, reason = "which shapes are used depends on the rules")]
pub(crate) enum On {
    /// The pod spec of each workload.
    PodSpec,
    /// Each container of all three lists of each workload.
    Container,
    /// Each Kubernetes object of these kinds.
    Object(&'static [&'static str]),
    /// Each service of each Compose project.
    ComposeService,
    /// Each `daemon.json`.
    DockerDaemon,
    /// Each command line of this program, such as `kube-apiserver`.
    Component(&'static str),
}

/// What of it.
#[derive(Debug)]
#[allow(dead_code, reason = "which shapes are used depends on the rules")]
pub(crate) enum Target {
    /// A dotted path; `*` goes over the elements of a list or the values of a mapping.
    Path(&'static str),
    /// A flag of a command line, without dashes.
    Flag(&'static str),
}

/// When it is broken. Values are compared as text, so `true` matches a boolean `true`.
#[derive(Debug)]
#[allow(dead_code, reason = "which shapes are used depends on the rules")]
pub(crate) enum Condition {
    Is(&'static [&'static str]),
    IsNot(&'static [&'static str]),
    Matches(&'static str),
    Present,
    Below(i64),
    Above(i64),
}

/// What it means when the value is absent or `null`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(dead_code, reason = "which shapes are used depends on the rules")]
pub(crate) enum Absent {
    Pass,
    Fail,
    Unknown,
}

#[derive(Debug)]
#[allow(dead_code, reason = "which shapes are used depends on the rules")]
pub(crate) enum DeclaredFix {
    Set(&'static str),
    Remove,
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// All rules, by identifier.
pub fn rules() -> &'static [Rule] {
    RULES
}

/// The rule of an identifier, name or former one, in any case of letters.
///
/// # Errors
/// [`UnknownRule`] with the nearest identifier or name.
pub fn rule(word: &str) -> Result<&'static Rule, UnknownRule> {
    let is = |own: &&str| own.eq_ignore_ascii_case(word);
    RULES
        .iter()
        .find(|rule| is(&rule.id) || is(&rule.name) || rule.aliases.iter().any(is))
        .ok_or_else(|| UnknownRule { word: word.chars().take(80).collect(), nearest: nearest(word) })
}

/// A word that names no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no rule `{word}`")]
pub struct UnknownRule {
    /// The word, cut to 80 characters.
    pub word: String,
    /// What was probably meant.
    pub nearest: Option<&'static str>,
}

fn nearest(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let short = |name: &'static str| name.split_once('/').map_or(name, |(_, rest)| rest);
    RULES
        .iter()
        .flat_map(|rule| [(rule.id, rule.id), (rule.name, rule.name), (short(rule.name), rule.name)])
        .map(|(candidate, shown)| (distance(&word, &candidate.to_ascii_lowercase()), shown))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2.max(word.len() / 3))
        .map(|(_, shown)| shown)
}

/// Edit distance of Levenshtein, on at most 80 bytes of each.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (&a.as_bytes()[..a.len().min(80)], &b.as_bytes()[..b.len().min(80)]);
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_native_check_is_registered_and_every_registered_one_is_used() {
        let wanted: BTreeSet<&str> = RULES
            .iter()
            .filter_map(|rule| match &rule.check {
                Check::Native(name) => Some(*name),
                Check::Declared(_) => None,
            })
            .collect();
        let whole = checks::FAMILIES.iter().flat_map(|family| family.iter().map(|(name, _)| *name));
        let by_workload =
            checks::FAMILIES_BY_WORKLOAD.iter().flat_map(|family| family.iter().map(|(name, _)| *name));
        let of_network = checks::OF_NETWORK.iter().flat_map(|family| family.iter().map(|(name, _)| *name));
        let registered: Vec<&str> = whole.chain(by_workload).chain(of_network).collect();
        let unique: BTreeSet<&str> = registered.iter().copied().collect();
        assert_eq!(unique.len(), registered.len(), "a check is registered twice");
        assert_eq!(wanted, unique, "rules name the left, the lists have the right");
    }

    #[test]
    fn patterns_of_rule_files_compile() {
        for rule in RULES {
            if let Check::Declared(Declared { fails_when: Condition::Matches(pattern), .. }) = &rule.check {
                assert!(regex::Regex::new(pattern).is_ok(), "{}: {pattern}", rule.id);
            }
        }
    }

    #[test]
    fn what_hides_a_rule_exists() {
        for rule in RULES {
            for by in rule.hidden_by {
                assert!(
                    RULES.iter().any(|other| other.id == *by),
                    "{} is hidden by {by}, which is no rule",
                    rule.id
                );
            }
        }
    }

    #[test]
    fn words_find_rules_and_slips_find_the_nearest() {
        let any = &RULES[0];
        assert_eq!(super::rule(&any.id.to_lowercase()).map(|rule| rule.id), Ok(any.id));
        assert_eq!(super::rule(any.name).map(|rule| rule.id), Ok(any.id));
        let slip = format!("{}x", any.name);
        assert_eq!(super::rule(&slip).err().and_then(|error| error.nearest), Some(any.name));
        assert_eq!(super::rule("no such thing at all").err().and_then(|error| error.nearest), None);
    }
}
