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

/// What is known of one endpoint.
struct History {
    first_seen: Timestamp,
    /// Position of the newest record.
    newest: usize,
    /// What the newest record says.
    content: u128,
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
                vacant.insert(History {
                    first_seen: time,
                    newest: position,
                    content,
                    records: vec![position],
                });
                ingested.new_endpoints += 1;
            }
            Entry::Occupied(occupied) => {
                let history = occupied.into_mut();
                if time < history.first_seen {
                    history.first_seen = time;
                    for at in &history.records {
                        Arc::make_mut(&mut self.records[*at]).first_seen = time;
                    }
                }
                let newest = Arc::make_mut(&mut self.records[history.newest]);
                if content == history.content {
                    newest.times_seen = newest.times_seen.saturating_add(1);
                    newest.last_seen = newest.last_seen.max(time);
                    self.sightings += 1;
                    ingested.sightings += 1;
                    return;
                }
                record.first_seen = history.first_seen;
                record.latest = time >= newest.last_seen;
                if record.latest {
                    newest.latest = false;
                    (history.newest, history.content) = (position, content);
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
