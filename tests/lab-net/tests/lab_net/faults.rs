//! What goes wrong on the way.

use std::{thread, time::Duration};

use nightlatch_lab_net::{Lab, Scanner, Sky, start};
use rustix::process::Signal;

use crate::{
    Case,
    found::{block, lab, open, sweep},
};

pub(crate) const CASES: &[Case] = &[
    ("faults/interface-down", interface_down),
    ("faults/two-scanners", two_scanners),
    ("faults/drop-rule-goes", drop_rule_goes),
    ("faults/max-duration", max_duration),
    ("faults/unrouted", unrouted),
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
    lab.near.shell("ip route del 10.0.0.0/10");
    let scanner = Scanner::new();
    let done =
        start(&mut scanner.scan(&lab, &["10.0.0.0/24", "--ports", "80", "--sender", "packet"])).wait(LIMIT);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("route"), "{}", done.stderr);
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
