//! The demo street: what the recordings say a scan should find is what it finds.

use std::{process::Command, time::Duration};

use nightlatch_e2e::nightlatch::{Options, exposure, product, run, scan};
use nightlatch_replay::demo_street;

#[test]
fn every_house_of_the_demo_street_is_judged_as_it_was_recorded() {
    let street = demo_street().unwrap();
    let targets: Vec<String> =
        street.endpoints().iter().map(|resident| resident.address.to_string()).collect();
    let scan = scan(&targets, &Options::default());
    assert_eq!(scan.observations.len(), targets.len());
    let mut wrong = Vec::new();
    for resident in street.endpoints() {
        let observation = scan.of(resident.address);
        let expected = resident.expected.clone().unwrap();
        let wanted = Some(expected.product).filter(|name| !name.is_empty());
        let named = product(observation).filter(|name| *name != "nginx");
        if named != wanted || exposure(observation) != expected.exposure.as_str() {
            wrong.push(format!(
                "{} at {}: {named:?} `{}`, expected {wanted:?} `{}`: {}",
                resident.label,
                resident.address,
                exposure(observation),
                expected.exposure,
                observation["verdict"]["why"],
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_demo_ends_by_itself_and_its_three_searches_work() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data").display().to_string();
    let demo = run(&["--data", &data, "demo"], Duration::from_secs(120));
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    for state in nightlatch_asset::Exposure::WORDS {
        assert!(demo.stdout.contains(state), "`{state}` is not in the table:\n{}", demo.stdout);
    }
    let (_, next) = demo.stdout.split_once("try next:").unwrap();
    let commands: Vec<&str> = next.lines().map(str::trim).filter(|line| line.contains(&data)).collect();
    assert_eq!(commands.len(), 3, "{next}");
    for command in commands {
        let answer = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(answer.status.success(), "{command}: {}", String::from_utf8_lossy(&answer.stderr));
        assert!(!answer.stdout.is_empty(), "{command} finds nothing");
    }
}
