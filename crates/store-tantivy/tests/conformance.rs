//! The suite that every backend must pass, in all ways a store can be used.

use std::{fs, path::Path};

use nightlatch_asset::Observation;
use nightlatch_store::{
    Ingested, Snapshot, Store, StoreError,
    conformance::{self, Plan},
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
        }
        if self.way == Way::Merged {
            self.store().merge()?;
        }
        Ok(total)
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
