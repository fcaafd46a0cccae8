//! `/search`: the query box, what was found, and the facets beside it; `/search/export`: all of it as a file.

mod export;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use nightlatch_app::App;
use nightlatch_asset::{Field, Record, Timestamp};
use nightlatch_query::{Expr, Parsed, QueryError, parse, print};
use nightlatch_store::{Facet, Selection, Snapshot, Sort, Status, StoreError, View};
use serde::Deserialize;

use crate::{
    Web,
    charts::{self, Part, Svg},
    fault::{Fault, show},
    frame::Frame,
    hit::Hit,
    link,
    visit::Visit,
    words::thousands,
};

/// Results of a page.
const PAGE_HITS: usize = 20;
/// Pages that can be turned to; behind them, a narrower query or an export.
const PAGES_MAX: usize = 500;

/// The facets beside the results, and how many values of each.
const FACETS: [(Field, &str, usize); 8] = [
    (Field::Severity, "Severity", 5),
    (Field::Exposure, "State", 5),
    (Field::Product, "Product", 8),
    (Field::Port, "Port", 8),
    (Field::Owner, "Owner", 6),
    (Field::Country, "Country", 6),
    (Field::Org, "Organisation", 6),
    (Field::Tag, "Tag", 8),
];

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/search", get(search)).route("/search/export", get(export::export))
}

/// The address of a search.
#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    page: String,
    #[serde(default)]
    view: String,
}

const SORTS: [(&str, &str, Sort); 4] = [
    ("severity", "Worst first", Sort::Severity),
    ("newest", "Newest first", Sort::Newest),
    ("oldest", "Oldest first", Sort::Oldest),
    ("address", "By address", Sort::Address),
];

impl Asked {
    fn sort(&self) -> (&'static str, Sort) {
        let (name, _, sort) = SORTS.iter().find(|(name, ..)| *name == self.sort).unwrap_or(&SORTS[0]);
        (name, *sort)
    }

    fn page(&self) -> usize {
        self.page.parse().unwrap_or(1).clamp(1, PAGES_MAX)
    }

    fn history(&self) -> bool {
        self.view == "history"
    }

    /// This search with another query, from its first page.
    fn with(&self, query: &str) -> String {
        self.turned(query, 1)
    }

    fn turned(&self, query: &str, page: usize) -> String {
        let sort = if self.sort().0 == SORTS[0].0 { "" } else { self.sort().0 };
        let page = if page > 1 { page.to_string() } else { String::new() };
        let view = if self.history() { "history" } else { "" };
        link::with("/search", &[("q", query), ("sort", sort), ("view", view), ("page", &page)])
    }
}

/// What is selected, as the address says it.
fn selection(parsed: &Parsed, history: bool) -> Selection {
    let history = parsed.history.unwrap_or(history);
    Selection { expr: parsed.expr.clone(), view: if history { View::History } else { View::Latest } }
}

#[derive(Debug)]
struct Chip {
    text: String,
    without: String,
}

#[derive(Debug)]
struct FacetValue {
    name: String,
    count: String,
    add: String,
    except: String,
    svg: Svg,
}

#[derive(Debug)]
struct FacetBox {
    title: &'static str,
    distinct: String,
    values: Vec<FacetValue>,
}

/// A query that was refused, cut at the mistake.
#[derive(Debug)]
struct Oops {
    what: String,
    before: String,
    at: String,
    after: String,
    hint: String,
}

#[derive(Debug, Default)]
struct Found {
    total: String,
    none: bool,
    hosts: String,
    hits: Vec<Hit>,
    facets: Vec<FacetBox>,
    page: usize,
    last: usize,
    earlier: Option<String>,
    later: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "search.html")]
