//! Counts of a query in one segment, kept for whoever asks the same again.
//!
//! While a scan writes, every commit makes a new moment, but the segments of old weeks stay what they are: what was
//! counted in them holds as long as the same of their documents are visible.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nightlatch_asset::Field;
use nightlatch_query::Expr;
use tantivy::index::SegmentId;

use crate::{moment::Slice, visible::Visible};

/// Numbers kept in all; about 16 bytes each.
const NUMBERS_MAX: usize = 2 << 20;
/// Longest query of which answers are kept, in bytes of its canonical form.
const QUERY_BYTES_MAX: usize = 2_048;

/// What was counted in one segment: a value (or the ordinal of one) and how many documents have it.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// In order of the value, without those that no document has.
    pub(crate) by_value: Vec<(i64, u32)>,
    /// Documents with a value.
    pub(crate) with_value: u64,
    /// Documents that match.
    pub(crate) total: u64,
}

/// A query as the cache knows it; none when its answers are not worth keeping.
pub(crate) type Name = Option<Arc<str>>;

/// Fields whose values change while the documents stay what they are: a sighting makes `last_seen` later.
const CHANGING: [Field; 2] = [Field::FirstSeen, Field::LastSeen];

/// The name of a query; none for one that is long, or that asks for what may change.
pub(crate) fn name_of(expr: &Expr) -> Name {
    let text = nightlatch_query::print(expr);
    let changes = CHANGING.iter().any(|field| text.contains(field.name()));
    (text.len() <= QUERY_BYTES_MAX && !changes).then(|| text.into())
}

type Key = (SegmentId, &'static str, Arc<str>);

/// Answers that were given before in this process.
#[derive(Default)]
pub(crate) struct Answers {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    size: usize,
    answers: HashMap<Key, (Arc<Visible>, Arc<Counted>)>,
}

impl Answers {
    /// The counts of `field` among the documents of `slice` that match, by `count` unless they are known.
    ///
    /// - `field`: the column, or an empty text for the number of documents alone.
    pub(crate) fn of<E>(
        &self,
        slice: &Slice<'_>,
        field: &'static str,
        query: &Name,
        count: impl FnOnce() -> Result<Counted, E>,
    ) -> Result<Arc<Counted>, E> {
        let Some(query) = query else { return Ok(Arc::new(count()?)) };
        let key = (slice.reader.segment_id(), field, query.clone());
        if let Some((visible, counted)) = self.lock().answers.get(&key)
            && same(visible, &slice.visible)
        {
            return Ok(counted.clone());
        }
        let counted = Arc::new(count()?);
        let mut known = self.lock();
        known.size += counted.by_value.len() + 8;
        if known.size > NUMBERS_MAX {
            *known = Known { size: counted.by_value.len() + 8, ..Known::default() };
        }
        known.answers.insert(key, (slice.visible.clone(), counted.clone()));
        Ok(counted)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets of the same segment that are known to be equal.
fn same(a: &Arc<Visible>, b: &Arc<Visible>) -> bool {
    Arc::ptr_eq(a, b) || (a.is_everything() && b.is_everything())
}
