//! `/api/v1/search` of the trends service: what was seen in each month.

use std::sync::Arc;

use axum::extract::State;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use nightlatch_gate::Caller;
use nightlatch_store::{Selection, Snapshot, Step, StoreError, View};
use serde::Serialize;

use crate::{
    Api,
    answer::{self, Ordered},
    facet::{self, Asked, Count},
    params::Params,
    question,
    trouble::{Reply, Trouble},
};

/// Most facets here: each is counted once a month.
const FACETS_MAX: usize = 5;
/// Most months with facets, the newest.
const MONTHS_MAX: usize = 60;

#[derive(Debug, Serialize)]
struct Trends {
    total: u64,
    matches: Vec<Month>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<Ordered<Vec<MonthFacet>>>,
}

#[derive(Debug, Serialize)]
struct Month {
    month: String,
    count: u64,
}

#[derive(Debug, Serialize)]
struct MonthFacet {
    key: String,
    values: Vec<Count>,
}

impl Trends {
    fn of(snapshot: &dyn Snapshot, selection: &Selection, facets: &[Asked]) -> Result<Self, StoreError> {
        let buckets = snapshot.histogram(selection, Step::Month)?;
        let total = buckets.iter().map(|bucket| bucket.count).sum();
        let facets = match facets.is_empty() {
            true => None,
            false => {
                let newest = &buckets[buckets.len().saturating_sub(MONTHS_MAX)..];
                let months: Vec<Date> =
                    newest.iter().filter_map(|bucket| bucket.value.parse().ok()).collect();
                let mut counted = Vec::with_capacity(facets.len());
                for asked in facets {
                    counted.push((asked.name.clone(), by_month(snapshot, selection, asked, &months)?));
                }
                Some(Ordered(counted))
            }
        };
        let matches = buckets
            .into_iter()
            .map(|bucket| Month { month: month(&bucket.value), count: bucket.count })
            .collect();
        Ok(Self { total, matches, facets })
    }
}

fn by_month(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    asked: &Asked,
    months: &[Date],
) -> Result<Vec<MonthFacet>, StoreError> {
    let mut counted = Vec::with_capacity(months.len());
    for first in months {
        let Some((from, until)) = bounds(*first) else { continue };
        let expr = question::and(selection.expr.clone(), question::seen_between(Some(from), Some(until)));
        let of_month = Selection { expr, view: selection.view };
        let facet = snapshot.facet(&of_month, asked.field, asked.size)?;
        counted
            .push(MonthFacet { key: month(&first.to_string()), values: facet::counts(asked.field, facet) });
    }
    Ok(counted)
}

/// Start of the month and of the next.
fn bounds(first: Date) -> Option<(Timestamp, Timestamp)> {
    let start = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    Some((start(first)?, start(first.checked_add(1.month()).ok()?)?))
}

/// `2026-09-01` as `2026-09`.
fn month(date: &str) -> String {
    date.get(..7).unwrap_or(date).to_owned()
}

pub(super) async fn search(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    let query = params.text("query").unwrap_or_default();
    let mut selection = question::selection("query", query, Timestamp::now())?;
    // Trends are about what was seen then, not about what is newest now.
    selection.view = View::History;
    let facets = facet::asked("facets", params.text("facets").unwrap_or_default())?;
    if facets.len() > FACETS_MAX {
        return Err(Trouble::bad_value("facets", format!("names more than {FACETS_MAX} facets")));
    }
    let trends = api.app.ask(move |snapshot| Trends::of(snapshot, &selection, &facets)).await?;
    answer::json(&trends)
}

#[cfg(test)]
mod tests {
    use nightlatch_query::Expr;
    use nightlatch_store::{MemoryStore, Store, synthetic};

    use super::*;

    #[test]
    fn months_add_up_with_and_without_facets() {
        let mut store = MemoryStore::new();
        store.ingest(&synthetic::observations(7, 500).collect::<Vec<_>>()).unwrap();
        let snapshot = store.snapshot().unwrap();
        let selection = Selection { expr: Expr::All, view: View::History };
        let bare = Trends::of(snapshot.as_ref(), &selection, &[]).unwrap();
        assert!(bare.facets.is_none() && bare.matches.len() > 1);
        assert_eq!(bare.matches[0].month, "2026-06");
        assert_eq!(bare.total, snapshot.count(&selection).unwrap());
        let asked = facet::asked("facets", "transport:10").unwrap();
        let Ordered(facets) = Trends::of(snapshot.as_ref(), &selection, &asked).unwrap().facets.unwrap();
        let counted: u64 = facets[0].1.iter().flat_map(|month| &month.values).map(|value| value.count).sum();
        assert_eq!(counted, bare.total, "every record has a transport and is of one month");
    }
}
