//! `/findings`: what audits of configuration found, beside what scans saw from outside.

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use nightlatch_control::{FindingFacet, FindingQuery, StoredFinding};
use nightlatch_finding::Severity;
use nightlatch_untrusted::Text;
use serde::Deserialize;

use super::overview::{Bar, severity_class};
use crate::{
    Web,
    charts::{self, Part},
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    link,
    visit::Visit,
    words::{ago, counted, minute, thousands},
};

/// Findings of one page.
const PAGE: u64 = 50;
/// Values of one facet.
const VALUES_MAX: u64 = 8;
/// Characters of a message, and of a name.
const MESSAGE_CHARS_MAX: usize = 400;
const NAME_CHARS_MAX: usize = 120;
/// Longest query that is read.
const QUERY_CHARS_MAX: usize = 2_000;
/// Last page that can be asked for.
const PAGES_MAX: u64 = 10_000;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/findings", get(findings))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: Option<u64>,
}

#[derive(Debug)]
struct Row {
    severity: Severity,
    rule: String,
    rule_href: String,
    object: String,
    container: String,
    place: String,
    message: String,
    fix: String,
    related: Vec<String>,
    input: String,
    since: String,
    since_exactly: String,
    mended: String,
}

#[derive(Debug)]
struct Panel {
    name: &'static str,
    bars: Vec<Bar>,
}

#[derive(Debug, Template)]
#[template(path = "findings.html")]
struct Page {
    frame: Frame,
    query: String,
    wrong: String,
    told: String,
    none_stored: bool,
    panels: Vec<Panel>,
    rows: Vec<Row>,
    earlier: Option<String>,
    later: Option<String>,
}

async fn findings(
    State(web): State<Web>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let text: String = asked.q.chars().take(QUERY_CHARS_MAX).collect();
    let mut page = Page {
        frame: Frame::new(&visit, "/findings", "Findings"),
        query: text.clone(),
        wrong: String::new(),
        told: String::new(),
        none_stored: false,
        panels: Vec::new(),
        rows: Vec::new(),
        earlier: None,
        later: None,
    };
    let query = match FindingQuery::parse(&text) {
        Ok(query) => query,
        Err(error) => {
            page.wrong = error.message;
            return Ok(show(&page));
        }
    };
    let number = asked.page.unwrap_or(0).min(PAGES_MAX);
    let (found, total, facets) = web
        .control(&visit, move |control| {
            let (found, total) = control.findings(&query, PAGE, number * PAGE)?;
            let mut facets = Vec::new();
            for facet in FindingFacet::ALL {
                facets.push((facet, control.finding_facet(&query, facet, VALUES_MAX)?));
            }
            Ok((found, total, facets))
        })
        .await?;
    page.none_stored = total == 0 && text.is_empty();
    page.told = counted(total, "finding");
    page.panels = facets
        .into_iter()
        .filter(|(_, counts)| !counts.is_empty())
        .map(|(facet, counts)| panel(facet, &counts, &text, total))
        .collect();
    page.rows = found.iter().map(|stored| row(stored, &visit)).collect();
    let at = |number: u64| link::with("/findings", &[("q", &text), ("page", &number.to_string())]);
    page.earlier = number.checked_sub(1).map(at);
    page.later = ((number + 1) * PAGE < total).then(|| at(number + 1));
    Ok(show(&page))
}

fn panel(facet: FindingFacet, counts: &[(Text, u64)], text: &str, total: u64) -> Panel {
    let bars = counts
        .iter()
        .map(|(value, count)| {
            let class = match (facet, value.raw().parse::<Severity>()) {
                (FindingFacet::Severity, Ok(severity)) => severity_class(severity),
                _ => "f-info",
            };
            let filter = format!("{text} {}:\"{}\"", facet.as_str(), value.raw().replace('"', ""));
            Bar {
                name: if value.is_empty() { "(none)".to_owned() } else { cut(value.raw(), NAME_CHARS_MAX) },
                href: link::with("/findings", &[("q", filter.trim())]),
                count: thousands(*count),
                svg: charts::bar(&[Part { class, count: *count }], total),
            }
        })
        .collect();
    let name = match facet {
        FindingFacet::Severity => "By severity",
        FindingFacet::Rule => "By rule",
        FindingFacet::Namespace => "By namespace",
        FindingFacet::Kind => "By kind",
        FindingFacet::Input => "By input",
    };
    Panel { name, bars }
}

fn row(stored: &StoredFinding, visit: &Visit) -> Row {
    let finding = &stored.finding;
    let subject = &finding.subject;
    let namespace = subject.namespace.as_ref().map_or(String::new(), |name| format!("{}/", name.raw()));
    let object = format!("{} {namespace}{}", subject.kind.raw(), subject.name.raw());
    Row {
        severity: finding.severity,
        rule: finding.rule.clone(),
        rule_href: link::with("/findings", &[("q", &format!("rule:{}", finding.rule))]),
        object: cut(&object, NAME_CHARS_MAX),
        container: subject.container.as_ref().map_or(String::new(), |name| cut(name.raw(), NAME_CHARS_MAX)),
        place: finding.location.as_ref().map_or(String::new(), |at| {
            format!("{}:{}:{}", cut(at.file.raw(), NAME_CHARS_MAX), at.line, at.column)
        }),
        message: cut(finding.message.raw(), MESSAGE_CHARS_MAX),
        fix: finding.fix.as_ref().map_or(String::new(), |fix| cut(fix.text.raw(), MESSAGE_CHARS_MAX)),
        related: finding
            .related
            .iter()
            .take(8)
            .map(|line| cut(line.message.raw(), MESSAGE_CHARS_MAX))
            .collect(),
        input: cut(stored.input.raw(), NAME_CHARS_MAX),
        since: ago(stored.first_seen, visit.now),
        since_exactly: minute(stored.first_seen),
        mended: stored.mended.map_or(String::new(), |time| ago(time, visit.now)),
    }
}
