//! The audit as a page of its own: no script, nothing loaded from elsewhere.

use std::io::{self, Write};

use nightlatch_finding::audit::{AuditFinding, AuditReport, Verdict};
use nightlatch_untrusted::html as escaped;

use super::{RuleTexts, audit_summary, by_rule, by_severity, cut, place_text, reference_url, subject_text};
use crate::html_document::{StyleSource, begin, end};

/// Findings listed for one rule; the rest are counted.
const LISTED_MAX: usize = 500;
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Writes the report as an HTML document.
///
/// # Errors
/// What `out` reports.
pub fn html(
    report: &AuditReport,
    rules: RuleTexts<'_>,
    style: StyleSource,
    out: &mut dyn Write,
) -> io::Result<()> {
    begin("Audit", style, out)?;
    writeln!(
        out,
        "<p class=\"verdict\">Profile <code>{}</code>: {}.</p>",
        escaped(&report.profile),
        escaped(&audit_summary(report))
    )?;
    writeln!(out, "<table>\n<tr><th>severity</th><th class=\"number\">findings</th></tr>")?;
    for (severity, count) in by_severity(report) {
        writeln!(
            out,
            "<tr><td><span class=\"severity {severity}\">{severity}</span></td><td class=\"number\">{count}</td></tr>"
        )?;
    }
    writeln!(out, "</table>")?;
    let groups = by_rule(report);
    if !groups.is_empty() {
        writeln!(out, "<h2>Findings</h2>")?;
    }
    for (id, findings) in groups {
        group(id, &findings, rules, out)?;
    }
    verdicts(report, out)?;
    if !report.notices.is_empty() {
        writeln!(out, "<h2>Notices</h2>\n<ul>")?;
        for notice in &report.notices {
            writeln!(
                out,
                "<li><code>{}</code> {}</li>",
                escaped(&place_text(notice.location.as_ref())),
                escaped(&cut(&notice.message, MESSAGE_CHARS_MAX))
            )?;
        }
        writeln!(out, "</ul>")?;
    }
    end(out)
}

fn group(id: &str, findings: &[&AuditFinding], rules: RuleTexts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rule = rules(id);
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or_default();
    writeln!(
        out,
        "<article id=\"{0}\">\n<h3><span class=\"severity {worst}\">{worst}</span> {0} {1}</h3>",
        escaped(id),
        escaped(rule.map_or("", |rule| rule.title)),
    )?;
    if let Some(rule) = rule {
        writeln!(
            out,
            "<p>{}</p>\n<dl><dt>Fix</dt><dd>{}</dd>",
            escaped(rule.rationale),
            escaped(rule.remediation)
        )?;
        let references: Vec<String> = rule
            .references
            .iter()
            .map(|reference| match reference_url(reference) {
                Some(url) => {
                    format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escaped(&url), escaped(reference))
                }
                None => escaped(reference),
            })
            .collect();
        writeln!(out, "<dt>References</dt><dd>{}</dd></dl>", references.join(", "))?;
        if !rule.example.is_empty() {
            writeln!(out, "<pre>{}</pre>", escaped(rule.example))?;
        }
    }
    writeln!(out, "<div class=\"scroll\"><table>\n<tr><th>where</th><th>what</th><th>problem</th></tr>")?;
    for finding in findings.iter().take(LISTED_MAX) {
        let milder =
            if finding.severity == worst { String::new() } else { format!("{}: ", finding.severity) };
        write!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{milder}{}",
            escaped(&place_text(finding.location.as_ref())),
            escaped(&subject_text(&finding.subject)),
            escaped(&cut(&finding.message, MESSAGE_CHARS_MAX)),
        )?;
        if !finding.related.is_empty() {
            write!(out, "<ul>")?;
            for related in &finding.related {
                write!(
                    out,
                    "<li>{} <span class=\"quiet\">{}</span></li>",
                    escaped(&cut(&related.message, MESSAGE_CHARS_MAX)),
                    escaped(&related.location.as_ref().map_or(String::new(), |at| place_text(Some(at))))
                )?;
            }
            write!(out, "</ul>")?;
        }
        writeln!(out, "</td></tr>")?;
    }
    writeln!(out, "</table></div>")?;
    if findings.len() > LISTED_MAX {
        writeln!(out, "<p>and {} more.</p>", findings.len() - LISTED_MAX)?;
    }
    writeln!(out, "</article>")
}

fn verdicts(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Rules</h2>\n<div class=\"scroll\"><table>\n<tr><th>verdict</th><th>rule</th><th>title</th>\
         <th class=\"number\">fail</th><th class=\"number\">pass</th><th class=\"number\">unknown</th></tr>"
    )?;
    for outcome in report.rules.iter().filter(|outcome| outcome.verdict != Verdict::NotApplicable) {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td></tr>",
            outcome.verdict.as_str(),
            escaped(&outcome.rule),
            escaped(&outcome.title),
            outcome.failed,
            outcome.passed,
            outcome.unknown,
        )?;
    }
    writeln!(out, "</table></div>")
}
