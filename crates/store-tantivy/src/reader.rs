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
    unfinished: Option<StoreError>,
}

#[derive(Default)]
struct Known {
    partitions: BTreeMap<Week, FreshReader>,
    history: Arc<History>,
}

impl Reader {
    /// Opens `directory`; `unfinished` is why what a crash left could not be finished.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no store, [`StoreError::Newer`] when a newer version wrote it,
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub(crate) fn open(directory: &Path, unfinished: Option<StoreError>) -> Result<Self, StoreError> {
        match Manifest::read(directory) {
            Ok(_) => {}
            // The first writer crashed before anything could be read.
            Err(StoreError::Absent { path }) => return Err(unfinished.unwrap_or(StoreError::Absent { path })),
            Err(error) => return Err(error),
        }
        let (known, caches) = (Mutex::default(), Caches::default());
        Ok(Self { directory: directory.to_owned(), known, caches, unfinished })
    }

    /// Why observations that were acknowledged before a crash are not shown: what the writer left could not be
    /// finished, such as on a read-only file system. None where nothing was left.
    pub fn unfinished(&self) -> Option<&StoreError> {
        self.unfinished.as_ref()
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
