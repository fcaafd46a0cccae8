//! Connections with addresses outside the cluster's pods.

use crate::{
    Action, AddressSet, Certainty, Direction, Engine, PortSet,
    atoms::atoms,
    compile::{CompiledRule, OrderedRule, Outside},
};

/// Addresses that may be reached (or may connect) on exactly these ports. Regions of one answer do not overlap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Region {
    /// The ports.
    pub ports: PortSet,
    /// The addresses.
    pub addresses: AddressSet,
}

impl Engine<'_> {
    /// With which of the addresses `within` a pod may connect in a direction, and on which ports.
    ///
    /// Addresses are those the policies see: behind a load balancer or a node's port the source may have been replaced
    /// by a node's address before.
    pub fn outside(
        &self,
        pod: usize,
        direction: Direction,
        certainty: Certainty,
        within: &AddressSet,
    ) -> Vec<Region> {
        let class = self.class_of(pod);
        if self.host.has(class) {
            return vec![Region { ports: PortSet::all(), addresses: within.clone() }];
        }
        let side = self.side(direction);
        let subject = |rule: &&OrderedRule| self.sets.get(rule.subjects).has(class);
        let isolating = side.isolating.get(class as usize).map_or(&[][..], Vec::as_slice);
        let namespaced = if isolating.is_empty() {
            let mut tier = Tier::new(within);
            let rules = side.baseline.iter().filter(subject);
            rules.for_each(|rule| {
                tier.apply(rule, &self.ports_with_addresses(&rule.compiled, direction, class), certainty)
            });
            tier.allowed.extend(tier.open);
            tier.allowed.extend(tier.passed);
            tier.allowed
        } else {
            let rules = isolating.iter().flat_map(|&policy| self.policies[policy as usize].rules(direction));
            let matching = rules.map(|rule| Region {
                ports: self.ports_with_addresses(rule, direction, class),
                addresses: peers(&rule.outside, certainty).intersection(within),
            });
            matching.filter(|region| !region.ports.is_empty() && !region.addresses.is_empty()).collect()
        };
        let mut tier = Tier::new(within);
        let rules = side.admin.iter().filter(subject);
        rules.for_each(|rule| {
            tier.apply(rule, &self.ports_with_addresses(&rule.compiled, direction, class), certainty)
        });
        let mut allowed = tier.allowed;
        for region in tier.open.iter().chain(&tier.passed) {
            allowed.extend(
                namespaced.iter().filter_map(|other| overlap(region, &other.ports, &other.addresses)),
            );
        }
        normal(&allowed)
    }

    /// The ports of a rule for addresses: names are resolved on the pod that receives, and addresses have none.
    pub(crate) fn ports_with_addresses(
        &self,
        rule: &CompiledRule,
        direction: Direction,
        class: u32,
    ) -> PortSet {
        if direction == Direction::Egress {
            return rule.outside.ports.clone();
        }
        let own = rule.grants.iter().filter(|grant| self.sets.get(grant.subjects).has(class));
        own.fold(PortSet::empty(), |all, grant| all.union(self.ports.get(grant.ports)))
    }
}

fn peers(outside: &Outside, certainty: Certainty) -> &AddressSet {
    match certainty {
        Certainty::Sure => &outside.sure,
        Certainty::Possible => &outside.maybe,
    }
}

/// A tier half asked: what is decided, and what is left.
struct Tier {
    open: Vec<Region>,
    passed: Vec<Region>,
    allowed: Vec<Region>,
}

impl Tier {
    fn new(within: &AddressSet) -> Self {
        let everything = Region { ports: PortSet::all(), addresses: within.clone() };
        Self { open: vec![everything], passed: Vec::new(), allowed: Vec::new() }
    }

    fn apply(&mut self, rule: &OrderedRule, ports: &PortSet, certainty: Certainty) {
        // Only permissions have doubtful addresses: names of hosts.
        let outside = &rule.compiled.outside;
        let addresses = peers(outside, certainty);
        let mut left = Vec::with_capacity(self.open.len());
        for region in std::mem::take(&mut self.open) {
            let Some(hit) = overlap(&region, ports, addresses) else {
                left.push(region);
                continue;
            };
            let other_ports =
                Region { ports: region.ports.minus(ports), addresses: region.addresses.clone() };
            let other_addresses =
                Region { ports: hit.ports.clone(), addresses: region.addresses.minus(addresses) };
            left.extend(
                [other_ports, other_addresses]
                    .into_iter()
                    .filter(|r| !r.ports.is_empty() && !r.addresses.is_empty()),
            );
            match rule.action {
                Action::Allow => self.allowed.push(hit),
                Action::Pass => self.passed.push(hit),
                Action::Deny => {}
            }
        }
        self.open = left;
    }
}

fn overlap(region: &Region, ports: &PortSet, addresses: &AddressSet) -> Option<Region> {
    let ports = region.ports.intersection(ports);
    if ports.is_empty() {
        return None;
    }
    let addresses = region.addresses.intersection(addresses);
    (!addresses.is_empty()).then_some(Region { ports, addresses })
}

/// The same, without overlaps, ports with equal addresses put together.
fn normal(regions: &[Region]) -> Vec<Region> {
    let mut out: Vec<Region> = Vec::new();
    for atom in atoms(regions.iter().map(|region| &region.ports)) {
        let mut addresses = AddressSet::empty();
        for region in regions.iter().filter(|region| atom.is_in(&region.ports)) {
            addresses = addresses.union(&region.addresses);
        }
        match out.iter_mut().find(|region| region.addresses == addresses) {
            Some(region) => region.ports = region.ports.union(&atom.ports),
            None => out.push(Region { ports: atom.ports, addresses }),
        }
    }
    out
}
