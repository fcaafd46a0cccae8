//! What an audit of configuration found: the vocabulary that engines write and reports read.
//!
//! Text that comes from the audited files is [`Text`]: it leaves only through an escaper.

mod findings;

use std::{borrow::Cow, collections::BTreeMap};

use nightlatch_untrusted::Text;
use serde::{Deserialize, Serialize};

pub use findings::{Findings, Mark, Reported};

use crate::Severity;

/// A place in a file, for people and tools. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Location {
    /// The file as the user named it, `-` for standard input, `cluster:CONTEXT` for a live cluster.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub file: Text,
    /// First line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column after the last character.
    pub end_column: u32,
}

/// What a finding is about.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subject {
    /// `apiVersion`; empty for what is no Kubernetes object.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub api_version: Text,
    /// `kind`, or what it is: `ComposeService`, `DockerDaemon`, `SecurityGroup`, `User`, `File`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub kind: Text,
    /// Namespace; absent when none is said, which is not `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub namespace: Option<Text>,
    /// Name.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub name: Text,
    /// The container, when the finding is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub container: Option<Text>,
}

/// One line of evidence: a step of a chain, the policy that decided, the other end of a contradiction.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Related {
    /// What is to be seen there.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub message: Text,
    /// Where; absent for what has no place in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// One replacement of bytes in a file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replacement {
    /// The file.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub file: Text,
    /// First byte that is replaced.
    pub start: u32,
    /// First byte after what is replaced.
    pub end: u32,
    /// What stands there then.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub text: Text,
}

/// The smallest change that mends it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fix {
    /// What to do, in words.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub text: Text,
    /// The same as edits of files; empty when it cannot be one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Replacement>,
}

/// Why a finding is not counted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suppression {
    /// Where the exemption stands.
    pub by: SuppressedBy,
    /// Why, in the words of whoever exempted it; empty when they gave none.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub reason: Text,
    /// Last day on which it holds (`YYYY-MM-DD`); absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Where an exemption stands.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SuppressedBy {
    /// A comment in the file.
    Comment,
    /// An annotation of the object or of its pod template.
    Annotation,
    /// The audit's configuration file.
    Config,
    /// The baseline: it was there before.
    Baseline,
}

/// One broken control in configuration.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditFinding {
    /// Stable identifier of the rule, such as `POD-001`.
    pub rule: Cow<'static, str>,
    /// Name of the rule, such as `pod/privileged`.
    pub name: Cow<'static, str>,
    /// How bad it is here; a rule may judge one case milder than its default.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// Where; the nearest place that exists when something is missing. Absent for what has no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Where the key of the value stands, when it has one and it is another line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_location: Option<Location>,
    /// JSON pointer from the object (RFC 6901); empty for the object itself.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub pointer: Text,
    /// What is wrong here, in one sentence. Never holds a secret.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub message: Text,
    /// What else shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// The smallest change that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Rule, object and field as 16 hexadecimal digits; the same wherever the code moves in its file.
    pub fingerprint: String,
    /// Why it is not counted; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppression>,
}

/// What a rule comes to for one input. In the order of how loudly to say it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing in the input is of the sort the rule is about.
    #[default]
    NotApplicable,
    /// Everything that it is about holds.
    Pass,
    /// There is something it is about, and the input cannot show whether it holds.
    Unknown,
    /// Something breaks it.
    Fail,
}

impl Verdict {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// What one rule came to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuleOutcome {
    /// Stable identifier.
    pub rule: String,
    /// Name, such as `pod/privileged`.
    pub name: String,
    /// What the problem is, in a few words.
    pub title: String,
    /// Its ordinary severity, as configured.
    pub severity: Severity,
    /// What it came to.
    pub verdict: Verdict,
    /// How many things broke it, the exempt ones left out.
    pub failed: u32,
    /// How many held.
    pub passed: u32,
    /// How many could not be judged.
    pub unknown: u32,
    /// How many broke it and are exempt.
    pub suppressed: u32,
    /// Why the unknown ones are, each reason once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub why_unknown: Vec<Text>,
    /// Where the rule comes from: `CIS 5.2.2`, `PSS baseline`, `NSA-POD`, `T1611`.
    pub references: Vec<String>,
}

/// Something that could not be read, or an exemption that does nothing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// What sort.
    pub kind: NoticeKind,
    /// Where; absent when there is no place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What is wrong and what to do.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub message: Text,
}

/// What sort of notice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Part of the input could not be read; the rest was audited.
    Unreadable,
    /// Read, with something worth knowing.
    Warning,
    /// An exemption whose time is over.
    ExpiredSuppression,
    /// An exemption that nothing needs.
    UnusedSuppression,
}

/// Everything that one audit came to.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditReport {
    /// The selection of rules.
    pub profile: String,
    /// What was broken, worst first, then by place.
    pub findings: Vec<AuditFinding>,
    /// What each rule of the selection came to, by identifier.
    pub rules: Vec<RuleOutcome>,
    /// What could not be read, and exemptions that do nothing.
    pub notices: Vec<Notice>,
    /// What was looked at.
    pub input: InputSummary,
}

/// What was looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputSummary {
    /// Files, standard input, or answers of a cluster.
    pub sources: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Documents in them.
    pub documents: u64,
    /// Kubernetes objects in them.
    pub objects: u64,
    /// Workloads among those.
    pub workloads: u64,
    /// Documents that no rule is about, by what they are.
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, u64>"))]
    pub unknown: BTreeMap<Text, u64>,
}
