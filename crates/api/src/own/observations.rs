//! `/api/v1/observations`: rows, counts, facets, histograms of a query.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use nightlatch_asset::Record;
use nightlatch_gate::Caller;
use nightlatch_store::{Bucket, Selection, Snapshot, Sort, Step, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    cursor::{self, Cursor},
    shapes,
};
use crate::{
    Api, answer, facet,
    params::Params,
    places::Reached,
    question::{self, Place},
    trouble::{Reply, Trouble, shown},
};

/// Rows of a query.
#[derive(Serialize, ToSchema)]
pub(super) struct Observations {
    /// Rows in all.
    total: u64,
    /// The rows of this page.
    #[schema(value_type = Vec<shapes::Record>)]
    observations: Vec<Record>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A number of observations.
#[derive(Serialize, ToSchema)]
pub(super) struct Counted {
    /// Observations that match.
    total: u64,
    /// Distinct addresses among them.
    hosts: u64,
}

/// A query counted by values.
#[derive(Serialize, ToSchema)]
pub(super) struct Facets {
    /// Observations that match.
    total: u64,
    /// In the order asked.
    facets: Vec<OneFacet>,
}

/// One field counted by value.
#[derive(Serialize, ToSchema)]
pub(super) struct OneFacet {
    /// The field.
    field: String,
    /// The most frequent values first.
    values: Vec<ValueCount>,
    /// Distinct values in all.
    distinct: u64,
    /// Observations whose values are not listed.
    other: u64,
    /// Observations without a value.
    missing: u64,
}

/// A value and how many have it.
#[derive(Serialize, ToSchema)]
pub(super) struct ValueCount {
    /// A text, number or truth value.
    value: serde_json::Value,
    /// How many.
    count: u64,
}

/// Observations by time.
#[derive(Serialize, ToSchema)]
pub(super) struct Histogram {
    /// Without empty steps.
    steps: Vec<TimeStep>,
}

/// One step of time.
#[derive(Serialize, ToSchema)]
pub(super) struct TimeStep {
    /// A day, or the start of an hour.
    start: String,
    /// How many.
    count: u64,
}

const SORTS: [(&str, Sort); 4] = [
    ("newest", Sort::Newest),
    ("oldest", Sort::Oldest),
    ("address", Sort::Address),
    ("severity", Sort::Severity),
];
const STEPS: [(&str, Step); 3] = [("hour", Step::Hour), ("day", Step::Day), ("month", Step::Month)];

/// The value of a parameter that is a word of a list; the first when it is absent.
pub(super) fn word<T: Copy>(params: &Params, name: &str, words: &[(&str, T)]) -> Result<T, Trouble> {
    let text = params.text(name).filter(|text| !text.is_empty());
    let found = match text {
        None => words.first(),
        Some(text) => words.iter().find(|(word, _)| *word == text),
    };
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = shown(text.unwrap_or_default());
        Trouble::bad_value(name, format!("must be one of {}, not `{text}`", known.join(", ")))
    })
}

/// The query of a request; everything when there is none.
pub(super) fn selection(params: &Params) -> Result<Selection, Trouble> {
    let text = params.text("query").filter(|text| !text.trim().is_empty()).unwrap_or("*");
    question::selection("query", text, Timestamp::now())
}

/// Rows of a query, page by page; pages of one walk see one moment.
#[utoipa::path(get, path = "/api/v1/observations/search", tag = "observations", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
    ("sort" = Option<String>, Query, description = "newest, oldest, address or severity."),
    ("limit" = Option<u32>, Query, description = "Rows of a page, 100 when absent; at most what the key gets.", minimum = 1),
    ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
), responses((status = 200, description = "A page.", body = Observations)))]
pub(super) async fn search(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&["query", "sort", "limit", "cursor"])?;
    let selection = selection(&params)?;
    let sort = word(&params, "sort", &SORTS)?;
    let limit = cursor::limit(&params, caller.results_max)?;
    let question = format!("own {sort:?} {}", params.text("query").unwrap_or_default());
    let skip = Cursor::of(&params, &question)?.map_or(0, |cursor| cursor.0);
    let who = caller.key.id;
    let snapshot = api.app.walk(&who, &question, skip == 0);
    let reached = api.places.reached(&who, &question, &snapshot);
    let page = Page { selection, sort, skip, limit: limit as usize };
    let (total, rows) =
        api.app.ask_of(snapshot.clone(), move |snapshot| page.rows(snapshot, reached)).await?;
    if sort == Sort::Newest
        && let Some(place) = Place::after(reached.map(|reached| reached.place), skip, &rows)
    {
        api.places.keep(&who, &question, &snapshot, Reached { place, total });
    }
    let end = skip + rows.len() as u64;
    let next = (end < total && !rows.is_empty()).then(|| Cursor(end).token(&question));
    answer::json(&Observations { total, observations: rows, next })
}

