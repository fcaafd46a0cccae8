//! Replies that nobody asked for, or that lie.

use std::{thread, time::Duration};

use nightlatch_lab_net::{Lab, Running, Scanner, Sky, hits, start};

use crate::{
    Case,
    found::{block, lab, open, sweep},
};

pub(crate) const CASES: &[Case] =
    &[("replies/forged-ones-are-not-believed", forged), ("replies/flood", flood)];

const FORGER: &str = include_str!("../../src/forger.py");
const FLOODER: &str = include_str!("../../src/flood.py");

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

/// Lies a second that must come, and for how long.
const FLOOD_MIN_PPS: u64 = 1_000_000;
const FLOOD_SECONDS: u64 = 12;

/// How floods are tried, until one is one: lies a second that are meant to come, and whether other processors than the
/// flood's own work on what arrives. Where one does both, it leaves the rest to the scanner, but not every machine's gets that
/// far, and none that is busy with something else.
const FLOODS: [(u64, bool); 3] = [(1_250_000, false), (1_100_000, true), (1_100_000, true)];

fn flood() {
    let mut came = Vec::new();
    for (pps, is_spread) in FLOODS {
        came.push(flooded(pps, is_spread) as u64);
        if came.last().is_some_and(|came| *came >= FLOOD_MIN_PPS) {
            return;
        }
    }
    panic!("{came:?} a second: no flood");
}

/// Scans under a flood; lies a second that came.
fn flooded(pps: u64, is_spread: bool) -> f64 {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    let holder = lab.take_flood(is_spread);
    let how = ["-c", FLOODER, "far0", &FLOOD_SECONDS.to_string(), &pps.to_string(), holder];
    let liar = start(lab.far("python3").args(how));
    thread::sleep(Duration::from_millis(700));
    let before = lab.near_received();
    let scanner = Scanner::new();
    let mut command = scanner.scan(&lab, &["10.1.0.0/16", "--ports", "80", "--sender", "packet"]);
    command.args(["--rate", "12000"]);
    let running = start(&mut command);
    // The flood begins with the first question, and is over before the scan is.
    let told = liar.wait(Duration::from_secs(60));
    let came = lab.near_received() - before;
    let peak = peak_kb(running.pid().as_raw_nonzero().get());
    let done = running.wait(Duration::from_secs(90));
    let words: Vec<f64> = told.stdout.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [_, seconds] = words[..] else { panic!("{} {}", told.stdout, told.stderr) };
    let a_second = came as f64 / seconds;
    let (found, alive) = (open(&done), block([10, 1, 0, 0], 65536, &[80], Sky::Sparse));
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let (looked_at, lost) = (count(&flat, "packets that pretended"), count(&flat, "answers lost"));
    eprintln!(
        "    {a_second:.0} lies a second; {looked_at} looked at, {lost} without room; {} of {} found; {peak} kB, {:.1} s",
        found.len(),
        alive.len(),
        done.elapsed.as_secs_f64()
    );
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.elapsed < Duration::from_secs(80), "{:?}", done.elapsed);
    assert!(peak < 100 << 10, "{peak} kB");
    assert!(found.is_subset(&alive), "lies are believed");
    // Each lie is counted: as one, or as what this machine had no room for; or the kernel dropped it, and that is said.
    let counted = (looked_at + lost) as f64 / came as f64;
    assert!(counted > 0.95 || flat.contains("dropped"), "{counted} of them are counted: {flat}");
    assert!(looked_at > 500_000, "{flat}");
    // What a flood displaces nobody can hear; that it happened must be said, and the scan is slower while it lasts.
    let is_whole = found.len() == alive.len();
    assert!(is_whole || (flat.contains("slower, ") && lost > 0), "{flat}");
    assert!(found.len() * 4 >= alive.len() * 3, "{} of {}: {flat}", found.len(), alive.len());
    a_second
}

/// The number before `what`, 0 when it is not told.
fn count(text: &str, what: &str) -> u64 {
    let at = text.find(what).unwrap_or(0);
    text.get(..at).and_then(|before| before.split_whitespace().last()?.parse().ok()).unwrap_or(0)
}

/// The most memory that a process had.
pub(crate) fn peak_kb(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    peak.and_then(|peak| peak.parse().ok()).unwrap()
}
