//! Markdown, for pull requests and wikis.

use std::io::{self, Write};

use nightlatch_finding::audit::{AuditReport, Verdict};
use nightlatch_untrusted::markdown as escaped;

use super::{RuleTexts, audit_summary, by_rule, by_severity, cut, place_text, subject_text};

/// Findings listed for one rule; the rest are counted.
const LISTED_MAX: usize = 200;

/// Writes the report as a Markdown document.
///
/// # Errors
/// What `out` reports.
pub fn markdown(report: &AuditReport, rules: RuleTexts<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Audit\n\nProfile `{}`: {}.\n", report.profile, audit_summary(report))?;
    writeln!(out, "| severity | findings |\n| --- | ---: |")?;
    for (severity, count) in by_severity(report) {
        writeln!(out, "| {severity} | {count} |")?;
    }
    for (id, findings) in by_rule(report) {
        let rule = rules(id);
        let title = rule.map_or("", |rule| rule.title);
        let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or_default();
        writeln!(out, "\n## {id} {} ({worst})\n", escaped(title))?;
        if let Some(rule) = rule {
            writeln!(out, "{}\n\n**Fix:** {}\n", escaped(rule.rationale), escaped(rule.remediation))?;
        }
        writeln!(out, "| where | what | problem |\n| --- | --- | --- |")?;
        for finding in findings.iter().take(LISTED_MAX) {
            writeln!(
                out,
                "| {} | {} | {} |",
                escaped(&place_text(finding.location.as_ref())),
                escaped(&subject_text(&finding.subject)),
                escaped(&cut(&finding.message, 300)),
            )?;
        }
        if findings.len() > LISTED_MAX {
            writeln!(out, "\nand {} more.", findings.len() - LISTED_MAX)?;
        }
    }
    let unknown: Vec<_> = report.rules.iter().filter(|outcome| outcome.verdict == Verdict::Unknown).collect();
    if !unknown.is_empty() {
        writeln!(out, "\n## Unknown\n\nThe input cannot show whether these hold.\n")?;
        for outcome in unknown {
            let why: Vec<String> = outcome.why_unknown.iter().map(|why| why.for_markdown()).collect();
            writeln!(out, "- {} {}: {}", outcome.rule, escaped(&outcome.title), why.join("; "))?;
        }
    }
    if !report.notices.is_empty() {
        writeln!(out, "\n## Notices\n")?;
        for notice in &report.notices {
            writeln!(
                out,
                "- {} {}",
                escaped(&place_text(notice.location.as_ref())),
                notice.message.for_markdown()
            )?;
        }
    }
    Ok(())
}
