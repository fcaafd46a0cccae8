//! Addresses of documents, from columns.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tantivy::{DocId, SegmentReader, columnar::Column};

use crate::schema::column;

/// The address columns of one segment.
pub(crate) struct Addresses {
    key: Column<u64>,
    v6_high: Column<u64>,
    v6_low: Column<u64>,
    only_v4: bool,
}

impl Addresses {
    pub(crate) fn open(reader: &SegmentReader) -> tantivy::Result<Self> {
        let fast = reader.fast_fields();
        let v6_high = fast.u64(column::V6_HIGH)?;
        let only_v4 = v6_high.values.num_vals() == 0;
        Ok(Self { key: fast.u64(column::KEY)?, v6_low: fast.u64(column::V6_LOW)?, v6_high, only_v4 })
    }

    /// The address of one document.
    pub(crate) fn of(&self, doc: DocId) -> IpAddr {
        self.resolve(doc, self.key.first(doc).unwrap_or_default())
    }

    /// The port of one document.
    pub(crate) fn port(&self, doc: DocId) -> u16 {
        (self.key.first(doc).unwrap_or_default() >> 48) as u16
    }

    /// Calls `take` with the address of each of at most 64 documents.
    pub(crate) fn each(&self, docs: &[DocId], mut take: impl FnMut(IpAddr)) {
        let mut keys = [0; 64];
        for docs in docs.chunks(keys.len()) {
            let keys = &mut keys[..docs.len()];
            self.key.values.get_vals(docs, keys);
            docs.iter().zip(keys).for_each(|(doc, key)| take(self.resolve(*doc, *key)));
        }
    }

    fn resolve(&self, doc: DocId, key: u64) -> IpAddr {
        if !self.only_v4
            && let Some((high, low)) = self.v6_high.first(doc).zip(self.v6_low.first(doc))
        {
            return Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into();
        }
        Ipv4Addr::from_bits(key as u32).into()
    }
}

/// IPv4 addresses collected before those that occur twice are thrown out.
const V4_COLLECTED_MAX: usize = 8 << 20;

/// Distinct addresses, exact.
#[derive(Default)]
pub(crate) struct HostSet {
    v4: Vec<u32>,
    /// Length of `v4` after it was last made distinct.
    v4_distinct: usize,
    v6: HashSet<Ipv6Addr>,
}

impl HostSet {
    pub(crate) fn insert(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                self.v4.push(ip.to_bits());
                if self.v4.len() - self.v4_distinct >= V4_COLLECTED_MAX {
                    self.make_distinct();
                }
            }
            IpAddr::V6(ip) => {
                self.v6.insert(ip);
            }
        }
    }

    fn make_distinct(&mut self) {
        sort(&mut self.v4);
        self.v4.dedup();
        self.v4_distinct = self.v4.len();
    }

    pub(crate) fn count(mut self) -> u64 {
        self.make_distinct();
        (self.v4.len() + self.v6.len()) as u64
    }
}

/// Sorts by counting bytes, least significant first: several times faster than comparing for millions.
fn sort(values: &mut Vec<u32>) {
    let mut from = std::mem::take(values);
    let mut to = vec![0; from.len()];
    for shift in [0, 8, 16, 24] {
        let byte = |value: u32| (value >> shift) as usize & 0xff;
        let mut places = [0usize; 257];
        from.iter().for_each(|value| places[byte(*value) + 1] += 1);
        for at in 1..places.len() {
            places[at] += places[at - 1];
        }
        for value in &from {
            let place = &mut places[byte(*value)];
            to[*place] = *value;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    *values = from;
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn sorting_sorts(mut values in proptest::collection::vec(proptest::num::u32::ANY, 0..300)) {
            let mut expected = values.clone();
            expected.sort_unstable();
            sort(&mut values);
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn the_same_address_counts_once() {
        let mut hosts = HostSet::default();
        for ip in ["0.0.0.0", "255.255.255.255", "192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::1"] {
            hosts.insert(ip.parse().unwrap());
        }
        assert_eq!(hosts.count(), 4);
    }
}
