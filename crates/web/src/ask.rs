//! Questions that pages ask, as resolved trees: no text is parsed for them.

use nightlatch_asset::{Exposure, Field, Timestamp};
use nightlatch_query::{Expr, Match, Test};
use nightlatch_store::{Selection, View};

/// The newest observation of every endpoint.
pub(crate) fn latest(expr: Expr) -> Selection {
    Selection { expr, view: View::Latest }
}

/// Everything ever observed.
pub(crate) fn history(expr: Expr) -> Selection {
    Selection { expr, view: View::History }
}

fn filter(field: Field, test: Test) -> Expr {
    Expr::Match(Match { field, tests: vec![test] })
}

/// A stranger can read, or more.
pub(crate) fn open() -> Expr {
    filter(
        Field::Exposure,
        Test::Number { min: Exposure::Readable as i64, max: Exposure::Controllable as i64 },
    )
}

/// This word of a ladder, by its index.
pub(crate) fn step(field: Field, at: usize) -> Expr {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    filter(field, Test::Number { min: at, max: at })
}

/// `field` at or after `from`.
pub(crate) fn since(field: Field, from: Timestamp) -> Expr {
    filter(field, Test::Date { from: Some(from), until: None })
}

/// Answers that were seen between `from` and `until`: first before the end, last after the beginning.
pub(crate) fn seen_between(from: Timestamp, until: Timestamp) -> Expr {
    Expr::And(vec![
        filter(Field::Time, Test::Date { from: None, until: Some(until) }),
        since(Field::LastSeen, from),
    ])
}

#[cfg(test)]
mod tests {
    use nightlatch_query::{parse, print};

    use super::*;

    #[test]
    fn trees_are_what_their_text_says() {
        let time: Timestamp = "2026-09-21T00:00:00Z".parse().unwrap();
        let check = |expr: Expr, text: &str| {
            assert_eq!(print(&expr), text);
            assert_eq!(parse(text, time).unwrap().expr, expr);
        };
        check(open(), "exposure:>=readable");
        check(step(Field::Severity, 4), "severity:critical");
        check(since(Field::FirstSeen, time), "first_seen:>=2026-09-21T00:00:00Z");
        check(seen_between(time, time), "time:<2026-09-21T00:00:00Z last_seen:>=2026-09-21T00:00:00Z");
    }
}
