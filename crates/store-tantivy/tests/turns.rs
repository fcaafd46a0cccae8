//! Writers take turns: whoever finds the store free can open it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::thread;

use nightlatch_store::{Store, StoreError, synthetic};
use nightlatch_store_tantivy::{Options, TantivyStore};

const TURNS: usize = 40;

#[test]
fn a_store_that_is_being_closed_is_locked_or_free_and_nothing_between() {
    let directory = tempfile::tempdir().unwrap();
    let batch: Vec<_> = synthetic::observations(3, 20).collect();
    let take_turns = || {
        let (mut turns, mut refused) = (0, 0u64);
        while turns < TURNS {
            match TantivyStore::open(directory.path(), Options::default()) {
                Ok(mut store) => {
                    store.ingest(&batch).unwrap();
                    turns += 1;
                }
                Err(StoreError::Locked { .. }) => refused += 1,
                Err(error) => panic!("after {turns} turns: {error}"),
            }
        }
        refused
    };
    let refused = thread::scope(|scope| {
        let other = scope.spawn(take_turns);
        take_turns() + other.join().unwrap()
    });
    assert!(refused > 0, "they never met");
}