struct Page {
    frame: Frame,
    query: String,
    sort: &'static str,
    history: bool,
    chips: Vec<Chip>,
    warnings: Vec<String>,
    oops: Option<Oops>,
    found: Found,
    latest_href: String,
    history_href: String,
    exports: Vec<(&'static str, String)>,
    may_watch: bool,
    watch_href: String,
}

impl Page {
    fn sorts(&self) -> &'static [(&'static str, &'static str, Sort)] {
        &SORTS
    }
}

async fn search(State(web): State<Web>, visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let query = asked.q.trim().to_owned();
    let mut page = Page {
        frame: Frame::new(
            &visit,
            "/search",
            if query.is_empty() {
                "Search".to_owned()
            } else {
                format!("Search: {}", crate::escape::cut(&query, 80))
            },
        ),
        sort: asked.sort().0,
        history: asked.history(),
        chips: Vec::new(),
        warnings: Vec::new(),
        oops: None,
        found: Found::default(),
        latest_href: Asked { view: String::new(), ..asked.clone() }.with(&query),
        history_href: Asked { view: "history".into(), ..asked.clone() }.with(&query),
        exports: ["json.gz", "csv", "ndjson"]
            .map(|format| {
                let view = if asked.history() { "history" } else { "" };
                (format, link::with("/search/export", &[("q", &query), ("view", view), ("format", format)]))
            })
            .to_vec(),
        may_watch: visit.caller.may(nightlatch_control::Role::Analyst),
        watch_href: link::with("/alerts/new", &[("query", &query)]),
        query,
    };
    let parsed = match parse(&page.query, visit.now) {
        Ok(parsed) => parsed,
        Err(error) => {
            page.oops = Some(oops(&page.query, &error));
            return Ok(show(&page));
        }
    };
    page.history = parsed.history.unwrap_or(page.history);
    page.warnings = parsed.warnings.iter().map(|warning| warning.message.clone()).collect();
    page.chips = chips(&asked, &parsed);
    let (selection, sort, number) = (selection(&parsed, asked.history()), asked.sort().1, asked.page());
    let who = visit.caller.key.id.clone();
    let question = format!("page {} {:?} {}", asked.sort().0, selection.view, page.query);
    let snapshot = web.app.walk(&who, &question, number == 1);
    let everything = web.everything.clone();
    let answered = web.app.ask_of(snapshot, move |snapshot| match (&selection.expr, number) {
        (Expr::All, 1) => everything.answer(snapshot, selection.view, sort),
        _ => answer(snapshot, &selection, sort, number).map(Arc::new),
    });
    let answer = answered.await.map_err(|error| visit.fault(error))?;
    page.found = found(&answer, number, &asked, &page.query, visit.now);
    Ok(show(&page))
}

