//! Our own TCP does not answer for us, and the rule that sees to it goes with us.

use std::{env, fs, process::Command, thread, time::Duration};

use nightlatch_netio::raw::{DropRule, Ring, SenderKind};

use crate::{
    Case,
    Needs::{Namespaces, Nft},
    packets::PORTS,
    world::{OPEN, World, authorized, open, open_and_closed, replies, run, send_all, start},
};

pub(crate) const CASES: &[Case] = &[
    ("rule/no-reset", Namespaces, open_ports_are_not_reset),
    ("rule/listed", Nft, the_rule_is_listed_and_goes_with_its_value),
    ("rule/killed", Nft, the_rule_goes_with_its_process),
    ("rule/left", Nft, tables_that_were_left_are_removed),
];

/// Asks 100 open ports and says how many resets this machine's TCP has sent meanwhile.
fn resets_sent_for_open_ports() -> u64 {
    let (mut sender, mut batch) = open(SenderKind::Packet, &["10.1.0.0/16", "2001:db8:1::/64"]);
    let mut ring = Ring::open(None, PORTS, true, true, 4 << 20).unwrap();
    let before = resets();
    for host in 1..=50u16 {
        assert!(batch.push(authorized(&format!("10.1.0.{host}"), OPEN), 61_440 + host, 7));
        assert!(batch.push(authorized(&format!("2001:db8:1::{host}"), OPEN), 61_440 + host, 7));
    }
    send_all(&mut sender, &mut batch);
    let (open, _) = open_and_closed(&replies(&mut ring, 100));
    assert_eq!(open.len(), 100);
    thread::sleep(Duration::from_millis(100));
    resets() - before
}

/// `OutRsts` of `/proc/net/snmp`.
fn resets() -> u64 {
    let text = fs::read_to_string("/proc/self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let names = lines.next().unwrap().split(' ');
    let values = lines.next().unwrap().split(' ');
    names.zip(values).find(|row| row.0 == "OutRsts").unwrap().1.parse().unwrap()
}

fn open_ports_are_not_reset() {
    let _world = World::alive();
    assert_eq!(resets_sent_for_open_ports(), 100);
    let rule = DropRule::set(PORTS).unwrap();
    assert_eq!(resets_sent_for_open_ports(), 0);
    // Others still connect.
    drop(std::net::TcpStream::connect(("10.1.0.1", OPEN)).unwrap());
    drop(rule);
    assert_eq!(resets_sent_for_open_ports(), 100);
}

fn the_rule_is_listed_and_goes_with_its_value() {
    let rule = DropRule::set(PORTS).unwrap();
    let listed = run("nft list ruleset");
    assert!(listed.contains(&format!("table inet {}", rule.table())), "{listed}");
    for part in
        ["hook prerouting priority raw", "tcp dport 61440-62463 drop", "hook output priority raw", "notrack"]
    {
        assert!(
            listed.replace(">= 61440 tcp dport <= 62463", "61440-62463").contains(part),
            "{part}: {listed}"
        );
    }
    assert!(DropRule::describe(&PORTS).contains(rule.table()));
    assert_eq!(DropRule::clean_up().unwrap(), 0);
    drop(rule);
    assert_eq!(run("nft list ruleset"), "");
}

fn the_rule_goes_with_its_process() {
    let mut child = start(Command::new(env::current_exe().unwrap()), "hold-rule");
    assert!(run("nft list ruleset").contains("nightlatch-syn-"));
    child.kill().unwrap();
    child.wait().unwrap();
    // The kernel does it when it gets to it; before Linux 5.12 the next start does.
    for _ in 0..100 {
        DropRule::clean_up().unwrap();
        if run("nft list ruleset").is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{}", run("nft list ruleset"));
}

fn tables_that_were_left_are_removed() {
    run("nft add table inet nightlatch-syn-4194304-77");
    run("nft add table inet nightlatch-syn-1-1");
    run("nft add table inet filter");
    run("nft add table inet nightlatch-synonym");
    assert_eq!(DropRule::clean_up().unwrap(), 2);
    let listed = run("nft list tables");
    assert_eq!(listed, "table inet filter\ntable inet nightlatch-synonym\n");
    // Setting one cleans up as well.
    run("nft add table inet nightlatch-syn-4194304-77");
    let _rule = DropRule::set(PORTS).unwrap();
    assert!(!run("nft list tables").contains("4194304"));
}
