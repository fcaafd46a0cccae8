//! The suite that every backend must pass.

use nightlatch_store::{Store, conformance};
use nightlatch_store_tantivy::{Options, TantivyStore};

fn options() -> Options {
    Options { memory_bytes: 16_000_000, ..Options::default() }
}

#[test]
fn the_suite_passes() {
    let directories = std::cell::RefCell::new(Vec::new());
    let make = || -> Box<dyn Store> {
        let directory = tempfile::tempdir().unwrap();
        let store = TantivyStore::open(directory.path(), options()).unwrap();
        directories.borrow_mut().push(directory);
        Box::new(store)
    };
    let reopen = |store: Box<dyn Store>| -> Box<dyn Store> {
        drop(store);
        let directories = directories.borrow();
        Box::new(TantivyStore::open(directories.last().unwrap().path(), options()).unwrap())
    };
    let checked = conformance::check_with(&conformance::Plan::default(), &make, Some(&reopen));
    let checked = checked.unwrap_or_else(|mismatch| panic!("{mismatch}"));
    assert!(checked.answers > 1_000, "{checked:?}");
}