struct Page {
    selection: Selection,
    sort: Sort,
    skip: u64,
    limit: usize,
}

impl Page {
    fn rows(
        &self,
        snapshot: &dyn Snapshot,
        reached: Option<Reached>,
    ) -> Result<(u64, Vec<Record>), StoreError> {
        let total = match reached {
            Some(reached) => reached.total,
            None => snapshot.count(&self.selection)?,
        };
        if self.skip >= total {
            return Ok((total, Vec::new()));
        }
        let rows = match self.sort {
            Sort::Newest => {
                let place = reached.map(|reached| reached.place);
                question::rows(snapshot, &self.selection, place, self.skip, self.limit)?
            }
            sort => {
                let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
                snapshot.search(&self.selection, sort, skip, self.limit)?
            }
        };
        Ok((total, rows))
    }
}

/// How many observations and addresses match.
#[utoipa::path(get, path = "/api/v1/observations/count", tag = "observations", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
), responses((status = 200, description = "The numbers.", body = Counted)))]
pub(super) async fn count(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&["query"])?;
    let selection = selection(&params)?;
    let counted = api
        .app
        .ask(move |snapshot| {
            Ok(Counted { total: snapshot.count(&selection)?, hosts: snapshot.distinct_hosts(&selection)? })
        })
        .await?;
    answer::json(&counted)
}

/// A query counted by the values of fields.
#[utoipa::path(get, path = "/api/v1/observations/facets", tag = "observations", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
    ("fields" = String, Query, description = "Fields, each with a number of values after a colon or not: `product:10,port`.", example = "product:10,port"),
), responses((status = 200, description = "The counts.", body = Facets)))]
pub(super) async fn facets(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&["query", "fields"])?;
    let selection = selection(&params)?;
    let asked = facet::asked("fields", params.required("fields")?)?;
    if asked.is_empty() {
        return Err(Trouble::bad_value("fields", "names no field"));
    }
    let facets = api
        .app
        .ask(move |snapshot| {
            let mut facets = Vec::with_capacity(asked.len());
            let mut total = 0;
            for one in &asked {
                let facet = snapshot.facet(&selection, one.field, one.size)?;
                total = facet.total;
                let value = |bucket: Bucket| ValueCount {
                    value: facet::value(one.field, bucket.value),
                    count: bucket.count,
                };
                facets.push(OneFacet {
                    field: one.name.clone(),
                    distinct: facet.distinct,
                    other: facet.other,
                    missing: facet.missing,
                    values: facet.buckets.into_iter().map(value).collect(),
                });
            }
            Ok(Facets { total, facets })
        })
        .await?;
    answer::json(&facets)
}

/// A query counted by time.
#[utoipa::path(get, path = "/api/v1/observations/histogram", tag = "observations", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
    ("step" = Option<String>, Query, description = "hour, day or month; `hour` when absent."),
), responses((status = 200, description = "The counts.", body = Histogram)))]
pub(super) async fn histogram(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&["query", "step"])?;
    let selection = selection(&params)?;
    let step = word(&params, "step", &STEPS)?;
    let buckets = api.app.ask(move |snapshot| snapshot.histogram(&selection, step)).await?;
    let step = |bucket: Bucket| TimeStep { start: bucket.value, count: bucket.count };
    answer::json(&Histogram { steps: buckets.into_iter().map(step).collect() })
}
