//! `/`: how things stand, and what changed since yesterday.

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};
use nightlatch_alert::ChangeKind;
use nightlatch_asset::{Exposure, Field, Severity, Timestamp};
use nightlatch_control::{Event, EventFilter, EventState, FindingFacet, FindingQuery};
use nightlatch_untrusted::Text;

use crate::{
    Web,
    book::{Book, Course, Moment, Share},
    charts::{self, Part, Series, Stacked, Svg},
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    hit, link,
    visit::Visit,
    words::{ago, counted, length, percent, thousands},
};

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/", get(overview))
}

/// A value with its bar.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) count: String,
    pub(crate) svg: Svg,
}

#[derive(Debug)]
struct CountryRow {
    name: String,
    href: String,
    doors: String,
    open: String,
}

/// One change, as a line.
#[derive(Debug)]
struct ChangeLine {
    what: &'static str,
    class: &'static str,
    at: String,
    href: String,
    product: String,
    before: String,
    after: String,
    when: String,
    pending: bool,
}

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    as_of: String,
    empty: bool,
    doors: String,
    hosts: String,
    open: String,
    open_share: String,
    open_svg: Svg,
    critical: String,
    high: String,
    new: String,
    new_href: String,
    changed: String,
    changed_href: String,
    ring_svg: Svg,
    states: Vec<Bar>,
    severities: Vec<Bar>,
    step: String,
    is_counted: bool,
    by_state: Stacked,
    by_severity: Stacked,
    products: Vec<Bar>,
    owners: Vec<Bar>,
    map_svg: Svg,
    countries: Vec<CountryRow>,
    changes: Vec<ChangeLine>,
    configuration: Vec<Bar>,
    configuration_told: String,
    change_counts: Vec<(&'static str, String)>,
}

async fn overview(State(web): State<Web>, visit: Visit) -> Result<Response, Fault> {
    let book = web.shelf.clone().book(web.app.clone(), visit.now).await.map_err(|e| visit.fault(e))?;
    let yesterday = visit.now - jiff::SignedDuration::from_hours(24);
    let (events, counts, findings) = web
        .control(&visit, move |control| {
            let filter = EventFilter { since: Some(yesterday), ..EventFilter::default() };
            let findings = control.finding_facet(&FindingQuery::default(), FindingFacet::Severity, 5)?;
            Ok((control.events(&filter, CHANGES_MAX)?, control.event_counts(yesterday)?, findings))
        })
        .await?;
    let course = web.shelf.clone().course(web.app.clone(), visit.now).await;
    let mut page = page(&visit, &book, course.as_deref());
    page.changes = events
        .iter()
        .filter(|event| event.state != EventState::Dropped)
        .map(|event| change_line(event, visit.now))
        .collect();
    page.configuration = configuration(&findings);
    page.configuration_told = counted(findings.iter().map(|(_, count)| count).sum(), "finding");
    page.change_counts = counts
        .into_iter()
        .filter_map(|(kind, count)| Some((kind.parse::<ChangeKind>().ok()?.title(), thousands(count))))
        .collect();
    Ok(show(&page))
}

/// Findings of audits by severity.
fn configuration(counts: &[(Text, u64)]) -> Vec<Bar> {
    let total = counts.iter().map(|(_, count)| count).sum();
    counts
        .iter()
        .map(|(word, count)| Bar {
            name: word.raw().to_owned(),
            href: link::with("/findings", &[("q", &format!("severity:{}", word.raw()))]),
            count: thousands(*count),
            svg: charts::bar(
                &[Part { class: severity_class(word.raw().parse().unwrap_or_default()), count: *count }],
                total,
            ),
        })
        .collect()
}

/// Changes that are listed.
const CHANGES_MAX: u32 = 9;

fn change_line(event: &Event, now: Timestamp) -> ChangeLine {
    let change = &event.change;
    let class = match change.kind {
        ChangeKind::NewService | ChangeKind::StateUp | ChangeKind::Back => change.severity.as_str(),
        ChangeKind::StateDown | ChangeKind::Gone => "good",
        ChangeKind::CertificateExpiring | ChangeKind::CertificateExpired => "medium",
        _ => "info",
    };
    ChangeLine {
        what: change.kind.title(),
        class,
        at: hit::address(change.ip, change.port),
        href: format!("{}#{}", link::host(change.ip), hit::anchor(change.port, change.transport.as_str())),
        product: hit::raw(change.product.as_ref()),
        before: cut(change.before.raw(), 80),
        after: cut(change.after.raw(), 80),
        when: ago(change.time, now),
        pending: event.state == EventState::Pending,
    }
}

