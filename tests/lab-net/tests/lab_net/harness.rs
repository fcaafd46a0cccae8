//! The lab itself, by a scanner that is not ours: a judge that cannot see is no judge.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, process::Command, thread, time::Duration};

use nightlatch_lab_net::{Lab, NEAR_V4, Sky, burst, rate, run, start};

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("harness/capture-sees-what-is-sent", capture_sees_what_is_sent),
    ("harness/sky", sky_is_as_it_should_be),
    ("harness/nothing-leads-out", nothing_leads_out),
    ("harness/nothing-is-left-behind", nothing_is_left_behind),
    ("harness/rate-and-burst", rate_and_burst),
];

/// Connects from the near namespace; what came of it, in one word.
fn connect(lab: &Lab, target: &str) -> &'static str {
    let target: SocketAddr = target.parse().unwrap();
    lab.near.inside(|| match std::net::TcpStream::connect_timeout(&target, Duration::from_millis(700)) {
        Ok(_) => "open",
        Err(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "closed",
            std::io::ErrorKind::TimedOut => "silent",
            std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => "unreachable",
            _ => "other",
        },
    })
}

fn capture_sees_what_is_sent() {
    let lab = Lab::new(Sky::Dense).unwrap_or_else(|reason| panic!("{}", reason.0));
    let _listeners = lab.listen(&[80]);
    let capture = lab.capture();
    let words: BTreeSet<_> =
        ["10.0.0.1:80", "10.63.255.255:81", "[fd00:a::1]:80", "[fd00:a::ffff]:81"].into_iter().collect();
    let outcomes: Vec<_> = words.iter().map(|target| connect(&lab, target)).collect();
    let told = words
        .iter()
        .zip(&outcomes)
        .map(|(target, outcome)| format!("{target} {outcome}"))
        .collect::<Vec<_>>();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "open").count(), 2, "{told:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "closed").count(), 2, "{told:?}");
    let seen = capture.stop();
    let asked: BTreeSet<String> =
        seen.iter().filter(|packet| packet.is_syn()).map(|packet| packet.target.to_string()).collect();
    assert_eq!(asked, words.iter().map(|text| (*text).to_owned()).collect());
    assert!(seen.iter().all(|packet| packet.source.ip().is_ipv6() || packet.source.ip() == NEAR_V4));
}

fn sky_is_as_it_should_be() {
    let lab = Lab::new(Sky::Sparse).unwrap_or_else(|reason| panic!("{}", reason.0));
    let _listeners = lab.listen(&[80]);
    for (target, expected) in [
        ("10.0.0.5:80", "open"),
        ("10.9.8.69:80", "open"),
        ("10.9.8.69:81", "closed"),
        ("10.0.0.4:80", "silent"),
        ("[fd00:a::45]:80", "open"),
        ("[fd00:a::46]:80", "silent"),
    ] {
        assert_eq!(connect(&lab, target), expected, "{target}");
    }
    lab.set_sky(Sky::Dark, 0);
    assert_eq!(connect(&lab, "10.0.0.5:80"), "silent");
    lab.set_sky(Sky::Dense, 100);
    assert_eq!(connect(&lab, "10.0.0.5:80"), "silent");
}

fn nothing_leads_out() {
    let lab = Lab::new(Sky::Dense).unwrap_or_else(|reason| panic!("{}", reason.0));
    for target in ["192.0.2.1:80", "10.64.0.1:80", "[2001:db8::1]:80"] {
        assert_eq!(connect(&lab, target), "unreachable", "{target}");
    }
}

fn nothing_is_left_behind() {
    // The namespaces of a lab whose owner was killed are gone, and so is what ran in them.
    let mut owner = start(
        Command::new(env!("CARGO_BIN_EXE_nightlatch-lab-net"))
            .arg("dense")
            .stdin(std::process::Stdio::piped()),
    );
    let children = format!("/proc/{0}/task/{0}/children", owner.pid().as_raw_nonzero());
    let mut holders = Vec::new();
    for _ in 0..500 {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        holders = text.split_whitespace().map(str::to_owned).collect();
        // Two that hold, and nothing that still sets up.
        if holders.len() == 2 {
            thread::sleep(Duration::from_millis(300));
            break;
        }
        assert!(!owner.ended(), "{}", owner.wait(Duration::from_secs(1)).stderr);
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(holders.len(), 2, "{holders:?}");
    owner.signal(rustix::process::Signal::KILL);
    let _ = owner.wait(Duration::from_secs(5));
    for _ in 0..200 {
        if holders.iter().all(|pid| !Path::new(&format!("/proc/{pid}/ns/net")).exists()) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("still there: {holders:?}");
}

fn rate_and_burst() {
    // A scanner that is known to pace: the yardstick of `pace` finds it steady within what it says of itself.
    let lab = Lab::new(Sky::Dark).unwrap_or_else(|reason| panic!("{}", reason.0));
    if run(Command::new("sh").args(["-c", "command -v masscan"])).code != Some(0) {
        eprintln!("!!! masscan is not installed: only the arithmetic is tested");
    } else {
        let capture = lab.capture();
        let mut masscan = lab.near("masscan");
        masscan.args(["10.0.0.0/22", "-p80", "--rate", "500", "--wait", "0", "-e", "near0", "--seed", "1"]);
        masscan.args(["--source-ip", &NEAR_V4.to_string(), "--router-mac", &lab.far_mac()]);
        let _ = run(&mut masscan);
        let seen: Vec<_> = capture.stop().into_iter().filter(|packet| packet.is_syn()).collect();
        let targets: BTreeSet<_> = seen.iter().map(|packet| packet.target).collect();
        assert_eq!((seen.len(), targets.len()), (1024, 1024));
        assert!((rate(&seen) - 500.0).abs() < 100.0, "{}", rate(&seen));
    }
    let at = |ns: u64| nightlatch_lab_net::Seen {
        at_ns: ns,
        source: "192.0.2.1:1".parse().unwrap(),
        target: "192.0.2.2:2".parse().unwrap(),
        protocol: nightlatch_lab_net::Protocol::Tcp(2),
        sequence: 0,
    };
    let steady: Vec<_> = (0..1000).map(|n| at(n * 1_000_000)).collect();
    assert!(
        (rate(&steady) - 1000.0).abs() < 1e-6 && burst(&steady, 1000.0) < 1e-3,
        "{}",
        burst(&steady, 1000.0)
    );
    let lumps: Vec<_> = (0..1000).map(|n| at(n / 10 * 10_000_000)).collect();
    assert!((8.9..9.1).contains(&burst(&lumps, 1000.0)), "{}", burst(&lumps, 1000.0));
}
