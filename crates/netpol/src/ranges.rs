//! Sets of points on a line, as ranges.

/// A point of a line on which every point but the last has a next one.
pub(crate) trait Point: Copy + Ord {
    /// The next one.
    fn next(self) -> Option<Self>;

    /// The one before.
    fn previous(self) -> Option<Self>;
}

impl Point for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// Several lines behind each other, told apart by the first number: the end of one is not next to the start of another.
impl Point for (u8, u128) {
    fn next(self) -> Option<Self> {
        Some((self.0, self.1.checked_add(1)?))
    }

    fn previous(self) -> Option<Self> {
        Some((self.0, self.1.checked_sub(1)?))
    }
}

/// A set of points: sorted, disjoint, non-adjacent inclusive ranges, so that equal sets are equal.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Ranges<P>(Vec<(P, P)>);

impl<P: Point> Ranges<P> {
    /// All from `first` to `last`, both included; nothing when `last` is before `first`.
    pub(crate) fn one(first: P, last: P) -> Self {
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    /// Of ranges in any order; none of them is empty.
    pub(crate) fn of(mut ranges: Vec<(P, P)>) -> Self {
        ranges.sort_unstable();
        let mut out: Vec<(P, P)> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match out.last_mut() {
                Some((_, last)) if start <= *last || last.next() == Some(start) => *last = (*last).max(end),
                _ => out.push((start, end)),
            }
        }
        Self(out)
    }

    /// The ranges in order.
    pub(crate) fn as_slice(&self) -> &[(P, P)] {
        &self.0
    }

    /// True without any point.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a point is in it.
    pub(crate) fn contains(&self, point: P) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= point);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, end)| point <= end)
    }

    /// What is in either.
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::of(self.0.iter().chain(&other.0).copied().collect())
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b, mut out) = (0, 0, Vec::new());
        while let (Some(x), Some(y)) = (self.0.get(a), other.0.get(b)) {
            let (start, end) = (x.0.max(y.0), x.1.min(y.1));
            if start <= end {
                out.push((start, end));
            }
            if x.1 < y.1 { a += 1 } else { b += 1 }
        }
        Self(out)
    }

    /// What is in it and not in `other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let mut next = 0;
        for &(start, end) in &self.0 {
            let mut from = Some(start);
            while let (Some(&(first, last)), Some(begin)) = (other.0.get(next), from) {
                if first > end {
                    break;
                }
                if last < begin {
                    next += 1;
                    continue;
                }
                if let Some(before) = first.previous().filter(|before| begin <= *before) {
                    out.push((begin, before));
                }
                if last >= end {
                    // It may take from the next range as well.
                    from = None;
                    break;
                }
                from = last.next();
                next += 1;
            }
            out.extend(from.map(|begin| (begin, end)));
        }
        Self(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_where_they_end() {
        let ends = Ranges::of(vec![(0, 0), (u32::MAX, u32::MAX), (1, 2)]);
        assert_eq!(ends.as_slice(), [(0, 2), (u32::MAX, u32::MAX)]);
        let all = Ranges::one(0, u32::MAX);
        assert_eq!(all.minus(&ends).as_slice(), [(3, u32::MAX - 1)]);
        assert!(ends.minus(&all).is_empty());
        // Two lines are not one.
        let both = Ranges::of(vec![((6, 0), (6, u128::MAX)), ((4, 0), (4, 9))]);
        assert_eq!(both.as_slice().len(), 2);
        assert_eq!(
            both.minus(&Ranges::one((4, 9), (6, 0))).as_slice(),
            [((4, 0), (4, 8)), ((6, 1), (6, u128::MAX))]
        );
        assert!(Ranges::one(2, 1_u32).is_empty());
    }

    fn any_ranges() -> impl Strategy<Value = Ranges<u32>> {
        let range = (0_u32..40, 0_u32..6).prop_map(|(from, more)| (from, from + more));
        prop::collection::vec(range, 0..6).prop_map(Ranges::of)
    }

    proptest! {
        #[test]
        fn ranges_are_sets(a in any_ranges(), b in any_ranges(), point in 0_u32..50) {
            let (x, y) = (a.contains(point), b.contains(point));
            prop_assert_eq!(a.union(&b).contains(point), x || y);
            prop_assert_eq!(a.intersection(&b).contains(point), x && y);
            prop_assert_eq!(a.minus(&b).contains(point), x && !y);
            // Equal sets have one shape, however they came about.
            let rebuilt = a.minus(&b).union(&a.intersection(&b));
            prop_assert_eq!(&rebuilt, &a);
            prop_assert_eq!(Ranges::of(rebuilt.as_slice().to_vec()), a);
        }
    }
}
