//! Raw packets in network namespaces that each test makes for itself: routes, senders, the ring, the drop rule, rights.
//!
//! A test runs in a process of its own (`unshare -n`), so that it may give up rights and be killed; nothing leaves its
//! namespaces. Where they cannot be made, everything counts as ignored, and the reason is printed before and after.
//! `tests/raw/world.rs` is the place; the tests are in the folder by subject.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "raw/packets.rs"]
mod packets;
#[path = "raw/rights.rs"]
mod rights;
#[path = "raw/routes.rs"]
mod routes;
#[path = "raw/rule.rs"]
mod rule;
#[path = "raw/world.rs"]
mod world;

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};

/// Says in a child which test or part it is.
const PART: &str = "NIGHTLATCH_RAW_PART";
/// Longest time a test may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name, what it needs beside namespaces, and the test.
type Case = (&'static str, Needs, fn());

#[derive(Clone, Copy, Eq, PartialEq)]
enum Needs {
    Namespaces,
    Nft,
}

fn cases() -> Vec<Case> {
    [routes::CASES, packets::CASES, rule::CASES, rights::CASES].concat()
}

fn main() {
    if let Ok(part) = env::var(PART) {
        let case = cases().into_iter().find(|case| case.0 == part);
        let part = part.as_str();
        return case.map_or_else(|| world::part(part), |case| case.2());
    }
    let arguments = Arguments::from_args();
    let no_namespaces = lacks("unshare", &["-n", "ip", "link"]);
    let no_nft = lacks("nft", &["--version"]);
    let mut skipped = Vec::new();
    let mut trials = Vec::new();
    for (name, needs, _) in cases() {
        let lack = no_namespaces.clone().or(no_nft.clone().filter(|_| needs == Needs::Nft));
        if let Some(reason) = &lack {
            skipped.push(format!("NOT RUN: {name}: {reason}"));
        }
        trials.push(Trial::test(name, move || run(name)).with_ignored_flag(lack.is_some()));
    }
    skipped.iter().for_each(|line| eprintln!("{line}"));
    let conclusion = libtest_mimic::run(&arguments, trials);
    skipped.iter().for_each(|line| eprintln!("{line}"));
    conclusion.exit();
}

/// Why a program cannot do something.
fn lacks(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Some(format!("`{program} {}` fails: {said}", arguments.join(" ")))
        }
        Err(error) => Some(format!("`{program}` cannot be run: {error}")),
    }
}

/// Runs one test in a namespace of its own.
fn run(name: &str) -> Result<(), Failed> {
    let mut child = Command::new("unshare")
        .args(["-n", "--"])
        .arg(env::current_exe()?)
        .env(PART, name)
        .stdin(Stdio::null())
        .spawn()?;
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{name} ended with {status}; what it said is above").into()),
            None if Instant::now() > end => {
                child.kill()?;
                child.wait()?;
                return Err(format!("{name} took longer than {PATIENCE:?}").into());
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}
