//! The rate on the wire is the one that was asked for.

use nightlatch_lab_net::{Scanner, Seen, Sky, burst, rate, run};

use crate::{Case, found::lab};

pub(crate) const CASES: &[Case] = &[("pace/exact-at-every-rate", exact)];

/// Packets a second, and a range whose two probes take some seconds at that.
const RATES: &[(u32, &str)] = &[
    (1, "10.0.0.0/30"),
    (10, "10.0.0.0/27"),
    (100, "10.0.0.0/24"),
    (1_000, "10.0.0.0/21"),
    (10_000, "10.0.0.0/18"),
    (100_000, "10.0.0.0/15"),
];

/// A scan that was held up makes up for it, at most so much faster than its rate.
const HASTE: f64 = 1.3;

/// How often a rate is measured at most: a machine that is busy with something else stalls everybody.
const TRIES: usize = 3;

fn exact() {
    let mut wrong = Vec::new();
    for (asked, range) in RATES {
        let tries: Vec<String> = (0..TRIES).map_while(|_| off(*asked, range)).collect();
        if tries.len() == TRIES {
            wrong.push(tries);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// How a scan's rate was off; `None` when it was not.
fn off(asked: u32, range: &str) -> Option<String> {
    // All answer: one steady stream of first probes.
    let (lab, scanner) = (lab(Sky::Dense), Scanner::new());
    let capture = lab.capture();
    let done = run(&mut scanner.scan(&lab, &[range, "--ports", "81", "--rate", &asked.to_string()]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let syns: Vec<Seen> = capture.stop().into_iter().filter(Seen::is_syn).collect();
    let wanted = f64::from(asked);
    // A packet at a time is as steady as it gets.
    let (got, lump) = (rate(&syns), burst(&syns, wanted * HASTE) * HASTE - 1000.0 / wanted);
    let held = lump.max(0.0);
    eprintln!("    asked for {asked}: {got:.2} a second over {} packets, {held:.2} ms at once", syns.len());
    let slower: Vec<_> = done.stderr.lines().filter(|line| line.contains("slower")).take(3).collect();
    let is_off = (got / wanted - 1.0).abs() > 0.01 || lump > 1.0;
    is_off.then(|| format!("{asked}: {got:.2} a second, {lump:.2} ms at once {slower:?}"))
}
