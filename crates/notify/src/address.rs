//! Which addresses requests may go to: nobody is to reach through our console what they cannot reach themselves.

use std::net::IpAddr;

use nightlatch_alert::{AddressRange, AddressSet};
use nightlatch_scope::never_sent;

/// Blocks in which no receiver is, beside what [`never_sent`] knows: IPv4 as number, prefix length, and why.
///
/// Source: RFC 6890 (loopback, protocol assignments), RFC 3927 (link-local, and there the metadata of most clouds);
/// documentation of Alibaba, Azure and Oracle for their own addresses of metadata.
const SPECIAL_V4: [(u32, u32, &str); 6] = [
    (0x7f00_0000, 8, "loopback"),
    (0xa9fe_0000, 16, "link-local, where clouds keep their metadata"),
    (0xc000_0000, 24, "kept for protocols"),
    (0x6464_64c8, 32, "where a cloud keeps its metadata"),
    (0xa83f_8110, 32, "where a cloud keeps its metadata"),
    (0xc612_0000, 15, "kept for benchmarks"),
];

/// The same for IPv6. Source: RFC 4291; documentation of AWS and Google for their addresses of metadata.
const SPECIAL_V6: [(u128, u32, &str); 3] = [
    (1, 128, "loopback"),
    (0xfd00_0ec2_0000_0000_0000_0000_0000_0254, 128, "where a cloud keeps its metadata"),
    (0xfd20_00ce_0000_0000_0000_0000_0000_0254, 128, "where a cloud keeps its metadata"),
];

/// Decides where requests may go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    allow: AddressSet,
}

impl Policy {
    /// - `allow`: what may be sent to whatever it is.
    pub(crate) fn new(allow: &[AddressRange]) -> Self {
        Self { allow: allow.iter().copied().collect() }
    }

    /// What kind of address `ip` is, when requests must not go there. An IPv4-mapped address counts as the IPv4
    /// address that it means; other spellings that hide an IPv4 address (NAT64, 6to4, Teredo) are refused as such.
    pub(crate) fn refuses(&self, ip: IpAddr) -> Option<&'static str> {
        if self.allow.contains(ip) {
            return None;
        }
        let special = match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let inside = |(base, prefix, _): &&(u32, u32, _)| {
                    (v4.to_bits() ^ base).checked_shr(32 - prefix).unwrap_or(0) == 0
                };
                SPECIAL_V4.iter().find(inside).map(|row| row.2)
            }
            IpAddr::V6(v6) => {
                let inside = |(base, prefix, _): &&(u128, u32, _)| {
                    (v6.to_bits() ^ base).checked_shr(128 - prefix).unwrap_or(0) == 0
                };
                SPECIAL_V6.iter().find(inside).map(|row| row.2)
            }
        };
        special.or_else(|| never_sent(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORBIDDEN: [&str; 31] = [
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "169.254.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "100.100.100.200",
        "168.63.129.16",
        "198.18.0.1",
        "198.19.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100::1",
    ];

    #[test]
    fn what_is_special_is_refused_and_may_be_allowed() {
        for text in FORBIDDEN {
            let ip: IpAddr = text.parse().unwrap();
            assert!(Policy::default().refuses(ip).is_some(), "{text}");
            assert_eq!(Policy::new(&[AddressRange::single(ip)]).refuses(ip), None, "{text}");
        }
        for text in [
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.17.255.255",
            "198.20.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "2a00::1",
            "fd00::1",
            "::ffff:192.0.2.1",
        ] {
            assert_eq!(Policy::default().refuses(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_that_alone() {
        let policy = Policy::new(&["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(policy.refuses("127.1.2.3".parse().unwrap()), None);
        assert_eq!(policy.refuses("::ffff:127.0.0.1".parse().unwrap()), None);
        assert_eq!(policy.refuses("::1".parse().unwrap()), Some("loopback"));
        assert!(policy.refuses("169.254.169.254".parse().unwrap()).is_some());
        assert!(policy.refuses("64:ff9b::7f00:1".parse().unwrap()).is_some());
    }
}
