//! What is there is found, and what is not is counted.

use std::{collections::BTreeSet, net::SocketAddr};

use nightlatch_lab_net::{Lab, Run, Scanner, Sky, hits, run};

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("found/dense", dense),
    ("found/sparse", sparse),
    ("found/ipv6", ipv6),
    ("found/closed-and-filtered-are-counted", closed_and_filtered),
    ("found/one-in-a-hundred-lost", one_in_a_hundred_lost),
    ("found/as-a-stream-to-the-prober", to_the_prober),
    ("found/ipv6-to-the-prober", ipv6_to_the_prober),
];

/// The ways to send that any kernel of the lab has.
pub(crate) const SENDERS: &[&str] = &["packet", "ip"];
/// Those that need more of it.
pub(crate) const FAST_SENDERS: &[&str] = &["xdp", "live"];

/// What a sender needs of the wire.
pub(crate) fn prepare(lab: &Lab, sender: &str) {
    if sender == "live" {
        lab.take_redirected_frames();
    }
}

pub(crate) fn lab(sky: Sky) -> Lab {
    Lab::new(sky).unwrap_or_else(|reason| panic!("{}", reason.0))
}

/// Scans to the end, which must be a good one.
pub(crate) fn sweep(lab: &Lab, arguments: &[&str]) -> Run {
    let scanner = Scanner::new();
    let done = run(&mut scanner.scan(lab, arguments));
    assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.stderr);
    done
}

/// What was called open.
pub(crate) fn open(done: &Run) -> BTreeSet<SocketAddr> {
    hits(&done.stdout).into_iter().filter(|(_, state)| state == "open").map(|(socket, _)| socket).collect()
}

/// Addresses `first` and up, on each port.
pub(crate) fn block(first: [u8; 4], count: u32, ports: &[u16], sky: Sky) -> BTreeSet<SocketAddr> {
    let first = u32::from_be_bytes(first);
    let alive = (first..first + count).filter(|ip| sky.alive(*ip));
    alive
        .flat_map(|ip| ports.iter().map(move |port| SocketAddr::new(ip.to_be_bytes().into(), *port)))
        .collect()
}

fn dense() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80, 443]);
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        let arguments = ["10.0.0.0/21", "--ports", "80,81,443", "--rate", "100000", "--sender", sender];
        assert_eq!(
            open(&sweep(&lab, &arguments)),
            block([10, 0, 0, 0], 2048, &[80, 443], Sky::Dense),
            "{sender}"
        );
    }
}

fn sparse() {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        let done = sweep(&lab, &["10.1.0.0/16", "--ports", "80", "--rate", "100000", "--sender", sender]);
        assert_eq!(open(&done), block([10, 1, 0, 0], 65536, &[80], Sky::Sparse), "{sender}");
    }
}

fn ipv6() {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    for sender in [SENDERS, FAST_SENDERS].concat() {
        prepare(&lab, sender);
        let done = sweep(&lab, &["fd00:a::/116", "--ports", "80", "--rate", "50000", "--sender", sender]);
        assert_eq!(open(&done), block_v6(4096, 80, Sky::Sparse), "{sender}");
    }
}

/// The first addresses of the IPv6 prefix, at most 65,536, on a port.
pub(crate) fn block_v6(count: u32, port: u16, sky: Sky) -> BTreeSet<SocketAddr> {
    let alive = (0..count).filter(|low| sky.alive(*low));
    alive.map(|low| format!("[fd00:a::{low:x}]:{port}").parse().unwrap()).collect()
}

fn closed_and_filtered() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    // Of 1024 addresses: 64 are called unreachable, 64 are silent.
    lab.far.shell(
        "ip route add unreachable 10.0.1.0/26 table local; ip route add blackhole 10.0.2.0/26 table local",
    );
    let done = sweep(&lab, &["10.0.0.0/22", "--ports", "80,81", "--rate", "20000"]);
    assert_eq!(open(&done).len(), 1024 - 128);
    // Two ports each: what answers with a reset, what is called unreachable, what says nothing.
    for told in ["896 closed", "256 filtered"] {
        assert!(done.stderr.contains(told), "{told}: {}", done.stderr);
    }
}

fn one_in_a_hundred_lost() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    lab.set_sky(Sky::Dense, 1);
    let done = sweep(&lab, &["10.4.0.0/14", "--ports", "80", "--rate", "50000"]);
    let (found, all) = (open(&done).len() as f64, f64::from(1 << 18));
    assert!(found / all >= 0.9998, "{found} of {all}");
}

fn to_the_prober() {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let mut command =
        scanner.command(&lab, &["10.0.0.0/22", "--ports", "80", "--sender", "packet", "--json"]);
    command.args(["--rate-per-network", "100000"]);
    let done = run(&mut command);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 16, "{}\n{}", done.stdout, done.stderr);
}

fn ipv6_to_the_prober() {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let mut command = scanner
        .command(&lab, &["fd00:a::/118", "10.0.0.0/22", "--ports", "80", "--sender", "packet", "--json"]);
    command.args(["--rate-per-network", "100000"]);
    let done = run(&mut command);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let of = |start: &str| done.stdout.lines().filter(|line| line.contains(start)).count();
    let both = (of("fd00:a::"), of("10.0."));
    assert_eq!((both, done.stdout.lines().count()), ((16, 16), 32), "{}\n{}", done.stdout, done.stderr);
}
