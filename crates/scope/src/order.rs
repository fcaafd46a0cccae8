/// Version of the permutation. A stored position means the same endpoint only under the same version.
pub const ORDER_VERSION: u32 = 2;

/// Rounds of the network. Four are the least that a distinguisher with chosen inputs cannot see through
/// (Luby and Rackoff, 1988); two more cost little.
const ROUNDS: usize = 6;

/// The numbers `0..total` in an order that only the key tells, in constant memory.
///
/// Position and number are one to one. Neighbours in time are as far apart as chance puts them, so a
/// network of any size gets its share of the packets and no more.
///
/// A Feistel network over two unequal halves `a * b >= total`, `a` and `b` near the square root; numbers that fall
/// outside are sent through again (cycle walking), which happens to one in about `sqrt(total)`. The order spreads the
/// load and is no secret to be kept from who sees the packets, so the round function is a quick one: two multiplications,
/// folded, under a key of its own for each round. At wire speed it is asked for ten million times a second.
///
/// Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains" (2002), methods 2 and 3.
#[derive(Clone, Debug)]
pub struct Shuffled {
    total: u64,
    rows: u64,
    columns: u64,
    keys: [[u64; 2]; ROUNDS],
}

impl Shuffled {
    /// The order of `0..total` under `key`.
    pub fn new(total: u64, key: [u64; 2]) -> Self {
        let root = total.isqrt();
        let rows = if root * root < total { root + 1 } else { root }.max(1);
        Self { total, rows, columns: total.div_ceil(rows).max(1), keys: round_keys(key) }
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

    /// The numbers at `first` and the positions after it, as far as there are such; returns how many.
    ///
    /// As [`Shuffled::at`] for each, and several times as fast: one does not wait for the other.
    pub fn fill(&self, first: u64, numbers: &mut [u64]) -> usize {
        let count = self.total.saturating_sub(first).min(numbers.len() as u64) as usize;
        for (position, slot) in (first..).zip(numbers.iter_mut().take(count)) {
            *slot = self.round_trip(position);
        }
        for slot in numbers.iter_mut().take(count) {
            while *slot >= self.total {
                *slot = self.round_trip(*slot);
            }
        }
        count
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

    /// Puts in the place of each number where it stands, as [`Shuffled::position_of`] does, `u64::MAX` where there is
    /// none. One does not wait for the other, as in [`Shuffled::fill`].
    pub fn positions_of(&self, numbers: &mut [u64]) {
        for slot in numbers.iter_mut() {
            *slot = if *slot < self.total { self.round_trip_back(*slot) } else { u64::MAX };
        }
        for slot in numbers.iter_mut() {
            while *slot >= self.total && *slot != u64::MAX {
                *slot = self.round_trip_back(*slot);
            }
        }
    }

    /// The numbers from `position` on.
    pub fn iter_from(&self, position: u64) -> impl Iterator<Item = u64> {
        (position..self.total).filter_map(|position| self.at(position))
    }

    #[inline]
    fn round_trip(&self, number: u64) -> u64 {
        let (mut row, mut column) = (number / self.columns, number % self.columns);
        for [even, odd] in self.keys.as_chunks().0 {
            row = add_below(row, scaled(mixed(column, *even), self.rows), self.rows);
            column = add_below(column, scaled(mixed(row, *odd), self.columns), self.columns);
        }
        row * self.columns + column
    }

    #[inline]
    fn round_trip_back(&self, number: u64) -> u64 {
        let (mut row, mut column) = (number / self.columns, number % self.columns);
        for [even, odd] in self.keys.as_chunks().0.iter().rev() {
            column = subtract_below(column, scaled(mixed(row, *odd), self.columns), self.columns);
            row = subtract_below(row, scaled(mixed(column, *even), self.rows), self.rows);
        }
        row * self.columns + column
    }
}

/// Two words for each round, by SplitMix64 from both halves of the key.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014), and Vigna's constants.
fn round_keys([first, second]: [u64; 2]) -> [[u64; 2]; ROUNDS] {
    let mut state = first;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state ^ second.rotate_left(29);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31 ^ second
    };
    std::array::from_fn(|_| [next(), next()])
}

/// A word made from another under a key: spread by a multiplication, multiplied with a masked copy of itself, and both
/// halves of the product folded into one.
#[inline]
fn mixed(word: u64, [add, mask]: [u64; 2]) -> u64 {
    let spread = word.wrapping_mul(0xd6e8_feb8_6659_fd93).wrapping_add(add);
    let product = u128::from(spread) * u128::from(spread ^ mask);
    product as u64 ^ (product >> 64) as u64
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
    const STABLE: [u64; 6] = [446, 403, 485, 220, 596, 328];

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

    /// Sum of squared differences from `expected`, over it: about as many as there are counts, where chance rules.
    fn chi_squared(counts: &[u32], expected: f64) -> f64 {
        counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
    }

    #[test]
    fn neighbours_in_time_are_as_far_apart_as_chance_puts_them() {
        for key in [[0, 0], [1, 0], [0, 1], [u64::MAX, 7], [0x1234_5678, 0x9abc_def0]] {
            let total = 1_000_003;
            let order = Shuffled::new(total, key);
            let numbers: Vec<u64> = order.iter_from(0).take(200_000).collect();
            let cell = |number: u64| (number * 32 / total) as usize;
            let (mut steps, mut pairs) = (vec![0; 32], vec![0; 32 * 32]);
            for both in numbers.windows(2) {
                steps[cell((both[1] + total - both[0]) % total)] += 1;
                pairs[cell(both[0]) * 32 + cell(both[1])] += 1;
            }
            let count = (numbers.len() - 1) as f64;
            // Seven standard deviations above the mean of each distribution (31 and 1023 degrees of freedom).
            assert!(chi_squared(&steps, count / 32.0) < 31.0 + 7.0 * 62f64.sqrt(), "{key:x?}");
            assert!(chi_squared(&pairs, count / 1024.0) < 1023.0 + 7.0 * 2046f64.sqrt(), "{key:x?}");
        }
    }

    #[test]
    fn every_bit_of_the_key_makes_another_order() {
        let start = |key| -> Vec<u64> { Shuffled::new(1 << 20, key).iter_from(0).take(64).collect() };
        let plain = start([3, 5]);
        for bit in 0..128 {
            let mut key = [3, 5];
            key[bit / 64] ^= 1 << (bit % 64);
            let same = start(key).iter().zip(&plain).filter(|(a, b)| a == b).count();
            assert!(same <= 2, "bit {bit}: {same} of 64 in the same place");
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
        fn many_at_once_are_the_same(
            total in 1u64..5000, key in any::<[u64; 2]>(), first in 0u64..6000, most in 0usize..100,
        ) {
            let order = Shuffled::new(total, key);
            let mut numbers = vec![u64::MAX; most];
            let count = order.fill(first, &mut numbers);
            let wanted: Vec<u64> = order.iter_from(first).take(most).collect();
            prop_assert_eq!(&numbers[..count], &wanted[..]);
            let mut positions: Vec<u64> = numbers.iter().map(|number| number % (total + 2)).collect();
            let wanted: Vec<u64> =
                positions.iter().map(|number| order.position_of(*number).unwrap_or(u64::MAX)).collect();
            order.positions_of(&mut positions);
            prop_assert_eq!(positions, wanted);
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
