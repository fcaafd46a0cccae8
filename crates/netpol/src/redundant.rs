//! Policies without which nothing would be different.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    AddressSet, Certainty, Direction, Engine, PortSet,
    atoms::atoms,
    compile::{CompiledRule, Grant},
};

/// What policies do not do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Idle {
    /// It selects no pod.
    SelectsNothing,
    /// Whatever it lets through is let through without it, and whatever it isolates is isolated without it.
    ChangesNothing,
}

/// Policies are compared with the others of their pods, as long as there are at most so many of them.
const OTHERS_MAX: usize = 500;
/// Policies of all selected classes together that are looked at.
const WORK_MAX: usize = 5_000;

/// What one pod may exchange: by class, and with addresses.
#[derive(Debug, Default, Eq, PartialEq)]
struct Reach {
    isolated: bool,
    peers: BTreeMap<(u32, Certain), PortSet>,
    addresses: Vec<(PortSet, AddressSet)>,
}

type Certain = bool;

impl Engine<'_> {
    /// Whether a NetworkPolicy does anything. Nothing when it does, or when that would take too long to tell.
    ///
    /// "Changes nothing" compares NetworkPolicies with each other; what cluster policies decide before them is left out
    /// of account, so that a policy is never called idle that is not.
    pub fn idle(&self, policy: usize) -> Option<Idle> {
        let selected = self.selected(policy);
        if selected.is_empty() {
            return Some(Idle::SelectsNothing);
        }
        let work = |class: u32| {
            Direction::ALL.map(|way| self.side(way).isolating[class as usize].len()).iter().sum::<usize>()
        };
        if selected.iter().map(work).sum::<usize>() > WORK_MAX {
            return None;
        }
        for class in selected.iter() {
            for direction in Direction::ALL {
                let all = &self.side(direction).isolating[class as usize];
                if !all.contains(&(policy as u32)) {
                    continue;
                }
                if all.len() > OTHERS_MAX || !self.same_without(policy as u32, class, direction, all) {
                    return None;
                }
            }
        }
        let rules = self.network.policies.get(policy)?;
        (rules.ingress.is_some() || rules.egress.is_some()).then_some(Idle::ChangesNothing)
    }

    fn same_without(&self, policy: u32, class: u32, direction: Direction, all: &[u32]) -> bool {
        let others: BTreeSet<u32> = all.iter().copied().filter(|&other| other != policy).collect();
        let own: BTreeSet<u32> = all.iter().copied().collect();
        if others.is_empty() {
            // Alone it changes nothing only when it lets everything through, and no baseline waits behind it.
            return self.side(direction).baseline.is_empty() && self.lets_everything(policy, direction);
        }
        self.reach(&own, class, direction) == self.reach(&others, class, direction)
    }

    fn lets_everything(&self, policy: u32, direction: Direction) -> bool {
        let rules = self.network.policies.get(policy as usize).and_then(|policy| policy.rules(direction));
        rules.is_some_and(|rules| rules.iter().any(|rule| rule.peers.is_empty() && rule.ports.is_empty()))
    }

    fn reach(&self, policies: &BTreeSet<u32>, class: u32, direction: Direction) -> Reach {
        let mut reach = Reach { isolated: !policies.is_empty(), ..Reach::default() };
        let mut blocks: Vec<(PortSet, AddressSet)> = Vec::new();
        for rule in policies.iter().flat_map(|&policy| self.policies[policy as usize].rules(direction)) {
            let own =
                |grant: &&Grant| direction == Direction::Egress || self.sets.get(grant.subjects).has(class);
            for grant in rule.grants.iter().filter(own) {
                let ports = self.ports.get(grant.ports);
                for certainty in [Certainty::Sure, Certainty::Possible] {
                    let certain = certainty == Certainty::Sure;
                    let peers = if certain { grant.sure } else { grant.maybe };
                    self.sets.get(peers).for_each(|peer| {
                        let known = reach.peers.entry((peer, certain)).or_default();
                        *known = known.union(ports);
                    });
                }
            }
            blocks.push(self.block(rule, direction, class));
        }
        for atom in atoms(blocks.iter().map(|(ports, _)| ports)) {
            let with = blocks.iter().filter(|(ports, _)| atom.is_in(ports));
            let addresses = with.fold(AddressSet::empty(), |all, (_, some)| all.union(some));
            if addresses.is_empty() {
                continue;
            }
            match reach.addresses.iter_mut().find(|(_, known)| *known == addresses) {
                Some((ports, _)) => *ports = ports.union(&atom.ports),
                None => reach.addresses.push((atom.ports, addresses)),
            }
        }
        reach.addresses.sort();
        reach
    }

    fn block(&self, rule: &CompiledRule, direction: Direction, class: u32) -> (PortSet, AddressSet) {
        (self.ports_with_addresses(rule, direction, class), rule.outside.sure.clone())
    }
}