/// What a question has for an answer, before it is put into words for somebody.
#[derive(Clone, Debug)]
struct Answer {
    total: u64,
    hosts: u64,
    hits: Vec<Record>,
    facets: Vec<(Field, &'static str, Facet)>,
}

fn answer(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    sort: Sort,
    number: usize,
) -> Result<Answer, StoreError> {
    // The rows on this thread, the facets beside them: a page is as fast as the slower of both.
    let (rows, facets) = std::thread::scope(|scope| {
        let facets = scope.spawn(|| {
            FACETS
                .iter()
                .map(|(field, title, size)| {
                    snapshot.facet(selection, *field, *size).map(|facet| (*field, *title, facet))
                })
                .collect::<Result<Vec<_>, StoreError>>()
        });
        let rows = || -> Result<_, StoreError> {
            Ok((
                snapshot.count(selection)?,
                snapshot.distinct_hosts(selection)?,
                snapshot.search(selection, sort, (number - 1) * PAGE_HITS, PAGE_HITS)?,
            ))
        };
        let rows = rows();
        let facets = facets.join().unwrap_or_else(|_| Err(StoreError::Engine("a question failed".into())));
        (rows, facets)
    });
    let (total, hosts, mut hits) = rows?;
    if sort == Sort::Severity {
        nightlatch_report::worst_first(&mut hits);
    }
    Ok(Answer { total, hosts, hits, facets: facets? })
}

/// Answers to the one question that everybody asks and that costs most: everything. Each as long as the store holds
/// what it held.
#[derive(Debug, Default)]
pub(crate) struct Everything(Mutex<Vec<Kept>>);

/// One of them: what the store held, how it was asked, and the answer.
#[derive(Debug)]
struct Kept {
    status: Status,
    view: View,
    sort: Sort,
    answer: Arc<Answer>,
    /// When it was counted, how long that took, and when somebody last wanted it.
    counted: Instant,
    took: Duration,
    wanted: Instant,
}

/// Answers that are kept: two views, four orders.
const KEPT_MAX: usize = 8;
/// How often what is wanted is counted again behind everybody's back.
const AGAIN_EVERY: Duration = Duration::from_secs(2);
/// For how long after somebody wanted it.
const WANTED: Duration = Duration::from_secs(600);
/// What takes longer than this to count may be shown for a moment after the store has changed.
const SLOW: Duration = Duration::from_millis(50);
const MOMENT: Duration = Duration::from_secs(5);

impl Everything {
    /// Counts the usual question before anybody asks it, and again while it is wanted and the store changes.
    pub(crate) fn keep_ready(self: Arc<Self>, app: &Arc<App>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let app = Arc::downgrade(app);
        runtime.spawn(async move {
            let mut first = true;
            while let Some(app) = app.upgrade() {
                let everything = self.clone();
                // Whoever asks is told what is wrong.
                let _ = app.ask(move |snapshot| everything.count_again(snapshot, first)).await;
                first = false;
                drop(app);
                tokio::time::sleep(AGAIN_EVERY).await;
            }
        });
    }

    fn count_again(&self, snapshot: &dyn Snapshot, first: bool) -> Result<(), StoreError> {
        let status = snapshot.status()?;
        let mut questions: Vec<(View, Sort)> = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let stale = kept.iter().filter(|kept| kept.status != status && kept.wanted.elapsed() < WANTED);
            stale.map(|kept| (kept.view, kept.sort)).collect()
        };
        if first {
            questions.push((View::Latest, Sort::Severity));
        }
        questions.into_iter().try_for_each(|(view, sort)| self.count(snapshot, &status, view, sort).map(drop))
    }

    fn answer(&self, snapshot: &dyn Snapshot, view: View, sort: Sort) -> Result<Arc<Answer>, StoreError> {
        let status = snapshot.status()?;
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = kept.iter_mut().find(|kept| (kept.view, kept.sort) == (view, sort)) {
                known.wanted = Instant::now();
                let is_young = known.took > SLOW && known.counted.elapsed() < MOMENT;
                if known.status == status || is_young {
                    return Ok(known.answer.clone());
                }
            }
        }
        self.count(snapshot, &status, view, sort)
    }

    fn count(
        &self,
        snapshot: &dyn Snapshot,
        status: &Status,
        view: View,
        sort: Sort,
    ) -> Result<Arc<Answer>, StoreError> {
        let began = Instant::now();
        let answer = Arc::new(answer(snapshot, &Selection { expr: Expr::All, view }, sort, 1)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.iter().position(|kept| (kept.view, kept.sort) == (view, sort));
        let wanted = before.map_or(began, |at| kept.swap_remove(at).wanted);
        kept.truncate(KEPT_MAX - 1);
        let (status, counted, took) = (status.clone(), Instant::now(), began.elapsed());
        kept.push(Kept { status, view, sort, answer: answer.clone(), counted, took, wanted });
        Ok(answer)
    }
}

