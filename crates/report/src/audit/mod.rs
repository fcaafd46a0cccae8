//! What an audit found: for people, for code scanning, for test runners, for pull requests.

mod html;
mod json;
mod junit;
mod markdown;
mod sarif;
mod text;

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::{Group, TextOptions, explain, profile_table, text};

use std::collections::BTreeMap;

use nightlatch_finding::{
    Severity,
    audit::{AuditFinding, AuditReport, Location, Mark, NoticeKind, Reported, Subject},
};
use nightlatch_untrusted::Text;

/// What a report tells of a rule beside its outcome.
#[derive(Clone, Copy, Debug)]
pub struct RuleText<'a> {
    /// Identifier, such as `POD-001`.
    pub id: &'a str,
    /// Name, such as `pod/privileged`.
    pub name: &'a str,
    /// The problem in a few words.
    pub title: &'a str,
    /// Ordinary severity.
    pub severity: Severity,
    /// Why it matters.
    pub rationale: &'a str,
    /// How to mend it.
    pub remediation: &'a str,
    /// Where it comes from.
    pub references: &'a [&'a str],
    /// Lines of configuration as they should be; may be empty.
    pub example: &'a str,
}

/// Finds the text of a rule by its identifier.
pub type RuleTexts<'a> = &'a dyn Fn(&str) -> Option<RuleText<'a>>;

/// The page about a reference, where the reference has one that stays.
pub fn reference_url(reference: &str) -> Option<String> {
    if reference.starts_with("https://") {
        return Some(reference.to_owned());
    }
    if let Some(technique) =
        reference.strip_prefix('T').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Some(format!("https://attack.mitre.org/techniques/T{}/", technique.replace('.', "/")));
    }
    if reference.starts_with("CVE-") {
        return Some(format!("https://www.cve.org/CVERecord?id={reference}"));
    }
    if let Some(number) = reference.strip_prefix("CWE-") {
        return Some(format!("https://cwe.mitre.org/data/definitions/{number}.html"));
    }
    if reference.starts_with("PSS ") {
        return Some("https://kubernetes.io/docs/concepts/security/pod-security-standards/".to_owned());
    }
    None
}

/// The findings that count, by rule, worst rule first.
pub(crate) fn by_rule(report: &AuditReport) -> Vec<(&str, Vec<&AuditFinding>)> {
    let mut rules: BTreeMap<&str, Vec<&AuditFinding>> = BTreeMap::new();
    for finding in counted(report) {
        rules.entry(&finding.rule).or_default().push(finding);
    }
    let mut rules: Vec<_> = rules.into_iter().collect();
    rules.sort_by_key(|(id, findings)| {
        (std::cmp::Reverse(findings.iter().map(|finding| finding.severity).max()), (*id).to_owned())
    });
    rules
}

/// The findings that count, in the order of the report.
pub(crate) fn counted(report: &AuditReport) -> impl Iterator<Item = &AuditFinding> {
    report.findings.iter().filter(|finding| finding.suppressed.is_none())
}

/// Where the findings that count stand in the report, by rule, worst rule first.
pub(crate) fn places_by_rule<'r>(reported: Reported<'r>) -> Vec<(&'r str, Severity, Vec<usize>)> {
    let mut rules: BTreeMap<&str, (Severity, Vec<usize>)> = BTreeMap::new();
    for (index, mark) in reported.marks().enumerate().filter(|(_, mark)| !mark.is_exempt) {
        let (worst, places) = rules.entry(mark.rule).or_default();
        *worst = mark.severity.max(*worst);
        places.push(index);
    }
    let mut rules: Vec<_> = rules.into_iter().map(|(id, (worst, places))| (id, worst, places)).collect();
    rules.sort_by_key(|(_, worst, _)| std::cmp::Reverse(*worst));
    rules
}

/// The marks of the findings that count.
fn counted_marks<'r>(reported: Reported<'r>) -> impl Iterator<Item = Mark<'r>> {
    reported.marks().filter(|mark| !mark.is_exempt)
}

/// Numbers of findings that count, worst severity first, none left out.
pub(crate) fn by_severity<'r>(report: impl Into<Reported<'r>>) -> Vec<(Severity, usize)> {
    let reported = report.into();
    let of = |severity| counted_marks(reported).filter(|mark| mark.severity == severity).count();
    Severity::ALL.into_iter().rev().map(|severity| (severity, of(severity))).collect()
}

/// `Deployment shop/web [app]`, raw: escape it.
pub(crate) fn subject_text(subject: &Subject) -> String {
    let mut text = subject.kind.raw().to_owned();
    if !subject.name.is_empty() {
        text.push(' ');
        if let Some(namespace) = &subject.namespace {
            text.push_str(namespace.raw());
            text.push('/');
        }
        text.push_str(subject.name.raw());
    }
    if let Some(container) = &subject.container {
        text.push_str(" [");
        text.push_str(container.raw());
        text.push(']');
    }
    text
}

/// `deploy/web.yaml:23:11`, raw: escape it.
pub(crate) fn place_text(location: Option<&Location>) -> String {
    location.map_or_else(|| "-".to_owned(), |at| format!("{}:{}:{}", at.file.raw(), at.line, at.column))
}

/// What was looked at and what came of it, in one or two sentences. Without foreign text.
pub fn audit_summary<'r>(report: impl Into<Reported<'r>>) -> String {
    let reported = report.into();
    let report = reported.report;
    let input = &report.input;
    let mut text = String::new();
    let found: Vec<String> = by_severity(reported)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    let total = counted_marks(reported).count();
    match total {
        0 => text.push_str("no findings"),
        1 => text.push_str("1 finding: "),
        _ => text.push_str(&format!("{total} findings: ")),
    }
    text.push_str(&found.join(", "));
    let exempt = reported.findings.count() - total;
    if exempt > 0 {
        text.push_str(&format!("; {exempt} exempt"));
    }
    text.push_str(&format!("; {} in {}", plural(input.objects, "object"), plural(input.sources, "file"),));
    let unreadable =
        report.notices.iter().filter(|notice| notice.kind == NoticeKind::Unreadable).count() as u64;
    if unreadable > 0 {
        text.push_str(&format!("; {} not readable", plural(unreadable, "part")));
    }
    let unknown: u64 = input.unknown.values().sum();
    if unknown > 0 {
        text.push_str(&format!("; {} of kinds that no rule is about", plural(unknown, "document")));
    }
    text
}

pub(crate) fn plural(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// Foreign text cut to `chars_max` characters.
pub(crate) fn cut(text: &Text, chars_max: usize) -> String {
    let raw = text.raw();
    match raw.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &raw[..at]),
        None => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests;
