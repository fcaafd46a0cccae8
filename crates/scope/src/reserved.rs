use std::{net::IpAddr, sync::LazyLock};

use crate::{AddressRange, AddressSet, Family, address_range::number};

/// IPv4 space that is never sent to, whatever a scope says: first address, prefix, and why.
///
/// Source: the IANA special-purpose address registry (RFC 6890), RFC 5771 (multicast), RFC 1112 section 4
/// (reserved), RFC 919 (broadcast).
const NEVER_V4: [(u32, u32, &str); 4] = [
    (0x0000_0000, 8, "unspecified space (0.0.0.0/8)"),
    (0xE000_0000, 4, "multicast space (224.0.0.0/4)"),
    (0xFFFF_FFFF, 32, "the broadcast address"),
    (0xF000_0000, 4, "reserved space (240.0.0.0/4)"),
];

/// IPv6 space in which there are hosts: loopback, global unicast and unique local. All else is reserved.
///
/// Source: IANA, "Internet Protocol Version 6 Address Space".
const IN_USE_V6: [(u128, u32); 3] = [(1, 128), (0x2000 << 112, 3), (0xfc00 << 112, 7)];

/// As [`NEVER_V4`]. 6to4, Teredo and NAT64 are here because an IPv4 address hides inside, which would
/// escape the exclusions written for it; link-local addresses because they mean nothing without a zone.
///
/// Source: RFC 4291, RFC 7526 (6to4), RFC 4380 (Teredo), RFC 6052 and RFC 8215 (NAT64), RFC 3879 (site-local).
const NEVER_V6: [(u128, u32, &str); 8] = [
    (0xff << 120, 8, "multicast space (ff00::/8)"),
    (0, 128, "the unspecified address"),
    (0x2002 << 112, 16, "6to4 space (2002::/16), which hides an IPv4 address"),
    (0x2001_0000 << 96, 32, "Teredo space (2001::/32), which hides an IPv4 address"),
    (0x0064_ff9b << 96, 96, "NAT64 space (64:ff9b::/96), which hides an IPv4 address"),
    (0x0064_ff9b_0001 << 80, 48, "NAT64 space (64:ff9b:1::/48), which hides an IPv4 address"),
    (0xfe80 << 112, 10, "link-local space (fe80::/10), which needs a zone"),
    (0xfec0 << 112, 10, "site-local space (fec0::/10), which was withdrawn"),
];

fn range(family: Family, base: u128, prefix: u32) -> AddressRange {
    let span = if prefix == 0 { family.max() } else { (1u128 << (family.bits() - prefix)) - 1 };
    AddressRange::from_numbers(family, base & !span, base | span)
}

fn never_v4() -> impl Iterator<Item = (AddressRange, &'static str)> {
    NEVER_V4.into_iter().map(|(base, prefix, why)| (range(Family::V4, base.into(), prefix), why))
}

fn never_v6() -> impl Iterator<Item = (AddressRange, &'static str)> {
    NEVER_V6.into_iter().map(|(base, prefix, why)| (range(Family::V6, base, prefix), why))
}

/// Everything that may be sent to at all, before any scope is asked.
pub(crate) fn sendable() -> &'static AddressSet {
    static SENDABLE: LazyLock<AddressSet> = LazyLock::new(|| {
        let v6 = IN_USE_V6.into_iter().map(|(base, prefix)| range(Family::V6, base, prefix));
        let all: AddressSet = v6.chain([range(Family::V4, 0, 0)]).collect();
        all.subtract(&never_v4().chain(never_v6()).map(|row| row.0).collect())
    });
    &SENDABLE
}

/// Why nothing is ever sent to `ip`: it is reserved, multicast, broadcast or unspecified, or hides another
/// address. `None` for the addresses of hosts.
pub fn never_sent(ip: IpAddr) -> Option<&'static str> {
    if sendable().contains(ip) {
        return None;
    }
    let (family, _) = number(ip);
    let why = match family {
        Family::V4 => never_v4().find(|(range, _)| range.contains(ip)),
        Family::V6 => never_v6().find(|(range, _)| range.contains(ip)),
    };
    Some(why.map_or("reserved space", |(_, why)| why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_no_host() {
        let why = |text: &str| never_sent(text.parse().unwrap());
        for host in [
            "127.0.0.1",
            "10.0.0.1",
            "192.0.2.1",
            "223.255.255.255",
            "::1",
            "2001:db8::1",
            "fd00::1",
            "2a00::",
        ] {
            assert_eq!(why(host), None, "{host}");
        }
        for (ip, word) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("224.0.0.1", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("ff02::1", "multicast"),
            ("fe80::1", "zone"),
            ("fec0::1", "withdrawn"),
            ("2002:7f00:1::", "6to4"),
            ("2001:0:1::", "Teredo"),
            ("64:ff9b::7f00:1", "NAT64"),
            ("64:ff9b:1::1", "NAT64"),
            ("::127.0.0.1", "reserved"),
            ("100::1", "reserved"),
            ("4000::1", "reserved"),
            ("::ffff:224.0.0.1", "multicast"),
            ("::ffff:255.255.255.255", "broadcast"),
        ] {
            assert!(why(ip).is_some_and(|reason| reason.contains(word)), "{ip}: {:?}", why(ip));
        }
        assert_eq!(why("::ffff:192.0.2.1"), None);
    }
}
