//! What to break first.

use std::collections::{BTreeMap, BTreeSet};

use crate::Way;

/// A thing that can be broken, and how many ways vanish with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Break<K> {
    /// What.
    pub what: K,
    /// Ways that go over it and over nothing that was named before it.
    pub ways: usize,
}

/// Chooses what to break, most ways first, until none is left or `count_max` are chosen: the greedy cover, which is within
/// ln n of the smallest.
///
/// - `of`: what each way goes over that can be broken, such as the findings that its steps rest on.
pub fn breaks<K: Ord + Clone>(
    ways: &[Way],
    of: impl Fn(&Way) -> BTreeSet<K>,
    count_max: usize,
) -> Vec<Break<K>> {
    let mut left: Vec<BTreeSet<K>> = ways.iter().map(of).collect();
    let mut chosen = Vec::new();
    while chosen.len() < count_max {
        let mut counts: BTreeMap<&K, usize> = BTreeMap::new();
        for what in left.iter().flatten() {
            *counts.entry(what).or_default() += 1;
        }
        // The first of the greatest, so that the answer is always the same.
        let Some((what, ways)) =
            counts.iter().max_by_key(|(what, count)| (**count, std::cmp::Reverse(*what)))
        else {
            break;
        };
        let (what, ways) = ((*what).clone(), *ways);
        left.retain(|over| !over.contains(&what));
        chosen.push(Break { what, ways });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    #[test]
    fn what_most_ways_go_over_is_broken_first() {
        let over = [vec!["a", "b"], vec!["a"], vec!["c", "a"], vec!["d"]];
        let ways: Vec<Way> = (0..4)
            .map(|index| Way { entry: Place(index), goal: Place(9), steps: Vec::new(), cost: 1 })
            .collect();
        let chosen = breaks(&ways, |way| over[way.entry.0 as usize].iter().copied().collect(), 9);
        assert_eq!(chosen, [Break { what: "a", ways: 3 }, Break { what: "d", ways: 1 }]);
        assert_eq!(breaks(&ways, |_| BTreeSet::<&str>::new(), 9), []);
    }
}
