use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use nightlatch_asset::{Endpoint, Field, Observation, Record};
use nightlatch_query::matches;

use crate::{
    Bucket, Facet, Ingested, Selection, Snapshot, Sort, Status, Step, Store, StoreError, View, content_key,
    facet_value, order, step_label,
};

/// Keeps everything in memory and answers by looking at every record: the reference for all backends.
#[derive(Default)]
pub struct MemoryStore {
    records: Vec<Arc<Record>>,
    endpoints: BTreeMap<Endpoint, History>,
    sightings: u64,
}

/// What an observation of a known endpoint means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    /// It is known already that the endpoint answered so at that time.
    Repeated,
    /// The record at this position was seen again.
    Sighting(usize),
    /// The answer before it was another, or is not known.
    Changed,
}

/// Compares an observation with the records of its endpoint: with the newest what came after it, else with
/// those that cover its time, then with the last one before it.
fn meaning(history: &History, records: &[Arc<Record>], time: Timestamp, content: u128) -> Meaning {
    let told = || history.records.iter().map(|at| (*at, records[*at].as_ref()));
    let same = |record: &Record| content_key(&record.observation) == content;
    if time > records[history.newest].last_seen {
        let is_seen_again = same(&records[history.newest]);
        return if is_seen_again { Meaning::Sighting(history.newest) } else { Meaning::Changed };
    }
    let covers = |record: &Record| (record.observation.time..=record.last_seen).contains(&time);
    if told().any(|(_, record)| covers(record) && same(record)) {
        return Meaning::Repeated;
    }
    let when = |(at, record): &(usize, &Record)| (record.observation.time, *at);
    let before = told().filter(|(_, record)| record.observation.time <= time).max_by_key(when);
    match before {
        Some((at, record)) if same(record) => Meaning::Sighting(at),
        _ => Meaning::Changed,
    }
}

/// What is known of one endpoint.
struct History {
    first_seen: Timestamp,
    /// Position of the newest record.
    newest: usize,
    /// Positions of all its records.
    records: Vec<usize>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn take(&mut self, observation: &Observation, ingested: &mut Ingested) {
        let (time, content) = (observation.time, content_key(observation));
        let position = self.records.len();
        let mut record = Record {
            id: position as u64 + 1,
            first_seen: time,
            last_seen: time,
            times_seen: 1,
            latest: true,
            observation: observation.clone(),
        };
        match self.endpoints.entry(observation.endpoint()) {
            Entry::Vacant(vacant) => {
                vacant.insert(History { first_seen: time, newest: position, records: vec![position] });
                ingested.new_endpoints += 1;
            }
            Entry::Occupied(occupied) => {
                let history = occupied.into_mut();
                let meaning = meaning(history, &self.records, time, content);
                if meaning == Meaning::Repeated {
                    ingested.repeated += 1;
                    return;
                }
                if time < history.first_seen {
                    history.first_seen = time;
                    for at in &history.records {
                        Arc::make_mut(&mut self.records[*at]).first_seen = time;
                    }
                }
                if let Meaning::Sighting(at) = meaning {
                    let seen = Arc::make_mut(&mut self.records[at]);
                    seen.times_seen = seen.times_seen.saturating_add(1);
                    seen.last_seen = seen.last_seen.max(time);
                    self.sightings += 1;
                    ingested.sightings += 1;
                    return;
                }
                record.first_seen = history.first_seen;
                let newest = Arc::make_mut(&mut self.records[history.newest]);
                record.latest = time >= newest.last_seen;
                if record.latest {
                    newest.latest = false;
                    history.newest = position;
                }
                history.records.push(position);
            }
        }
        self.records.push(Arc::new(record));
        ingested.stored += 1;
    }
}

impl Store for MemoryStore {
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        let mut ingested = Ingested::default();
        for observation in batch {
            self.take(observation, &mut ingested);
        }
        Ok(ingested)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(MemorySnapshot {
            records: self.records.clone(),
            endpoints: self.endpoints.len() as u64,
            sightings: self.sightings,
        }))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct MemorySnapshot {
    records: Vec<Arc<Record>>,
    endpoints: u64,
    sightings: u64,
}

impl MemorySnapshot {
    fn selected<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a Record> {
        self.in_view(selection.view).filter(|record| matches(&selection.expr, record))
    }

    fn in_view(&self, view: View) -> impl Iterator<Item = &Record> {
        self.records.iter().map(Arc::as_ref).filter(move |record| view == View::History || record.latest)
    }
}

impl Snapshot for MemorySnapshot {
    fn count(&self, selection: &Selection) -> Result<u64, StoreError> {
        Ok(self.selected(selection).count() as u64)
    }

    fn search(
        &self,
        selection: &Selection,
        sort: Sort,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut rows: Vec<&Record> = self.selected(selection).collect();
        rows.sort_by(|a, b| order(sort, a, b));
        Ok(rows.into_iter().skip(skip).take(limit).cloned().collect())
    }

