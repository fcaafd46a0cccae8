//! A query as it is asked of a store.

use jiff::Timestamp;
use nightlatch_asset::{Field, Record};
use nightlatch_query::{Expr, Match, Test};
use nightlatch_store::{Selection, Snapshot, Sort, StoreError, View};

use crate::trouble::Trouble;

/// Reads a query.
///
/// - `name`: the parameter it came in, for messages;
/// - returns what is asked for; of the newest observations unless the query says otherwise.
pub(crate) fn selection(name: &str, text: &str, now: Timestamp) -> Result<Selection, Trouble> {
    if text.trim().is_empty() {
        return Err(Trouble::bad_value(name, "is empty; `*` asks for everything"));
    }
    let parsed = nightlatch_query::parse(text, now).map_err(|error| Trouble::query(name, &error, text))?;
    let view = if parsed.history == Some(true) { View::History } else { View::Latest };
    Ok(Selection { expr: parsed.expr, view })
}

/// Both.
pub(crate) fn and(one: Expr, other: Expr) -> Expr {
    match (one, other) {
        (Expr::All, expr) | (expr, Expr::All) => expr,
        (Expr::And(mut all), other) => {
            all.push(other);
            Expr::And(all)
        }
        (one, other) => Expr::And(vec![one, other]),
    }
}

/// Records whose own time is in `from..until`.
pub(crate) fn seen_between(from: Option<Timestamp>, until: Option<Timestamp>) -> Expr {
    Expr::Match(Match { field: Field::Time, tests: vec![Test::Date { from, until }] })
}

/// Where in a result a page ended, so that the next one need not look at all that came before it.
///
/// Newest first means that what follows was seen in the same second or earlier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// Rows before the next one, from the first.
    pub(crate) row: u64,
    /// The second of the last row.
    pub(crate) second: i64,
    /// Rows of that second up to here.
    pub(crate) of_second: u64,
}

impl Place {
    /// The place after `rows`, which begin at row `first`.
    pub(crate) fn after(before: Option<Self>, first: u64, rows: &[Record]) -> Option<Self> {
        let last = rows.last()?.observation.time.as_second();
        let same = rows.iter().rev().take_while(|row| row.observation.time.as_second() == last).count();
        let carried = before.filter(|place| same == rows.len() && place.second == last && place.row == first);
        if same == rows.len() && carried.is_none() && first > 0 {
            // Rows before these may be of the same second, and nobody counted them.
            return None;
        }
        let of_second = same as u64 + carried.map_or(0, |place| place.of_second);
        Some(Self { row: first + rows.len() as u64, second: last, of_second })
    }
}

/// Rows `skip..skip + limit`, newest first. Where `place` is the one that the rows before ended at, the store is
/// asked only for what was not seen later.
pub(crate) fn rows(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    place: Option<Place>,
    skip: u64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let whole = |skip: u64| {
        snapshot.search(selection, Sort::Newest, usize::try_from(skip).unwrap_or(usize::MAX), limit)
    };
    let Some(place) = place.filter(|place| place.row == skip) else { return whole(skip) };
    let Ok(until) = Timestamp::from_second(place.second.saturating_add(1)) else { return whole(skip) };
    let narrowed = Selection {
        expr: and(selection.expr.clone(), seen_between(None, Some(until))),
        view: selection.view,
    };
    let skip = usize::try_from(place.of_second).unwrap_or(usize::MAX);
    snapshot.search(&narrowed, Sort::Newest, skip, limit)
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store, synthetic};

    use super::*;

    #[test]
    fn pages_by_place_are_the_pages_of_the_whole() {
        let mut store = MemoryStore::new();
        // Few different seconds, so that pages begin and end within one.
        let seen: Vec<_> = synthetic::observations(7, 600)
            .enumerate()
            .map(|(at, mut seen)| {
                seen.time = Timestamp::from_second(1_790_000_000 + (at as i64 % 4)).unwrap();
                seen
            })
            .collect();
        store.ingest(&seen).unwrap();
        let snapshot = store.snapshot().unwrap();
        for view in [View::Latest, View::History] {
            let selection = Selection { expr: Expr::All, view };
            let all = snapshot.search(&selection, Sort::Newest, 0, usize::MAX).unwrap();
            for size in [1, 7, 100, 250] {
                let (mut place, mut first, mut walked) = (None, 0, Vec::new());
                loop {
                    let rows = rows(snapshot.as_ref(), &selection, place, first, size).unwrap();
                    place = Place::after(place, first, &rows);
                    first += rows.len() as u64;
                    if rows.is_empty() {
                        break;
                    }
                    walked.extend(rows);
                }
                assert_eq!(walked, all, "{size}");
            }
        }
    }

    #[test]
    fn a_place_is_not_made_up() {
        let mut store = MemoryStore::new();
        store.ingest(&synthetic::observations_of(7, 10, 10).collect::<Vec<_>>()).unwrap();
        let selection = Selection { expr: Expr::All, view: View::History };
        let snapshot = store.snapshot().unwrap();
        let one = snapshot.search(&selection, Sort::Newest, 5, 1).unwrap();
        assert_eq!(Place::after(None, 5, &one), None, "earlier rows of the second are not known");
        assert!(Place::after(None, 0, &one).is_some());
        assert_eq!(Place::after(None, 3, &[]), None);
    }

    #[test]
    fn an_empty_query_is_refused_and_a_star_is_everything() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(selection("query", " ", now).is_err());
        assert_eq!(selection("query", "*", now).unwrap().expr, Expr::All);
        assert_eq!(selection("query", "port:1 history:true", now).unwrap().view, View::History);
    }
}
