use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::{AddressRange, AddressSet, Family, HostName, PortSet, Target, address_range::number};

/// Most addresses one IPv6 range may have: a /88. Larger ones cannot be walked in a lifetime.
const V6_RANGE_BITS_MAX: u32 = 40;
/// Most endpoints of one scan: all of IPv4 on all ports is 2^48.
const ENDPOINTS_BITS_MAX: u32 = 56;

/// Every endpoint of a scan once, by number, without any of them being written down.
///
/// Addresses (ranges and resolved names) are scanned on all ports; single endpoints come on top. What is asked
/// for twice is in it once. Its size is that of what was asked for, whatever the blocks hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct TargetSet {
    parts: Parts,
    grid: AddressSet,
    /// Number of addresses in the ranges before each of the grid's, ascending.
    before: Vec<u64>,
    grid_endpoints: u64,
    /// In order, none of them in the grid.
    extras: Vec<SocketAddr>,
    asked_as: HashMap<(IpAddr, Option<u16>), usize>,
}

/// What was asked for, exclusions taken away. The stored form.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    pub(crate) ports: PortSet,
    pub(crate) ranges: AddressSet,
    pub(crate) endpoints: BTreeSet<SocketAddr>,
    pub(crate) names: Vec<Name>,
}

/// A name and what it resolved to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    pub(crate) host: HostName,
    pub(crate) port: Option<u16>,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Why targets do not make a scan.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetSetError {
    /// An IPv6 block is too large.
    #[error(
        "{range} has 2^{bits} addresses, which no scan can walk; at most 2^{V6_RANGE_BITS_MAX} (a /88) are \
         accepted, so name smaller blocks or the hosts themselves"
    )]
    TooWide {
        /// The block.
        range: AddressRange,
        /// Its size as a power of two, rounded up.
        bits: u32,
    },
    /// All together are too many.
    #[error(
        "the targets come to more than 2^{ENDPOINTS_BITS_MAX} endpoints; name smaller blocks or fewer ports"
    )]
    TooMany,
    /// There are addresses and no port.
    #[error("no port is left to scan; name some with --ports")]
    NoPorts,
    /// Nothing is left.
    #[error("no target is left to scan; all are excluded, or none was named")]
    Nothing,
}

/// Collects targets into a [`TargetSet`].
#[derive(Clone, Debug, Default)]
pub struct TargetSetBuilder {
    ports: PortSet,
    ranges: Vec<AddressRange>,
    endpoints: BTreeSet<SocketAddr>,
    names: Vec<Name>,
    exclusions: Vec<AddressRange>,
}

impl TargetSetBuilder {
    /// Starts with nothing.
    ///
    /// - `ports`: what every target without a port of its own is scanned on.
    pub fn new(ports: PortSet) -> Self {
        Self { ports, ..Self::default() }
    }

    /// Adds a target. For a name, `addresses` is what it resolved to; for the others it is not looked at.
    pub fn add(&mut self, target: &Target, addresses: &[IpAddr]) -> &mut Self {
        match target {
            Target::Range(range) => self.ranges.push(*range),
            Target::Endpoint(socket) => {
                self.endpoints.insert(SocketAddr::new(socket.ip().to_canonical(), socket.port()));
            }
            Target::Name { host, port } => {
                let addresses = addresses.iter().map(IpAddr::to_canonical).collect();
                self.names.push(Name { host: host.clone(), port: *port, addresses });
            }
        }
        self
    }

    /// Takes addresses away, whichever target they came from.
    pub fn exclude(&mut self, range: AddressRange) -> &mut Self {
        self.exclusions.push(range);
        self
    }

    /// Puts everything together.
    ///
    /// # Errors
    /// When nothing is left, or too much.
    pub fn build(&self) -> Result<TargetSet, TargetSetError> {
        let excluded = AddressSet::from(self.exclusions.clone());
        let mut parts = Parts {
            ports: self.ports.clone(),
            ranges: AddressSet::from(self.ranges.clone()).subtract(&excluded),
            endpoints: self.endpoints.clone(),
            names: self.names.clone(),
        };
        parts.endpoints.retain(|socket| !excluded.contains(socket.ip()));
        for name in &mut parts.names {
            name.addresses.retain(|ip| !excluded.contains(*ip));
        }
        parts.names.retain(|name| !name.addresses.is_empty());
        TargetSet::try_from(parts)
    }
}

impl TryFrom<Parts> for TargetSet {
    type Error = TargetSetError;

