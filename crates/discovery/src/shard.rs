use std::{fmt, ops::Range, str::FromStr};

/// One of several equal parts of a sweep, for one of several machines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    index: u32,
    of: u32,
}

/// Why a text names no shard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShardSyntax;

impl fmt::Display for ShardSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected I/N with I from 1 to N, such as 2/3")
    }
}

impl std::error::Error for ShardSyntax {}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Its positions among `total`: the shards of one number are disjoint and together complete.
    pub fn positions(self, total: u64) -> Range<u64> {
        let cut = |index: u32| (u128::from(total) * u128::from(index) / u128::from(self.of)) as u64;
        cut(self.index)..cut(self.index + 1)
    }

    /// Whether it is all.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }
}

impl FromStr for Shard {
    type Err = ShardSyntax;

    /// Reads `I/N`, counted from 1.
    fn from_str(text: &str) -> Result<Self, ShardSyntax> {
        let plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok());
        let (index, of) = text.split_once('/').ok_or(ShardSyntax)?;
        match (plain(index).flatten(), plain(of).flatten()) {
            (Some(index), Some(of)) if (1..=of).contains(&index) => Ok(Self { index: index - 1, of }),
            _ => Err(ShardSyntax),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shards_are_disjoint_and_complete(total in any::<u64>(), of in 1u32..50) {
            let mut next = 0;
            for index in 1..=of {
                let shard: Shard = format!("{index}/{of}").parse().unwrap();
                let positions = shard.positions(total);
                prop_assert_eq!(positions.start, next);
                prop_assert!(positions.end - positions.start <= total / u64::from(of) + 1);
                next = positions.end;
            }
            prop_assert_eq!(next, total);
        }
    }

    #[test]
    fn slips_are_refused() {
        for text in ["", "1", "0/3", "4/3", "1/0", "-1/3", "+1/3", "1/3/4", "a/b", "1/99999999999"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardSyntax), "{text}");
        }
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
        assert!("1/1".parse::<Shard>().unwrap().is_whole());
    }
}
