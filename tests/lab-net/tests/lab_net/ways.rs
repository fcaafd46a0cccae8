//! The way to the targets changes while packets are being sent.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use nightlatch_lab_net::{FAR_V4, Lab, NEAR_V4, Run, Running, Scanner, Seen, Sky, run, start};

use crate::{
    Case,
    found::{block, lab, open, prepare},
    wire::run_id,
};

pub(crate) const CASES: &[Case] = &[
    ("ways/another-device", another_device),
    ("ways/no-route-any-more", no_route),
    ("ways/our-address-goes", our_address_goes),
    ("ways/the-next-hop-is-another", next_hop_is_another),
    ("ways/the-next-hop-falls-silent", next_hop_falls_silent),
    ("ways/gone-for-a-moment", gone_for_a_moment),
    ("ways/what-does-not-matter", what_does_not_matter),
];

const LIMIT: Duration = Duration::from_secs(60);
/// What is scanned, some seconds long: 16,384 pairs at 2,000 a second.
const SLOW: &[&str] = &["10.0.0.0/18", "--ports", "80", "--rate", "2000", "--cooldown", "1"];

fn begin(lab: &Lab, scanner: &Scanner, sender: &str) -> Running {
    prepare(lab, sender);
    let running = start(&mut scanner.scan(lab, &[SLOW, &["--sender", sender]].concat()));
    thread::sleep(Duration::from_millis(2500));
    running
}

/// Checks that a scan ended because of the way, soon, and says how to go on.
fn check_stopped(done: &Run, changed: Instant, because: &str) {
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("the way to the targets has changed"), "{flat}");
    assert!(flat.contains(because), "{because}: {flat}");
    assert!(flat.contains("--resume"), "{flat}");
    assert!(changed.elapsed() < Duration::from_secs(15), "{:?}", changed.elapsed());
}

/// Goes on with the only run there is, and says what it found.
fn resume(lab: &Lab, scanner: &Scanner) -> BTreeSet<SocketAddr> {
    let id = run_id(lab, scanner);
    let rest = ["--resume", &id, "--rate-per-network", "10000000", "--rate", "20000"];
    let done = run(&mut scanner.command(lab, &rest));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    open(&done)
}

/// Nanoseconds of the wall clock, as captures have them.
fn now_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_nanos() as u64
}

/// A second wire to the world.
fn second_wire(lab: &Lab) {
    lab.near.shell(&format!(
        "ip link add near1 type veth peer name far1 netns {}
         ip addr add 198.18.4.1/30 dev near1; ip link set near1 up",
        lab.far.pid()
    ));
    lab.far.shell("ip addr add 198.18.4.2/30 dev far1; ip link set far1 up");
}

fn another_device() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    second_wire(&lab);
    let all = block([10, 0, 0, 0], 16384, &[80], Sky::Dense);
    for sender in ["packet", "ip", "live"] {
        let scanner = Scanner::new();
        let running = begin(&lab, &scanner, sender);
        let capture = lab.capture();
        lab.near.shell("ip route replace 10.0.0.0/10 via 198.18.4.2 dev near1");
        let (changed, changed_ns) = (Instant::now(), now_ns());
        let done = running.wait(LIMIT);
        check_stopped(&done, changed, "reached by near1 instead of near0");
        // Nobody sends along the old way for longer than it takes to be told.
        let late = |packet: &&Seen| packet.is_syn() && packet.at_ns > changed_ns + 500_000_000;
        assert_eq!(capture.stop().iter().filter(late).count(), 0, "{sender}");
        lab.near.shell(&format!("ip route replace 10.0.0.0/10 via {FAR_V4} dev near0"));
        let (first, second) = (open(&done), resume(&lab, &scanner));
        assert!(first.len() > 1000 && first.len() < 12_000, "{sender}: {}", first.len());
        let union: BTreeSet<SocketAddr> = first.union(&second).copied().collect();
        assert_eq!(union.len(), all.len(), "{sender}: what was not found then is found now");
    }
}

fn no_route() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    for sender in ["packet", "ip"] {
        let scanner = Scanner::new();
        let running = begin(&lab, &scanner, sender);
        lab.near.shell("ip route del 10.0.0.0/10");
        let changed = Instant::now();
        check_stopped(&running.wait(LIMIT), changed, "there is no route to 10.0.0.0, and no default route");
        lab.near.shell(&format!("ip route add 10.0.0.0/10 via {FAR_V4}"));
    }
    // IPv6 has its own messages.
    let scanner = Scanner::new();
    let running = start(&mut scanner.scan(&lab, &["fd00:a::/114", "--ports", "80", "--rate", "2000"]));
    thread::sleep(Duration::from_millis(2500));
    lab.near.shell("ip -6 route del fd00:a::/64");
    let changed = Instant::now();
    check_stopped(&running.wait(LIMIT), changed, "there is no route to fd00:a::, and no default route");
}

