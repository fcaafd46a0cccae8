//! Walks over the pages of a result: each sees one moment from its first page to its last.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nightlatch_store::Snapshot;

/// How long a walk may rest.
const REST_MAX: Duration = Duration::from_secs(15 * 60);
/// Walks kept for one caller and in all; the one that rests longest goes first.
const OF_ONE_MAX: usize = 8;
const IN_ALL_MAX: usize = 256;

#[derive(Default)]
pub(crate) struct Walks(Mutex<HashMap<(String, String), Walk>>);

struct Walk {
    snapshot: Arc<dyn Snapshot>,
    used: Instant,
}

impl Walks {
    pub(crate) fn page(
        &self,
        who: &str,
        question: &str,
        first: bool,
        newest: impl FnOnce() -> Arc<dyn Snapshot>,
    ) -> Arc<dyn Snapshot> {
        let now = Instant::now();
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        walks.retain(|_, walk| now.duration_since(walk.used) < REST_MAX);
        let name = (who.to_owned(), question.to_owned());
        if let Some(walk) = walks.get_mut(&name).filter(|_| !first) {
            walk.used = now;
            return walk.snapshot.clone();
        }
        let snapshot = newest();
        walks.insert(name, Walk { snapshot: snapshot.clone(), used: now });
        while let Some(name) = too_many(&walks, who) {
            walks.remove(&name);
        }
        snapshot
    }
}

/// The walk to forget, if there are too many.
fn too_many(walks: &HashMap<(String, String), Walk>, who: &str) -> Option<(String, String)> {
    let of_one = walks.keys().filter(|(owner, _)| owner == who).count();
    let among = |all: bool| {
        walks.iter().filter(|((owner, _), _)| all || owner == who).min_by_key(|(_, walk)| walk.used)
    };
    let oldest = match (of_one > OF_ONE_MAX, walks.len() > IN_ALL_MAX) {
        (true, _) => among(false),
        (_, true) => among(true),
        _ => None,
    };
    oldest.map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store};

    use super::*;

    fn fresh() -> Arc<dyn Snapshot> {
        Arc::from(MemoryStore::default().snapshot().unwrap())
    }

    #[test]
    fn later_pages_see_the_moment_of_the_first() {
        let walks = Walks::default();
        let first = walks.page("a", "q", true, fresh);
        let is_first = |snapshot: &Arc<dyn Snapshot>| Arc::ptr_eq(snapshot, &first);
        assert!(is_first(&walks.page("a", "q", false, fresh)));
        assert!(!is_first(&walks.page("a", "other", false, fresh)), "another question");
        assert!(!is_first(&walks.page("b", "q", false, fresh)), "another caller");
        assert!(!is_first(&walks.page("a", "q", true, fresh)), "begun anew");
    }

    #[test]
    fn one_caller_keeps_few_walks_and_takes_none_from_another() {
        let walks = Walks::default();
        let mine = walks.page("a", "q", true, fresh);
        for number in 0..100 {
            walks.page("b", &number.to_string(), true, fresh);
        }
        assert_eq!(walks.0.lock().unwrap().len(), 1 + OF_ONE_MAX);
        assert!(Arc::ptr_eq(&walks.page("a", "q", false, fresh), &mine));
    }
}
