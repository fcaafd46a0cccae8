//! Which way is found, and what is said when there is none.

use std::time::{Duration, Instant};

use nightlatch_netio::raw::{Route, RouteError, Routes};
use nightlatch_wire::Link;

use crate::{
    Case,
    Needs::Namespaces,
    world::{World, many, path_for, run, targets},
};

pub(crate) const CASES: &[Case] = &[
    ("routes/gateway", Namespaces, a_gateway_is_one_way),
    ("routes/several", Namespaces, several_ways_are_the_kernels_matter),
    ("routes/none", Namespaces, no_way_is_said),
    ("routes/silent", Namespaces, a_silent_gateway_is_said),
    ("routes/rules", Namespaces, policy_rules_are_the_kernels_matter),
    ("routes/sources", Namespaces, each_range_has_its_source),
];

fn a_gateway_is_one_way() {
    let _world = World::alive();
    for ranges in
        [&["10.1.0.0/16", "10.9.0.0/16"][..], &["2001:db8:1::/64"], &["10.1.0.0/16", "2001:db8:1::/64"]]
    {
        let route = path_for(ranges).unwrap();
        let Route::One(path) = route else { panic!("{route:?}") };
        assert_eq!(path.device.as_ref().unwrap().name, "near");
        assert!(
            matches!(path.link, Link::Ethernet { source, destination, vlan: None } if source != destination)
        );
        let v4 = ranges[0].contains('.');
        assert_eq!(path.source_v4.map(|ip| ip.to_string()), v4.then(|| "192.0.2.1".to_owned()));
        let v6 = ranges.iter().any(|range| range.contains(':'));
        assert_eq!(path.source_v6.map(|ip| ip.to_string()), v6.then(|| "2001:db8::1".to_owned()));
        assert_eq!(path.next_hop.unwrap().to_string(), if v4 { "192.0.2.2" } else { "2001:db8::2" });
    }
}

fn several_ways_are_the_kernels_matter() {
    let _world = World::alive();
    let reason = many(&["192.0.2.128/25"]);
    assert!(reason.contains("on the link of near"), "{reason}");
    let reason = many(&["10.1.0.0/16", "192.0.2.9"]);
    assert!(reason.contains("on the link of near"), "{reason}");
    run("ip link add bare type veth peer name other");
    run("ip link set bare arp off up");
    run("ip link set other up");
    run("ip route add 198.51.100.0/25 dev bare");
    let reason = many(&["198.51.100.0/25"]);
    assert!(reason.contains("bare is not an Ethernet device with ARP"), "{reason}");
    let reason = many(&["198.51.100.0/24"]);
    assert!(reason.contains("several interfaces"), "{reason}");
    run("ip address add 192.0.2.7/32 dev near");
    run("ip route add 10.64.0.0/10 via 192.0.2.3");
    let reason = many(&["10.0.0.0/8"]);
    assert!(reason.contains("several gateways"), "{reason}");
    run("ip route add 198.51.100.128/25 nexthop via 192.0.2.2 nexthop via 192.0.2.3");
    let reason = many(&["198.51.100.128/25"]);
    assert!(reason.contains("several next hops"), "{reason}");
}

fn no_way_is_said() {
    let world = World::alive();
    run("ip route add unreachable 10.5.0.0/16");
    run("ip route add blackhole 10.6.0.0/16");
    run("ip route add prohibit 10.7.0.0/16");
    for (range, says) in
        [("10.5.1.0/24", "unreachable"), ("10.0.0.0/8", "unreachable"), ("10.6.0.0/15", "blackhole")]
    {
        let text = path_for(&[range]).unwrap_err().to_string();
        assert!(text.contains(&format!("says {says}")), "{range}: {text}");
    }
    for own in [&["192.0.2.1"][..], &["127.0.0.0/8"], &["::1", "192.0.2.1"]] {
        assert!(matches!(path_for(own), Err(RouteError::Own { .. })), "{own:?}");
    }
    let own = Routes::read().unwrap().own(&targets(&["192.0.0.0/16", "127.0.0.1", "2001:db8::/126"]));
    let own: Vec<String> = own.ranges().map(ToString::to_string).collect();
    // The anycast address of routers (RFC 4291, section 2.6.1) is only ours when we are one.
    assert_eq!(own, ["127.0.0.1", "192.0.2.1", "2001:db8::1"]);
    assert!(many(&["192.0.2.0/24"]).contains("192.0.2.1 is an address of this machine"));
    run("ip route delete default");
    let text = path_for(&["198.51.100.9"]).unwrap_err().to_string();
    assert!(text.starts_with("there is no route to 198.51.100.9, and no default route"), "{text}");
    assert!(matches!(path_for(&[]), Err(RouteError::Empty)));
    run("ip route add default via 192.0.2.2");
    world.far("ip link set far down");
    let text = path_for(&["10.1.0.0/16"]).unwrap_err().to_string();
    assert!(text.contains("near, by which 10.1.0.0 is reached, is down"), "{text}");
}

fn a_silent_gateway_is_said() {
    let world = World::bare();
    run("ip address add 192.0.2.1/24 dev near");
    run("ip route add default via 192.0.2.99");
    let start = Instant::now();
    let text = path_for(&["10.1.0.0/16"]).unwrap_err().to_string();
    assert_eq!(text, "the gateway 192.0.2.99 on near does not answer ARP");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    world.far("ip address add 192.0.2.99/24 dev far");
    assert!(matches!(path_for(&["10.1.0.0/16"]).unwrap(), Route::One(_)));
}

fn policy_rules_are_the_kernels_matter() {
    let _world = World::alive();
    run("ip rule add from 192.0.2.9 lookup 100");
    let reason = many(&["10.1.0.0/16"]);
    assert!(reason.contains("policy routing rules"), "{reason}");
}

fn each_range_has_its_source() {
    let _world = World::alive();
    run("ip address add 192.0.2.7/24 dev near");
    run("ip route add 10.2.0.0/16 via 192.0.2.2 src 192.0.2.7");
    let Route::Many { reason, path } = path_for(&["10.1.0.0-10.2.0.255"]).unwrap() else { panic!("one way") };
    assert!(reason.contains("several addresses"), "{reason}");
    let sources: Vec<String> = path.sources().iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["192.0.2.1", "192.0.2.7"]);
}