    fn try_from(parts: Parts) -> Result<Self, TargetSetError> {
        let named = parts.names.iter().filter(|name| name.port.is_none());
        let named: AddressSet =
            named.flat_map(|name| name.addresses.iter().copied().map(AddressRange::single)).collect();
        let grid = parts.ranges.union(&named);
        if let Some(range) = grid.ranges().find(|range| range.span() >= 1 << V6_RANGE_BITS_MAX) {
            return Err(TargetSetError::TooWide { range: *range, bits: 128 - range.span().leading_zeros() });
        }
        if parts.ports.is_empty() && !grid.is_empty() {
            return Err(TargetSetError::NoPorts);
        }
        let mut before = Vec::with_capacity(grid.ranges().len());
        let mut addresses = 0u64;
        for range in grid.ranges() {
            before.push(addresses);
            let count = u64::try_from(range.count()).map_err(|_| TargetSetError::TooMany)?;
            addresses = addresses.checked_add(count).ok_or(TargetSetError::TooMany)?;
        }
        let grid_endpoints = addresses
            .checked_mul(parts.ports.len() as u64)
            .filter(|endpoints| *endpoints < 1 << ENDPOINTS_BITS_MAX)
            .ok_or(TargetSetError::TooMany)?;

        let mut extras = parts.endpoints.clone();
        let mut asked_as = HashMap::new();
        for (index, name) in parts.names.iter().enumerate() {
            for ip in &name.addresses {
                asked_as.entry((*ip, name.port)).or_insert(index);
                extras.extend(name.port.map(|port| SocketAddr::new(*ip, port)));
            }
        }
        let in_grid = |socket: &SocketAddr| grid.contains(socket.ip()) && parts.ports.contains(socket.port());
        let extras: Vec<SocketAddr> = extras.into_iter().filter(|socket| !in_grid(socket)).collect();
        if grid_endpoints == 0 && extras.is_empty() {
            return Err(TargetSetError::Nothing);
        }
        Ok(Self { parts, grid, before, grid_endpoints, extras, asked_as })
    }
}

impl From<TargetSet> for Parts {
    fn from(set: TargetSet) -> Self {
        set.parts
    }
}

impl TargetSet {
    /// Number of endpoints, at least 1.
    pub fn len(&self) -> u64 {
        self.grid_endpoints + self.extras.len() as u64
    }

    /// Never true; a set of nothing is not built.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Endpoint number `index`; `None` from [`TargetSet::len`] on. The numbers are the same for equal sets.
    pub fn get(&self, index: u64) -> Option<SocketAddr> {
        if let Some(extra) = index.checked_sub(self.grid_endpoints) {
            return self.extras.get(usize::try_from(extra).ok()?).copied();
        }
        let ports = self.parts.ports.as_slice();
        let (address, port) = (index / ports.len() as u64, index % ports.len() as u64);
        let at = self.before.partition_point(|before| *before <= address).checked_sub(1)?;
        let range = self.grid.ranges().as_slice().get(at)?;
        let offset = address - self.before.get(at)?;
        let ip = range.family().address(range.first_number() + u128::from(offset));
        Some(SocketAddr::new(ip, *ports.get(port as usize)?))
    }

    /// The number of `socket`: `get(index_of(socket)) == socket`; `None` when it is not in the set.
    pub fn index_of(&self, socket: SocketAddr) -> Option<u64> {
        let (family, number) = number(socket.ip());
        let ranges = self.grid.ranges().as_slice();
        let at = ranges.partition_point(|range| (range.family(), range.first_number()) <= (family, number));
        let found = at.checked_sub(1).and_then(|at| ranges.get(at).zip(self.before.get(at)));
        if let Some((range, before)) = found.filter(|(range, _)| range.contains(socket.ip())) {
            let ports = self.parts.ports.as_slice();
            if let Ok(port) = ports.binary_search(&socket.port()) {
                // No wider than `ENDPOINTS_BITS_MAX`: the set was built.
                let offset = (number - range.first_number()) as u64;
                return Some((before + offset) * ports.len() as u64 + port as u64);
            }
        }
        let extra = self.extras.binary_search(&socket).ok()?;
        Some(self.grid_endpoints + extra as u64)
    }

    /// The name to ask `socket` as (`Host`, SNI), when it was named: the first name that led to it.
    pub fn asked_as(&self, socket: SocketAddr) -> Option<&HostName> {
        if self.asked_as.is_empty() {
            return None;
        }
        let at = |port| self.asked_as.get(&(socket.ip(), port)).copied();
        let index = at(Some(socket.port())).or_else(|| at(None))?;
        self.parts.names.get(index).map(|name| &name.host)
    }

    /// The addresses that are scanned on all of [`TargetSet::ports`].
    pub fn addresses(&self) -> &AddressSet {
        &self.grid
    }

    /// The ports.
    pub fn ports(&self) -> &PortSet {
        &self.parts.ports
    }

    /// Single endpoints beside them, in order.
    pub fn endpoints(&self) -> &[SocketAddr] {
        &self.extras
    }

    /// The names that were resolved.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        self.parts.names.iter().map(|name| &name.host)
    }

    /// Every address that would be sent to.
    pub fn all_addresses(&self) -> AddressSet {
        self.grid.union(&self.extras.iter().map(|socket| AddressRange::single(socket.ip())).collect())
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }
}

