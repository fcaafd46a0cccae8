//! What gets lost on the way slows a scan down, and the reason is told.

use std::{collections::BTreeMap, net::SocketAddr};

use nightlatch_lab_net::{Lab, Run, Scanner, Seen, Sky, rate, run};

use crate::{
    Case,
    found::{block, lab, open, sweep},
};

pub(crate) const CASES: &[Case] = &[
    ("loss/a-full-firewall-is-found-by-the-sample", full_firewall),
    ("loss/what-a-full-firewall-drops-is-asked-for-again", second_probes),
    ("loss/a-sample-is-small-and-says-nothing-of-its-own", all_is_well),
];

/// Packets a second that the firewall lets through, and that are asked for.
const ROOM: u32 = 10_000;
const ASKED: &str = "25000";
const PAIRS: u32 = 1 << 18;

/// Scans 2^18 addresses that all answer through a firewall without room.
fn through_firewall(probes: &str) -> (Run, Vec<Seen>) {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    lab.set_room(ROOM);
    let capture = lab.capture();
    let arguments = ["10.4.0.0/14", "--ports", "80", "--rate", ASKED, "--probes", probes];
    let done = run(&mut Scanner::new().scan(&lab, &arguments));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for line in done.stderr.lines().filter(|line| line.contains("slower") || line.contains("again")) {
        eprintln!("    {}", line.trim());
    }
    (done, capture.stop().into_iter().filter(Seen::is_syn).collect())
}

fn full_firewall() {
    // One probe each: nothing but the sample can know.
    let (done, syns) = through_firewall("1");
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("slower, ") && flat.contains("known answerers asked again, "), "{}", done.stderr);
    let last = syns.last().map_or(0, |packet| packet.at_ns);
    let second_half: Vec<Seen> =
        syns.iter().filter(|packet| packet.at_ns + 10_000_000_000 > last).copied().collect();
    let (rate, found) = (rate(&second_half), open(&done).len());
    eprintln!("    {rate:.0} a second in the last ten, {found} of {PAIRS} found");
    let room = f64::from(ROOM);
    assert!((room * 0.7..room * 1.3).contains(&rate), "{rate} a second in the end, {ROOM} get through");
    // Without a brake two in five would be found.
    assert!(found as f64 > f64::from(PAIRS) * 0.7, "{found} of {PAIRS}");
}

fn second_probes() {
    let (done, _) = through_firewall("2");
    let found = open(&done);
    assert!(done.stderr.contains("slower, "), "{}", done.stderr);
    assert!(found.is_subset(&block([10, 4, 0, 0], PAIRS, &[80], Sky::Dense)));
    eprintln!("    {} of {PAIRS} found", found.len());
    // Without a brake 64 % would be found; what is missing is what the first seconds lost twice.
    assert!(found.len() as f64 > f64::from(PAIRS) * 0.9, "{} of {PAIRS}", found.len());
}

fn all_is_well() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    for sender in ["packet", "ip"] {
        let (times, told) = times_asked(&lab, sender);
        let (pairs, packets) = (times.len() as u64, times.values().sum::<u64>());
        eprintln!("    {sender}: {pairs} pairs, {packets} packets; {told}");
        assert_eq!(pairs, 65_536);
        // 64 a second and one in a hundred at most, nobody more than eight times, and few of them are late.
        assert!((65_600..=65_536 + 655 + 40).contains(&packets), "{sender}: {packets}");
        assert!(times.values().all(|count| *count <= 9), "{sender}");
        let numbers: Vec<u64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [asked, replied] = numbers[..] else { panic!("{told}") };
        assert!((64..=655).contains(&asked) && replied * 100 >= asked * 98, "{sender}: {told}");
    }
}

/// How often each pair was asked by a scan of a /16 that all answers, and what is told of the sample.
fn times_asked(lab: &Lab, sender: &str) -> (BTreeMap<SocketAddr, u64>, String) {
    let capture = lab.capture();
    let done = sweep(lab, &["10.4.0.0/16", "--ports", "80", "--rate", "15000", "--sender", sender]);
    assert_eq!(open(&done), block([10, 4, 0, 0], 65_536, &[80], Sky::Dense), "{sender}");
    let mut times = BTreeMap::new();
    capture
        .stop()
        .iter()
        .filter(|packet| packet.is_syn())
        .for_each(|packet| *times.entry(packet.target).or_default() += 1);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = flat.find("of the packets asked known").and_then(|at| flat.get(..at)?.rsplit(' ').nth(1));
    let from = told.and_then(|number| flat.find(&format!("{number} of the packets asked")));
    let told = from.and_then(|from| flat.get(from..)?.split(" replied").next());
    (times, told.unwrap_or_else(|| panic!("{}", done.stderr)).to_owned())
}
