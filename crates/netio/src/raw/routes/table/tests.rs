use proptest::prelude::*;

use super::*;

fn entry(local_table: bool, block: &str, device: u32, kind: Kind) -> Entry {
    let range: AddressRange = block.parse().unwrap();
    Entry {
        local_table,
        first: to_number(range.first()),
        last: to_number(range.last()),
        prefix: range.prefix().unwrap() as u8,
        metric: 0,
        kind,
        way: Way { device: Some(device), v6: range.first().is_ipv6(), ..Way::default() },
    }
}

/// Pieces as `first-last>device`.
fn pieces(tables: &Tables, range: &str) -> Vec<String> {
    let mut all = Vec::new();
    tables.pieces(range.parse().unwrap(), |first, last, entry| {
        let device = entry.and_then(|entry| entry.way.device).map_or("-".to_owned(), |d| d.to_string());
        all.push(format!("{first}-{last}>{device}"));
    });
    all
}

#[test]
fn the_longest_prefix_counts_and_the_local_table_comes_first() {
    let tables = Tables::of(vec![
        entry(false, "10.0.0.0/8", 1, Kind::Unicast),
        entry(false, "10.1.0.0/16", 2, Kind::Unicast),
        entry(false, "10.1.2.128/25", 3, Kind::Unicast),
        entry(true, "10.1.2.0/30", 9, Kind::Local),
        entry(false, "10.1.2.1/32", 4, Kind::Unicast),
    ]);
    assert_eq!(pieces(&tables, "10.1.3.0/24"), ["10.1.3.0-10.1.3.255>2"]);
    assert_eq!(
        pieces(&tables, "10.1.2.0/24"),
        ["10.1.2.0-10.1.2.3>9", "10.1.2.4-10.1.2.127>2", "10.1.2.128-10.1.2.255>3"]
    );
    assert_eq!(
        pieces(&tables, "9.255.255.0-10.0.0.7"),
        ["9.255.255.0-9.255.255.255>-", "10.0.0.0-10.0.0.7>1"]
    );
    assert!(!tables.has_default(true));
}

#[test]
fn the_whole_of_ipv6_has_an_end() {
    let tables = Tables::of(vec![
        entry(false, "::/0", 1, Kind::Unicast),
        entry(false, "ff00::/8", 2, Kind::Broadcast),
    ]);
    assert_eq!(pieces(&tables, "ffff::/16"), ["ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff>2"]);
    assert_eq!(pieces(&tables, "fe00::/128"), ["fe00::-fe00::>1"]);
    assert!(tables.has_default(false) && !tables.has_default(true));
}

#[test]
fn equal_routes_of_ipv6_are_several() {
    let one = entry(false, "::/0", 1, Kind::Unicast);
    let mut other = one.clone();
    other.way.device = Some(2);
    let tables = Tables::of(vec![one.clone(), other.clone()]);
    assert!(tables.entries[0].way.several);
    other.metric = 5;
    assert!(!Tables::of(vec![one, other]).entries[0].way.several);
}

/// Prefixes around one /24, so that they nest and meet.
fn routes() -> impl Strategy<Value = Vec<Entry>> {
    let one =
        (any::<bool>(), 24u8..=32, any::<u8>(), 1u32..1000).prop_map(|(local, prefix, byte, device)| {
            let range = AddressRange::cidr(IpAddr::from([10, 0, 0, byte]), prefix.into()).unwrap();
            entry(local, &range.to_string(), device, Kind::Unicast)
        });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn every_address_takes_the_route_that_a_search_finds(routes in routes(), first in any::<u8>(), last in any::<u8>()) {
        let (first, last) = (first.min(last), first.max(last));
        let range = AddressRange::new(IpAddr::from([10, 0, 0, first]), IpAddr::from([10, 0, 0, last])).unwrap();
        let tables = Tables::of(routes.clone());
        let mut next = to_number(range.first());
        tables.pieces(range, |from, to, found| {
            assert_eq!(to_number(from), next);
            for number in to_number(from)..=to_number(to) {
                let covers = |local: bool| {
                    let covering = routes.iter().filter(|r| r.local_table == local && (r.first..=r.last).contains(&number));
                    covering.map(|r| r.prefix).max()
                };
                let expected = covers(true).map(|p| (true, p)).or(covers(false).map(|p| (false, p)));
                assert_eq!(found.map(|e| (e.local_table, e.prefix)), expected, "{}", number);
            }
            next = to_number(to) + 1;
        });
        prop_assert_eq!(next, to_number(range.last()) + 1);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = route(&bytes);
        let _ = is_usual_rule(&bytes);
    }
}