/// IPv4 ranges always fit: the limit on one range is above the size of the family.
const _: () = assert!(Family::V4.bits() <= V6_RANGE_BITS_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn ports(list: &[u16]) -> PortSet {
        list.iter().copied().collect()
    }

    fn build(ports: PortSet, targets: &[&str], exclude: &[&str]) -> Result<TargetSet, TargetSetError> {
        let mut builder = TargetSetBuilder::new(ports);
        for text in targets {
            builder.add(&text.parse().unwrap(), &["192.0.2.7".parse().unwrap(), "::1".parse().unwrap()]);
        }
        for text in exclude {
            builder.exclude(text.parse().unwrap());
        }
        builder.build()
    }

    fn all(set: &TargetSet) -> Vec<String> {
        (0..set.len()).map(|index| set.get(index).unwrap().to_string()).collect()
    }

    #[test]
    fn overlaps_are_there_once_and_exclusions_are_gone() {
        let targets = ["192.0.2.0/30", "192.0.2.2-3", "192.0.2.2:80", "192.0.2.2:81", "http://192.0.2.1/"];
        let set = build(ports(&[80]), &targets, &["192.0.2.0"]).unwrap();
        assert_eq!(all(&set), ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80", "192.0.2.2:81"]);
        assert_eq!(set.get(set.len()), None);
        assert_eq!(set.get(u64::MAX), None);
    }

    #[test]
    fn names_are_all_their_addresses_and_the_first_is_asked_as() {
        let set =
            build(ports(&[80, 443]), &["a.example", "b.example:443", "https://c.example:8443"], &[]).unwrap();
        assert_eq!(
            all(&set),
            ["192.0.2.7:80", "192.0.2.7:443", "[::1]:80", "[::1]:443", "192.0.2.7:8443", "[::1]:8443"]
        );
        let name = |text: &str| set.asked_as(text.parse().unwrap()).map(HostName::as_str);
        assert_eq!(name("192.0.2.7:80"), Some("a.example"));
        assert_eq!(name("192.0.2.7:443"), Some("b.example"));
        assert_eq!(name("[::1]:8443"), Some("c.example"));
        assert_eq!(name("192.0.2.8:80"), None);
    }

    #[test]
    fn what_cannot_be_walked_is_refused_with_its_size() {
        let error = build(ports(&[80]), &["2001:db8::/64"], &[]).unwrap_err();
        assert_eq!(error, TargetSetError::TooWide { range: "2001:db8::/64".parse().unwrap(), bits: 64 });
        assert!(error.to_string().contains("has 2^64 addresses"), "{error}");
        assert!(build(ports(&[80]), &["2001:db8::/88", "0.0.0.0/0"], &[]).is_ok());
        let everything = (1..=u16::MAX).collect();
        assert_eq!(build(everything, &["2001:db8::/88", "2001:db9::/88"], &[]), Err(TargetSetError::TooMany));
        assert_eq!(build(ports(&[]), &["192.0.2.1"], &[]), Err(TargetSetError::NoPorts));
        assert_eq!(build(ports(&[80]), &["192.0.2.1"], &["192.0.2.0/24"]), Err(TargetSetError::Nothing));
    }

    #[test]
    fn a_set_survives_being_stored() {
        let set = build(ports(&[80, 81]), &["192.0.2.0/24", "a.example", "[::1]:7"], &["192.0.2.9"]).unwrap();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<TargetSet>(&text).unwrap(), set);
        assert!(serde_json::from_str::<TargetSet>(&text.replace("\"ranges\"", "\"range\"")).is_err());
    }

    proptest! {
        #[test]
        fn every_endpoint_is_there_exactly_once(
            blocks in vec((0u8..255, 22u32..=32), 1..6),
            exclude in vec((0u8..255, 24u32..=32), 0..4),
            single in vec((0u8..255, 1u16..5), 0..6),
            ports in vec(1u16..5, 1..4),
        ) {
            let ip = |last: u8| IpAddr::from([198, 51, 100, last]);
            let mut builder = TargetSetBuilder::new(ports.iter().copied().collect());
            let mut expected = BTreeSet::new();
            for (last, prefix) in blocks {
                let range = AddressRange::cidr(ip(last), prefix).unwrap();
                builder.add(&Target::Range(range), &[]);
                for n in range.first_number()..=range.last_number() {
                    expected.extend(ports.iter().map(|port| SocketAddr::new(Family::V4.address(n), *port)));
                }
            }
            for (last, port) in single {
                builder.add(&Target::Endpoint(SocketAddr::new(ip(last), port)), &[]);
                expected.insert(SocketAddr::new(ip(last), port));
            }
            for (last, prefix) in exclude {
                let range = AddressRange::cidr(ip(last), prefix).unwrap();
                builder.exclude(range);
                expected.retain(|socket| !range.contains(socket.ip()));
            }
            match builder.build() {
                Ok(set) => {
                    let got: Vec<_> = (0..set.len()).map(|index| set.get(index).unwrap()).collect();
                    prop_assert_eq!(got.len(), expected.len());
                    for (index, socket) in got.iter().enumerate() {
                        prop_assert_eq!(set.index_of(*socket), Some(index as u64));
                    }
                    for port in 0..6 {
                        let socket = SocketAddr::new(ip(port as u8 * 50), port);
                        prop_assert_eq!(set.index_of(socket).is_some(), expected.contains(&socket));
                    }
                    prop_assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), expected);
                }
                Err(error) => {
                    prop_assert_eq!(error, TargetSetError::Nothing);
                    prop_assert!(expected.is_empty());
                }
            }
        }
    }
}
