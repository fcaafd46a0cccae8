//! The audit's configuration: which rules, how severe, what is exempt, and facts that the input cannot show.

use nightlatch_finding::Severity;
use serde::Deserialize;

use crate::{Profile, Rule, UnknownRule, rule, rules};

/// A Kubernetes minor version, such as 1.29.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct KubernetesVersion {
    /// 1, so far.
    pub major: u16,
    /// The minor.
    pub minor: u16,
}

impl KubernetesVersion {
    /// The newest one that the rules know.
    pub const LATEST: Self = Self { major: 1, minor: 36 };

    /// Reads `1.29`, `v1.29`, `1.29.3`, `v1.29.3-gke.100` or `latest`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::LATEST);
        }
        let mut parts = text.strip_prefix('v').unwrap_or(text).split(['.', '-', '+']);
        let mut number = || parts.next()?.parse().ok();
        Some(Self { major: number()?, minor: number()? })
    }

    /// True for 1.`minor` and later.
    pub fn is_at_least(self, minor: u16) -> bool {
        self >= Self { major: 1, minor }
    }
}

/// What the audit is told beside its input.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The selection of rules.
    pub profile: Profile,
    /// Rules switched on beside the profile.
    pub enabled: Vec<&'static str>,
    /// Rules switched off.
    pub disabled: Vec<&'static str>,
    /// When not empty, the only rules that run, whatever the profile says.
    pub only: Vec<&'static str>,
    /// Severities instead of the rules' own.
    pub severities: Vec<(&'static str, Severity)>,
    /// Exemptions.
    pub exemptions: Vec<Exemption>,
    /// The version of the cluster that the manifests are for; nothing when not told.
    pub kubernetes: Option<KubernetesVersion>,
    /// The version of the Pod Security Standards.
    pub pss: KubernetesVersion,
    /// Today, for ends of exemptions and of support.
    pub today: jiff::civil::Date,
    /// What scans saw from outside, to be explained.
    pub outside: Vec<Outside>,
    /// Whether fixes are made into edits; costs time, so only when they are shown.
    pub with_fixes: bool,
}

impl Settings {
    /// The default profile on a given day.
    pub fn new(today: jiff::civil::Date) -> Self {
        Self {
            profile: Profile::Default,
            enabled: Vec::new(),
            disabled: Vec::new(),
            only: Vec::new(),
            severities: Vec::new(),
            exemptions: Vec::new(),
            kubernetes: None,
            pss: KubernetesVersion::LATEST,
            today,
            outside: Vec::new(),
            with_fixes: true,
        }
    }

    /// The rules that run, by identifier.
    pub fn selected(&self) -> Vec<&'static Rule> {
        rules()
            .iter()
            .filter(|rule| {
                if !self.only.is_empty() {
                    return self.only.contains(&rule.id);
                }
                !self.disabled.contains(&rule.id)
                    && (self.profile.selects(rule) || self.enabled.contains(&rule.id))
            })
            .collect()
    }

    /// The severity of a rule as configured.
    pub fn severity_of(&self, rule: &Rule) -> Severity {
        self.severities
            .iter()
            .rev()
            .find(|(id, _)| *id == rule.id)
            .map_or(rule.severity, |(_, severity)| *severity)
    }

    /// The version to judge by: what was told, else the newest.
    pub fn kubernetes_or_latest(&self) -> KubernetesVersion {
        self.kubernetes.unwrap_or(KubernetesVersion::LATEST)
    }
}

/// An endpoint that a scan saw open.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Its address.
    pub address: std::net::IpAddr,
    /// Its port.
    pub port: u16,
    /// What it is, as the fingerprint calls it.
    pub product: String,
    /// How far it opens: `readable`, `controllable`.
    pub exposure: String,
    /// How bad the scan judged it.
    pub severity: Severity,
    /// When it was seen, as text.
    pub seen: String,
}

