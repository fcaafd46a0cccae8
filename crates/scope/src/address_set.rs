use std::{net::IpAddr, slice};

use serde::{Deserialize, Serialize};

use crate::{AddressRange, address_range::number};

/// A set of addresses: ranges in order, disjoint, and merged where they touch.
///
/// Its size is that of its description, not of what it describes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<AddressRange>", into = "Vec<AddressRange>")]
pub struct AddressSet {
    ranges: Vec<AddressRange>,
}

impl AddressSet {
    /// The ranges, lowest first, IPv4 before IPv6.
    pub fn ranges(&self) -> slice::Iter<'_, AddressRange> {
        self.ranges.iter()
    }

    /// True when no address is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of addresses; saturates when all of IPv6 is in it.
    pub fn count(&self) -> u128 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.count()))
    }

    /// Whether `ip` is in the set.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.range_of(ip).is_some()
    }

    /// The range that `ip` is in.
    pub fn range_of(&self, ip: IpAddr) -> Option<AddressRange> {
        let (family, value) = number(ip);
        let after = self.ranges.partition_point(|r| (r.family(), r.first_number()) <= (family, value));
        let range = *self.ranges.get(after.checked_sub(1)?)?;
        (range.family() == family && value <= range.last_number()).then_some(range)
    }

    /// Addresses in either.
    pub fn union(&self, other: &Self) -> Self {
        self.ranges().chain(other.ranges()).copied().collect()
    }

    /// Addresses in both.
    pub fn intersect(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.ranges().copied().peekable(), other.ranges().copied().peekable());
        let mut ranges = Vec::new();
        while let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) {
            if a.family() == b.family() {
                let first = a.first_number().max(b.first_number());
                let last = a.last_number().min(b.last_number());
                if first <= last {
                    ranges.push(AddressRange::from_numbers(a.family(), first, last));
                }
            }
            if (a.family(), a.last_number()) <= (b.family(), b.last_number()) {
                left.next();
            } else {
                right.next();
            }
        }
        Self { ranges }
    }

    /// Addresses in `self` and not in `other`.
    pub fn subtract(&self, other: &Self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len());
        let mut holes = other.ranges.as_slice();
        for range in self.ranges() {
            let mut rest = Some(*range);
            // Holes that end before this range begins cannot matter to a later one either.
            let key = (range.family(), range.first_number());
            let skip = holes.partition_point(|hole| (hole.family(), hole.last_number()) < key);
            holes = holes.get(skip..).unwrap_or_default();
            for hole in holes {
                let Some(open) = rest else { break };
                if (hole.family(), hole.first_number()) > (open.family(), open.last_number()) {
                    break;
                }
                if hole.first_number() > open.first_number() {
                    let last = hole.first_number() - 1;
                    ranges.push(AddressRange::from_numbers(open.family(), open.first_number(), last));
                }
                rest = (hole.last_number() < open.last_number()).then(|| {
                    AddressRange::from_numbers(open.family(), hole.last_number() + 1, open.last_number())
                });
            }
            ranges.extend(rest);
        }
        Self { ranges }
    }
}

impl FromIterator<AddressRange> for AddressSet {
    fn from_iter<I: IntoIterator<Item = AddressRange>>(ranges: I) -> Self {
        Self::from(ranges.into_iter().collect::<Vec<_>>())
    }
}

impl From<Vec<AddressRange>> for AddressSet {
    fn from(mut given: Vec<AddressRange>) -> Self {
        given.sort_unstable();
        let mut ranges: Vec<AddressRange> = Vec::with_capacity(given.len());
        for range in given {
            match ranges.last_mut() {
                Some(open) if touches(*open, range) => {
                    let last = open.last_number().max(range.last_number());
                    *open = AddressRange::from_numbers(open.family(), open.first_number(), last);
                }
                _ => ranges.push(range),
            }
        }
        Self { ranges }
    }
}

impl From<AddressSet> for Vec<AddressRange> {
    fn from(set: AddressSet) -> Self {
        set.ranges
    }
}

/// Whether `next`, which does not begin before `open`, overlaps it or follows without a gap.
fn touches(open: AddressRange, next: AddressRange) -> bool {
    open.family() == next.family() && next.first_number() <= open.last_number().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;
    use proptest::{collection::vec, prelude::*};

    /// Sets small enough to be compared address by address, at the edges of both families.
    fn small_set() -> impl Strategy<Value = AddressSet> {
        let corner = prop_oneof![
            Just((Family::V4, 0u128)),
            Just((Family::V4, u128::from(u32::MAX) - 63)),
            Just((Family::V6, 0)),
            Just((Family::V6, u128::MAX - 63)),
        ];
        let range = (corner, 0u128..64, 0u128..64).prop_map(|((family, base), a, b)| {
            AddressRange::from_numbers(family, base + a.min(b), base + a.max(b))
        });
        vec(range, 0..8).prop_map(AddressSet::from)
    }

    fn universe() -> impl Iterator<Item = IpAddr> {
        let v4 = (0..64u128)
            .chain(u128::from(u32::MAX) - 63..=u128::from(u32::MAX))
            .map(|n| Family::V4.address(n));
        let v6 = (0..64u128).chain(u128::MAX - 63..=u128::MAX).map(|n| Family::V6.address(n));
        v4.chain(v6)
    }

    fn well_formed(set: &AddressSet) -> bool {
        set.ranges.windows(2).all(|w| w[0] < w[1] && !touches(w[0], w[1]))
    }

    proptest! {
        #[test]
        fn operations_agree_with_membership(a in small_set(), b in small_set()) {
            let (union, both, rest) = (a.union(&b), a.intersect(&b), a.subtract(&b));
            for set in [&union, &both, &rest] {
                prop_assert!(well_formed(set), "{set:?}");
            }
            for ip in universe() {
                let (in_a, in_b) = (a.contains(ip), b.contains(ip));
                prop_assert_eq!(union.contains(ip), in_a || in_b, "{}", ip);
                prop_assert_eq!(both.contains(ip), in_a && in_b, "{}", ip);
                // The exclusion wins, and nothing else is lost.
                prop_assert_eq!(rest.contains(ip), in_a && !in_b, "{}", ip);
            }
            prop_assert_eq!(both.count() + rest.count(), a.count());
        }

        #[test]
        fn order_of_entry_does_not_matter(mut ranges in small_set().prop_map(Vec::from), seed in any::<u64>()) {
            let set = AddressSet::from(ranges.clone());
            ranges.sort_by_key(|r| r.first_number().wrapping_mul(u128::from(seed | 1)));
            prop_assert_eq!(AddressSet::from(ranges), set);
        }
    }
}