    fn facet(&self, selection: &Selection, field: Field, size: usize) -> Result<Facet, StoreError> {
        if !field.info().facet {
            return Err(StoreError::NotAFacet { field });
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let (mut total, mut missing) = (0, 0);
        for record in self.selected(selection) {
            let mut values = BTreeSet::new();
            field.values(record, &mut |value| values.extend(facet_value(field, &value)));
            total += 1;
            missing += u64::from(values.is_empty());
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
        }
        let distinct = counts.len() as u64;
        let mut buckets: Vec<Bucket> =
            counts.into_iter().map(|(value, count)| Bucket { value, count }).collect();
        // Stable, so that equal counts stay in the order of their values.
        buckets.sort_by_key(|bucket| std::cmp::Reverse(bucket.count));
        let other = buckets.iter().skip(size).map(|bucket| bucket.count).sum();
        buckets.truncate(size);
        Ok(Facet { buckets, distinct, other, missing, total })
    }

    fn histogram(&self, selection: &Selection, step: Step) -> Result<Vec<Bucket>, StoreError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for record in self.selected(selection) {
            *counts.entry(step_label(record.observation.time, step)).or_default() += 1;
        }
        Ok(counts.into_iter().map(|(value, count)| Bucket { value, count }).collect())
    }

    fn distinct_hosts(&self, selection: &Selection) -> Result<u64, StoreError> {
        let hosts: BTreeSet<IpAddr> = self.selected(selection).map(|record| record.observation.ip).collect();
        Ok(hosts.len() as u64)
    }

    fn host(&self, ip: IpAddr, view: View) -> Result<Vec<Record>, StoreError> {
        let mut rows: Vec<&Record> =
            self.in_view(view).filter(|record| record.observation.ip == ip).collect();
        rows.sort_by(|a, b| {
            a.observation.port.cmp(&b.observation.port).then_with(|| order(Sort::Newest, a, b))
        });
        Ok(rows.into_iter().cloned().collect())
    }

    fn after(&self, id: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut rows: Vec<&Record> = self.in_view(View::History).filter(|record| record.id > id).collect();
        rows.sort_by_key(|record| record.id);
        Ok(rows.into_iter().take(limit).cloned().collect())
    }

    fn last_id(&self) -> u64 {
        self.in_view(View::History).map(|record| record.id).max().unwrap_or_default()
    }

    fn export(
        &self,
        selection: &Selection,
        sink: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        for record in self.selected(selection) {
            if sink(record.clone()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn status(&self) -> Result<Status, StoreError> {
        Ok(Status {
            observations: self.records.len() as u64,
            endpoints: self.endpoints,
            sightings: self.sightings,
            bytes: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_query::Expr;

    use super::*;
    use crate::synthetic::observations_of;

    /// Observations of one endpoint, as `time` and what it answered.
    fn seen(told: &[(i64, &str)]) -> Vec<Observation> {
        let base = observations_of(1, 1, 1).next().unwrap();
        let at = |(seconds, data): &(i64, &str)| Observation {
            time: Timestamp::from_second(*seconds).unwrap(),
            data: (*data).into(),
            ..base.clone()
        };
        told.iter().map(at).collect()
    }

    /// Every record by time: first and last second, answer, how often, and whether it is the newest.
    fn history(store: &MemoryStore) -> Vec<(i64, i64, String, u32, bool)> {
        let selection = Selection { expr: Expr::All, view: View::History };
        let records = store.snapshot().unwrap().search(&selection, Sort::Oldest, 0, usize::MAX).unwrap();
        let shown = |r: Record| {
            let o = r.observation;
            (o.time.as_second(), r.last_seen.as_second(), o.data.raw().to_owned(), r.times_seen, r.latest)
        };
        records.into_iter().map(shown).collect()
    }

    #[test]
    fn a_file_imported_twice_changes_nothing_in_whatever_order_it_is() {
        let told = seen(&[(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a"), (5, "c")]);
        for seed in 0..50 {
            let mut shuffled = told.clone();
            let mut draw = crate::synthetic::Draw::of(&[seed]);
            shuffled.sort_by_cached_key(|_| draw.below(u64::MAX));
            let mut store = MemoryStore::new();
            store.ingest(&shuffled).unwrap();
            let once = history(&store);
            for again in [&shuffled, &told] {
                let expected = Ingested { repeated: 6, ..Ingested::default() };
                assert_eq!(store.ingest(again).unwrap(), expected, "seed {seed}");
                assert_eq!(history(&store), once);
            }
        }
        let mut store = MemoryStore::new();
        store.ingest(&told).unwrap();
        assert_eq!(history(&store).len(), 4, "in order of time it is shortest");
    }

    #[test]
    fn what_comes_late_finds_its_place() {
        let mut store = MemoryStore::new();
        store
            .ingest(&seen(&[(10, "a"), (20, "b"), (15, "a"), (30, "c"), (25, "a"), (22, "b"), (5, "a")]))
            .unwrap();
        let expected = [
            (5, 5, "a".to_owned(), 1, false),
            (10, 15, "a".to_owned(), 2, false),
            (20, 22, "b".to_owned(), 2, false),
            (25, 25, "a".to_owned(), 1, false),
            (30, 30, "c".to_owned(), 1, true),
        ];
        assert_eq!(history(&store), expected);
    }
}
