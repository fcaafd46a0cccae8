//! `/findings/{number}`: one finding of an audit: what is wrong, why, how to mend it, and what became of it.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use nightlatch_control::StoredFinding;
use nightlatch_finding::{
    Severity,
    audit::{Location, SuppressedBy, Suppression},
};

use super::{
    findings::{filters, object, state},
    rules::{self, Read},
};
use crate::{
    Web,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::Visit,
    words::{ago, coded, minute},
};

/// Characters of a text, and of a name.
const TEXT_CHARS_MAX: usize = 4_000;
const NAME_CHARS_MAX: usize = 400;
/// Lines of evidence that are shown.
const RELATED_MAX: usize = 40;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/findings/{number}", get(finding))
}

#[derive(Debug)]
struct Link {
    text: String,
    href: String,
}

#[derive(Debug, Template)]
#[template(path = "finding.html")]
struct Page {
    frame: Frame,
    severity: Severity,
    state: String,
    state_class: &'static str,
    rule: String,
    rule_href: String,
    title: String,
    object: String,
    message: Vec<(bool, String)>,
    place: String,
    pointer: String,
    related: Vec<(Vec<(bool, String)>, String)>,
    rationale: Vec<(bool, String)>,
    fix: Vec<(bool, String)>,
    remedy: Vec<(bool, String)>,
    example: &'static str,
    has_patch: bool,
    reads: Vec<Read>,
    history: Vec<(&'static str, String, String)>,
    exempt: Vec<(&'static str, String)>,
    links: Vec<Link>,
    fingerprint: String,
}

async fn finding(
    State(web): State<Web>,
    visit: Visit,
    Path(number): Path<String>,
) -> Result<Response, Fault> {
    let unknown = || Fault::unknown(&visit, "finding", cut(&number, 60));
    let id: i64 = number.parse().map_err(|_| unknown())?;
    let stored = web.control(&visit, move |control| control.finding(id)).await?.ok_or_else(unknown)?;
    Ok(show(&page(&visit, &stored)))
}

fn page(visit: &Visit, stored: &StoredFinding) -> Page {
    let finding = &stored.finding;
    let text = |text: &nightlatch_untrusted::Text| cut(text.raw(), TEXT_CHARS_MAX);
    let rule = nightlatch_audit::rule(&finding.rule).ok();
    let (state, state_class) = state(stored, visit.now);
    let object = object(finding, NAME_CHARS_MAX);
    Page {
        frame: Frame::new(visit, "/findings", format!("{} {object}", finding.rule)),
        severity: finding.severity,
        state: if state.is_empty() { "open".to_owned() } else { state },
        state_class: if state_class.is_empty() { "high" } else { state_class },
        rule: finding.rule.to_string(),
        rule_href: rules::href(&finding.rule),
        title: rule.map_or_else(|| finding.name.to_string(), |rule| rule.title.to_owned()),
        message: coded(&text(&finding.message)),
        place: finding.location.as_ref().map_or(String::new(), place),
        pointer: text(&finding.pointer),
        related: finding
            .related
            .iter()
            .take(RELATED_MAX)
            .map(|line| (coded(&text(&line.message)), line.location.as_ref().map_or(String::new(), place)))
            .collect(),
        rationale: rule.map_or_else(Vec::new, |rule| coded(rule.rationale)),
        fix: finding.fix.as_ref().map_or_else(Vec::new, |fix| coded(&text(&fix.text))),
        remedy: rule.map_or_else(Vec::new, |rule| coded(rule.remediation)),
        example: rule.map_or("", |rule| rule.example),
        has_patch: finding.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty()),
        reads: rule.map_or_else(Vec::new, rules::reads),
        history: history(stored, visit),
        exempt: finding.suppressed.as_ref().map_or_else(Vec::new, exempt),
        links: links(stored),
        fingerprint: cut(&finding.fingerprint, NAME_CHARS_MAX),
        object,
    }
}

/// `file:line:column`.
pub(super) fn place(at: &Location) -> String {
    format!("{}:{}:{}", cut(at.file.raw(), NAME_CHARS_MAX), at.line, at.column)
}

fn history(stored: &StoredFinding, visit: &Visit) -> Vec<(&'static str, String, String)> {
    let mut times = vec![("First seen", stored.first_seen), ("Last seen", stored.last_seen)];
    times.extend(stored.mended.map(|time| ("Mended", time)));
    times.into_iter().map(|(name, time)| (name, ago(time, visit.now), minute(time))).collect()
}

fn exempt(suppression: &Suppression) -> Vec<(&'static str, String)> {
    let by = match suppression.by {
        SuppressedBy::Comment => "a comment in the file",
        SuppressedBy::Annotation => "an annotation",
        SuppressedBy::Config => "the configuration of the audit",
        SuppressedBy::Baseline => "the baseline: it was there before",
    };
    let mut lines = vec![("Exempt by", by.to_owned())];
    if !suppression.reason.is_empty() {
        lines.push(("Because", cut(suppression.reason.raw(), NAME_CHARS_MAX)));
    }
    lines.extend(suppression.until.as_ref().map(|day| ("Until", cut(day, NAME_CHARS_MAX))));
    lines
}

/// Where to go from here.
fn links(stored: &StoredFinding) -> Vec<Link> {
    let finding = &stored.finding;
    let subject = &finding.subject;
    let namespace = subject.namespace.as_ref().map_or("", |name| name.raw());
    let input = stored.input.raw();
    let parts = [
        ("kind", subject.kind.raw()),
        ("namespace", namespace),
        ("name", subject.name.raw()),
        ("input", input),
    ];
    [
        (format!("All of rule {}", finding.rule), filters(&[("rule", &finding.rule)])),
        ("All of this object".to_owned(), filters(&parts)),
        (format!("All of input {}", cut(input, 60)), filters(&[("input", input)])),
    ]
    .into_iter()
    .filter_map(|(text, query)| Some(Link { text, href: link::with("/findings", &[("q", &query?)]) }))
    .collect()
}
