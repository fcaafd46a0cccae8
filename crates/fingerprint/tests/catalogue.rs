//! The embedded fingerprints: all compile, all examples pass.

use nightlatch_fingerprint::{Catalogue, examples};

/// Names of the dialogues that the probe holds.
const DIALOGUES: &[&str] = &["amqp", "memcached", "mongodb", "mysql", "postgresql", "redis", "zookeeper"];

fn catalogue() -> Catalogue {
    Catalogue::embedded(DIALOGUES).unwrap_or_else(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("fingerprints do not compile:\n{}", lines.join("\n"))
    })
}

#[test]
fn every_example_gives_what_it_expects() {
    let mut problems = Vec::new();
    for report in examples::run(&catalogue(), None) {
        problems.extend(report.problems.iter().map(|problem| format!("{}: {problem}", report.fingerprint)));
        for outcome in report.outcomes {
            let name = outcome.example;
            problems.extend(
                outcome.problems.iter().map(|problem| format!("{}: {name}: {problem}", report.fingerprint)),
            );
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
