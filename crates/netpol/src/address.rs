//! Addresses: CIDR blocks and sets of addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::ranges::Ranges;

/// A CIDR block; host bits are cleared, as Kubernetes does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// A block; nothing when the prefix is longer than the family's addresses.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix > bits {
            return None;
        }
        let (start, _) = bounds(address, prefix);
        Some(Self { address: point_to_address(start), prefix })
    }

    /// The length of the prefix in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// True for IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether all of `other` lies in it.
    pub fn contains(&self, other: &Self) -> bool {
        let (start, end) = bounds(self.address, self.prefix);
        let (first, last) = bounds(other.address, other.prefix);
        start <= first && last <= end
    }
}

impl FromStr for Cidr {
    type Err = ();

    /// `10.0.0.0/8` or `fd00::/8`; a prefix length is needed.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let short = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix = if short { prefix.parse().map_err(|_| ())? } else { return Err(()) };
        Self::new(address.parse().map_err(|_| ())?, prefix).ok_or(())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Both families on one line: all of IPv4 first, then IPv6.
///
/// IPv4 occupies 0 to 2^32 - 1 of family 0; a point carries its family, so that nothing overlaps.
type Point = (u8, u128);

fn point(address: IpAddr) -> Point {
    match address {
        IpAddr::V4(v4) => (4, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (6, v6.to_bits()),
    }
}

fn point_to_address((family, bits): Point) -> IpAddr {
    match family {
        4 => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        _ => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

fn bounds(address: IpAddr, prefix: u8) -> (Point, Point) {
    let (family, bits) = point(address);
    let length = if family == 4 { 32 } else { 128 };
    let free = length - u32::from(prefix.min(length as u8));
    let mask = if free == 128 { u128::MAX } else { (1_u128 << free) - 1 };
    ((family, bits & !mask), (family, bits | mask))
}

/// A set of addresses of both families.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AddressSet(Ranges<Point>);

impl AddressSet {
    /// No address.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every address.
    pub fn all() -> Self {
        Self(Ranges::of(vec![((4, 0), (4, u128::from(u32::MAX))), ((6, 0), (6, u128::MAX))]))
    }

    /// The addresses that the Internet routes: without those for special purposes (RFC 6890 and its registries).
    pub fn internet() -> Self {
        let special: Vec<Cidr> = SPECIAL.iter().filter_map(|text| text.parse().ok()).collect();
        let v6 = "2000::/3".parse().map_or_else(|()| Self::empty(), |cidr: Cidr| Self::from(cidr));
        let v4 = Self(Ranges::one((4, 0), (4, u128::from(u32::MAX))));
        v4.union(&v6).minus(&Self::of(&special))
    }

    /// The addresses of some blocks.
    pub fn of(cidrs: &[Cidr]) -> Self {
        Self(Ranges::of(cidrs.iter().map(|cidr| bounds(cidr.address, cidr.prefix)).collect()))
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(point(address))
    }

    /// True without any address.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }

    /// What is in it and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.minus(&other.0))
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        other.minus(self).is_empty()
    }

    /// Whether anything is in both.
    pub fn meets(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// Any one address of it.
    pub fn sample(&self) -> Option<IpAddr> {
        self.0.as_slice().first().map(|&(start, _)| point_to_address(start))
    }

    /// The ranges that are one address or more, as addresses, both ends included.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        self.0.as_slice().iter().map(|&(start, end)| (point_to_address(start), point_to_address(end)))
    }

    /// The fewest blocks that make it up, in order.
    pub fn cidrs(&self) -> Vec<Cidr> {
        let mut out = Vec::new();
        for &((family, start), (_, end)) in self.0.as_slice() {
            let length: u32 = if family == 4 { 32 } else { 128 };
            let mut at = start;
            loop {
                let mut free = at.trailing_zeros().min(length);
                while free > 0 && last_of(at, free) > end {
                    free -= 1;
                }
                out.extend(Cidr::new(point_to_address((family, at)), (length - free) as u8));
                let last = last_of(at, free);
                if last >= end {
                    break;
                }
                at = last + 1;
            }
        }
        out
    }
}

fn last_of(start: u128, free: u32) -> u128 {
    if free >= 128 { u128::MAX } else { start | ((1 << free) - 1) }
}

impl From<Cidr> for AddressSet {
    fn from(cidr: Cidr) -> Self {
        Self::of(&[cidr])
    }
}

impl From<IpAddr> for AddressSet {
    fn from(address: IpAddr) -> Self {
        Self(Ranges::one(point(address), point(address)))
    }
}

impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let cidrs = self.cidrs();
        for (index, cidr) in cidrs.iter().take(SHOWN_MAX).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let whole = cidr.prefix == if cidr.is_ipv4() { 32 } else { 128 };
            if whole { write!(f, "{comma}{}", cidr.address)? } else { write!(f, "{comma}{cidr}")? }
        }
        if cidrs.len() > SHOWN_MAX { write!(f, " and {} more", cidrs.len() - SHOWN_MAX) } else { Ok(()) }
    }
}

/// Blocks shown of one set.
const SHOWN_MAX: usize = 6;

/// Blocks that nobody reaches from the Internet (IANA special-purpose registries).
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "2001:db8::/32",
    "2001::/23",
    "2002::/16",
    "3fff::/20",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(texts: &[&str]) -> AddressSet {
        AddressSet::of(&texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn blocks_are_read_and_written() {
        for (text, shown) in [("10.1.2.3/8", "10.0.0.0/8"), ("::/0", "::/0"), ("1.2.3.4/32", "1.2.3.4/32")] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), shown);
        }
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "a/8", "10.0.0/8"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
        let rest = set(&["0.0.0.0/0"]).minus(&set(&["128.0.0.0/1", "0.0.0.0/2"]));
        assert_eq!(rest.to_string(), "64.0.0.0/2");
        assert!(AddressSet::internet().contains("8.8.8.8".parse().unwrap()));
        assert!(!AddressSet::internet().contains("10.0.0.1".parse().unwrap()));
        assert!(!AddressSet::internet().contains("fd00::1".parse().unwrap()));
    }

    fn any_set() -> impl Strategy<Value = AddressSet> {
        let block = (any::<bool>(), 0_u128..64, 0_u8..7).prop_map(|(four, bits, wide)| {
            let address = if four {
                IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(u128::MAX - bits))
            };
            Cidr::new(address, if four { 32 - wide } else { 128 - wide }).unwrap()
        });
        prop::collection::vec(block, 0..5).prop_map(|blocks| AddressSet::of(&blocks))
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in any_set(), b in any_set(), bits in 0_u128..80, four: bool) {
            let address = if four { IpAddr::V4(Ipv4Addr::from_bits(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(u128::MAX - bits)) };
            let (x, y) = (a.contains(address), b.contains(address));
            prop_assert_eq!(a.union(&b).contains(address), x || y);
            prop_assert_eq!(a.intersection(&b).contains(address), x && y);
            prop_assert_eq!(a.minus(&b).contains(address), x && !y);
            prop_assert_eq!(AddressSet::of(&a.cidrs()), a.clone());
            prop_assert_eq!(a.covers(&b), b.minus(&a).is_empty());
        }
    }
}
