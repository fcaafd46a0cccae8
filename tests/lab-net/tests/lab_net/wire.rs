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
    found::{FAST_SENDERS, SENDERS, block, block_v6, lab, prepare, sweep},
};

pub(crate) const CASES: &[Case] = &[
    ("wire/exclusion-wins", exclusion_wins),
    ("wire/exclusion-wins-in-ipv6", exclusion_wins_v6),
    ("wire/answered-targets-are-asked-once", asked_once),
    ("wire/neighbours-are-apart", neighbours_are_apart),
    ("wire/shards-are-disjoint-and-complete", shards),
    ("wire/resume-after-a-kill", resume_after_a_kill),
    ("wire/resume-keeps-rate-and-sender", resume_keeps_how),
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
                "--probes",
                "1",
                "--exclude",
                "10.2.3.0/24,10.2.9.77",
            ],
        );
        // Not the SYNs alone: no packet of any kind goes elsewhere.
        let all: BTreeSet<SocketAddr> = seen.iter().map(|packet| packet.target).collect();
        assert_eq!(all, expected, "{sender}");
        let asked = asked(&seen);
        assert!(asked.values().all(|count| *count == 1), "{sender}: a pair was asked twice");
        assert_eq!(asked.len(), expected.len(), "{sender}");
    }
}

fn exclusion_wins_v6() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let mut expected = block_v6(4096, 80, Sky::Dense);
    expected.extend(block_v6(4096, 81, Sky::Dense));
    let left_out = |low: u16| (0x300..0x400).contains(&low) || low == 0x977;
    expected.retain(|socket| match socket {
        SocketAddr::V6(socket) => !left_out(socket.ip().segments()[7]),
        SocketAddr::V4(_) => true,
    });
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        let range = ["fd00:a::/116", "--exclude", "fd00:a::300/120,fd00:a::977", "--ports", "80,81"];
        let how = ["--rate", "50000", "--probes", "1", "--sender", sender];
        let seen = captured(&lab, &[&range[..], &how].concat());
        let asked = asked(&seen);
        assert_eq!(asked.keys().copied().collect::<BTreeSet<_>>(), expected, "{sender}");
        assert!(asked.values().all(|count| *count == 1), "{sender}: a pair was asked twice");
        // The scanner's own machine says which neighbours it looks for; nothing of that is TCP.
        assert!(seen.iter().all(|packet| expected.contains(&packet.target)), "{sender}");
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
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        // The capture is before the rules of the sky.
        let silent = captured(&lab, &["10.0.0.0/22", "--ports", "80", "--rate", "10000", "--sender", sender]);
        let counts: BTreeSet<usize> = asked_counts(&silent);
        assert_eq!(counts, BTreeSet::from([2]), "{sender}: who is silent is asked twice");
    }
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
    for (shard, sender) in [("1/3", "packet"), ("2/3", "xdp"), ("3/3", "live")] {
        prepare(&lab, sender);
        let range = ["10.0.0.0/20", "--ports", "81,82", "--rate", "50000", "--shard", shard];
        let part = asked(&captured(&lab, &[&range[..], &["--sender", sender]].concat()));
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

    let id = run_id(&lab, &scanner);
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

/// The only run of a data directory.
pub(crate) fn run_id(lab: &Lab, scanner: &Scanner) -> String {
    let runs = run(scanner.data_command(lab).args(["runs", "--json"]));
    let id = runs.stdout.lines().find_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        ["run", "id"].iter().find_map(|key| value[*key].as_str().map(str::to_owned))
    });
    id.unwrap_or_else(|| panic!("no run: {} {}", runs.stdout, runs.stderr))
}

/// What a run was begun with holds when it goes on: the highest rate, and the sender.
fn resume_keeps_how() {
    let lab = lab(Sky::Dark);
    let scanner = Scanner::new();
    prepare(&lab, "xdp");
    let how = ["--rate", "max", "--sender", "xdp", "--cooldown", "1.5", "--max-duration", "1"];
    let done = run(&mut scanner.scan(&lab, &[&["10.0.0.0/10", "--ports", "80"], &how[..]].concat()));
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    let id = run_id(&lab, &scanner);
    let record = std::fs::read_to_string(scanner.folder().join("runs").join(&id).join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let sweep = &record["sweep"];
    assert_eq!((sweep["sender"].as_str(), sweep["rate_max"].as_bool()), (Some("xdp"), Some(true)), "{sweep}");
    assert_eq!(sweep["cooldown_ms"].as_u64(), Some(1500));
    let capture = lab.capture();
    let done = run(&mut scanner.command(&lab, &["--resume", &id, "--max-duration", "2"]));
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    assert!(done.stderr.contains("sender xdp"), "{}", done.stderr);
    // Far above the usual 10,000 a second.
    let syns = capture.stop().iter().filter(|packet| packet.is_syn()).count();
    assert!(syns > 60_000, "{syns} in two seconds");
    let other =
        run(&mut scanner.command(&lab, &["--resume", &id, "--max-duration", "1", "--sender", "packet"]));
    assert!(other.stderr.contains("sender packet"), "{}", other.stderr);
}

fn own_kernel_is_silent() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let seen = captured(&lab, &["10.0.0.0/20", "--ports", "80", "--rate", "20000"]);
    let resets = seen.iter().filter(|packet| packet.is_rst()).count();
    assert_eq!(resets, 0, "our own kernel answered");
}
