use nightlatch_manifest::{Corpus, Input};
use proptest::prelude::*;

use super::*;

/// One rule of a made-up firewall: allows, priority, first and last port, and which eighths of IPv4 it is about.
type Made = (bool, i64, u16, u16, u8);

/// The eighths `0.0.0.0/3`, `32.0.0.0/3`, ... of a bit set.
fn eighths(bits: u8) -> AddressSet {
    (0..8_u32)
        .filter(|eighth| bits & (1 << eighth) != 0)
        .filter_map(|eighth| addresses(&format!("{}.0.0.0/3", eighth * 32)))
        .fold(AddressSet::empty(), |all, one| all.union(&one))
}

fn rules<'a>(made: &[Made], node: Node<'a>) -> Vec<FirewallRule<'a>> {
    made.iter()
        .map(|&(allows, priority, from, to, bits)| FirewallRule {
            subject: Subject::other(node, "Test", "test"),
            direction: Direction::Ingress,
            allows,
            priority,
            ports: PortSet::range(Protocol::Tcp, from.min(to), from.max(to)),
            ports_unknown: None,
            peers: Peers { cidrs: vec![(eighths(bits), node)], unknown: None },
            targets: Targets::All,
            node,
        })
        .collect()
}

/// Asks the rules for one port and each eighth, one after the other.
fn naive_is_public(made: &[Made], port: u16) -> bool {
    let mut order: Vec<&Made> = made.iter().collect();
    order.sort_by_key(|rule| (rule.1, rule.0));
    let mut open = 0_u8;
    for eighth in 0..8 {
        let first = order.iter().find(|rule| {
            (rule.2.min(rule.3)..=rule.2.max(rule.3)).contains(&port) && rule.4 & (1 << eighth) != 0
        });
        if first.is_some_and(|rule| rule.0) {
            open |= 1 << eighth;
        }
    }
    is_public(&eighths(open))
}

fn corpus() -> Corpus {
    Corpus::read([Input { name: "x.json".into(), bytes: b"{\"a\": 1}".to_vec() }])
}

proptest! {
    /// What is said to be open is what asking the rules in order gives, port by port.
    #[test]
    fn openings_agree_with_asking_in_order(
        made in prop::collection::vec((any::<bool>(), 0_i64..4, 1_u16..12, 1_u16..12, any::<u8>()), 0..7)
    ) {
        let corpus = corpus();
        let rules = rules(&made, corpus.documents[0].root());
        let openings = openings(&rules, Direction::Ingress);
        for port in 1..13 {
            let said = openings.found.iter().any(|opening| opening.ports.contains(Protocol::Tcp, port));
            prop_assert_eq!(said, naive_is_public(&made, port), "port {}", port);
        }
    }
}

#[test]
fn what_is_the_internet() {
    let check = |blocks: &[&str], expected: bool| {
        let all = blocks
            .iter()
            .filter_map(|block| addresses(block))
            .fold(AddressSet::empty(), |all, one| all.union(&one));
        assert_eq!(is_public(&all), expected, "{blocks:?}");
    };
    check(&["0.0.0.0/0"], true);
    check(&["::/0"], true);
    check(&["2000::/3"], true);
    check(&["0.0.0.0/1"], true);
    check(&["128.0.0.0/1"], true);
    check(&["64.0.0.0/4", "80.0.0.0/4", "96.0.0.0/4", "112.0.0.0/4"], true);
    check(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"], false);
    check(&["52.0.0.0/8", "3.0.0.0/8", "2600::/16"], false);
    check(&["203.0.113.7"], false);
    check(&[], false);
}

#[test]
fn ports_of_protocols() {
    let all = |ports: PortSet| ports.is_all();
    assert!(all(ports_of("-1", None, None)) && all(ports_of("all", Some(1), Some(2))));
    assert_eq!(ports_of("6", Some(22), Some(22)), PortSet::port(Protocol::Tcp, 22));
    assert_eq!(ports_of("tcp", Some(0), Some(65_535)), PortSet::protocol(Protocol::Tcp));
    assert_eq!(ports_of("udp", None, None), PortSet::protocol(Protocol::Udp));
    assert_eq!(ports_of("icmp", Some(-1), Some(-1)), PortSet::empty());
    assert_eq!(port_range("tcp", "20-25"), PortSet::range(Protocol::Tcp, 20, 25));
    assert_eq!(port_range("*", "*"), PortSet::all());
    assert_eq!(port_range("*", "22").ranges().count(), 3);
    assert_eq!(port_range("tcp", "x"), PortSet::empty());
    assert_eq!(port_range("tcp", "99999"), PortSet::empty());
}
