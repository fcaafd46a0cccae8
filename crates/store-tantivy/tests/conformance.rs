//! The suite that every backend must pass, in all ways a store can be used.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test that cannot go on fails"
)]

use std::{fs, path::Path};

use jiff::ToSpan;
use nightlatch_asset::Observation;
use nightlatch_query::Expr;
use nightlatch_store::{
    Ingested, Selection, Snapshot, Sort, Store, StoreError, View,
    conformance::{self, Plan},
    synthetic,
};
use nightlatch_store_tantivy::{Options, TantivyStore};
use tempfile::TempDir;

#[derive(Clone, Copy, Eq, PartialEq)]
enum Way {
    /// As it comes.
    Plain,
    /// Closed and opened again before every batch.
    Reopened,
    /// Merged into one segment a week after every batch, and committed every few observations.
    Merged,
    /// Answers come from a reader beside the writer.
    Beside,
}

/// A store in a directory of its own, used in one way.
struct Used {
    way: Way,
    store: Option<TantivyStore>,
    directory: TempDir,
}

impl Used {
    fn new(way: Way) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(TantivyStore::open(directory.path(), options(way)).unwrap());
        Self { way, store, directory }
    }

    fn store(&mut self) -> &mut TantivyStore {
        self.store.as_mut().unwrap()
    }
}

impl Store for Used {
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        if self.way == Way::Reopened {
            self.store.take().unwrap().close()?;
            self.store = Some(TantivyStore::open(self.directory.path(), options(self.way))?);
        }
        let mut total = Ingested::default();
        let step = if self.way == Way::Merged { 60 } else { batch.len().max(1) };
        for part in batch.chunks(step) {
            let done = self.store().ingest(part)?;
            total.stored += done.stored;
            total.sightings += done.sightings;
            total.new_endpoints += done.new_endpoints;
            total.repeated += done.repeated;
        }
        if self.way == Way::Merged {
            self.store().merge()?;
        }
        Ok(total)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.store().commit()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        // In the writer's own process a snapshot commits, which is what a reader waits for.
        let own = self.store.as_ref().unwrap().snapshot()?;
        if self.way == Way::Beside { TantivyStore::read(self.directory.path())?.snapshot() } else { Ok(own) }
    }
}

fn options(way: Way) -> Options {
    let mut options = Options::default();
    options.memory_bytes = 15_000_000;
    if way == Way::Merged {
        options.commit_documents = 20;
    }
    options
}

fn passes(way: Way, plan: &Plan) {
    let checked = conformance::check_with(plan, &|| Box::new(Used::new(way)), None);
    let checked = checked.unwrap_or_else(|mismatch| panic!("{mismatch}"));
    assert!(checked.answers > 1_000, "{checked:?}");
}

#[test]
fn a_store_passes() {
    passes(Way::Plain, &Plan::default());
}

#[test]
fn a_reopened_store_passes() {
    passes(Way::Reopened, &Plan { seed: 2, batches: 6, batch: 60, trees: 100 });
}

#[test]
fn a_merged_store_passes() {
    passes(Way::Merged, &Plan { seed: 3, batches: 3, batch: 150, trees: 100 });
}

#[test]
fn a_reader_beside_the_writer_passes() {
    passes(Way::Beside, &Plan { seed: 4, batches: 3, batch: 100, trees: 100 });
}

/// Times of the corpus lie in several weeks; otherwise the tests above say nothing about partitions.
#[test]
fn the_corpus_of_the_suite_crosses_partitions() {
    let kept = tempfile::tempdir().unwrap();
    let make = || -> Box<dyn Store> {
        let _ = fs::remove_dir_all(kept.path());
        Box::new(TantivyStore::open(kept.path(), options(Way::Plain)).unwrap())
    };
    conformance::check_with(&Plan { trees: 1, ..Plan::default() }, &make, None).unwrap();
    assert!(partitions(kept.path()) > 2, "{} partitions", partitions(kept.path()));
}

fn partitions(directory: &Path) -> usize {
    fs::read_dir(directory.join("part")).unwrap().count()
}

/// More weeks than writers are open at once, in no order, and a crash before the commit.
#[test]
fn many_weeks_at_once_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let mut corpus: Vec<Observation> = synthetic::observations_of(5, 600, 600).collect();
    for (number, observation) in corpus.iter_mut().enumerate() {
        let weeks = (number * 7 % 19) as i64;
        observation.time = observation.time.saturating_sub((weeks * 168).hours()).unwrap();
    }
    let mut store = TantivyStore::open(directory.path(), options(Way::Plain)).unwrap();
    for batch in corpus.chunks(50) {
        store.ingest(batch).unwrap();
    }
    copy(directory.path(), crashed.path());
    let everything = Selection { expr: Expr::All, view: View::History };
    assert_eq!(store.snapshot().unwrap().count(&everything).unwrap(), 600);
    let store = TantivyStore::open(crashed.path(), options(Way::Plain)).unwrap();
    let rows = store.snapshot().unwrap().search(&everything, Sort::Oldest, 0, 1_000).unwrap();
    let mut times: Vec<_> = corpus.iter().map(|o| o.time).collect();
    times.sort();
    assert_eq!(rows.iter().map(|row| row.observation.time).collect::<Vec<_>>(), times);
    assert!(partitions(crashed.path()) > 12);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
