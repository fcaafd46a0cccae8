/// Version of the permutation. A stored position means the same endpoint only under the same version.
pub const ORDER_VERSION: u32 = 1;

/// Rounds of the network. Four are the least that a distinguisher with chosen inputs cannot see through
/// (Luby and Rackoff, 1988); two more cost little.
const ROUNDS: u64 = 6;

/// The numbers `0..total` in an order that only the key tells, in constant memory.
///
/// Position and number are one to one. Neighbours in time are as far apart as chance puts them, so a
/// network of any size gets its share of the packets and no more.
///
/// A Feistel network over two unequal halves `a * b >= total`, `a` and `b` near the square root, with
/// SipHash-1-3 as the round function; numbers that fall outside are sent through again (cycle walking), which
/// happens to one in about `sqrt(total)`.
///
/// Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains" (2002), methods 2 and 3.
#[derive(Clone, Debug)]
pub struct Shuffled {
    total: u64,
    rows: u64,
    columns: u64,
    key: [u64; 2],
}

impl Shuffled {
    /// The order of `0..total` under `key`.
    pub fn new(total: u64, key: [u64; 2]) -> Self {
        let root = total.isqrt();
        let rows = if root * root < total { root + 1 } else { root }.max(1);
        Self { total, rows, columns: total.div_ceil(rows).max(1), key }
    }

    /// Number of positions.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number at `position`; `None` from [`Shuffled::total`] on.
    pub fn at(&self, position: u64) -> Option<u64> {
        if position >= self.total {
            return None;
        }
        let mut number = self.round_trip(position);
        // Ends: a permutation that leaves `0..total` comes back into it.
        while number >= self.total {
            number = self.round_trip(number);
        }
        Some(number)
    }

    /// Where `number` stands: `at(position_of(number)) == number`; `None` from [`Shuffled::total`] on.
    pub fn position_of(&self, number: u64) -> Option<u64> {
        if number >= self.total {
            return None;
        }
        let mut position = self.round_trip_back(number);
        while position >= self.total {
            position = self.round_trip_back(position);
        }
        Some(position)
    }

    /// The numbers from `position` on.
    pub fn iter_from(&self, position: u64) -> impl Iterator<Item = u64> {
        (position..self.total).filter_map(|position| self.at(position))
    }

    fn round_trip(&self, number: u64) -> u64 {
        let (mut row, mut column) = (number / self.columns, number % self.columns);
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                row = add_below(row, scaled(self.hash(round, column), self.rows), self.rows);
            } else {
                column = add_below(column, scaled(self.hash(round, row), self.columns), self.columns);
            }
        }
        row * self.columns + column
    }

    fn round_trip_back(&self, number: u64) -> u64 {
        let (mut row, mut column) = (number / self.columns, number % self.columns);
        for round in (0..ROUNDS).rev() {
            if round % 2 == 0 {
                row = subtract_below(row, scaled(self.hash(round, column), self.rows), self.rows);
            } else {
                column = subtract_below(column, scaled(self.hash(round, row), self.columns), self.columns);
            }
        }
        row * self.columns + column
    }

    /// SipHash-1-3 of one word, with the round in place of the length.
    ///
    /// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
    fn hash(&self, round: u64, word: u64) -> u64 {
        let [k0, k1] = self.key;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        for message in [word, (round << 56) | 8] {
            v[3] ^= message;
            sip_round(&mut v);
            v[0] ^= message;
        }
        v[2] ^= 0xff;
        for _ in 0..3 {
            sip_round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

/// `hash` brought below `bound` by its high bits.
fn scaled(hash: u64, bound: u64) -> u64 {
    ((u128::from(hash) * u128::from(bound)) >> 64) as u64
}

/// `(a + b) mod bound` for `a, b < bound`; halves are below 2^33, so nothing overflows.
fn add_below(a: u64, b: u64, bound: u64) -> u64 {
    let sum = a + b;
    if sum >= bound { sum - bound } else { sum }
}

/// `(a - b) mod bound` for `a, b < bound`.
fn subtract_below(a: u64, b: u64, bound: u64) -> u64 {
    if a >= b { a - b } else { a + bound - b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_permutation(total: u64, key: [u64; 2]) -> bool {
        let mut seen: Vec<u64> = Shuffled::new(total, key).iter_from(0).collect();
        seen.sort_unstable();
        seen.into_iter().eq(0..total)
    }

    #[test]
    fn every_small_size_is_a_permutation() {
        for total in 0..600 {
            assert!(is_permutation(total, [1, 2]), "{total}");
        }
        assert_eq!(Shuffled::new(0, [0, 0]).at(0), None);
    }

    #[test]
    fn the_order_is_stable_across_releases() {
        let order: Vec<u64> = Shuffled::new(1000, [7, 8]).iter_from(0).take(6).collect();
        assert_eq!(order, STABLE, "a changed order needs a new ORDER_VERSION");
    }
    const STABLE: [u64; 6] = [537, 836, 587, 299, 729, 462];

    #[test]
    fn no_network_is_flooded() {
        // 256 networks of 256 addresses: in any 1024 in a row, each is expected 4 times.
        let order = Shuffled::new(1 << 16, [3, 4]);
        let numbers: Vec<u64> = order.iter_from(0).collect();
        for stretch in numbers.chunks(1024) {
            let mut hits = [0u32; 256];
            for number in stretch {
                hits[(number >> 8) as usize] += 1;
            }
            // 20 is far outside of chance (4 expected, deviation 2).
            assert!(hits.iter().all(|count| *count <= 20), "{hits:?}");
        }
    }

    proptest! {
        #[test]
        fn any_size_is_a_permutation(total in 0u64..20_000, key in any::<[u64; 2]>()) {
            prop_assert!(is_permutation(total, key));
        }

        #[test]
        fn the_way_back_is_the_way(total in 1u64..=u64::MAX >> 8, key in any::<[u64; 2]>(), at in any::<u64>()) {
            let order = Shuffled::new(total, key);
            let at = at % total;
            prop_assert_eq!(order.at(at).and_then(|number| order.position_of(number)), Some(at));
            prop_assert_eq!(order.position_of(at).and_then(|position| order.at(position)), Some(at));
            prop_assert_eq!(order.position_of(total), None);
        }

        #[test]
        fn huge_sizes_stay_inside_and_apart(
            total in (1u64 << 40)..=u64::MAX, key in any::<[u64; 2]>(), start in any::<u64>(),
        ) {
            let order = Shuffled::new(total, key);
            let start = start % (total - 64);
            let mut numbers: Vec<u64> = order.iter_from(start).take(64).collect();
            prop_assert!(numbers.iter().all(|number| *number < total));
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), 64);
        }

        #[test]
        fn resuming_gives_the_rest(total in 1u64..5000, key in any::<[u64; 2]>(), cut in 0u64..5000) {
            let order = Shuffled::new(total, key);
            let cut = cut.min(total);
            let whole: Vec<u64> = order.iter_from(0).collect();
            let rest: Vec<u64> = order.iter_from(cut).collect();
            prop_assert_eq!(&whole[cut as usize..], &rest[..]);
        }
    }
}
