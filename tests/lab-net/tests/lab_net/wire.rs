//! What leaves: the scope without what is excluded, each pair once, whole and apart over shards, and again after a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    thread,
    time::Duration,
};

use nightlatch_lab_net::{Lab, Scanner, Seen, Sky, run, start};
use rustix::process::Signal;

use crate::{
    Case,
    found::{FAST_SENDERS, SENDERS, block, lab, prepare, sweep},
};

pub(crate) const CASES: &[Case] = &[
    ("wire/exclusion-wins", exclusion_wins),
    ("wire/answered-targets-are-asked-once", asked_once),
    ("wire/neighbours-are-apart", neighbours_are_apart),
    ("wire/shards-are-disjoint-and-complete", shards),
    ("wire/resume-after-a-kill", resume_after_a_kill),
    ("wire/own-kernel-is-silent", own_kernel_is_silent),
];

/// How often each pair was asked.
fn asked(seen: &[Seen]) -> BTreeMap<SocketAddr, usize> {
    let mut asked = BTreeMap::new();
    for packet in seen.iter().filter(|packet| packet.is_syn()) {
        *asked.entry(packet.target).or_default() += 1;
    }
    asked
}

/// Scans under capture.
fn captured(lab: &Lab, arguments: &[&str]) -> Vec<Seen> {
    let capture = lab.capture();
    sweep(lab, arguments);
    capture.stop()
}

fn exclusion_wins() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let mut expected = block([10, 2, 0, 0], 4096, &[80, 81], Sky::Dense);
    expected.retain(|socket| !matches!(socket.ip().to_string().as_str(), ip if ip.starts_with("10.2.3.") || ip == "10.2.9.77"));
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        let seen = captured(
            &lab,
            &[
                "10.2.0.0/20",
                "--ports",
                "80,81",
                "--rate",
                "50000",
                "--sender",
                sender,
                "--exclude",
                "10.2.3.0/24,10.2.9.77",
            ],
        );
        // Not the SYNs alone: no packet of any kind goes elsewhere.
        let all: BTreeSet<SocketAddr> = seen.iter().map(|packet| packet.target).collect();
        assert_eq!(all, expected, "{sender}");
    }
}

fn asked_once() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let asked = asked(&captured(&lab, &["10.0.0.0/20", "--ports", "80", "--rate", "10000"]));
    let (pairs, packets) = (asked.len(), asked.values().sum::<usize>());
    assert_eq!(pairs, 4096);
    // Who answers in time gets no second one.
    assert!(packets <= 4096 + 40, "{packets} packets for {pairs} that answer");
    lab.set_sky(Sky::Dark, 0);
    // The capture is before the rules of the sky.
    let silent = captured(&lab, &["10.0.0.0/22", "--ports", "80", "--rate", "10000"]);
    let counts: BTreeSet<usize> = asked_counts(&silent);
    assert_eq!(counts, BTreeSet::from([2]), "who is silent is asked twice");
}

fn asked_counts(seen: &[Seen]) -> BTreeSet<usize> {
    asked(seen).into_values().collect()
}

fn neighbours_are_apart() {
    let lab = lab(Sky::Dense);
    let seen = captured(&lab, &["10.0.0.0/16", "--ports", "81", "--rate", "50000"]);
    let network = |packet: &Seen| match packet.target {
        SocketAddr::V4(socket) => u32::from_be_bytes(socket.ip().octets()) >> 8,
        SocketAddr::V6(_) => 0,
    };
    let syns: Vec<&Seen> = seen.iter().filter(|packet| packet.is_syn()).collect();
    assert!(syns.len() >= 65536, "{}", syns.len());
    let close = syns.windows(2).filter(|pair| network(pair[0]) == network(pair[1])).count();
    // Of 256 networks, chance would put one pair in 256 together.
    assert!(close * 100 <= syns.len(), "{close} of {} follow one in their own /24", syns.len());
}

fn shards() {
    let lab = lab(Sky::Dense);
    let mut all: BTreeSet<SocketAddr> = BTreeSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let part =
            asked(&captured(&lab, &["10.0.0.0/20", "--ports", "81,82", "--rate", "50000", "--shard", shard]));
        assert!((2600..2900).contains(&part.len()), "{shard}: {}", part.len());
        for socket in part.into_keys() {
            assert!(all.insert(socket), "{shard}: {socket} belongs to another");
        }
    }
    assert_eq!(all, block([10, 0, 0, 0], 4096, &[81, 82], Sky::Dense));
}

fn resume_after_a_kill() {
    const RATE: usize = 2000;
    let lab = lab(Sky::Dense);
    let scanner = Scanner::new();
    let capture = lab.capture();
    let running = start(&mut scanner.scan(&lab, &["10.0.0.0/19", "--ports", "81", "--rate", "2000"]));
    thread::sleep(Duration::from_millis(2500));
    running.signal(Signal::KILL);
    let _ = running.wait(Duration::from_secs(5));
    let before = capture.stop();
    let first = asked(&before);
    assert!((RATE..8192).contains(&first.len()), "{} before the kill", first.len());

    let runs = run(scanner.data_command(&lab).args(["runs", "--json"]));
    let id = runs.stdout.lines().find_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        ["run", "id"].iter().find_map(|key| value[*key].as_str().map(str::to_owned))
    });
    let id = id.unwrap_or_else(|| panic!("no run: {} {}", runs.stdout, runs.stderr));
    let capture = lab.capture();
    let done = run(&mut scanner.command(&lab, &["--resume", &id, "--rate-per-network", "10000000"]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let second = asked(&capture.stop());
    let union: BTreeSet<SocketAddr> = first.keys().chain(second.keys()).copied().collect();
    assert_eq!(union, block([10, 0, 0, 0], 8192, &[81], Sky::Dense));
    let last = before.last().map_or(0, |packet| packet.at_ns);
    let late: BTreeSet<SocketAddr> = before
        .iter()
        .filter(|packet| packet.at_ns + 1_100_000_000 > last)
        .map(|packet| packet.target)
        .collect();
    let twice: Vec<_> = first.keys().filter(|socket| second.contains_key(socket)).collect();
    assert!(
        twice.iter().all(|socket| late.contains(socket)),
        "{} are asked again, {} of them before the last second",
        twice.len(),
        twice.iter().filter(|socket| !late.contains(socket)).count()
    );
}

fn own_kernel_is_silent() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let seen = captured(&lab, &["10.0.0.0/20", "--ports", "80", "--rate", "20000"]);
    let resets = seen.iter().filter(|packet| packet.is_rst()).count();
    assert_eq!(resets, 0, "our own kernel answered");
}
