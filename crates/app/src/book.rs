//! The book of observations: one moment for everybody who asks, renewed behind their backs.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::Duration,
};

use nightlatch_asset::Field;
use nightlatch_query::Expr;
use nightlatch_store::{Selection, Snapshot, Store, StoreError, View};

use crate::{AppError, Archive};

/// A writer that several runs share.
pub type SharedWriter = Arc<Mutex<Box<dyn Store>>>;

/// The observations.
pub struct Book {
    archive: Box<dyn Archive>,
    newest: RwLock<Arc<dyn Snapshot>>,
    renewing: Mutex<()>,
    writer: Mutex<Weak<Mutex<Box<dyn Store>>>>,
}

/// How often it is looked whether something was written.
pub(crate) const RENEW_EVERY: Duration = Duration::from_millis(1000);
/// What every page counts: asked of a new moment before anybody else does, so that nobody waits for the first answer.
const WARM: [Field; 6] =
    [Field::Product, Field::Exposure, Field::Severity, Field::Port, Field::Country, Field::Owner];

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
        let writer: SharedWriter = Arc::new(Mutex::new(self.archive.writer()?));
        *known = Arc::downgrade(&writer);
        Ok(writer)
    }
}

fn warm(snapshot: &dyn Snapshot) {
    let selection = Selection { expr: Expr::All, view: View::Latest };
    for field in WARM {
        // Whoever asks next is told what is wrong.
        let _ = snapshot.facet(&selection, field, 10);
    }
}
