//! An audit for a terminal: rule by rule or file by file, what is wrong, where, why and how to mend it.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
};

use nightlatch_finding::audit::{
    AuditFinding, AuditReport, Notice, NoticeKind, Reported, RuleOutcome, Verdict,
};

use super::{
    RuleText, RuleTexts, audit_summary, counted_marks, cut, place_text, places_by_rule, plural,
    reference_url, subject_text,
};
use crate::{
    page::Page,
    style::{Paint, Style},
};

/// How findings are put together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Group {
    /// By rule, worst first: what is wrong, then everywhere it is.
    #[default]
    Rule,
    /// By file, in order of line.
    File,
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// How findings are put together.
    pub group: Group,
    /// Findings listed for one rule or file; the rest are counted.
    pub listed_max: usize,
    /// Notices listed; the rest are counted.
    pub notices_max: usize,
    /// Lines of evidence for each finding.
    pub related_max: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { group: Group::Rule, listed_max: 10, notices_max: 10, related_max: 4 }
    }
}

/// Lines that one reason or message may take.
const LINES_MAX: usize = 6;
const MESSAGE_CHARS_MAX: usize = 600;

/// Writes the report.
///
/// # Errors
/// What `out` reports.
pub fn text<'r>(
    report: impl Into<Reported<'r>>,
    rules: RuleTexts<'_>,
    options: TextOptions,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let reported = report.into();
    let mut page = Page::new(out, style);
    match options.group {
        Group::Rule => grouped_by_rule(reported, rules, options, &mut page)?,
        Group::File => grouped_by_file(reported, rules, options, &mut page)?,
    }
    notices(&reported.report.notices, options, &mut page)?;
    let paint = if counted_marks(reported).next().is_some() { Paint::Bold } else { Paint::Green };
    page.paragraph(0, "", &audit_summary(reported), paint, usize::MAX)
}

fn grouped_by_rule(
    reported: Reported<'_>,
    rules: RuleTexts<'_>,
    options: TextOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    for (id, worst, places) in places_by_rule(reported) {
        let rule = rules(id);
        let title = rule.map_or("", |rule| rule.title);
        let count = if places.len() > 1 { format!(" ({})", places.len()) } else { String::new() };
        page.paragraph(
            0,
            &format!("{} ", worst.as_str().to_uppercase()),
            &format!("{id} {title}{count}"),
            Paint::from(worst),
            3,
        )?;
        if let Some(rule) = rule {
            page.paragraph(2, "why  ", rule.rationale, Paint::Plain, LINES_MAX)?;
            page.paragraph(2, "fix  ", rule.remediation, Paint::Plain, LINES_MAX)?;
        }
        for &index in places.iter().take(options.listed_max) {
            one(&reported.findings.finding(index), worst, options, page)?;
        }
        more(places.len(), options.listed_max, page)?;
        page.blank()?;
    }
    Ok(())
}

/// One finding below its rule.
fn one(
    finding: &AuditFinding,
    worst: nightlatch_finding::Severity,
    options: TextOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let place = place_text(finding.location.as_ref());
    page.paragraph(2, "", &format!("{place}  {}", subject_text(&finding.subject)), Paint::Bold, 3)?;
    let milder = if finding.severity == worst { String::new() } else { format!("{}: ", finding.severity) };
    page.paragraph(
        6,
        "",
        &format!("{milder}{}", cut(&finding.message, MESSAGE_CHARS_MAX)),
        Paint::Plain,
        LINES_MAX,
    )?;
    for related in finding.related.iter().take(options.related_max) {
        let place =
            related.location.as_ref().map_or(String::new(), |at| format!(" ({})", place_text(Some(at))));
        page.paragraph(
            6,
            "- ",
            &format!("{}{place}", cut(&related.message, MESSAGE_CHARS_MAX)),
            Paint::Dim,
            3,
        )?;
    }
    if finding.related.len() > options.related_max {
        let left = plural((finding.related.len() - options.related_max) as u64, "line");
        page.paragraph(6, "- ", &format!("{left} more"), Paint::Dim, 1)?;
    }
    Ok(())
}

