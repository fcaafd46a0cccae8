//! What stands open, for the people who answer for it.
//!
//! [`OwnerReports`] takes records one at a time and keeps only those that are open, the worst of each owner; all others
//! are counted. Then [`html`], [`markdown`], [`json`] and [`csv`] write the same facts.

mod csv;
mod html;
mod json;
mod markdown;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry},
};

use nightlatch_asset::{Exposure, Record, RunId, Severity, Text, Timestamp};

pub use csv::csv;
pub use html::html;
pub use json::json;
pub use markdown::markdown;

use crate::{
    open::{is_open, open_severity},
    remedy::{Remedy, remedy},
    when::days_between,
};

/// Most open services kept for one owner, and for all together; the worst are kept, the others counted.
const ITEMS_PER_OWNER_MAX: usize = 2_000;
const ITEMS_MAX: usize = 20_000;
/// Most owners told apart.
const OWNERS_MAX: usize = 10_000;

/// What stands above every report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct About {
    /// When the report is made.
    pub generated: Timestamp,
    /// The query by which the records were chosen; empty for everything.
    pub query: Text,
}

/// What is open and counts of the rest, for one owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnerReport {
    /// Who; absent where the scope names nobody.
    pub owner: Option<Text>,
    /// Services seen: (address, port, transport).
    pub services: u64,
    /// Those of them that are open.
    pub open: u64,
    /// Open services by severity, mildest first, as [`Severity::ALL`].
    pub open_by_severity: [u64; 5],
    /// All services by state, as [`Exposure::ALL`].
    pub services_by_exposure: [u64; 5],
    /// The oldest and the newest time at which one of the services was last seen; absent without services.
    pub last_seen: Option<(Timestamp, Timestamp)>,
    /// The newest run that saw one of them.
    pub run: RunId,
    /// What is open, worst first.
    pub items: Vec<Item>,
}

/// One open service.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What was seen, without the response, the chain of certificates and enrichment that no report shows.
    pub record: Record,
    /// How bad it is.
    pub severity: Severity,
}

impl Item {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        remedy(&self.record)
    }

    /// Whole days from the first sighting of the port to the last of this answer.
    pub fn days(&self) -> u64 {
        days_between(self.record.first_seen, self.record.last_seen)
    }

    /// Product and version, or the protocol in parentheses.
    pub(crate) fn name(&self) -> String {
        let verdict = &self.record.observation.verdict;
        match (&verdict.product, &verdict.version) {
            (Some(product), Some(version)) => format!("{} {}", product.raw(), version.raw()),
            (Some(product), None) => product.raw().to_owned(),
            (None, _) => format!("({})", self.record.observation.protocol),
        }
    }
}

impl OwnerReport {
    /// Open services that are not among the items, because there are too many.
    pub fn left_out(&self) -> u64 {
        self.open.saturating_sub(self.items.len() as u64)
    }

    /// The owner's name, or that there is none.
    pub fn name(&self) -> &str {
        self.owner.as_ref().map_or("nobody named", Text::raw)
    }

    /// The whole in a sentence, such as `3 of 41 services stand open: 1 critical, 2 high.`
    pub fn summary(&self) -> String {
        let services =
            |count: u64| if count == 1 { "1 service".to_owned() } else { format!("{count} services") };
        match (self.services, self.open) {
            (0, _) => "Nothing was seen.".to_owned(),
            (1, 0) => "Nothing is open: the one service that was seen keeps strangers out.".to_owned(),
            (seen, 0) => format!("Nothing is open: all {seen} services that were seen keep strangers out."),
            (seen, open) => {
                let counts: Vec<String> = Severity::ALL
                    .iter()
                    .zip(self.open_by_severity)
                    .rev()
                    .filter(|(_, count)| *count > 0)
                    .map(|(severity, count)| format!("{count} {severity}"))
                    .collect();
                let verb = if open == 1 { "stands" } else { "stand" };
                format!("{open} of {} {verb} open: {}.", services(seen), counts.join(", "))
            }
        }
    }

