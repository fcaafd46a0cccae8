use nightlatch_asset::{Record, Timestamp};
use nightlatch_query::{Expr, QueryError};
use nightlatch_scope::AddressSet;

use crate::{Alert, Change, Trigger, TriggerSet};

/// After how many seconds relative times of a query, such as `7d`, are too far off.
const STALE_SECONDS: i64 = 3_600;

/// An alert made ready to be asked about many changes.
#[derive(Clone, Debug)]
pub struct Compiled {
    alert: Alert,
    networks: AddressSet,
    query: Option<Expr>,
    triggers: TriggerSet,
    expiration: Option<Timestamp>,
    made: Timestamp,
}

impl Compiled {
    /// Reads networks and query of `alert`.
    ///
    /// - `now`: what relative times in the query count back from.
    ///
    /// # Errors
    /// As [`nightlatch_query::parse`].
    pub fn new(alert: Alert, now: Timestamp) -> Result<Self, QueryError> {
        let query = match &alert.query {
            Some(text) => Some(nightlatch_query::parse(text, now)?.expr),
            None => None,
        };
        Ok(Self {
            networks: alert.networks.iter().copied().collect(),
            triggers: alert.triggers.keys().copied().collect(),
            expiration: alert.expiration(),
            query,
            alert,
            made: now,
        })
    }

    /// The alert.
    pub fn alert(&self) -> &Alert {
        &self.alert
    }

    /// Whether it is time to make it anew, for the relative times in its query.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        (now.as_second() - self.made.as_second()).abs() >= STALE_SECONDS
    }

    /// Whether `record` is one that the alert is about, whatever happened to it.
    pub fn covers(&self, record: &Record) -> bool {
        (self.networks.is_empty() || self.networks.contains(record.observation.ip))
            && self.query.as_ref().is_none_or(|query| nightlatch_query::matches(query, record))
    }

    /// The triggers of the alert that `change` sets off.
    ///
    /// - `record`: the record that `change.record` names;
    /// - `candidates`: [`TriggerSet::fired_by`] of the two, computed once for all alerts.
    pub fn fired(
        &self,
        change: &Change,
        record: &Record,
        candidates: TriggerSet,
        now: Timestamp,
    ) -> Vec<Trigger> {
        let candidates = self.triggers.intersect(candidates);
        let silent = candidates.is_empty() || self.expiration.is_some_and(|end| end <= now);
        if silent || !self.covers(record) {
            return Vec::new();
        }
        debug_assert_eq!(change.record, record.id);
        candidates.iter().filter(|trigger| !self.ignores(*trigger, record)).collect()
    }

    fn ignores(&self, trigger: Trigger, record: &Record) -> bool {
        let setting = self.alert.triggers.get(&trigger);
        setting.is_some_and(|setting| setting.ignore.iter().any(|ignore| ignore.covers(trigger, record)))
    }
}

/// The triggers of `alert` that `change`, which `record` shows, sets off. For many changes use [`Compiled`].
///
/// # Errors
/// As [`nightlatch_query::parse`], for the query of the alert.
pub fn fired(
    alert: &Alert,
    change: &Change,
    record: &Record,
    now: Timestamp,
) -> Result<Vec<Trigger>, QueryError> {
    let candidates = TriggerSet::fired_by(change, record);
    Ok(Compiled::new(alert.clone(), now)?.fired(change, record, candidates, now))
}

#[cfg(test)]
mod tests;
