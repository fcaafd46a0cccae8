//! What goes wrong on the way.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nightlatch_lab_net::{FAR_V4, FAR_V6, Lab, Run, Running, Scanner, Seen, Sky, hits, run, start};
use rustix::process::Signal;

use crate::{
    Case,
    found::{FAST_SENDERS, SENDERS, block, block_v6, lab, open, prepare, sweep},
    replies::{forger, peak_kb},
    wire::run_id,
};

pub(crate) const CASES: &[Case] = &[
    ("faults/interface-down", interface_down),
    ("faults/two-scanners", two_scanners),
    ("faults/drop-rule-goes", drop_rule_goes),
    ("faults/max-duration", max_duration),
    ("faults/unrouted", unrouted),
    ("faults/silent-next-hop", silent_next_hop),
    ("faults/odd-mtu", odd_mtu),
    ("faults/clock-steps", clock_steps),
    ("faults/tunnel", tunnel),
    ("faults/killed-while-hits-wait", killed_while_hits_wait),
    ("faults/killed-while-batches-wait", killed_while_batches_wait),
    ("faults/everybody-answers-at-once", everybody_at_once),
];

/// What needs `tc netem`.
pub(crate) const NETEM: &[Case] = &[("faults/netem", netem)];

const LIMIT: Duration = Duration::from_secs(60);

fn interface_down() {
    let lab = lab(Sky::Dense);
    for sender in ["packet", "ip"] {
        let scanner = Scanner::new();
        let running = start(
            &mut scanner.scan(&lab, &["10.0.0.0/16", "--ports", "80", "--rate", "5000", "--sender", sender]),
        );
        thread::sleep(Duration::from_millis(2000));
        lab.near.shell("ip link set near0 down");
        let done = running.wait(LIMIT);
        assert_eq!(done.code, Some(3), "{sender}: {}", done.stderr);
        assert!(done.stderr.contains("went down"), "{sender}: {}", done.stderr);
        assert!(done.elapsed < Duration::from_secs(15), "{sender}: noticed after {:?}", done.elapsed);
        lab.restore_near();
    }
}

fn two_scanners() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let scanners = [Scanner::new(), Scanner::new()];
    let running: Vec<_> = scanners
        .iter()
        .map(|scanner| start(&mut scanner.scan(&lab, &["10.0.0.0/19", "--ports", "80", "--rate", "5000"])))
        .collect();
    for running in running {
        let done = running.wait(LIMIT);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(open(&done), block([10, 0, 0, 0], 8192, &[80], Sky::Dense));
    }
    assert_eq!(tables(&lab), "");
}

/// Our tables of the near kernel.
fn tables(lab: &Lab) -> String {
    let all = lab.near.shell("nft list tables").stdout;
    all.lines().filter(|line| line.contains("nightlatch")).collect::<Vec<_>>().join("\n")
}

fn drop_rule_goes() {
    let lab = lab(Sky::Dense);
    let scanner = Scanner::new();
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let running = start(&mut scanner.scan(&lab, &["10.0.0.0/16", "--ports", "80", "--rate", "2000"]));
        thread::sleep(Duration::from_millis(1500));
        assert!(tables(&lab).contains("nightlatch-syn-"), "no rule while it runs: {signal:?}");
        running.signal(signal);
        let done = running.wait(LIMIT);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(tables(&lab), "", "{signal:?}: {}", done.stderr);
    }
    // One that a kernel without owners left behind is taken away by the next start.
    lab.near.shell("nft add table inet nightlatch-syn-4194000-1");
    sweep(&lab, &["10.0.0.0/24", "--ports", "80", "--rate", "2000"]);
    assert_eq!(tables(&lab), "");
}

fn max_duration() {
    let lab = lab(Sky::Dense);
    let scanner = Scanner::new();
    let done = start(
        &mut scanner.scan(&lab, &["10.0.0.0/16", "--ports", "80", "--rate", "1000", "--max-duration", "3"]),
    )
    .wait(LIMIT);
    assert!(done.elapsed < Duration::from_secs(20), "{:?}", done.elapsed);
    assert!(done.stderr.contains("--resume"), "{}", done.stderr);
}

