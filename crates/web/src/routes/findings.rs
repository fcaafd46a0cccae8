//! `/findings`: what audits of configuration found, beside what scans saw from outside.

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use jiff::Timestamp;
use nightlatch_control::{FindingFacet, FindingQuery, StoredFinding};
use nightlatch_finding::{Severity, audit::AuditFinding};
use nightlatch_untrusted::Text;
use serde::Deserialize;

use super::{
    finding::place,
    overview::{Bar, severity_class},
    rules,
};
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
/// Values of one facet that are shown, and that are looked at to say how many more there are.
const VALUES_MAX: usize = 8;
const VALUES_COUNTED_MAX: u64 = 400;
/// Characters of a message, and of a name.
const MESSAGE_CHARS_MAX: usize = 400;
const NAME_CHARS_MAX: usize = 120;
/// Longest query that is read.
const QUERY_CHARS_MAX: usize = 2_000;

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
    href: String,
    rule: String,
    rule_href: String,
    title: &'static str,
    object: String,
    container: String,
    place: String,
    message: String,
    input: String,
    input_href: String,
    since: String,
    since_exactly: String,
    state: String,
    state_class: &'static str,
}

#[derive(Debug)]
struct Panel {
    name: &'static str,
    width: &'static str,
    bars: Vec<Bar>,
    more: u64,
}

#[derive(Debug)]
struct Tab {
    name: &'static str,
    href: String,
    here: bool,
}

