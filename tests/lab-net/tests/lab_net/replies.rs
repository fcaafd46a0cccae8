//! Replies that nobody asked for, or that lie.

use std::{thread, time::Duration};

use nightlatch_lab_net::{Lab, Running, Scanner, Sky, hits, run, start};

use crate::{
    Case,
    found::{block, lab, open, sweep},
};

pub(crate) const CASES: &[Case] =
    &[("replies/forged-ones-are-not-believed", forged), ("replies/flood", flood)];

const FORGER: &str = include_str!("../../src/forger.py");

/// Starts the liar of the far side.
pub(crate) fn forger(lab: &Lab, mode: &str, seconds: u32) -> Running {
    let running = start(lab.far("python3").args(["-c", FORGER, "far0", mode, &seconds.to_string()]));
    // It binds its socket at once; Python takes a while to come up.
    thread::sleep(Duration::from_millis(700));
    running
}

fn forged() {
    let lab = lab(Sky::Dark);
    // The liar can tell the truth: what is not believed below is not believed for its lie.
    let honest = forger(&lab, "right", 6);
    let done = sweep(&lab, &["10.0.0.0/26", "--ports", "80", "--rate", "1000", "--sender", "packet"]);
    let _ = honest.wait(Duration::from_secs(30));
    assert_eq!(open(&done).len(), 64, "{}", done.stderr);
    for mode in ["cookie", "address", "port", "truncated", "fragment"] {
        let liar = forger(&lab, mode, 9);
        // Nobody is alive: whatever is found was made up. Odd ones and even ones are asked, so a neighbour is in scope.
        let done = sweep(&lab, &["10.0.0.0/23", "--ports", "80,81", "--rate", "1000", "--sender", "packet"]);
        let told = liar.wait(Duration::from_secs(30));
        let lies: u64 = told.stdout.lines().last().unwrap_or_default().parse().unwrap();
        assert!(lies >= 1000, "{mode}: only {lies} lies: {}", told.stderr);
        assert_eq!(hits(&done.stdout).len(), 0, "{mode}: {}", done.stdout);
    }
}

fn flood() {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    let liar = forger(&lab, "flood", 12);
    let scanner = Scanner::new();
    let done =
        run(&mut scanner
            .scan(&lab, &["10.1.0.0/16", "--ports", "80", "--rate", "20000", "--sender", "packet"]));
    let lies: u64 = liar.wait(Duration::from_secs(30)).stdout.lines().last().unwrap().parse().unwrap();
    // It begins with the first question, half a second or so into the twelve.
    eprintln!("    {} lies a second", lies / 11);
    assert!(lies > 11 * 300_000, "{lies}: no flood");
    assert!(done.elapsed < Duration::from_secs(60), "{:?}", done.elapsed);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let (found, alive) = (open(&done), block([10, 1, 0, 0], 65536, &[80], Sky::Sparse));
    assert!(found.is_subset(&alive), "lies are believed");
    assert!(done.stderr.contains("pretended to be answers"), "{}", done.stderr);
    // What a flood displaces in the kernel's queue nobody can hear; that it happened must be said.
    let is_whole = found.len() == alive.len();
    assert!(is_whole || done.stderr.contains("lost") || done.stderr.contains("dropped"), "{}", done.stderr);
}