fn unrouted() {
    let lab = lab(Sky::Dense);
    lab.near.shell("ip route del 10.0.0.0/10; ip -6 route del fd00:a::/64");
    for (range, first) in [("10.0.0.0/24", "10.0.0.0"), ("fd00:a::/120", "fd00:a::")] {
        for sender in ["auto", "packet", "ip"] {
            refused(&lab, range, sender, &format!("there is no route to {first}, and no default route"));
        }
    }
    // A route that says no is one as well.
    lab.near.shell("ip route add prohibit 10.0.0.0/10");
    refused(&lab, "10.0.0.0/24", "auto", "the route to 10.0.0.0 says prohibit");
}

/// Checks that nothing is sent, and why.
fn refused(lab: &Lab, range: &str, sender: &str, because: &str) {
    let capture = lab.capture();
    let done = run(&mut Scanner::new().scan(lab, &[range, "--ports", "80", "--sender", sender]));
    assert_eq!(done.code, Some(3), "{sender}: {}", done.stderr);
    let flat = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(because), "{sender}: {because}: {flat}");
    assert!(done.elapsed < Duration::from_secs(10), "{sender}: {:?}", done.elapsed);
    assert_eq!(capture.stop().len(), 0, "{sender}");
}

fn silent_next_hop() {
    let lab = lab(Sky::Dense);
    lab.far.shell("ip link set far0 arp off");
    lab.near.shell(&format!("ip neigh del {FAR_V4} dev near0; ip neigh del {FAR_V6} dev near0"));
    refused(&lab, "10.0.0.0/24", "packet", "the gateway 198.18.0.2 on near0 does not answer ARP");
    refused(
        &lab,
        "fd00:a::/120",
        "packet",
        "the gateway fd00:b::2 on near0 does not answer neighbour discovery",
    );
}

fn odd_mtu() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let v4 = block([10, 0, 0, 0], 1024, &[80], Sky::Dense);
    // The smallest that IPv4 allows, on which Linux has no IPv6; and the smallest that IPv6 allows.
    for mtu in [68, 1280] {
        lab.near.shell("ip link set near0 mtu 1500");
        lab.restore_near();
        lab.near.shell(&format!("ip link set near0 mtu {mtu}"));
        for sender in [SENDERS, FAST_SENDERS].concat() {
            prepare(&lab, sender);
            let done = sweep(&lab, &["10.0.0.0/22", "--ports", "80", "--rate", "5000", "--sender", sender]);
            assert_eq!(open(&done), v4, "{sender} at {mtu}");
            let range = ["fd00:a::/120", "--ports", "80", "--rate", "5000", "--sender", sender];
            if mtu < 1280 {
                refused(&lab, "fd00:a::/120", sender, "there is no route to fd00:a::");
            } else {
                assert_eq!(open(&sweep(&lab, &range)), block_v6(256, 80, Sky::Dense), "{sender} at {mtu}");
            }
        }
    }
}

/// A wall clock that jumps to and fro.
const CLOCK: &str = include_str!("../../src/clock.c");

fn clock_steps() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
    std::fs::write(&source, CLOCK).unwrap();
    let built = run(Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source));
    assert_eq!(built.code, Some(0), "gcc (./test installs it): {}", built.stderr);
    for sender in ["packet", "ip"] {
        let scanner = Scanner::new();
        let mut command =
            scanner.scan(&lab, &["10.0.0.0/20", "--ports", "80,81", "--rate", "2000", "--sender", sender]);
        let capture = lab.capture();
        let done = run(command.env("LD_PRELOAD", &library));
        assert_eq!(done.code, Some(0), "{sender}: {}", done.stderr);
        assert_eq!(open(&done), block([10, 0, 0, 0], 4096, &[80], Sky::Dense), "{sender}");
        let days: BTreeSet<&str> =
            done.stdout.lines().filter_map(|line| line.split("\"time\":\"").nth(1)?.get(..10)).collect();
        assert!(days.len() >= 3, "the clock does not jump: {days:?}");
        // Everybody answers: a pair has one packet, and the rate is that of a clock that goes on steadily.
        let syns: Vec<Seen> = capture.stop().into_iter().filter(Seen::is_syn).collect();
        assert!(syns.len() < 8192 + 80, "{sender}: {} packets", syns.len());
        let rate = nightlatch_lab_net::rate(&syns);
        assert!((1900.0..2100.0).contains(&rate), "{sender}: {rate:.0} a second");
    }
}

