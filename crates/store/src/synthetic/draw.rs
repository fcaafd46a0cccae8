/// A seeded stream of numbers, the same on every platform.
///
/// Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// A stream of its own for these numbers.
    pub fn of(seeds: &[u64]) -> Self {
        let mut draw = Self(0x6e69_6768_746c_6174);
        for seed in seeds {
            draw.0 ^= *seed;
            draw.0 = draw.next_u64();
        }
        draw
    }

    /// 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True `mille` times of a thousand.
    pub fn per_mille(&mut self, mille: u64) -> bool {
        self.below(1_000) < mille
    }

    /// A rank below `bound`, about inversely as frequent as it is high: rank 0 most often.
    pub fn zipf(&mut self, bound: u64) -> u64 {
        let even = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let rank = ((bound as f64 + 1.0).ln() * even).exp() - 1.0;
        (rank as u64).min(bound.saturating_sub(1))
    }

    /// One of `all`.
    pub fn choose<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len() as u64) as usize)
    }

    /// 16 hexadecimal digits for each of `words`.
    pub(super) fn hex(&mut self, words: usize) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = String::with_capacity(words * 16);
        for _ in 0..words {
            let mut bits = self.next_u64();
            for _ in 0..16 {
                out.push(DIGITS[(bits & 15) as usize].into());
                bits >>= 4;
            }
        }
        out
    }
}
