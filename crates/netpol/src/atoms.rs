//! Ports cut where any of a few sets begins or ends, and pieces that the same sets contain put together.

use std::collections::HashMap;

use crate::PortSet;

/// Ports that the same sets contain.
#[derive(Clone, Debug)]
pub(crate) struct Atom {
    /// One of them, on the line of numbers.
    point: u32,
    /// All of them.
    pub(crate) ports: PortSet,
}

impl Atom {
    /// Whether a set that took part in the cut contains it.
    pub(crate) fn is_in(&self, set: &PortSet) -> bool {
        let ranges = set.raw();
        let at = ranges.partition_point(|&(start, _)| start <= self.point);
        at > 0 && self.point <= ranges[at - 1].1
    }
}

/// The atoms of some sets; ports that are in none of them are in no atom.
pub(crate) fn atoms<'a>(sets: impl Iterator<Item = &'a PortSet> + Clone) -> Vec<Atom> {
    let mut cuts: Vec<u32> =
        sets.clone().flat_map(|set| set.raw()).flat_map(|&(start, end)| [start, end + 1]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    // Each piece starts at a cut; pieces are told apart set by set.
    let mut group = vec![0_u32; cuts.len()];
    let mut groups = 1;
    let mut inside = vec![false; cuts.len()];
    for set in sets {
        let mut renamed: HashMap<u32, u32> = HashMap::new();
        for &(start, end) in set.raw() {
            let from = cuts.partition_point(|&cut| cut < start);
            for at in (from..cuts.len()).take_while(|&at| cuts[at] <= end) {
                group[at] = *renamed.entry(group[at]).or_insert_with(|| {
                    groups += 1;
                    groups - 1
                });
                inside[at] = true;
            }
        }
    }
    let mut of: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
    let mut order = Vec::new();
    for (at, pair) in cuts.windows(2).enumerate().filter(|&(at, _)| inside[at]) {
        let ranges = of.entry(group[at]).or_insert_with(|| {
            order.push(group[at]);
            Vec::new()
        });
        ranges.push((pair[0], pair[1] - 1));
    }
    let atom = |number: u32| {
        let ranges = of.remove(&number).unwrap_or_default();
        Atom { point: ranges.first().map_or(0, |range| range.0), ports: PortSet::from_ranges(ranges) }
    };
    order.into_iter().map(atom).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    #[test]
    fn pieces_of_the_same_sets_are_one_atom() {
        let web = PortSet::port(Protocol::Tcp, 80).union(&PortSet::port(Protocol::Tcp, 443));
        let high = PortSet::range(Protocol::Tcp, 400, 500);
        let sets = [PortSet::all(), web.clone(), high.clone()];
        let shown: Vec<_> = atoms(sets.iter()).iter().map(|atom| atom.ports.to_string()).collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(shown.contains(&"TCP 80".to_owned()) && shown.contains(&"TCP 443".to_owned()));
        assert!(shown.contains(&"TCP 400-442,444-500".to_owned()), "{shown:?}");
        assert!(atoms([].iter()).is_empty());
        for atom in atoms(sets.iter()) {
            assert_eq!(atom.is_in(&web), web.covers(&atom.ports));
            assert_eq!(atom.is_in(&high), high.covers(&atom.ports));
        }
    }
}