/// What carries packets over a tunnel without Ethernet.
const TUNNEL: &str = include_str!("../../src/tunnel.py");

/// Puts a part of the world behind a tunnel, for a minute.
fn dig(lab: &Lab) -> Running {
    let far = format!("/proc/{}/ns/net", lab.far.pid());
    let tunnel = start(lab.near("python3").args(["-c", TUNNEL, "tun0", "tun1", &far, "60"]));
    let wait =
        "i=0; until ip link show $0 >/dev/null 2>&1; do i=$((i + 1)); [ $i -lt 500 ]; sleep 0.01; done";
    for (end, name) in [(&lab.near, "tun0"), (&lab.far, "tun1")] {
        end.shell(&wait.replace("$0", name));
    }
    lab.near.shell(
        "ip addr add 198.18.8.1/30 dev tun0; ip -6 addr add fd00:8::1/64 dev tun0 nodad; ip link set tun0 up
         ip route add 10.32.0.0/12 dev tun0; ip -6 route add fd00:a::/112 dev tun0",
    );
    lab.far.shell(
        "ip addr add 198.18.8.2/30 dev tun1; ip -6 addr add fd00:8::2/64 dev tun1 nodad; ip link set tun1 up",
    );
    tunnel
}

fn tunnel() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let _tunnel = dig(&lab);
    let v4 = block([10, 32, 0, 0], 1024, &[80], Sky::Dense);
    for sender in ["auto", "ip"] {
        let done = sweep(&lab, &["10.32.0.0/22", "--ports", "80,81", "--rate", "2000", "--sender", sender]);
        assert_eq!(open(&done), v4, "{sender}: {}", done.stderr);
        assert!(done.stderr.contains("sender ip:"), "{}", done.stderr);
        let done = sweep(&lab, &["fd00:a::/119", "--ports", "80", "--rate", "2000", "--sender", sender]);
        assert_eq!(open(&done), block_v6(512, 80, Sky::Dense), "{sender}: {}", done.stderr);
    }
    for sender in ["packet", "xdp", "live"] {
        refused(&lab, "10.32.0.0/24", sender, "tun0 is not an Ethernet device with ARP; use `--sender ip`");
    }
    // Half of it by the tunnel, half by the card: no device is the right one to listen on.
    let done = sweep(&lab, &["10.31.254.0-10.32.1.255", "--ports", "80", "--rate", "2000"]);
    assert_eq!(open(&done), block([10, 31, 254, 0], 1024, &[80], Sky::Dense), "{}", done.stderr);
    assert!(done.stderr.contains("several interfaces"), "{}", done.stderr);
}

/// A scan whose output nobody reads.
fn unread(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn killed_while_hits_wait() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    let scanner = Scanner::new();
    let capture = lab.capture();
    let mut child = unread(&mut scanner.scan(&lab, &["10.0.0.0/15", "--ports", "80", "--rate", "50000"]));
    thread::sleep(Duration::from_secs(5));
    // It has had time for all; but what nobody takes holds it up.
    child.kill().unwrap();
    child.wait().unwrap();
    let sent = capture.stop().iter().filter(|packet| packet.is_syn()).count();
    assert!((20_000..90_000).contains(&sent), "{sent} packets although nobody takes what is found");
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    // The last line may be cut off.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let first: BTreeSet<SocketAddr> = hits(whole).into_keys().collect();
    assert!(first.len() < 20_000, "{} were taken", first.len());
    let second = open(&resumed(&lab, &scanner, "50000"));
    let union: BTreeSet<SocketAddr> = first.union(&second).copied().collect();
    assert_eq!(union.len(), 131_072, "{} at first, {} then", first.len(), second.len());
}

