//! The embedded fingerprints: all compile, all examples pass, no predicate is idle, and the schema is fresh.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod dialogues;

use std::fs;

use dialogues::catalogue;
use nightlatch_fingerprint::{examples, lint, schema};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/fingerprint.schema.json");

#[test]
fn every_example_gives_what_it_expects() {
    let mut problems = Vec::new();
    for report in examples::run(&catalogue(), None) {
        let id = report.fingerprint;
        problems.extend(report.problems.iter().map(|problem| format!("{id}: {problem}")));
        for outcome in report.outcomes {
            let name = outcome.example;
            problems.extend(outcome.problems.iter().map(|problem| format!("{id}: {name}: {problem}")));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_predicate_is_needed_or_justified() {
    let warnings: Vec<_> = lint::run(&catalogue(), None).iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{} warnings:\n{}", warnings.len(), warnings.join("\n"));
}

#[test]
fn the_schema_is_fresh() {
    let fresh = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(SCHEMA, &fresh).unwrap();
    }
    let committed = fs::read_to_string(SCHEMA).unwrap_or_default();
    assert!(committed == fresh, "schemas/fingerprint.schema.json is stale; UPDATE=1 writes it");
}
