//! The rate on the wire is the one that was asked for.

use nightlatch_lab_net::{Seen, Sky, burst, rate};

use crate::{Case, found::lab, wire::captured};

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

fn exact() {
    let mut wrong = Vec::new();
    for (asked, range) in RATES {
        // Nobody answers late, nobody is asked twice: one steady stream of first probes.
        let lab = lab(Sky::Dense);
        let text = asked.to_string();
        let seen = captured(&lab, &[range, "--ports", "81", "--rate", &text]);
        let syns: Vec<Seen> = seen.into_iter().filter(|packet| packet.is_syn()).collect();
        let (got, lump) = (rate(&syns), burst(&syns, f64::from(*asked)));
        eprintln!(
            "    asked for {asked}: {got:.2} a second over {} packets, at most {lump:.2} ms at once",
            syns.len()
        );
        // A burst of a whole packet is one period; what is above is a lump.
        let one = 1000.0 / f64::from(*asked);
        if (got / f64::from(*asked) - 1.0).abs() > 0.01 || lump > one + 1.0 {
            wrong.push(format!("{asked}: {got:.2} a second, {lump:.2} ms at once"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
