//! Probes go out, answers come in.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use nightlatch_netio::raw::{Ring, SenderKind};
use nightlatch_wire::{Reply, Unreachable};

use crate::{
    Case,
    Needs::Namespaces,
    world::{CLOSED, OPEN, World, authorized, open, open_and_closed, replies, run, send_all},
};

pub(crate) const CASES: &[Case] = &[
    ("packets/packet", Namespaces, frames_are_answered),
    ("packets/ip", Namespaces, packets_without_link_are_answered),
    ("packets/unreachable", Namespaces, routers_say_what_cannot_be_reached),
    ("packets/refused", Namespaces, what_our_own_kernel_refuses_is_counted),
    ("packets/down", Namespaces, a_device_that_goes_down_is_said),
    ("packets/others", Namespaces, nothing_else_comes_through),
    ("packets/full", Namespaces, a_full_ring_counts_what_it_loses),
];

pub(crate) const PORTS: RangeInclusive<u16> = 61_440..=62_463;

fn ring() -> Ring {
    Ring::open(None, PORTS, true, true, 4 << 20).unwrap()
}

/// 200 addresses of each family with an open and a closed port each.
fn ask_both_families(kind: SenderKind) {
    let (mut sender, mut batch) = open(kind, &["10.1.0.0/24", "2001:db8:1::/64"]);
    assert_eq!(sender.kind(), kind);
    let mut ring = ring();
    for host in 1..=200 {
        for ip in [format!("10.1.0.{host}"), format!("2001:db8:1::{host}")] {
            assert!(batch.push(authorized(&ip, OPEN), 61_440 + host, 7));
            assert!(batch.push(authorized(&ip, CLOSED), 61_440 + host, 7));
        }
    }
    assert_eq!(send_all(&mut sender, &mut batch), 800);
    assert_eq!(sender.unsent().refused, 0);
    let all = replies(&mut ring, 800);
    let (open, closed) = open_and_closed(&all);
    assert_eq!((open.len(), closed.len()), (400, 400));
    assert_eq!(open, closed);
    for reply in &all {
        let Reply::Tcp { to, acknowledgement, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(*acknowledgement, 8);
        assert!(PORTS.contains(&to.port()));
    }
    assert_eq!((ring.drops().unwrap(), ring.broken()), (0, 0));
}

fn frames_are_answered() {
    let _world = World::alive();
    ask_both_families(SenderKind::Packet);
}

fn packets_without_link_are_answered() {
    let _world = World::alive();
    ask_both_families(SenderKind::Ip);
    // On the link, where each host is asked for by itself.
    let (mut sender, mut batch) = open(SenderKind::Auto, &["192.0.2.2", "2001:db8::2"]);
    assert_eq!(sender.kind(), SenderKind::Ip);
    let mut ring = ring();
    assert!(batch.push(authorized("192.0.2.2", OPEN), 61_500, 1));
    assert!(batch.push(authorized("2001:db8::2", CLOSED), 61_500, 1));
    assert_eq!(send_all(&mut sender, &mut batch), 2);
    let (open, closed) = open_and_closed(&replies(&mut ring, 2));
    assert_eq!(open, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(closed, ["2001:db8::2".parse::<IpAddr>().unwrap()]);
}

fn routers_say_what_cannot_be_reached() {
    let world = World::alive();
    world.far("ip route add unreachable 10.200.0.0/16");
    world.far("ip route add prohibit 10.201.0.0/16");
    world.far("ip -6 route add unreachable 2001:db8:200::/48");
    let targets = ["10.200.0.1", "10.201.0.1", "2001:db8:200::1"];
    let (mut sender, mut batch) = open(SenderKind::Packet, &targets);
    let mut ring = ring();
    for ip in targets {
        assert!(batch.push(authorized(ip, 80), 61_440, 99));
    }
    assert_eq!(send_all(&mut sender, &mut batch), 3);
    let mut reasons = Vec::new();
    for reply in replies(&mut ring, 3) {
        let Reply::Unreachable { target, sequence: 99, reason, .. } = reply else { panic!("{reply:?}") };
        reasons.push((target.ip().to_string(), reason));
    }
    reasons.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let expected = [Unreachable::Host, Unreachable::Prohibited, Unreachable::Host];
    assert_eq!(reasons, targets.map(str::to_owned).into_iter().zip(expected).collect::<Vec<_>>());
}

fn what_our_own_kernel_refuses_is_counted() {
    let _world = World::alive();
    let (mut sender, mut batch) = open(SenderKind::Ip, &["10.1.0.0/16", "192.0.2.0/24"]);
    run("ip route add blackhole 10.1.0.7/32");
    for ip in ["10.1.0.6", "10.1.0.7", "192.0.2.255", "10.1.0.8"] {
        assert!(batch.push(authorized(ip, CLOSED), 61_440, 1));
    }
    let mut ring = ring();
    assert_eq!(send_all(&mut sender, &mut batch), 2);
    let unsent = sender.unsent();
    assert_eq!((unsent.refused, unsent.first.unwrap().0.to_string()), (2, "10.1.0.7".to_owned()));
    assert_eq!(open_and_closed(&replies(&mut ring, 2)).1.len(), 2);
}

fn a_device_that_goes_down_is_said() {
    let _world = World::alive();
    let (mut sender, mut batch) = open(SenderKind::Packet, &["10.1.0.0/16"]);
    let route = crate::world::path_for(&["10.1.0.0/16"]).unwrap();
    let device = route.path().device.as_ref().unwrap().index;
    let mut ring = Ring::open(Some(device), PORTS, true, false, 4 << 20).unwrap();
    assert!(batch.push(authorized("10.1.0.1", CLOSED), 61_440, 1));
    run("ip link set near down");
    let error = sender.send(&mut batch).unwrap_err().to_string();
    assert_eq!(error, "the interface near went down");
    assert_eq!(batch.len(), 1);
    let error = ring.receive(Duration::from_millis(200), |_, _| ()).unwrap_err().to_string();
    assert_eq!(error, "the interface went down");
    run("ip link delete near");
    let error = sender.send(&mut batch).unwrap_err().to_string();
    assert!(error.contains("near"), "{error}");
}

fn nothing_else_comes_through() {
    let _world = World::alive();
    let mut ring = ring();
    // A whole connection from an ordinary port, and a probe from a port that is not ours.
    drop(std::net::TcpStream::connect(("10.1.0.1", OPEN)).unwrap());
    let (mut sender, mut batch) = open(SenderKind::Packet, &["10.1.0.0/16"]);
    for port in [61_439, 62_464, 61_440] {
        assert!(batch.push(authorized("10.1.0.2", CLOSED), port, 1));
    }
    send_all(&mut sender, &mut batch);
    let all = replies(&mut ring, 2);
    assert_eq!(all.len(), 1, "{all:?}");
}

fn a_full_ring_counts_what_it_loses() {
    let _world = World::alive();
    let (mut sender, mut batch) = open(SenderKind::Packet, &["10.1.0.0/16"]);
    let mut ring = Ring::open(None, PORTS, true, false, 0).unwrap();
    let mut sent = 0;
    for round in 0..20u32 {
        for host in 0..1000u32 {
            let ip = IpAddr::from([10, 1, (host >> 8) as u8, host as u8]).to_string();
            assert!(batch.push(authorized(&ip, CLOSED), 61_440, round));
        }
        sent += send_all(&mut sender, &mut batch);
    }
    let received = replies(&mut ring, sent).len();
    let drops = ring.drops().unwrap();
    assert!(drops > 0 && received > 0, "{received} received, {drops} lost");
    assert_eq!(received as u64 + drops, sent as u64);
    // It goes on afterwards.
    assert!(batch.push(authorized("10.1.0.1", CLOSED), 61_440, 1));
    send_all(&mut sender, &mut batch);
    assert_eq!(replies(&mut ring, 1).len(), 1);
    assert_eq!(ring.drops().unwrap(), drops);
}
