//! What was acknowledged survives: kills at random moments, and a disk that is full.
//!
//! The test program starts itself again as the process that is killed, so it has its own `main`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test that cannot go on fails"
)]

use std::{
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nightlatch_asset::{Field, Observation, Record};
use nightlatch_query::Expr;
use nightlatch_store::{
    MemoryStore, Selection, Snapshot, Sort, Store, StoreError, View,
    synthetic::{self, Draw},
};
use nightlatch_store_tantivy::{Options, TantivyStore};

const KILLS: usize = 24;
const SEED: u64 = 11;
/// Few, so that most observations are sightings or supersede another.
const ENDPOINTS: u64 = 700;
const HISTORY: Selection = Selection { expr: Expr::All, view: View::History };
const LATEST: Selection = Selection { expr: Expr::All, view: View::Latest };

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.get(1..) {
        Some(["child", directory, from]) => child_ingests(Path::new(directory), from.parse().unwrap()),
        Some(["full", directory]) => child_fills_the_disk(Path::new(directory)),
        // What a test runner asks of every test program.
        Some(words) if words.contains(&"--list") => println!("survival: test"),
        _ => {
            acknowledged_observations_survive_kills();
            a_full_disk_is_an_error_and_loses_nothing();
            println!("survival: ok");
        }
    }
}

fn corpus() -> impl Iterator<Item = Observation> {
    synthetic::observations_of(SEED, u64::MAX, ENDPOINTS)
}

fn eager() -> Options {
    let mut options = Options::default();
    options.commit_documents = 150;
    options.commit_age = Duration::from_millis(80);
    options.memory_bytes = 15_000_000;
    options
}

/// Ingests from observation `from` on until it is killed, and says after each batch how far it came.
fn child_ingests(directory: &Path, from: usize) {
    let mut store = TantivyStore::open(directory, eager()).unwrap();
    let mut corpus = corpus().skip(from);
    let mut done = from;
    let mut draw = Draw::of(&[SEED, from as u64]);
    loop {
        let batch: Vec<_> = corpus.by_ref().take(1 + draw.below(40) as usize).collect();
        store.ingest(&batch).unwrap();
        done += batch.len();
        println!("{done}");
        std::io::stdout().flush().unwrap();
    }
}

fn acknowledged_observations_survive_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut draw = Draw::of(&[SEED]);
    let (mut stored, mut with_events) = (0, 0);
    for kill in 0..KILLS {
        let mut child = start(&["child", path(directory.path()), &stored.to_string()]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged = std::thread::spawn(move || {
            lines.map_while(Result::ok).filter_map(|line| line.parse::<usize>().ok()).last().unwrap_or(0)
        });
        let until = Instant::now() + Duration::from_millis(30 + draw.below(900));
        let mut read = 0;
        while Instant::now() < until {
            // Reading goes on while the other process writes and merges.
            read += usize::from(a_reader_sees_one_moment(directory.path()));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = acknowledged.join().unwrap().max(stored);

        let store = TantivyStore::open(directory.path(), eager()).unwrap();
        let snapshot = store.snapshot().unwrap();
        stored = observations_in(snapshot.as_ref());
        assert!(stored >= acknowledged, "kill {kill}: {acknowledged} acknowledged, {stored} there");
        assert!(stored <= acknowledged + 40, "kill {kill}: {acknowledged} acknowledged, {stored} there");
        let mut reference = MemoryStore::new();
        let batch: Vec<_> = corpus().take(stored).collect();
        reference.ingest(&batch).unwrap();
        let reference = reference.snapshot().unwrap();
        for view in [HISTORY, LATEST] {
            assert_eq!(all(snapshot.as_ref(), &view), all(reference.as_ref(), &view), "kill {kill}");
        }
        with_events += usize::from(snapshot.status().unwrap().sightings > 0);
        println!("kill {kill}: {stored} observations, {read} moments read meanwhile");
    }
    assert!(stored > 1_000 && with_events > KILLS / 2, "too little happened between the kills: {stored}");
}

/// Whether there was anything to read; all answers about it must agree.
fn a_reader_sees_one_moment(directory: &Path) -> bool {
    let reader = match TantivyStore::read(directory) {
        Err(StoreError::Absent { .. }) => return false,
        reader => reader.unwrap(),
    };
    let snapshot = reader.snapshot().unwrap();
    for selection in [HISTORY, LATEST] {
        let count = snapshot.count(&selection).unwrap();
        assert_eq!(snapshot.search(&selection, Sort::Newest, 0, usize::MAX).unwrap().len() as u64, count);
        assert_eq!(all(snapshot.as_ref(), &selection).len() as u64, count);
        let ports = snapshot.facet(&selection, Field::Port, 3).unwrap();
        assert_eq!(ports.buckets.iter().map(|b| b.count).sum::<u64>() + ports.other, count);
    }
    assert_eq!(snapshot.count(&LATEST).unwrap(), snapshot.status().unwrap().endpoints);
    true
}

fn all(snapshot: &dyn Snapshot, selection: &Selection) -> Vec<Record> {
    let mut records = Vec::new();
    snapshot
        .export(selection, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
    records.sort_by_key(|record| record.id);
    records
}

fn observations_in(snapshot: &dyn Snapshot) -> usize {
    let status = snapshot.status().unwrap();
    (status.observations + status.sightings) as usize
}

/// No file may grow beyond this: the journal fails first, and later the index.
const FILE_BYTES_MAX: u64 = 3 << 20;

fn a_full_disk_is_an_error_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // A limit on the size of files fails like a full disk, and needs neither root nor a file system.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" full \"$1\"", FILE_BYTES_MAX / 512);
    let program = std::env::current_exe().unwrap();
    let done = Command::new("sh")
        .args(["-c", &script, path(&program), path(directory.path())])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}");
    let acknowledged: usize = said.lines().last().unwrap().parse().unwrap();
    let store = TantivyStore::open(directory.path(), Options::default()).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(observations_in(snapshot.as_ref()), acknowledged);
    println!("full disk: {acknowledged} observations before it, all there after it");
}

/// Every observation a document, so that files grow.
fn large_corpus() -> impl Iterator<Item = Observation> {
    synthetic::observations_of(SEED, 1 << 20, 1 << 20)
}

fn child_fills_the_disk(directory: &Path) {
    let mut options = Options::default();
    options.memory_bytes = 15_000_000;
    let mut store = TantivyStore::open(directory, options).unwrap();
    let mut corpus = large_corpus();
    let mut acknowledged = 0;
    let mut failures = 0;
    // Four failures in a row, with time to try again between them: writing is not coming back.
    while failures < 4 {
        let batch: Vec<_> = corpus.by_ref().take(100).collect();
        assert!(!batch.is_empty(), "the disk never became full");
        match store.ingest(&batch) {
            Ok(_) => (acknowledged, failures) = (acknowledged + batch.len(), 0),
            Err(StoreError::Io { .. }) => {
                failures += 1;
                let snapshot = store.snapshot().unwrap();
                assert_eq!(observations_in(snapshot.as_ref()), acknowledged);
                assert_eq!(snapshot.count(&HISTORY).unwrap(), acknowledged as u64);
                // What was refused comes again in the next batch.
                corpus = large_corpus();
                corpus.by_ref().take(acknowledged).for_each(drop);
                std::thread::sleep(Duration::from_millis(700));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    drop(store);
    println!("{acknowledged}");
}

fn start(arguments: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