fn found(answer: &Answer, number: usize, asked: &Asked, query: &str, now: Timestamp) -> Found {
    let pages = usize::try_from(answer.total).unwrap_or(usize::MAX).div_ceil(PAGE_HITS);
    let last = pages.clamp(1, PAGES_MAX);
    Found {
        total: thousands(answer.total),
        none: answer.total == 0,
        hosts: thousands(answer.hosts),
        hits: answer.hits.iter().map(|record| Hit::of(record, now)).collect(),
        facets: answer
            .facets
            .iter()
            .filter_map(|(field, title, facet)| facet_box(*field, title, facet, asked, query))
            .collect(),
        page: number,
        last,
        earlier: (number > 1).then(|| asked.turned(query, number - 1)),
        later: (number < last).then(|| asked.turned(query, number + 1)),
    }
}

fn facet_box(
    field: Field,
    title: &'static str,
    facet: &Facet,
    asked: &Asked,
    query: &str,
) -> Option<FacetBox> {
    if facet.buckets.is_empty() {
        return None;
    }
    let most = facet.buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0);
    let value = |bucket: &nightlatch_store::Bucket| {
        let filter = link::filter(field, &bucket.value)?;
        Some(FacetValue {
            name: match field {
                Field::Country => {
                    charts::country_name(&bucket.value).map_or_else(|| bucket.value.clone(), str::to_owned)
                }
                _ => bucket.value.clone(),
            },
            count: thousands(bucket.count),
            add: asked.with(&link::and(query, &filter)),
            except: asked.with(&link::and(query, &format!("-{filter}"))),
            svg: charts::bar(&[Part { class: colour(field, &bucket.value), count: bucket.count }], most),
        })
    };
    Some(FacetBox {
        title,
        distinct: if facet.other > 0 {
            format!("{} values", thousands(facet.distinct))
        } else {
            String::new()
        },
        values: facet.buckets.iter().filter_map(value).collect(),
    })
}

/// Ladders keep their colours everywhere.
fn colour(field: Field, value: &str) -> &'static str {
    match field {
        Field::Severity => value.parse().map_or("f-accent", super::overview::severity_class),
        Field::Exposure => value.parse().map_or("f-accent", super::overview::state_class),
        _ => "f-accent",
    }
}

/// The parts of the query that must all hold, each with the query that leaves it out.
fn chips(asked: &Asked, parsed: &Parsed) -> Vec<Chip> {
    let parts: &[Expr] = match &parsed.expr {
        Expr::All => &[],
        Expr::And(parts) => parts,
        one => std::slice::from_ref(one),
    };
    let without = |left_out: usize| {
        let rest: Vec<Expr> = parts
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != left_out)
            .map(|(_, part)| part.clone())
            .collect();
        match rest.len() {
            0 => String::new(),
            1 => rest.first().map(print).unwrap_or_default(),
            _ => print(&Expr::And(rest)),
        }
    };
    parts
        .iter()
        .enumerate()
        .map(|(at, part)| Chip { text: print(part), without: asked.with(&without(at)) })
        .collect()
}

fn oops(query: &str, error: &QueryError) -> Oops {
    let place = |at: usize| {
        let mut at = at.min(query.len());
        while !query.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (from, until) = (place(error.span.start), place(error.span.end.max(error.span.start)));
    let at = &query[from..until];
    let hint = match (&error.nearest, error.hint.as_str()) {
        (Some(nearest), "") => format!("Did you mean {nearest}?"),
        (Some(nearest), hint) => format!("Did you mean {nearest}? {hint}"),
        (None, hint) => hint.to_owned(),
    };
    // A long query is shown around the mistake.
    let near = |text: &str, chars: usize| {
        let count = text.chars().count();
        let skip = count.saturating_sub(chars);
        let tail: String = text.chars().skip(skip).collect();
        if skip > 0 { format!("…{tail}") } else { tail }
    };
    Oops {
        what: error.to_string(),
        before: near(&query[..from], 200),
        at: if at.is_empty() { "\u{2038}".to_owned() } else { crate::escape::cut(at, 200) },
        after: crate::escape::cut(&query[until..], 200),
        hint,
    }
}