    fn count(&mut self, record: &Record) {
        self.services += 1;
        let seen = &record.observation;
        if let Some(place) = self.services_by_exposure.get_mut(seen.verdict.exposure as usize) {
            *place += 1;
        }
        let last = record.last_seen;
        self.last_seen = Some(
            self.last_seen.map_or((last, last), |(oldest, newest)| (oldest.min(last), newest.max(last))),
        );
        if seen.run > self.run {
            self.run = seen.run.clone();
        }
    }

    fn keep(&mut self, record: &Record) {
        let severity = open_severity(record);
        self.open += 1;
        if let Some(place) = self.open_by_severity.get_mut(severity as usize) {
            *place += 1;
        }
        let mut record = record.clone();
        let seen = &mut record.observation;
        seen.data = Text::default();
        if let Some(tls) = &mut seen.tls {
            tls.chain.truncate(1);
        }
        self.items.push(Item { record, severity });
    }

    /// Puts the worst first and drops what is beyond `items_max`.
    fn settle(&mut self, items_max: usize) {
        let rank = |item: &Item| {
            let seen = &item.record.observation;
            let exposure = seen.verdict.exposure;
            (
                Reverse(item.severity),
                Reverse(exposure),
                item.record.first_seen,
                seen.endpoint(),
                Reverse(item.record.id),
            )
        };
        self.items.sort_by_cached_key(rank);
        self.items.truncate(items_max);
    }
}

/// Gathers records into one report for each owner.
#[derive(Clone, Debug)]
pub struct OwnerReports {
    owners: BTreeMap<Option<Text>, OwnerReport>,
    kept: usize,
    per_owner_max: usize,
    further_owners: u64,
}

impl Default for OwnerReports {
    fn default() -> Self {
        Self { owners: BTreeMap::new(), kept: 0, per_owner_max: ITEMS_PER_OWNER_MAX, further_owners: 0 }
    }
}

impl OwnerReports {
    /// Without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes sure that there is a report for `owner`, also when nothing of it was seen.
    #[must_use]
    pub fn with_owner(mut self, owner: Option<Text>) -> Self {
        self.owners.entry(owner.clone()).or_insert_with(|| OwnerReport { owner, ..OwnerReport::default() });
        self
    }

    /// Counts one record, and keeps it when it is open.
    pub fn add(&mut self, record: &Record) {
        let full = self.owners.len() >= OWNERS_MAX;
        let report = match self.owners.entry(record.observation.owner.clone()) {
            Entry::Occupied(report) => report.into_mut(),
            Entry::Vacant(_) if full => {
                self.further_owners += 1;
                return;
            }
            Entry::Vacant(place) => {
                let owner = place.key().clone();
                place.insert(OwnerReport { owner, ..OwnerReport::default() })
            }
        };
        report.count(record);
        if !is_open(record) {
            return;
        }
        report.keep(record);
        self.kept += 1;
        if report.items.len() >= 2 * self.per_owner_max {
            let before = report.items.len();
            report.settle(self.per_owner_max);
            self.kept -= before - report.items.len();
        }
        if self.kept > ITEMS_MAX {
            self.make_room();
        }
    }

    /// Keeps fewer of each owner.
    fn make_room(&mut self) {
        while self.kept > ITEMS_MAX / 2 && self.per_owner_max > 1 {
            self.per_owner_max /= 2;
            for report in self.owners.values_mut() {
                report.settle(self.per_owner_max);
            }
            self.kept = self.owners.values().map(|report| report.items.len()).sum();
        }
    }

    /// Records of owners beyond those that are told apart; they are in no report.
    pub fn further_owners(&self) -> u64 {
        self.further_owners
    }

    /// The reports: worst owner first, then by name.
    pub fn finish(self) -> Vec<OwnerReport> {
        let per_owner_max = self.per_owner_max;
        let mut reports: Vec<OwnerReport> = self.owners.into_values().collect();
        for report in &mut reports {
            report.settle(per_owner_max);
        }
        reports.sort_by_key(|report| {
            let [info, low, medium, high, critical] = report.open_by_severity;
            Reverse([critical, high, medium, low, info])
        });
        reports
    }
}

/// The states in the order of the ladder with how many services are in each, without empty ones.
pub(crate) fn states(report: &OwnerReport) -> impl Iterator<Item = (Exposure, u64)> + '_ {
    Exposure::ALL.into_iter().zip(report.services_by_exposure).rev().filter(|(_, count)| *count > 0)
}
