//! `/rules/{id}`: what a rule of the audit is about, in its own words.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use nightlatch_audit::Rule;
use nightlatch_control::FindingQuery;
use nightlatch_finding::Severity;

use crate::{
    Web,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::Visit,
    words::{coded, counted},
};

/// Characters of an unknown name that are shown.
const NAME_CHARS_MAX: usize = 60;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/rules/{id}", get(rule))
}

/// Something to read, with its address when it has one.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) title: &'static str,
    pub(crate) href: Option<String>,
}

/// What a rule names as its sources.
pub(crate) fn reads(rule: &Rule) -> Vec<Read> {
    let href =
        |title| nightlatch_report::audit::reference_url(title).filter(|url| link::outside(url).is_some());
    rule.references.iter().map(|title| Read { title, href: href(title) }).collect()
}

/// The page of a rule.
pub(crate) fn href(id: &str) -> String {
    format!("/rules/{}", link::segment(id))
}

#[derive(Debug, Template)]
#[template(path = "rule.html")]
struct Page {
    frame: Frame,
    id: &'static str,
    name: &'static str,
    title: &'static str,
    severity: Severity,
    rationale: Vec<(bool, String)>,
    remedy: Vec<(bool, String)>,
    example: &'static str,
    reads: Vec<Read>,
    findings: String,
    findings_href: String,
}

async fn rule(State(web): State<Web>, visit: Visit, Path(id): Path<String>) -> Result<Response, Fault> {
    let Ok(rule) = nightlatch_audit::rule(&id) else {
        return Err(Fault::unknown(&visit, "rule", cut(&id, NAME_CHARS_MAX)));
    };
    let text = format!("rule:{}", rule.id);
    let query = FindingQuery::parse(&text).map_err(|error| Fault::invalid(&visit, error.message))?;
    let (_, open) = web.control(&visit, move |control| control.findings(&query, 0, 0)).await?;
    Ok(show(&Page {
        frame: Frame::new(&visit, "/findings", rule.id),
        id: rule.id,
        name: rule.name,
        title: rule.title,
        severity: rule.severity,
        rationale: coded(rule.rationale),
        remedy: coded(rule.remediation),
        example: rule.example,
        reads: reads(rule),
        findings: counted(open, "open finding"),
        findings_href: link::with("/findings", &[("q", &text)]),
    }))
}
