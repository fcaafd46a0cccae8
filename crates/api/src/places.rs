//! Where walks over the pages of a result have got to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use nightlatch_store::Snapshot;

use crate::question::Place;

/// Most places kept; the one that was not used for longest goes first.
const PLACES_MAX: usize = 512;

/// What is known of a walk after one of its pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reached {
    pub(crate) place: Place,
    /// Rows in all.
    pub(crate) total: u64,
}

#[derive(Default)]
pub(crate) struct Places(Mutex<HashMap<(String, String), Known>>);

struct Known {
    /// A place is one of this moment only.
    snapshot: Weak<dyn Snapshot>,
    reached: Reached,
    used: Instant,
}

impl Places {
    /// What the walk of `who` over `question` has reached, if it is one of `snapshot`.
    pub(crate) fn reached(&self, who: &str, question: &str, snapshot: &Arc<dyn Snapshot>) -> Option<Reached> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.get(&(who.to_owned(), question.to_owned()))?;
        let same = known.snapshot.upgrade().is_some_and(|known| Arc::ptr_eq(&known, snapshot));
        same.then_some(known.reached)
    }

    pub(crate) fn keep(&self, who: &str, question: &str, snapshot: &Arc<dyn Snapshot>, reached: Reached) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, known| known.snapshot.strong_count() > 0);
        let known = Known { snapshot: Arc::downgrade(snapshot), reached, used: Instant::now() };
        places.insert((who.to_owned(), question.to_owned()), known);
        while places.len() > PLACES_MAX {
            let oldest = places.iter().min_by_key(|(_, known)| known.used).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            places.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store};

    use super::*;

    #[test]
    fn places_are_of_one_moment_and_few() {
        let moment = || -> Arc<dyn Snapshot> { Arc::from(MemoryStore::default().snapshot().unwrap()) };
        let (one, other, places) = (moment(), moment(), Places::default());
        let reached = Reached { place: Place { row: 100, second: 5, of_second: 2 }, total: 900 };
        places.keep("a", "q", &one, reached);
        assert_eq!(places.reached("a", "q", &one), Some(reached));
        assert_eq!(places.reached("a", "q", &other), None);
        assert_eq!(places.reached("b", "q", &one), None);
        for number in 0..2 * PLACES_MAX {
            places.keep("b", &number.to_string(), &other, reached);
        }
        assert_eq!(places.0.lock().unwrap().len(), PLACES_MAX);
        drop(other);
        places.keep("a", "q", &one, reached);
        assert_eq!(places.0.lock().unwrap().len(), 1, "moments that nobody has are forgotten");
    }
}
