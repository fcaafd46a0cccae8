//! JUnit XML, as test runners and CI systems read it: one suite for each rule, one case for each thing it broke on.
//!
//! Source: the schema of Apache Ant's `junitreport` as Jenkins and GitLab read it.

use std::io::{self, Write};

use nightlatch_finding::audit::{AuditFinding, AuditReport, NoticeKind, Verdict};
use nightlatch_untrusted::Text;

use super::{RuleTexts, by_rule, counted, place_text, subject_text};

/// Writes the report as JUnit XML. Rules that hold are one passing case, rules that cannot be judged a skipped one; what
/// could not be read is an error.
///
/// # Errors
/// What `out` reports.
pub fn junit(report: &AuditReport, rules: RuleTexts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let failures = counted(report).count();
    let unreadable: Vec<_> =
        report.notices.iter().filter(|notice| notice.kind == NoticeKind::Unreadable).collect();
    let silent: Vec<_> = report
        .rules
        .iter()
        .filter(|outcome| matches!(outcome.verdict, Verdict::Pass | Verdict::Unknown))
        .collect();
    let skipped = silent.iter().filter(|outcome| outcome.verdict == Verdict::Unknown).count();
    let tests = failures + silent.len() + unreadable.len();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"nightlatch audit\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{}\" skipped=\"{skipped}\">",
        unreadable.len()
    )?;
    for (id, findings) in by_rule(report) {
        let title = rules(id).map_or(String::new(), |rule| rule.title.to_owned());
        let count = findings.len();
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{count}\" errors=\"0\" skipped=\"0\">",
            xml(&format!("{id} {title}"))
        )?;
        for finding in findings {
            failure(finding, rules, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    for outcome in silent {
        let is_unknown = outcome.verdict == Verdict::Unknown;
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"{}\">",
            xml(&format!("{} {}", outcome.rule, outcome.title)),
            u8::from(is_unknown)
        )?;
        write!(out, "    <testcase classname=\"{}\" name=\"all\"", xml(&outcome.name))?;
        if is_unknown {
            let why: Vec<&str> = outcome.why_unknown.iter().map(Text::raw).collect();
            writeln!(
                out,
                "><skipped message=\"{}\"/></testcase>",
                xml(&format!("unknown: {}", why.join("; ")))
            )?;
        } else {
            writeln!(out, "/>")?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    if !unreadable.is_empty() {
        let count = unreadable.len();
        writeln!(
            out,
            "  <testsuite name=\"input\" tests=\"{count}\" failures=\"0\" errors=\"{count}\" skipped=\"0\">"
        )?;
        for notice in unreadable {
            writeln!(
                out,
                "    <testcase classname=\"input\" name=\"{}\"><error message=\"{}\"/></testcase>",
                xml(&place_text(notice.location.as_ref())),
                xml(notice.message.raw())
            )?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn failure(finding: &AuditFinding, rules: RuleTexts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let place = place_text(finding.location.as_ref());
    let file = finding.location.as_ref().map_or("", |at| at.file.raw());
    let line = finding.location.as_ref().map_or(0, |at| at.line);
    writeln!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{line}\">",
        xml(&finding.name),
        xml(&format!("{} {}", subject_text(&finding.subject), finding.pointer.raw())),
        xml(file),
    )?;
    let mut text = format!("{place}\n{}\n", finding.message.raw());
    for related in &finding.related {
        text.push_str(&format!("- {} {}\n", related.message.raw(), place_text(related.location.as_ref())));
    }
    if let Some(rule) = rules(&finding.rule) {
        text.push_str(&format!("why: {}\nfix: {}\n", rule.rationale, rule.remediation));
    }
    writeln!(
        out,
        "      <failure type=\"{}\" message=\"{}\">{}</failure>",
        finding.severity,
        xml(&format!("{}: {}", finding.rule, finding.message.raw())),
        xml(&text)
    )?;
    writeln!(out, "    </testcase>")
}

/// Text for XML: markup escaped, and what XML 1.0 (2.2) does not allow or a reader could be fooled by shown as its
/// escape.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{FFFE}' | '\u{FFFF}' => out.extend(c.escape_unicode()),
            c if nightlatch_untrusted::is_dangerous(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}