fn grouped_by_file(
    reported: Reported<'_>,
    rules: RuleTexts<'_>,
    options: TextOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let all: Vec<_> = reported.findings().filter(|finding| finding.suppressed.is_none()).collect();
    let mut files: BTreeMap<&str, Vec<&AuditFinding>> = BTreeMap::new();
    for finding in &all {
        files.entry(finding.location.as_ref().map_or("", |at| at.file.raw())).or_default().push(finding);
    }
    for (file, mut findings) in files {
        findings.sort_by_key(|finding| finding.location.as_ref().map(|at| (at.line, at.column)));
        page.paragraph(0, "", &format!("{file} ({})", findings.len()), Paint::Bold, 2)?;
        for finding in findings.iter().take(options.listed_max) {
            let (line, column) = finding.location.as_ref().map_or((0, 0), |at| (at.line, at.column));
            let title = rules(&finding.rule).map_or("", |rule| rule.title);
            page.paragraph(
                2,
                &format!("{line}:{column}  {:8} ", finding.severity.as_str()),
                &format!("{} {title}", finding.rule),
                Paint::from(finding.severity),
                2,
            )?;
            let message =
                format!("{}: {}", subject_text(&finding.subject), cut(&finding.message, MESSAGE_CHARS_MAX));
            page.paragraph(6, "", &message, Paint::Plain, LINES_MAX)?;
        }
        more(findings.len(), options.listed_max, page)?;
        page.blank()?;
    }
    Ok(())
}

fn more(count: usize, listed_max: usize, page: &mut Page<'_>) -> io::Result<()> {
    if count <= listed_max {
        return Ok(());
    }
    page.paragraph(2, "", &format!("and {} more; --all lists them", count - listed_max), Paint::Dim, 1)
}

fn notices(notices: &[Notice], options: TextOptions, page: &mut Page<'_>) -> io::Result<()> {
    let together = together(notices, options.notices_max == usize::MAX);
    for (notice, others) in together.iter().take(options.notices_max) {
        let (label, paint) = match notice.kind {
            NoticeKind::Unreadable => ("not read ", Paint::Red),
            NoticeKind::Warning => ("warning ", Paint::Yellow),
            NoticeKind::ExpiredSuppression => ("expired ", Paint::Yellow),
            NoticeKind::UnusedSuppression => ("unused ", Paint::Dim),
        };
        let more = if *others > 0 { format!(" and {others} more") } else { String::new() };
        let place =
            notice.location.as_ref().map_or(String::new(), |at| format!("{}{more}: ", place_text(Some(at))));
        let message = format!("{place}{}", cut(&notice.message, MESSAGE_CHARS_MAX));
        page.paragraph(0, label, &message, paint, LINES_MAX)?;
    }
    if together.len() > options.notices_max {
        let left = plural((together.len() - options.notices_max) as u64, "notice");
        page.paragraph(0, "", &format!("and {left} more; --all lists them"), Paint::Dim, 1)?;
    }
    if !together.is_empty() {
        page.blank()?;
    }
    Ok(())
}

/// Notices, what hides most first; those that say the same of several places are told once, with the number of further
/// places, unless each is wanted.
fn together(notices: &[Notice], each: bool) -> Vec<(&Notice, usize)> {
    let mut told: Vec<(&Notice, usize)> = Vec::new();
    let mut known: HashMap<(NoticeKind, &str), usize> = HashMap::new();
    for notice in notices {
        let key = (notice.kind, notice.message.raw());
        match known.get(&key).filter(|_| !each && notice.location.is_some()) {
            Some(&at) => told[at].1 += 1,
            None => {
                known.insert(key, told.len());
                told.push((notice, 0));
            }
        }
    }
    told.sort_by_key(|(notice, _)| notice.kind != NoticeKind::Unreadable);
    told
}