fn our_address_goes() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    for sender in ["packet", "ip"] {
        let scanner = Scanner::new();
        let running = begin(&lab, &scanner, sender);
        // The route stays, and another address takes its place.
        lab.near.shell(&format!(
            "ip addr add 198.18.0.5/24 dev near0; ip addr del {NEAR_V4}/30 dev near0
             ip route replace 10.0.0.0/10 via {FAR_V4} dev near0"
        ));
        let changed = Instant::now();
        check_stopped(&running.wait(LIMIT), changed, "reached from 198.18.0.5 instead of 198.18.0.1");
        lab.near.shell(&format!(
            "ip addr add {NEAR_V4}/30 dev near0; ip addr del 198.18.0.5/24 dev near0
             ip route replace 10.0.0.0/10 via {FAR_V4} dev near0"
        ));
    }
}

fn next_hop_is_another() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let all = block([10, 0, 0, 0], 16384, &[80], Sky::Dense);
    let before = lab.far_mac();
    for sender in ["packet", "xdp", "live"] {
        let scanner = Scanner::new();
        let running = begin(&lab, &scanner, sender);
        // Another machine takes over the gateway's address.
        lab.far.shell("ip link set far0 address 02:00:00:00:00:77");
        lab.near.shell(&format!("ip neigh replace {FAR_V4} lladdr 02:00:00:00:00:77 dev near0"));
        let done = running.wait(LIMIT);
        assert_eq!(done.code, Some(0), "{sender}: {}", done.stderr);
        let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("sending goes on through 198.18.0.2, 02:00:00:00:00:77"), "{sender}: {flat}");
        // What was on its way meanwhile has its second probe.
        assert_eq!(open(&done), all, "{sender}");
        lab.far.shell(&format!("ip link set far0 address {before}"));
        lab.near.shell(&format!("ip neigh replace {FAR_V4} lladdr {before} dev near0"));
    }
}

fn next_hop_falls_silent() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let running = begin(&lab, &scanner, "packet");
    lab.far.shell("ip link set far0 arp off");
    // Somebody on this machine talks to it, so that the kernel asks for it, in vain.
    lab.near.shell(&format!(
        "ip neigh del {FAR_V4} dev near0
         (echo > /dev/udp/{FAR_V4}/9) 2>/dev/null || bash -c 'echo > /dev/udp/{FAR_V4}/9'"
    ));
    let changed = Instant::now();
    check_stopped(&running.wait(LIMIT), changed, "does not say its hardware address any more");
}

fn gone_for_a_moment() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let all = block([10, 0, 0, 0], 16384, &[80], Sky::Dense);
    for sender in ["packet", "ip"] {
        let scanner = Scanner::new();
        let running = begin(&lab, &scanner, sender);
        lab.near.shell("ip route del 10.0.0.0/10");
        thread::sleep(Duration::from_millis(1200));
        lab.near.shell(&format!("ip route add 10.0.0.0/10 via {FAR_V4}"));
        let done = running.wait(LIMIT);
        assert_eq!(done.code, Some(0), "{sender}: {}", done.stderr);
        assert!(done.stderr.contains("nothing was sent for"), "{sender}: {}", done.stderr);
        assert_eq!(open(&done), all, "{sender}");
    }
}

fn what_does_not_matter() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    second_wire(&lab);
    let all = block([10, 0, 0, 0], 16384, &[80], Sky::Dense);
    let scanner = Scanner::new();
    let running = begin(&lab, &scanner, "packet");
    // Routes to elsewhere by the thousand, other neighbours, other addresses.
    lab.near.shell(
        "i=0; while [ $i -lt 2000 ]; do echo route add 172.16.$((i / 250)).$((i % 250))/32 via 198.18.4.2; i=$((i + 1)); done |
           ip -batch -
         ip neigh replace 198.18.4.2 lladdr 02:00:00:00:00:99 dev near1
         ip addr add 198.18.9.1/24 dev near1; ip addr del 198.18.9.1/24 dev near1; ip link set near1 down",
    );
    let done = running.wait(LIMIT);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!done.stderr.contains("way to the targets"), "{}", done.stderr);
    assert!(!done.stderr.contains("nothing was sent"), "{}", done.stderr);
    assert_eq!(open(&done), all);
}
