//! What differs between two networks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{AddressSet, Certainty, Direction, Engine, PortSet, Region, Row, Rows};

/// One pair whose connections differ; ports in any case ([`Certainty::Sure`]).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changed {
    /// Who connects: a pod of the second network, or nobody: addresses outside.
    pub source: Option<usize>,
    /// Who is connected to, likewise.
    pub destination: Option<usize>,
    /// Ports before.
    pub before: PortSet,
    /// Ports after.
    pub after: PortSet,
    /// Which addresses, when one end is outside.
    pub addresses: AddressSet,
}

/// What differs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference {
    /// Pods of the first network that the second does not have.
    pub removed: Vec<usize>,
    /// Pods of the second network that the first did not have.
    pub added: Vec<usize>,
    /// Pairs of pods that both have.
    pub changed: Vec<Changed>,
    /// How many pods a pod in `changed` stands for, itself included, where that is more than one.
    pub alike: BTreeMap<usize, usize>,
    /// Changes left out because there are too many.
    pub left_out: usize,
}

/// Changes listed at most.
const CHANGES_MAX: usize = 10_000;

/// Compares what pods that both networks have reach of each other and of addresses outside.
///
/// Pods are the same when namespace, kind and name are. Pods that neither network's policies tell apart are compared
/// once, and the change is listed for the first of them.
pub fn difference(before: &Engine<'_>, after: &Engine<'_>) -> Difference {
    let name = |engine: &Engine<'_>, pod: usize| {
        let pod = &engine.network().pods[pod];
        (pod.namespace.clone(), pod.kind.clone(), pod.name.clone())
    };
    let old: BTreeMap<_, usize> =
        (0..before.network().pods.len()).map(|pod| (name(before, pod), pod)).collect();
    let new: BTreeMap<_, usize> =
        (0..after.network().pods.len()).map(|pod| (name(after, pod), pod)).collect();
    let mut result = Difference {
        removed: old.iter().filter(|(name, _)| !new.contains_key(*name)).map(|(_, &pod)| pod).collect(),
        added: new.iter().filter(|(name, _)| !old.contains_key(*name)).map(|(_, &pod)| pod).collect(),
        ..Difference::default()
    };
    // Both classes of each pod that both have, and the first pod of each such pair.
    let mut joint: BTreeMap<(u32, u32), (usize, usize)> = BTreeMap::new();
    let mut members: BTreeMap<usize, usize> = BTreeMap::new();
    for (name, &pod) in &new {
        let Some(&was) = old.get(name) else { continue };
        let (_, first) = *joint.entry((before.class_of(was), after.class_of(pod))).or_insert((was, pod));
        *members.entry(first).or_default() += 1;
    }
    result.alike = members.into_iter().filter(|(_, count)| *count > 1).collect();
    let (mut old_rows, mut new_rows) = (before.rows(Certainty::Sure), after.rows(Certainty::Sure));
    for (&(a, b), &(was, pod)) in &joint {
        let (old_row, new_row) = (unfold(&mut old_rows, a), unfold(&mut new_rows, b));
        for (&(to_a, to_b), &(_, to)) in &joint {
            let ports = |rows: &Rows<'_, '_>, row: &HashMap<u32, u32>, class| {
                row.get(&class).map_or_else(PortSet::empty, |&number| rows.ports(number).clone())
            };
            let (was, is) = (ports(&old_rows, &old_row, to_a), ports(&new_rows, &new_row, to_b));
            if was != is {
                let pair = Changed {
                    source: Some(pod),
                    destination: Some(to),
                    before: was,
                    after: is,
                    addresses: AddressSet::empty(),
                };
                result.note(pair);
            }
        }
        for direction in Direction::ALL {
            outside(before, after, (was, pod), direction, &mut result);
        }
    }
    result
}

impl Difference {
    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.changed.is_empty()
    }

    fn note(&mut self, changed: Changed) {
        if self.changed.len() < CHANGES_MAX { self.changed.push(changed) } else { self.left_out += 1 }
    }
}

fn unfold(rows: &mut Rows<'_, '_>, class: u32) -> HashMap<u32, u32> {
    let Row { groups } = rows.row(class);
    groups.iter().flat_map(|(ports, classes)| classes.iter().map(|class| (class, *ports))).collect()
}

fn outside(
    before: &Engine<'_>,
    after: &Engine<'_>,
    (was, pod): (usize, usize),
    direction: Direction,
    into: &mut Difference,
) {
    let everywhere = AddressSet::all();
    let old = before.outside(was, direction, Certainty::Sure, &everywhere);
    let new = after.outside(pod, direction, Certainty::Sure, &everywhere);
    if old == new {
        return;
    }
    let mut pieces: Vec<AddressSet> = vec![everywhere];
    for set in old.iter().chain(&new).map(|region| &region.addresses).collect::<BTreeSet<_>>() {
        let split = |piece: &AddressSet| [piece.intersection(set), piece.minus(set)];
        pieces = pieces.iter().flat_map(split).filter(|piece| !piece.is_empty()).collect();
    }
    for piece in pieces {
        let ports = |regions: &[Region]| {
            let with = regions.iter().filter(|region| region.addresses.covers(&piece));
            with.fold(PortSet::empty(), |all, region| all.union(&region.ports))
        };
        let (before, after) = (ports(&old), ports(&new));
        if before != after {
            let (source, destination) =
                if direction == Direction::Egress { (Some(pod), None) } else { (None, Some(pod)) };
            into.note(Changed { source, destination, before, after, addresses: piece });
        }
    }
}