/// Writes what each rule of the profile came to: a line a rule, those that fail first.
///
/// # Errors
/// What `out` reports.
pub fn profile_table(report: &AuditReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    let mut outcomes: Vec<&RuleOutcome> =
        report.rules.iter().filter(|outcome| outcome.verdict != Verdict::NotApplicable).collect();
    outcomes.sort_by_key(|outcome| {
        (std::cmp::Reverse((outcome.verdict, outcome.severity)), outcome.rule.clone())
    });
    let title_columns = page.style.columns().saturating_sub(8 + 9 + 8 + 18 + 4);
    let head: Vec<_> = [("VERDICT", 8), ("SEVERITY", 8), ("RULE", 7), ("FAIL/PASS/UNKNOWN", 17)]
        .map(|(word, columns)| page.cell(word, columns, Paint::Bold))
        .into_iter()
        .chain([page.cell("TITLE", title_columns, Paint::Bold)])
        .collect();
    page.line(0, 1, &head)?;
    for outcome in &outcomes {
        let paint = match outcome.verdict {
            Verdict::Fail => Paint::from(outcome.severity),
            Verdict::Unknown => Paint::Yellow,
            Verdict::Pass => Paint::Green,
            Verdict::NotApplicable => Paint::Dim,
        };
        let counts = format!("{}/{}/{}", outcome.failed, outcome.passed, outcome.unknown);
        let cells = [
            page.cell(outcome.verdict.as_str(), 8, paint),
            page.cell(outcome.severity.as_str(), 8, Paint::Plain),
            page.cell(&outcome.rule, 7, Paint::Plain),
            page.cell(&counts, 17, Paint::Plain),
            page.cell(&outcome.title, title_columns, Paint::Plain),
        ];
        page.line(0, 1, &cells)?;
        for why in &outcome.why_unknown {
            page.paragraph(9, "unknown: ", why.raw(), Paint::Dim, 2)?;
        }
    }
    let count = |verdict| report.rules.iter().filter(|outcome| outcome.verdict == verdict).count();
    page.blank()?;
    let summary = format!(
        "profile {}: {} of {} fail, {} pass, {} unknown, {} not applicable",
        report.profile,
        count(Verdict::Fail),
        plural(report.rules.len() as u64, "rule"),
        count(Verdict::Pass),
        count(Verdict::Unknown),
        count(Verdict::NotApplicable),
    );
    page.paragraph(0, "", &summary, Paint::Bold, usize::MAX)
}

/// Writes all about one rule.
///
/// - `profiles`: names of the profiles that it is in.
///
/// # Errors
/// What `out` reports.
pub fn explain(rule: &RuleText<'_>, profiles: &[&str], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    page.paragraph(0, "", &format!("{} {}", rule.id, rule.title), Paint::Bold, usize::MAX)?;
    page.paragraph(0, "name      ", rule.name, Paint::Plain, 2)?;
    page.paragraph(0, "severity  ", rule.severity.as_str(), Paint::from(rule.severity), 1)?;
    page.paragraph(0, "profiles  ", &profiles.join(", "), Paint::Plain, 3)?;
    page.blank()?;
    page.paragraph(0, "", rule.rationale, Paint::Plain, usize::MAX)?;
    page.blank()?;
    page.paragraph(0, "fix  ", rule.remediation, Paint::Plain, usize::MAX)?;
    if !rule.example.is_empty() {
        page.blank()?;
        for line in rule.example.lines() {
            let indented = format!("    {line}");
            page.text(&indented, Paint::Green)?;
        }
    }
    if !rule.references.is_empty() {
        page.blank()?;
    }
    for reference in rule.references {
        let url = reference_url(reference).filter(|url| url != reference).unwrap_or_default();
        page.paragraph(0, "see  ", &format!("{reference}  {url}"), Paint::Dim, 3)?;
    }
    Ok(())
}
