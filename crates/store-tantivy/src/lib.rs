//! The embedded search engine behind the contract of `nightlatch-store`.
//!
//! A data directory holds one search index a week (`part/2026-W38/`), a table of the newest observation of every
//! endpoint (`keys.redb`), what happened to documents after they were written (`events`), what was acknowledged
//! and is not in the index yet (`JOURNAL`), and what a reader may take as one moment (`MANIFEST`).
//!
//! Documents never change and are never deleted. That an observation was superseded, seen again, or that its
//! endpoint was first seen earlier is an event; a moment is the number of documents and the number of events.
//! So every process that reads a MANIFEST sees one moment, whatever is written and merged meanwhile.

mod addresses;
mod answers;
mod compile;
mod except;
mod facet;
mod failure;
mod glob;
mod histogram;
mod history;
mod journal;
mod keys;
mod late;
mod lock;
mod manifest;
mod migrate;
mod moment;
mod partition;
mod places;
mod plan;
mod predicate;
mod readable_folder;
mod reader;
mod record;
mod rows;
mod schema;
mod store;
mod stored;
mod stored_reader;
mod terms;
mod tokens;
mod visible;

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use nightlatch_asset::Observation;
use nightlatch_store::{Ingested, Snapshot, Store, StoreError};

pub use reader::Reader;

/// What is on disk, byte by byte: for the fuzz targets, which must reach every parser.
pub mod format {
    pub use crate::{
        history::Event,
        journal::frame,
        manifest::{FORMAT, Manifest, Unreadable},
        partition::{NoWeek, Week},
        plan::split_frame as batch,
        stored::{Malformed, decode, encode},
    };
}

/// How the writer works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Documents after which everything is committed to the index.
    pub commit_documents: usize,
    /// Bytes of journal after which everything is committed.
    pub commit_journal_bytes: u64,
    /// How long an observation waits at most before other processes see it.
    pub commit_age: Duration,
    /// Memory for documents that are being indexed, in bytes, all partitions together; at least 15 MB for
    /// each partition that is written to.
    pub memory_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit_documents: 30_000,
            commit_journal_bytes: 256 << 20,
            commit_age: Duration::from_secs(10),
            memory_bytes: 100 << 20,
        }
    }
}

/// The store in a data directory, for its one writer.
pub struct TantivyStore {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
}

struct Shared {
    engine: Mutex<store::Engine>,
    closing: Mutex<bool>,
    closed: Condvar,
}

impl Shared {
    fn engine(&self) -> MutexGuard<'_, store::Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what is old until the store is closed.
    fn commit_by_age(&self, age: Duration) {
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        while !*closing {
            closing = match self.closed.wait_timeout(closing, age) {
                Ok((closing, _)) => closing,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if !*closing {
                drop(closing);
                self.engine().commit_if_old();
                closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl TantivyStore {
    /// Opens the store in `directory` for writing, creating it where there is none, and finishes what a crash
    /// interrupted.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process writes, [`StoreError::Newer`], [`StoreError::Damaged`],
    /// [`StoreError::Io`].
    pub fn open(directory: &Path, options: Options) -> Result<Self, StoreError> {
        let age = options.commit_age;
        let engine = store::Engine::open(directory, options, lock::Purpose::Write)?;
        let shared = Arc::new(Shared {
            engine: Mutex::new(engine),
            closing: Mutex::new(false),
            closed: Condvar::new(),
        });
        let committer = {
            let shared = shared.clone();
            let spawned = std::thread::Builder::new()
                .name("store-commit".to_owned())
                .spawn(move || shared.commit_by_age(age));
            spawned.map_err(failure::io_error("start a thread for", directory))?
        };
        Ok(Self { shared, committer: Some(committer) })
    }

    /// Opens the store in `directory` for reading only, also while another process writes to it. Where a crash
    /// interrupted a writer, what it had acknowledged is finished first; see [`Reader::unfinished`].
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is none, [`StoreError::Newer`], [`StoreError::Damaged`],
    /// [`StoreError::Io`].
    pub fn read(directory: &Path) -> Result<Reader, StoreError> {
        Reader::open(directory, store::finish(directory).err())
    }

    /// Merges every partition into one segment, where that is not too large: smaller and faster to search, and
    /// worth it after a large import.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Engine`]; nothing is lost.
    pub fn merge(&mut self) -> Result<(), StoreError> {
        self.shared.engine().merge_all()
    }

    /// Commits, waits for merges and lets go of the directory. Dropping does the same without telling errors.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn close(mut self) -> Result<(), StoreError> {
        self.stop();
        self.shared.engine().close()
    }

    fn stop(&mut self) {
        *self.shared.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.closed.notify_all();
        if let Some(committer) = self.committer.take() {
            let _ = committer.join();
        }
    }
}

impl Drop for TantivyStore {
    fn drop(&mut self) {
        self.stop();
        // What cannot be committed now is in the journal and will be at the next opening.
        let _ = self.shared.engine().close();
    }
}

impl Store for TantivyStore {
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        self.shared.engine().ingest(batch)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.shared.engine().snapshot()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.shared.engine().commit()
    }
}
