//! Reading from another process than the one that writes.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use nightlatch_store::{Snapshot, StoreError};

use crate::{
    history::History,
    manifest::Manifest,
    moment::{Caches, Ingredients, Moment, Part},
    partition::{FreshReader, Week},
    store::EVENTS,
};

/// A data directory opened for reading, while another process may write to it.
pub struct Reader {
    directory: PathBuf,
    known: Mutex<Known>,
    caches: Caches,
}

#[derive(Default)]
struct Known {
    partitions: BTreeMap<Week, FreshReader>,
    history: Arc<History>,
}

impl Reader {
    /// Opens `directory`.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no store, [`StoreError::Newer`] when a newer version wrote it,
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        Manifest::read(directory)?;
        Ok(Self { directory: directory.to_owned(), known: Mutex::default(), caches: Caches::default() })
    }

    /// Everything the writer has committed up to now, frozen.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        // The order matters: what the MANIFEST counts is in the files, and what was added to the files since
        // is told apart by its id.
        let manifest = Manifest::read(&self.directory)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.history.events() != manifest.events {
            known.history = Arc::new(History::load(&self.directory.join(EVENTS), manifest.events)?);
        }
        known.partitions.retain(|week, _| manifest.partitions.contains(week));
        let mut parts = Vec::new();
        for week in &manifest.partitions {
            let reader = match known.partitions.entry(*week) {
                Entry::Occupied(mut known) => {
                    if known.get().is_outdated_copy() {
                        known.insert(FreshReader::of(&self.directory, *week)?);
                    }
                    known.into_mut()
                }
                Entry::Vacant(vacant) => vacant.insert(FreshReader::of(&self.directory, *week)?),
            };
            parts.push(Part { week: Some(*week), searcher: reader.searcher()? });
        }
        Ok(Box::new(Moment::new(Ingredients {
            path: self.directory.clone(),
            parts,
            history: known.history.clone(),
            next_oid: manifest.next_oid,
            written: manifest.next_oid,
            endpoints: manifest.endpoints,
            caches: self.caches.clone(),
        })))
    }
}