#[derive(Debug, Template)]
#[template(path = "findings.html")]
struct Page {
    frame: Frame,
    query: String,
    wrong: String,
    told: String,
    range: String,
    none_stored: bool,
    tabs: Vec<Tab>,
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
    let text = text.trim().to_owned();
    let mut page = Page {
        frame: Frame::new(&visit, "/findings", "Findings"),
        query: text.clone(),
        wrong: String::new(),
        told: String::new(),
        range: String::new(),
        none_stored: false,
        tabs: tabs(&text),
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
    let wanted = asked.page.unwrap_or(0);
    let (found, total, number, facets) = web
        .control(&visit, move |control| {
            let (_, total) = control.findings(&query, 0, 0)?;
            // A page after the last one is the last one: findings are mended while somebody reads.
            let number = wanted.min(total.saturating_sub(1) / PAGE);
            let (found, total) = control.findings(&query, PAGE, number * PAGE)?;
            let mut facets = Vec::new();
            for facet in FindingFacet::ALL {
                facets.push((facet, control.finding_facet(&query, facet, VALUES_COUNTED_MAX)?));
            }
            Ok((found, total, number, facets))
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
    if total > PAGE {
        let first = number * PAGE + 1;
        page.range = format!("{} to {}", thousands(first), thousands((first + PAGE - 1).min(total)));
    }
    let at = |number: u64| match number {
        0 => link::with("/findings", &[("q", &text)]),
        _ => link::with("/findings", &[("q", &text), ("page", &number.to_string())]),
    };
    page.earlier = number.checked_sub(1).map(at);
    page.later = ((number + 1) * PAGE < total).then(|| at(number + 1));
    Ok(show(&page))
}

/// The words of a query; quotes keep spaces together.
fn terms(text: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let split = text.split(move |c: char| {
        is_quoted ^= c == '"';
        c.is_whitespace() && !is_quoted
    });
    split.filter(|term| !term.is_empty()).collect()
}

/// The states, each with the same question about it.
fn tabs(text: &str) -> Vec<Tab> {
    let terms = terms(text);
    let rest: Vec<&str> = terms.iter().copied().filter(|term| !term.starts_with("is:")).collect();
    let states: Vec<&str> = terms.iter().copied().filter(|term| term.starts_with("is:")).collect();
    [("Open", "is:open"), ("Mended", "is:mended"), ("Exempt", "is:exempt")]
        .into_iter()
        .map(|(name, state)| {
            let is_usual = state == "is:open";
            let term = (!is_usual).then_some(state);
            let query: Vec<&str> = rest.iter().copied().chain(term).collect();
            let here = states == [state] || is_usual && states.is_empty();
            Tab { name, href: link::with("/findings", &[("q", &query.join(" "))]), here }
        })
        .collect()
}

/// A query for exactly these values; none when one holds what no query can name.
pub(super) fn filters(parts: &[(&str, &str)]) -> Option<String> {
    let is_sayable = parts.iter().all(|(_, value)| !value.contains('"'));
    let terms: Vec<String> = parts.iter().map(|(field, value)| format!("{field}:{}", said(value))).collect();
    is_sayable.then(|| terms.join(" "))
}

/// A value as a query has it: bare where that reads the same.
fn said(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !value.is_empty() && value.chars().all(is_plain) { value.to_owned() } else { format!("\"{value}\"") }
}

fn panel(facet: FindingFacet, counts: &[(Text, u64)], text: &str, total: u64) -> Panel {
    let bars = counts.iter().take(VALUES_MAX).map(|(value, count)| bar(facet, value, *count, text, total));
    let (name, width) = match facet {
        FindingFacet::Severity => ("By severity", "w4"),
        FindingFacet::Rule => ("By rule", "w8"),
        FindingFacet::Namespace => ("By namespace", "w4"),
        FindingFacet::Kind => ("By kind", "w4"),
        FindingFacet::Input => ("By input", "w4"),
    };
    Panel { name, width, bars: bars.collect(), more: counts.len().saturating_sub(VALUES_MAX) as u64 }
}

fn bar(facet: FindingFacet, value: &Text, count: u64, text: &str, total: u64) -> Bar {
    let class = match (facet, value.raw().parse::<Severity>()) {
        (FindingFacet::Severity, Ok(severity)) => severity_class(severity),
        _ => "f-info",
    };
    let filter = filters(&[(facet.as_str(), value.raw())]).unwrap_or_default();
    let is_there = terms(text).contains(&filter.as_str());
    let query = if is_there { text.to_owned() } else { format!("{text} {filter}") };
    let name = match (facet, nightlatch_audit::rule(value.raw())) {
        _ if value.is_empty() => "(none)".to_owned(),
        (FindingFacet::Rule, Ok(rule)) => format!("{} {}", rule.id, rule.title),
        _ => cut(value.raw(), NAME_CHARS_MAX),
    };
    Bar {
        name,
        href: link::with("/findings", &[("q", query.trim())]),
        count: thousands(count),
        svg: charts::bar(&[Part { class, count }], total),
    }
}

/// What a finding is about: `Deployment shop/web`.
pub(super) fn object(finding: &AuditFinding, chars_max: usize) -> String {
    let subject = &finding.subject;
    let namespace = subject.namespace.as_ref().map_or(String::new(), |name| format!("{}/", name.raw()));
    cut(&format!("{} {namespace}{}", subject.kind.raw(), subject.name.raw()), chars_max)
}

/// What became of a finding, and the class that colours it; both empty while it is open.
pub(super) fn state(stored: &StoredFinding, now: Timestamp) -> (String, &'static str) {
    match (stored.mended, &stored.finding.suppressed) {
        (Some(time), _) => (format!("mended {}", ago(time, now)), "good"),
        (None, Some(_)) => ("exempt".to_owned(), "info"),
        (None, None) => (String::new(), ""),
    }
}

fn row(stored: &StoredFinding, visit: &Visit) -> Row {
    let finding = &stored.finding;
    let (state, state_class) = state(stored, visit.now);
    let input = stored.input.raw();
    Row {
        severity: finding.severity,
        href: format!("/findings/{}", stored.id),
        rule: finding.rule.to_string(),
        rule_href: rules::href(&finding.rule),
        title: nightlatch_audit::rule(&finding.rule).map_or("", |rule| rule.title),
        object: object(finding, NAME_CHARS_MAX),
        container: finding
            .subject
            .container
            .as_ref()
            .map_or(String::new(), |name| cut(name.raw(), NAME_CHARS_MAX)),
        place: finding.location.as_ref().map_or(String::new(), place),
        message: cut(finding.message.raw(), MESSAGE_CHARS_MAX),
        input: cut(input, NAME_CHARS_MAX),
        input_href: link::with("/findings", &[("q", &filters(&[("input", input)]).unwrap_or_default())]),
        since: ago(stored.first_seen, visit.now),
        since_exactly: minute(stored.first_seen),
        state,
        state_class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_chosen_and_the_rest_of_the_question_stays() {
        let shown = |text| {
            let tabs = tabs(text).into_iter();
            tabs.map(|tab| format!("{}{}", if tab.here { "*" } else { "" }, tab.href)).collect::<Vec<_>>()
        };
        assert_eq!(shown(""), ["*/findings", "/findings?q=is%3Amended", "/findings?q=is%3Aexempt"]);
        assert_eq!(
            shown("\"a  b\" is:mended"),
            [
                "/findings?q=%22a++b%22",
                "*/findings?q=%22a++b%22+is%3Amended",
                "/findings?q=%22a++b%22+is%3Aexempt"
            ]
        );
    }

    #[test]
    fn filters_name_one_value_or_nothing() {
        for (value, text) in [("shop", "input:shop"), ("", "input:\"\""), ("a b,c", "input:\"a b,c\"")] {
            assert_eq!(filters(&[("input", value)]).as_deref(), Some(text));
            FindingQuery::parse(text).unwrap();
        }
        assert_eq!(filters(&[("input", "a\"b")]), None);
    }
}
