//! Every format that was ever written can be read. A sample is made once, by `examples/format-sample.rs`, and
//! never changed.
#![expect(clippy::unwrap_used, reason = "this is a test, also where it is not inside one function")]

use std::{fs, ops::ControlFlow, path::Path};

use nightlatch_asset::Record;
use nightlatch_query::Expr;
use nightlatch_store::{Selection, Snapshot, Store, StoreError, View};
use nightlatch_store_tantivy::{Options, TantivyStore, format::FORMAT};

fn samples() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    names
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn all(snapshot: &dyn Snapshot) -> Vec<Record> {
    let mut records = Vec::new();
    let selection = Selection { expr: Expr::All, view: View::History };
    snapshot
        .export(&selection, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
    records.sort_by_key(|record| record.id);
    records
}

#[test]
fn there_is_a_sample_of_every_format() {
    let expected: Vec<String> = (1..=FORMAT).map(|format| format!("v{format}")).collect();
    assert_eq!(samples(), expected);
}

#[test]
fn every_sample_is_read_with_what_its_journal_holds() {
    for name in samples() {
        let text = fs::read_to_string(folder().join(format!("{name}.jsonl"))).unwrap();
        let expected: Vec<Record> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(
            expected.len() > 30
                && expected.iter().any(|r| !r.latest)
                && expected.iter().any(|r| r.times_seen > 1)
        );
        let directory = tempfile::tempdir().unwrap();
        copy(&folder().join(&name), directory.path());

        let read = || {
            let reader = TantivyStore::read(directory.path()).unwrap();
            let records = all(reader.snapshot().unwrap().as_ref());
            (records, reader.unfinished().is_some())
        };
        // While another process writes, a reader sees what is committed.
        let lock = fs::File::create(directory.path().join("LOCK")).unwrap();
        lock.lock().unwrap();
        let (committed, unfinished) = read();
        assert!(!committed.is_empty() && committed.len() < expected.len(), "{name}: {}", committed.len());
        assert!(!unfinished);
        drop(lock);
        // What cannot be finished is said and hides nothing else.
        let (keys, away) = (directory.path().join("keys.redb"), directory.path().join("away"));
        fs::rename(&keys, &away).unwrap();
        fs::create_dir(&keys).unwrap();
        assert_eq!(read(), (committed, true), "{name}");
        fs::remove_dir(&keys).unwrap();
        fs::rename(&away, &keys).unwrap();
        // Otherwise reading finishes what was acknowledged.
        assert_eq!(read(), (expected.clone(), false), "{name}");

        let store = TantivyStore::open(directory.path(), Options::default()).unwrap();
        assert_eq!(all(store.snapshot().unwrap().as_ref()), expected, "{name}");
    }
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("MANIFEST"), "nightlatch store 99\nwhatever 1\n").unwrap();
    let refused = |result: Result<(), StoreError>| match result {
        Err(StoreError::Newer { found: 99, known, .. }) => assert_eq!(known, FORMAT),
        other => panic!("{other:?}"),
    };
    refused(TantivyStore::read(directory.path()).map(drop));
    refused(TantivyStore::open(directory.path(), Options::default()).map(drop));
}

#[test]
fn a_directory_without_a_store_is_told_apart_from_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(TantivyStore::read(directory.path()), Err(StoreError::Absent { .. })));
    TantivyStore::open(directory.path(), Options::default()).unwrap().close().unwrap();
    let snapshot = TantivyStore::read(directory.path()).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.status().unwrap().observations, 0);
}

#[test]
fn a_second_writer_learns_who_the_first_is() {
    let directory = tempfile::tempdir().unwrap();
    let _first = TantivyStore::open(directory.path(), Options::default()).unwrap();
    match TantivyStore::open(directory.path(), Options::default()).map(drop) {
        Err(StoreError::Locked { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
}
