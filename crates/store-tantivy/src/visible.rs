//! Which documents of a segment a view shows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nightlatch_store::View;
use tantivy::{DocId, SegmentReader, index::SegmentId};

use crate::{history::History, schema::column};

/// Documents looked at together.
const BLOCK: usize = 4_096;
/// Segments of which the answer is kept.
const CACHED_MAX: usize = 4_096;

/// A set of documents of one segment.
#[derive(Debug, PartialEq)]
pub(crate) struct Visible {
    /// One bit a document; none when all are in the set.
    bits: Option<Vec<u64>>,
    count: u32,
}

impl Visible {
    /// Whether `doc` is in the set.
    pub(crate) fn holds(&self, doc: DocId) -> bool {
        match &self.bits {
            None => true,
            Some(bits) => bits.get(doc as usize / 64).is_some_and(|word| word >> (doc % 64) & 1 == 1),
        }
    }

    /// Whether every document of the segment is in the set.
    pub(crate) fn is_everything(&self) -> bool {
        self.bits.is_none()
    }

    /// Documents in the set.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    fn compute(reader: &SegmentReader, shows: impl Fn(u64) -> bool) -> tantivy::Result<Self> {
        let oids = reader.fast_fields().column_first_or_default::<u64>(column::OID)?;
        let max_doc = reader.max_doc();
        let mut bits = vec![0u64; (max_doc as usize).div_ceil(64)];
        let mut block = vec![0; BLOCK];
        let mut count = 0;
        for start in (0..max_doc).step_by(BLOCK) {
            let length = BLOCK.min((max_doc - start) as usize);
            oids.get_range(start.into(), &mut block[..length]);
            for (index, oid) in block[..length].iter().enumerate() {
                let doc = start as usize + index;
                let shown = shows(*oid);
                bits[doc / 64] |= u64::from(shown) << (doc % 64);
                count += u32::from(shown);
            }
        }
        Ok(Self { bits: (count < max_doc).then_some(bits), count })
    }
}

/// What decides about a set: the segment, the view, the events and the end of the moment.
type Key = (SegmentId, bool, u64, u64);

/// Sets that were computed before in this process.
#[derive(Default)]
pub(crate) struct VisibleCache {
    sets: Mutex<Sets>,
}

type Sets = HashMap<(SegmentId, bool), (Key, Arc<Visible>)>;

impl VisibleCache {
    /// The documents of `reader` with ids below `end` that `view` shows.
    pub(crate) fn of(
        &self,
        reader: &SegmentReader,
        view: View,
        history: &History,
        end: u64,
    ) -> tantivy::Result<Arc<Visible>> {
        let oids = reader.fast_fields().u64(column::OID)?;
        let latest = view == View::Latest && history.has_superseded();
        // Most segments lie wholly below the end, so the end does not make their set another one.
        let end = if oids.max_value() < end { u64::MAX } else { end };
        if !latest && end == u64::MAX {
            return Ok(Arc::new(Visible { bits: None, count: reader.max_doc() }));
        }
        let key = (reader.segment_id(), latest, if latest { history.superseding() } else { 0 }, end);
        let place = (key.0, key.1);
        if let Some((known, set)) = self.lock().get(&place)
            && *known == key
        {
            return Ok(set.clone());
        }
        let shows = |oid| oid < end && !(latest && history.is_superseded(oid));
        let set = Arc::new(Visible::compute(reader, shows)?);
        let mut sets = self.lock();
        // What is counted over a set is kept with it: the same set stays the same.
        let set =
            sets.get(&place).map(|(_, before)| before.clone()).filter(|before| *before == set).unwrap_or(set);
        if sets.len() >= CACHED_MAX {
            sets.clear();
        }
        sets.insert(place, (key, set.clone()));
        Ok(set)
    }

    fn lock(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
