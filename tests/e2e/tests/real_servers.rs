//! Starts every variant of every real product and scans it: product, version and state must be right.
//!
//! Run one with `cargo test -p nightlatch-e2e --test real_servers -- etcd/open`. A variant that this machine cannot
//! start for want of privileges is counted as ignored, and the reason is printed before and after the run.

use std::{path::Path, process::Command};

use libtest_mimic::{Arguments, Failed, Trial};
use nightlatch_asset::Exposure;
use nightlatch_e2e::{
    nightlatch::{Options, exposure, product, scan, version},
    products::{Door, Requires, Variant, all},
    server::{Server, is_root},
};
use serde_json::Value;

/// Names that may stand on something that is none of the catalogue's products.
const HARMLESS: [&str; 1] = ["nginx"];

fn main() {
    let mut arguments = Arguments::from_args();
    // Two at a time: the daemons are heavy, and machines with two cores must pass as well.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let missing = containers_impossible();
    let mut skipped = Vec::new();
    let trials = all()
        .into_iter()
        .map(|variant| {
            let reason = missing.as_ref().filter(|_| variant.requires == Requires::Containers);
            if let Some(reason) = reason {
                skipped.push(format!("NOT RUN: {}: {reason}", variant.name));
            }
            Trial::test(variant.name, move || check(&variant)).with_ignored_flag(reason.is_some())
        })
        .collect();
    for line in &skipped {
        eprintln!("{line}");
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for line in &skipped {
        eprintln!("{line}");
    }
    conclusion.exit();
}

fn check(variant: &Variant) -> Result<(), Failed> {
    let server = (variant.start)();
    (variant.shows)(&server);
    look(&server, variant.doors, false)?;
    if variant.doors.iter().any(|door| door.with_questions.is_some()) {
        look(&server, variant.doors, true)?;
    }
    Ok(())
}

fn look(server: &Server, doors: &[Door], questions: bool) -> Result<(), Failed> {
    let targets: Vec<String> = doors.iter().map(|door| (door.at)(server).to_string()).collect();
    let scan = scan(&targets, &Options { questions, ..Options::default() });
    for door in doors {
        let observation = scan.of((door.at)(server));
        let expected = door.with_questions.filter(|_| questions).unwrap_or(door.exposure);
        judge(door, expected, observation)
            .map_err(|why| format!("{why}\n{observation:#}\n{}", server.log_tail()))?;
    }
    Ok(())
}

fn judge(door: &Door, expected: Exposure, observation: &Value) -> Result<(), String> {
    let named = product(observation);
    match door.product {
        Some(wanted) if named != Some(wanted) => return Err(format!("product {named:?}, not {wanted:?}")),
        None if named.is_some_and(|name| !HARMLESS.contains(&name)) => {
            return Err(format!("taken for {named:?}, and is none of the products"));
        }
        _ => {}
    }
    if exposure(observation) != expected.as_str() {
        return Err(format!("state `{}`, not `{expected}`", exposure(observation)));
    }
    if door.product.is_none() {
        return Ok(());
    }
    let (told, true_version) = (version(observation), door.version.installed());
    let right = match (&true_version, told) {
        (None, None) => true,
        (Some(number), Some(told)) => told
            .strip_prefix(number.as_str())
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())),
        _ => false,
    };
    right.then_some(()).ok_or_else(|| format!("version {told:?}, not {true_version:?}"))
}

/// Why no container engine can run here; `None` when one can.
fn containers_impossible() -> Option<String> {
    if !is_root() {
        return Some("dockerd needs root".to_owned());
    }
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
        && !Path::new("/sys/fs/cgroup/devices").exists()
    {
        return Some("dockerd needs control groups, and /sys/fs/cgroup has none".to_owned());
    }
    let unshared = Command::new("unshare").args(["--mount", "true"]).output();
    match unshared {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Some(format!("dockerd needs to make mount namespaces: {why}"))
        }
        Err(error) => Some(format!("dockerd needs to make mount namespaces: unshare: {error}")),
    }
}