fn page(visit: &Visit, book: &Book, course: Option<&Course>) -> Page {
    let is_counted = course.is_some();
    let course = course.cloned().unwrap_or_default();
    let yesterday =
        (visit.now - jiff::SignedDuration::from_hours(24)).strftime("%Y-%m-%dT%H:00:00Z").to_string();
    let states = Exposure::ALL.into_iter().rev();
    let parts: Vec<(Part, String)> = states
        .clone()
        .map(|state| {
            let part = Part { class: state_class(state), count: book.states[state as usize] };
            (part, state.as_str().to_owned())
        })
        .collect();
    let most = book.states.iter().copied().max().unwrap_or(0);
    let mut countries = book.countries.clone();
    countries.sort_by(|a, b| (b.doors, &a.code).cmp(&(a.doors, &b.code)));
    let most_doors = countries.first().map_or(0, |country| country.doors);
    Page {
        frame: Frame::new(visit, "/", "Overview"),
        as_of: ago(book.as_of, visit.now),
        empty: book.doors == 0,
        doors: thousands(book.doors),
        hosts: counted(book.hosts, "host"),
        open: thousands(book.open()),
        open_share: percent(book.open(), book.doors),
        open_svg: charts::spark(
            &course.moments.iter().map(|moment| moment.states[3] + moment.states[4]).collect::<Vec<_>>(),
            "Open doors, over time",
        ),
        critical: thousands(book.severities[Severity::Critical as usize]),
        high: thousands(book.severities[Severity::High as usize]),
        new: thousands(book.new),
        new_href: link::search(&format!("first_seen:>={yesterday}")),
        changed: thousands(book.changed.saturating_sub(book.new)),
        changed_href: link::search(&format!("time:>={yesterday} first_seen:<{yesterday}")),
        ring_svg: charts::donut("Doors by state", "doors", &parts),
        states: states
            .map(|state| Bar {
                name: state.as_str().to_owned(),
                href: link::search(&format!("exposure:{state}")),
                count: thousands(book.states[state as usize]),
                svg: charts::bar(
                    &[Part { class: state_class(state), count: book.states[state as usize] }],
                    most,
                ),
            })
            .collect(),
        severities: Severity::ALL
            .into_iter()
            .rev()
            .map(|severity| {
                let count = book.severities[severity as usize];
                Bar {
                    name: severity.as_str().to_owned(),
                    href: link::search(&format!("severity:{severity}")),
                    count: thousands(count),
                    svg: charts::bar(&[Part { class: severity_class(severity), count }], book.doors),
                }
            })
            .collect(),
        step: length(course.step),
        is_counted,
        by_state: over_time(
            "Answers seen, by state, over time",
            &course.moments,
            &Exposure::ALL.map(|state| (state.as_str(), state_class(state).trim_start_matches("f-"))),
            |moment| &moment.states,
        ),
        by_severity: over_time(
            "Answers seen, by severity, over time",
            &course.moments,
            &Severity::ALL
                .map(|severity| (severity.as_str(), severity_class(severity).trim_start_matches("f-"))),
            |moment| &moment.severities,
        ),
        products: shares(&book.products, Field::Product),
        owners: shares(&book.owners, Field::Owner),
        map_svg: charts::map(&countries, most_doors),
        countries: countries
            .iter()
            .map(|country| CountryRow {
                name: charts::country_name(&country.code).map_or_else(|| country.code.clone(), str::to_owned),
                href: link::search(&link::filter(Field::Country, &country.code).unwrap_or_default()),
                doors: thousands(country.doors),
                open: thousands(country.open),
            })
            .collect(),
        changes: Vec::new(),
        change_counts: Vec::new(),
        configuration: Vec::new(),
        configuration_told: String::new(),
    }
}

/// The class that colours a severity.
pub(crate) const fn severity_class(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "f-info",
        Severity::Low => "f-low",
        Severity::Medium => "f-medium",
        Severity::High => "f-high",
        Severity::Critical => "f-critical",
    }
}

/// The class that colours a state.
pub(crate) const fn state_class(state: Exposure) -> &'static str {
    match state {
        Exposure::Unknown => "f-unknown",
        Exposure::AuthRequired => "f-auth-required",
        Exposure::Limited => "f-limited",
        Exposure::Readable => "f-readable",
        Exposure::Controllable => "f-controllable",
    }
}

fn over_time(
    title: &str,
    moments: &[Moment],
    words: &[(&'static str, &'static str); 5],
    values: impl Fn(&Moment) -> &[u64; 5],
) -> Stacked {
    let labels: Vec<String> = moments.iter().map(|moment| moment.label.clone()).collect();
    let series: Vec<Series> = words
        .iter()
        .enumerate()
        .map(|(at, (name, class))| Series {
            name: (*name).to_owned(),
            class,
            values: moments.iter().map(|moment| values(moment)[at]).collect(),
        })
        .collect();
    charts::stacked(title, &labels, &series)
}

fn shares(shares: &[Share], field: Field) -> Vec<Bar> {
    let most = shares.iter().map(|share| share.doors).max().unwrap_or(0);
    let bar = |share: &Share| {
        let parts = [
            Part { class: "f-high", count: share.open },
            Part { class: "f-soft", count: share.doors - share.open.min(share.doors) },
        ];
        Bar {
            name: share.name.clone(),
            href: link::search(&link::filter(field, &share.name).unwrap_or_default()),
            count: format!("{} of {}", thousands(share.open), thousands(share.doors)),
            svg: charts::bar(&parts, most),
        }
    };
    shares.iter().map(bar).collect()
}