/// Goes on with the only run.
fn resumed(lab: &Lab, scanner: &Scanner, rate: &str) -> Run {
    let id = run_id(lab, scanner);
    let done =
        run(&mut scanner.command(lab, &["--resume", &id, "--rate-per-network", "10000000", "--rate", rate]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    done
}

/// With one probe each, what waited for a thread when the scan was killed is sent by the run that goes on, and what was
/// sent a moment before is asked again, since nobody heard its answer.
fn killed_while_batches_wait() {
    let lab = lab(Sky::Sparse);
    let _listeners = lab.listen(&[80]);
    let all = block([10, 0, 0, 0], 1 << 21, &[80], Sky::Sparse);
    for sender in ["packet", "xdp"] {
        let scanner = Scanner::new();
        let how = ["10.0.0.0/11", "--ports", "80", "--rate", "400000", "--probes", "1", "--sender", sender];
        let mut running = start(&mut scanner.scan(&lab, &how));
        thread::sleep(Duration::from_millis(3500));
        assert!(!running.ended(), "{sender}: it was over before it was killed");
        running.signal(Signal::KILL);
        let first = running.wait(LIMIT);
        // The last line may be cut off.
        let whole = first.stdout.rfind('\n').map_or("", |end| &first.stdout[..end]);
        let first: BTreeSet<SocketAddr> = hits(whole).into_keys().collect();
        let done = resumed(&lab, &scanner, "100000");
        let second = open(&done);
        let (union, twice) = (first.union(&second).count(), first.intersection(&second).count());
        eprintln!("    {sender}: {} at first, {} then, {twice} twice", first.len(), second.len());
        let lost = done.stderr.contains("no room") || done.stderr.contains("dropped");
        assert!(union == all.len() || lost, "{sender}: {union} of {}: {}", all.len(), done.stderr);
        assert!(first.len() > 1000 && union * 1000 >= all.len() * 999, "{sender}: {union}");
        // A second of 400,000 packets, of which one in 64 is answered.
        assert!(twice < 7000, "{sender}: {twice} twice");
    }
}

fn everybody_at_once() {
    const PAIRS: usize = 1 << 18;
    let lab = lab(Sky::Dark);
    let scanner = Scanner::new();
    // Somebody who has all right answers, and keeps them until there are more than anybody can hold.
    let holder = forger(&lab, "hold", 60);
    let arguments = ["10.0.0.0/14", "--ports", "80", "--rate", "40000", "--sender", "packet"];
    let mut command = scanner.scan(&lab, &arguments);
    command.args(["--probes", "1", "--cooldown", "15"]);
    let mut child = unread(&mut command);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let told = thread::spawn(move || stderr.lines().map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    // Sent within seven seconds, and answered from the second after that on.
    thread::sleep(Duration::from_secs(18));
    let peak = peak_kb(child.id().cast_signed());
    eprintln!("    at most {} MB", peak >> 10);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap();
    let told = told.join().unwrap();
    drop(holder);
    let first: BTreeSet<SocketAddr> = hits(&text).into_keys().collect();
    eprintln!("    {} of {PAIRS} were held", first.len());
    assert!(peak < 100 << 10, "{peak} kB");
    assert!((1 << 17..PAIRS).contains(&first.len()), "{} at first: {told}", first.len());
    assert_eq!(status.code(), Some(130), "{told}");
    assert!(told.contains("more ports answer at once than can wait"), "{told}");
    assert!(told.contains("--resume"), "{told}");
    // Then the world is an honest one.
    lab.set_sky(Sky::Dense, 0);
    let _listeners = lab.listen(&[80]);
    let second = open(&resumed(&lab, &scanner, "50000"));
    let union: BTreeSet<SocketAddr> = first.union(&second).copied().collect();
    assert_eq!(union.len(), PAIRS, "{} at first, {} then", first.len(), second.len());
}

fn netem() {
    let lab = lab(Sky::Dense);
    let _listeners = lab.listen(&[80]);
    for trouble in ["delay 80ms 30ms", "delay 20ms reorder 25% 50%", "duplicate 20%", "loss 1%"] {
        lab.far.shell(&format!("tc qdisc replace dev far0 root netem limit 100000 {trouble}"));
        let done = sweep(&lab, &["10.0.0.0/16", "--ports", "80", "--rate", "20000"]);
        let found = open(&done).len();
        assert!(found as f64 >= 65536.0 * 0.9998, "{trouble}: {found}");
    }
}