/// One exemption of the configuration file. What is empty exempts any; `*` in a name matches anything.
#[derive(Clone, Debug, Default)]
pub struct Exemption {
    /// Identifier of the rule; empty for all.
    pub rule: String,
    /// Kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its container.
    pub container: String,
    /// Path of the file, as reported.
    pub file: String,
    /// JSON pointer; everything below is exempt as well.
    pub pointer: String,
    /// Why.
    pub reason: String,
    /// Last day.
    pub until: Option<jiff::civil::Date>,
    /// Line of the configuration file, for notices.
    pub line: u32,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The text does not have the shape of a configuration.
    #[error("invalid audit configuration")]
    Shape {
        /// Bytes it is about.
        span: Option<std::ops::Range<usize>>,
        /// What the reader says.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A word names no rule.
    #[error("unknown rule `{word}`")]
    Rule {
        /// Bytes it is about.
        span: std::ops::Range<usize>,
        /// The word.
        word: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A value is not one of those expected.
    #[error("{message}")]
    Value {
        /// Bytes it is about.
        span: std::ops::Range<usize>,
        /// What is wrong and what was expected.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    profile: Option<toml::Spanned<String>>,
    fail_on: Option<toml::Spanned<String>>,
    kubernetes_version: Option<toml::Spanned<String>>,
    pss_version: Option<toml::Spanned<String>>,
    #[serde(default)]
    enable: Vec<toml::Spanned<String>>,
    #[serde(default)]
    disable: Vec<toml::Spanned<String>>,
    #[serde(default)]
    severity: std::collections::BTreeMap<toml::Spanned<String>, toml::Spanned<String>>,
    #[serde(default)]
    ignore: Vec<toml::Spanned<IgnoreFile>>,
    #[serde(default)]
    pod_template: Vec<PodTemplateFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PodTemplateFile {
    #[serde(default)]
    group: String,
    kind: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct IgnoreFile {
    rule: Option<toml::Spanned<String>>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    container: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    path: String,
    reason: String,
    until: Option<toml::Spanned<String>>,
}

/// What a configuration file says, beside what goes into [`Settings`].
#[derive(Clone, Debug, Default)]
pub struct FileChoices {
    /// `fail-on`, when it is there.
    pub fail_on: Option<Severity>,
    /// Further kinds that embed a pod: group, kind, dotted path of the template.
    pub pod_templates: Vec<(String, String, String)>,
}

/// Reads an audit configuration (TOML) into `settings`.
///
/// # Errors
/// [`SettingsError`], with the bytes it is about.
pub fn read_settings(text: &str, settings: &mut Settings) -> Result<FileChoices, SettingsError> {
    let file: File = toml::from_str(text)
        .map_err(|error| SettingsError::Shape { span: error.span(), source: Box::new(error) })?;
    let pod_templates = file.pod_template.into_iter().map(|row| (row.group, row.kind, row.path)).collect();
    let mut choices = FileChoices { fail_on: None, pod_templates };
    if let Some(word) = file.profile {
        settings.profile = parse(&word)?;
    }
    if let Some(word) = file.fail_on {
        choices.fail_on = Some(parse(&word)?);
    }
    if let Some(word) = file.kubernetes_version {
        settings.kubernetes = Some(version(&word)?);
    }
    if let Some(word) = file.pss_version {
        settings.pss = version(&word)?;
    }
    for word in &file.enable {
        settings.enabled.push(known(word)?.id);
    }
    for word in &file.disable {
        settings.disabled.push(known(word)?.id);
    }
    for (word, severity) in &file.severity {
        settings.severities.push((known(word)?.id, parse(severity)?));
    }
    for entry in file.ignore {
        let line =
            1 + text.as_bytes()[..entry.span().start.min(text.len())].iter().filter(|&&b| b == b'\n').count();
        settings.exemptions.push(exemption(entry.into_inner(), line as u32)?);
    }
    Ok(choices)
}

fn exemption(entry: IgnoreFile, line: u32) -> Result<Exemption, SettingsError> {
    let rule = match &entry.rule {
        Some(word) => known(word)?.id.to_owned(),
        None => String::new(),
    };
    let until = match &entry.until {
        Some(word) => Some(word.get_ref().parse().map_err(|_| SettingsError::Value {
            span: word.span(),
            message: format!("`until = \"{}\"` is no day, expected such as 2027-01-31", word.get_ref()),
        })?),
        None => None,
    };
    Ok(Exemption {
        rule,
        kind: entry.kind,
        namespace: entry.namespace,
        name: entry.name,
        container: entry.container,
        file: entry.file,
        pointer: entry.path,
        reason: entry.reason,
        until,
        line,
    })
}

fn known(word: &toml::Spanned<String>) -> Result<&'static Rule, SettingsError> {
    rule(word.get_ref()).map_err(|UnknownRule { word: own, nearest }| SettingsError::Rule {
        span: word.span(),
        word: own,
        nearest,
    })
}

fn parse<T: std::str::FromStr>(word: &toml::Spanned<String>) -> Result<T, SettingsError>
where
    T::Err: std::fmt::Display,
{
    word.get_ref()
        .parse()
        .map_err(|error: T::Err| SettingsError::Value { span: word.span(), message: error.to_string() })
}

fn version(word: &toml::Spanned<String>) -> Result<KubernetesVersion, SettingsError> {
    KubernetesVersion::parse(word.get_ref()).ok_or_else(|| SettingsError::Value {
        span: word.span(),
        message: format!("`{}` is no version, expected such as 1.29 or latest", word.get_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Settings, FileChoices), SettingsError> {
        let mut settings = Settings::new(jiff::civil::date(2026, 11, 1));
        let choices = read_settings(text, &mut settings)?;
        Ok((settings, choices))
    }

    #[test]
    fn a_whole_file_is_understood() {
        let text = r#"
            profile = "cis"
            fail-on = "high"
            kubernetes-version = "v1.29.3"
            enable = ["POD-032"]
            disable = ["pod/default-namespace"]
            severity = { "POD-018" = "medium" }

            [[ignore]]
            rule = "POD-001"
            name = "*-agent"
            reason = "node agents"
            until = "2027-01-31"

            [[pod-template]]
            group = "example.com"
            kind = "Fleet"
            path = "spec.template"
        "#;
        let (settings, choices) = read(text).unwrap();
        assert_eq!(settings.profile, Profile::Cis);
        assert_eq!(choices.fail_on, Some(Severity::High));
        assert_eq!(settings.kubernetes, Some(KubernetesVersion { major: 1, minor: 29 }));
        assert_eq!((settings.enabled, settings.disabled), (vec!["POD-032"], vec!["POD-044"]));
        assert_eq!(settings.severities, [("POD-018", Severity::Medium)]);
        assert_eq!(settings.exemptions[0].line, 9);
        assert_eq!(choices.pod_templates, [("example.com".into(), "Fleet".into(), "spec.template".into())]);
    }

    #[test]
    fn mistakes_say_what_and_where() {
        let check = |text: &str, part: &str| {
            let error = read(text).unwrap_err();
            let whole = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
            assert!(whole.contains(part), "{text}: {whole}");
        };
        check("disable = ['POD-01']", "unknown rule `POD-01`");
        check("profile = 'cis2'", "there is no profile `cis2`");
        check(
            "[[ignore]]
rule = 'POD-001'
",
            "missing field `reason`",
        );
        check(
            "[[ignore]]
reason = 'x'
until = 'soon'
",
            "no day",
        );
        check("fail_on = 'high'", "unknown field");
        check("severity = { 'POD-001' = 'severe' }", "unknown severity");
    }
}
