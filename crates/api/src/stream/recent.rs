//! What the stream of a young alert has missed.
//!
//! `shodan scan submit --wait` begins a scan, then makes an alert, then listens to it, a second apart each: a small scan
//! is over by then. So the stream of an alert that was made a moment ago also tells what was stored since.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use nightlatch_alert::Alert;
use nightlatch_asset::{Endpoint, Field, Record};
use nightlatch_query::{Expr, Match, Test};
use nightlatch_store::{Selection, Snapshot, Sort, StoreError, View};

/// For how long an alert is young, and how long before its making a scan may have begun.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);
/// Most records looked at.
const RECORDS_MAX: usize = 1000;

/// What was told of an alert that was made a moment ago.
pub(super) struct Recent {
    made: Timestamp,
    told: HashSet<Endpoint>,
}

impl Recent {
    /// None for an alert that is no longer young.
    pub(super) fn of(alert: &Alert, now: Timestamp) -> Option<Self> {
        let recent = Self { made: alert.created, told: HashSet::new() };
        (!recent.is_over(now)).then_some(recent)
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.made) > YOUNG
    }

    /// Everything seen since shortly before the alert was made.
    pub(super) fn selection(&self) -> Selection {
        let from = self.made.checked_sub(YOUNG).ok();
        let tests = vec![Test::Date { from, until: None }];
        Selection { expr: Expr::Match(Match { field: Field::LastSeen, tests }), view: View::Latest }
    }

    /// Notes that a record is told; false when one of its endpoint was told before.
    pub(super) fn note(&mut self, record: &Record) -> bool {
        self.told.len() < RECORDS_MAX && self.told.insert(record.observation.endpoint())
    }
}

pub(super) fn records(snapshot: &dyn Snapshot, selection: &Selection) -> Result<Vec<Record>, StoreError> {
    snapshot.search(selection, Sort::Newest, 0, RECORDS_MAX)
}
