//! The book of observations: one moment for everybody who asks, renewed behind their backs.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak},
    time::Duration,
};

use nightlatch_asset::{Field, Observation};
use nightlatch_query::Expr;
use nightlatch_store::{Ingested, Selection, Snapshot, Store, StoreError, View};

use crate::{AppError, Archive};

/// A writer that several runs share.
pub type SharedWriter = Arc<Mutex<Box<dyn Store>>>;

/// The observations.
pub struct Book {
    archive: Box<dyn Archive>,
    newest: RwLock<Arc<dyn Snapshot>>,
    renewing: Mutex<()>,
    writer: Mutex<Weak<Mutex<Box<dyn Store>>>>,
    turn: Arc<Turn>,
}

/// How often it is looked whether something was written.
pub(crate) const RENEW_EVERY: Duration = Duration::from_millis(1000);
/// What every page counts: asked of a new moment before anybody else does, so that nobody waits for the first answer.
const WARM: [Field; 8] = [
    Field::Product,
    Field::Exposure,
    Field::Severity,
    Field::Port,
    Field::Country,
    Field::Owner,
    Field::Org,
    Field::Tag,
];

impl Book {
    pub(crate) fn open(archive: Box<dyn Archive>) -> Result<Self, AppError> {
        let newest = match archive.snapshot() {
            Ok(snapshot) => snapshot,
            Err(StoreError::Absent { .. }) => {
                // An empty store, so that there is something to read.
                let mut writer = archive.writer()?;
                writer.commit()?;
                drop(writer);
                archive.snapshot()?
            }
            Err(error) => return Err(error.into()),
        };
        warm(newest.as_ref());
        Ok(Self {
            archive,
            newest: RwLock::new(newest),
            renewing: Mutex::default(),
            writer: Mutex::default(),
            turn: Arc::default(),
        })
    }

    /// The newest moment. Never blocks for long.
    pub fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the newest moment, with the first answers prepared. Blocks.
    ///
    /// # Errors
    /// When the observations cannot be read; the moment before stays.
    pub fn renew(&self) -> Result<(), StoreError> {
        // One at a time: an older moment must not come to stand where a newer one is.
        let _one = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.archive.snapshot()?;
        warm(snapshot.as_ref());
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }

    /// The writer, shared by all who hold it at the time; closed when the last lets go.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process writes.
    pub fn writer(&self) -> Result<SharedWriter, StoreError> {
        let mut known = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = known.upgrade() {
            return Ok(writer);
        }
        // The last one may be closing at this moment.
        let turn = self.turn.clone().take();
        let store: Box<dyn Store> = Box::new(Turned { store: self.archive.writer()?, _turn: turn });
        let writer: SharedWriter = Arc::new(Mutex::new(store));
        *known = Arc::downgrade(&writer);
        Ok(writer)
    }
}

/// How long it is waited for a writer of our own that commits and merges for the last time; after that the store itself
/// says that it is locked.
const CLOSE_PATIENCE: Duration = Duration::from_secs(60);

/// One writer of this process at a time, from before it is opened until it is closed to the end: nobody can open the
/// store while another thread still lets go of it.
#[derive(Default)]
struct Turn {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Turn {
    fn take(self: Arc<Self>) -> TurnPass {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.free.wait_timeout_while(taken, CLOSE_PATIENCE, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        drop(taken);
        TurnPass(self)
    }
}

struct TurnPass(Arc<Turn>);

impl Drop for TurnPass {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.free.notify_one();
    }
}

/// A writer with its turn, which is given back once the writer is closed: fields are dropped in this order.
struct Turned {
    store: Box<dyn Store>,
    _turn: TurnPass,
}

impl Store for Turned {
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        self.store.ingest(batch)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.store.snapshot()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.store.commit()
    }
}

fn warm(snapshot: &dyn Snapshot) {
    let selection = Selection { expr: Expr::All, view: View::Latest };
    for field in WARM {
        // Whoever asks next is told what is wrong.
        let _ = snapshot.facet(&selection, field, 10);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering::SeqCst},
        thread,
    };

    use nightlatch_store::MemoryStore;

    use super::*;

    /// A store of which there must be one, and which takes its time to close.
    struct Slow(Arc<AtomicBool>);

    impl Archive for Slow {
        fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
            MemoryStore::default().snapshot().map(Arc::from)
        }

        fn writer(&self) -> Result<Box<dyn Store>, StoreError> {
            assert!(!self.0.swap(true, SeqCst), "opened while another one is open");
            Ok(Box::new(Open(MemoryStore::default(), self.0.clone())))
        }
    }

    struct Open(MemoryStore, Arc<AtomicBool>);

    impl Drop for Open {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(20));
            self.1.store(false, SeqCst);
        }
    }

    impl Store for Open {
        fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
            self.0.ingest(batch)
        }

        fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
            self.0.snapshot()
        }

        fn commit(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn nobody_opens_the_store_while_another_run_closes_it() {
        let book = Book::open(Box::new(Slow(Arc::default()))).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| drop(book.writer().unwrap())));
            }
        });
    }
}
