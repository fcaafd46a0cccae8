//! Ports and protocols.

use std::fmt;

use crate::ranges::Ranges;

/// A protocol that Kubernetes knows ports of.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Protocol {
    /// TCP, the default everywhere.
    #[default]
    Tcp = 0,
    /// UDP.
    Udp = 1,
    /// SCTP.
    Sctp = 2,
}

impl Protocol {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }

    /// From Kubernetes' spelling, which is exact, or a person's, which may be lower case.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of ports of all protocols, and of traffic that is neither TCP, UDP nor SCTP.
///
/// One line of numbers: TCP ports are 1 to 65,535, UDP's follow from 65,536 on, SCTP's from 131,072, and one number more
/// stands for every other protocol.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PortSet(Ranges<u32>);

/// Numbers of one protocol.
const STRIDE: u32 = 1 << 16;
/// The number of all other protocols.
const OTHER: u32 = 3 * STRIDE + 1;

impl PortSet {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Everything, other protocols included.
    pub fn all() -> Self {
        let mut all: Vec<_> = Protocol::ALL.iter().map(|&protocol| whole(protocol)).collect();
        all.push((OTHER, OTHER));
        Self(Ranges::of(all))
    }

    /// Every port of a protocol.
    pub fn protocol(protocol: Protocol) -> Self {
        let (first, last) = whole(protocol);
        Self(Ranges::one(first, last))
    }

    /// The ports `from` to `to`, both included; nothing when `to` is below `from`. Port 0 does not exist.
    pub fn range(protocol: Protocol, from: u16, to: u16) -> Self {
        let base = protocol as u32 * STRIDE;
        let from = from.max(1);
        Self(Ranges::one(base + u32::from(from), base + u32::from(to)))
    }

    /// One port.
    pub fn port(protocol: Protocol, number: u16) -> Self {
        Self::range(protocol, number, number)
    }

    /// Of many ranges, on the line of numbers.
    pub(crate) fn from_ranges(ranges: Vec<(u32, u32)>) -> Self {
        Self(Ranges::of(ranges))
    }

    pub(crate) fn raw(&self) -> &[(u32, u32)] {
        self.0.as_slice()
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

    /// Whether one port is in it.
    pub fn contains(&self, protocol: Protocol, number: u16) -> bool {
        self.0.contains(protocol as u32 * STRIDE + u32::from(number))
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        other.minus(self).is_empty()
    }

    /// True without anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when nothing is missing, other protocols included.
    pub fn is_all(&self) -> bool {
        *self == Self::all()
    }

    /// The ranges as protocol, first and last port; without other protocols.
    pub fn ranges(&self) -> impl Iterator<Item = (Protocol, u16, u16)> {
        Protocol::ALL.into_iter().flat_map(move |protocol| {
            let (low, high) = whole(protocol);
            let base = protocol as u32 * STRIDE;
            self.raw().iter().filter_map(move |&(start, end)| {
                let (start, end) = (start.max(low), end.min(high));
                (start <= end).then(|| (protocol, (start - base) as u16, (end - base) as u16))
            })
        })
    }
}

fn whole(protocol: Protocol) -> (u32, u32) {
    let base = protocol as u32 * STRIDE;
    (base + 1, base + STRIDE - 1)
}

impl fmt::Display for PortSet {
    /// `all`, `none`, or such as `TCP 80,443,8000-8100 UDP all`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        if self.is_all() {
            return f.write_str("all");
        }
        let mut before = None;
        for (protocol, from, to) in self.ranges() {
            match before {
                Some(last) if last == protocol => f.write_str(",")?,
                Some(_) => write!(f, " {protocol} ")?,
                None => write!(f, "{protocol} ")?,
            }
            before = Some(protocol);
            match (from, to) {
                (1, u16::MAX) => f.write_str("all")?,
                _ if from == to => write!(f, "{from}")?,
                _ => write!(f, "{from}-{to}")?,
            }
        }
        if self.raw().last().is_some_and(|&(_, end)| end == OTHER) {
            f.write_str(if before.is_some() { " other" } else { "other" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sets_are_shown_as_people_write_them() {
        let check = |set: PortSet, shown: &str| assert_eq!(set.to_string(), shown);
        check(PortSet::all(), "all");
        check(PortSet::empty(), "none");
        check(PortSet::port(Protocol::Tcp, 80).union(&PortSet::port(Protocol::Tcp, 443)), "TCP 80,443");
        check(
            PortSet::range(Protocol::Tcp, 8000, 8100).union(&PortSet::protocol(Protocol::Udp)),
            "TCP 8000-8100 UDP all",
        );
        check(PortSet::all().minus(&PortSet::protocol(Protocol::Tcp)), "UDP all SCTP all other");
        check(PortSet::range(Protocol::Tcp, 9, 8), "none");
    }

    fn any_set() -> impl Strategy<Value = PortSet> {
        let range = (0_usize..3, 1_u16..20, 0_u16..9)
            .prop_map(|(p, from, more)| PortSet::range(Protocol::ALL[p], from, from + more));
        prop::collection::vec(range, 0..5)
            .prop_map(|ranges| ranges.iter().fold(PortSet::empty(), |all, one| all.union(one)))
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in any_set(), b in any_set(), protocol in 0_usize..3, number in 1_u16..32) {
            let protocol = Protocol::ALL[protocol];
            let (x, y) = (a.contains(protocol, number), b.contains(protocol, number));
            prop_assert_eq!(a.union(&b).contains(protocol, number), x || y);
            prop_assert_eq!(a.intersection(&b).contains(protocol, number), x && y);
            prop_assert_eq!(a.minus(&b).contains(protocol, number), x && !y);
            prop_assert!(PortSet::all().covers(&a));
        }
    }
}
