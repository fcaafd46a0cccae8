//! The engine: policies over classes of pods, asked by rows and by pairs.

use crate::{
    Direction, Network, PortSet, Tier,
    class::Classes,
    class_set::{Bits, ClassSet},
    compile::{CompiledPolicy, Compiler, Interner, Ordered, PortsId, SetId},
};

/// How to count what cannot be known from manifests: whether a network plugin takes an `ipBlock` to mean pods, which
/// address a pod or node has, and whether two pods share a node (whose own traffic is always let through).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Certainty {
    /// What is allowed in any case.
    Sure,
    /// What is allowed in some case.
    Possible,
}

/// Policies compiled over classes of pods that no policy can tell apart.
///
/// Making one costs the product of policies and what they select, not of pods and pods; see `docs/guide/network.md` for
/// figures. It holds no lock and never changes: share it between threads.
#[derive(Debug)]
pub struct Engine<'a> {
    pub(crate) network: &'a Network,
    pub(crate) classes: Classes,
    pub(crate) sets: Interner<ClassSet>,
    pub(crate) ports: Interner<PortSet>,
    pub(crate) policies: Vec<CompiledPolicy>,
    pub(crate) ingress: Side,
    pub(crate) egress: Side,
    /// Ingress rules that let the same peers in on the same ports, put together.
    pub(crate) groups: Vec<Group>,
    /// For each class, the groups with few peers that it is one of.
    pub(crate) groups_of: Vec<Vec<u32>>,
    /// Groups with many peers.
    pub(crate) wide_groups: Vec<u32>,
    pub(crate) host: Bits,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Side {
    /// For each class, the policies that isolate it.
    pub(crate) isolating: Vec<Vec<u32>>,
    /// Classes without such a policy.
    pub(crate) open: Bits,
    pub(crate) admin: Ordered,
    pub(crate) baseline: Ordered,
}

/// Ingress of all policies that let the same peers in on the same ports.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) sure: SetId,
    pub(crate) maybe: SetId,
    pub(crate) ports: PortsId,
    pub(crate) subjects: ClassSet,
}

impl<'a> Engine<'a> {
    /// Compiles the policies of a network.
    pub fn new(network: &'a Network) -> Self {
        let classes = Classes::of(network);
        let mut compiler = Compiler::new(network, &classes);
        let policies = compiler.policies();
        let mut side = |direction| {
            let mut isolating = vec![Vec::new(); classes.len()];
            for (at, policy) in network.policies.iter().enumerate() {
                if policy.rules(direction).is_some() {
                    compiler
                        .sets
                        .get(policies[at].selected)
                        .for_each(|c| isolating[c as usize].push(at as u32));
                }
            }
            let mut open = Bits::none(classes.len());
            (0..classes.len() as u32).filter(|&c| isolating[c as usize].is_empty()).for_each(|c| open.set(c));
            let (admin, baseline) =
                (compiler.tier(Tier::Admin, direction), compiler.tier(Tier::Baseline, direction));
            Side { isolating, open, admin, baseline }
        };
        let (ingress, egress) = (side(Direction::Ingress), side(Direction::Egress));
        let Compiler { sets, ports, .. } = compiler;
        let mut host = Bits::none(classes.len());
        for (number, _) in classes.list.iter().enumerate().filter(|(_, class)| class.host_network) {
            host.set(number as u32);
        }
        let mut engine = Self {
            network,
            classes,
            sets,
            ports,
            policies,
            ingress,
            egress,
            groups: Vec::new(),
            groups_of: Vec::new(),
            wide_groups: Vec::new(),
            host,
        };
        engine.group();
        engine
    }

    /// What it reasons about.
    pub fn network(&self) -> &'a Network {
        self.network
    }

    /// How many classes the pods were reduced to.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The class of a pod, by the pod's index in the network.
    pub fn class_of(&self, pod: usize) -> u32 {
        self.classes.of_pod.get(pod).copied().unwrap_or(0)
    }

    /// The pods of a class, as indices into the network's pods.
    pub fn pods_of(&self, class: u32) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.classes.pods(class).iter().map(|&pod| pod as usize)
    }

    /// The policies (indices into the network's) that isolate a pod in a direction; none: it is not isolated.
    pub fn isolating(&self, pod: usize, direction: Direction) -> &[u32] {
        let class = self.class_of(pod);
        self.side(direction).isolating.get(class as usize).map_or(&[], Vec::as_slice)
    }

    /// The classes that a policy selects.
    pub fn selected(&self, policy: usize) -> &ClassSet {
        self.sets.get(self.policies[policy].selected)
    }

    /// The labels that a namespace has in effect: those written, and `kubernetes.io/metadata.name`.
    pub fn namespace_labels(&self, name: &str) -> Option<&crate::Labels> {
        {
            let places = &self.classes.places;
            let at = places.binary_search_by(|place| place.name.as_ref().cmp(name)).ok()?;
            places.get(at).map(|place| &place.labels)
        }
    }

    pub(crate) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Whether any answer may differ between [`Certainty::Sure`] and [`Certainty::Possible`].
    pub fn has_doubts(&self) -> bool {
        let grants = |rules: &[crate::compile::CompiledRule]| {
            rules.iter().flat_map(|rule| &rule.grants).any(|grant| grant.sure != grant.maybe)
        };
        let tiers = [&self.ingress, &self.egress]
            .into_iter()
            .flat_map(|side| side.admin.iter().chain(&side.baseline));
        self.host.count() > 0
            || self.policies.iter().any(|policy| grants(&policy.ingress) || grants(&policy.egress))
            || tiers.into_iter().any(|rule| grants(std::slice::from_ref(&rule.compiled)))
    }

    fn group(&mut self) {
        use std::collections::HashMap;
        let mut of: HashMap<(SetId, SetId, PortsId), Vec<u32>> = HashMap::new();
        for grant in self.policies.iter().flat_map(|policy| &policy.ingress).flat_map(|rule| &rule.grants) {
            let subjects = of.entry((grant.sure, grant.maybe, grant.ports)).or_default();
            self.sets.get(grant.subjects).for_each(|class| subjects.push(class));
        }
        let len = self.classes.len();
        let mut keys: Vec<_> = of.into_iter().filter(|(_, subjects)| !subjects.is_empty()).collect();
        keys.sort_unstable_by_key(|&(key, _)| key);
        let mut groups_of = vec![Vec::new(); len];
        for ((sure, maybe, ports), mut subjects) in keys {
            subjects.sort_unstable();
            subjects.dedup();
            let number = self.groups.len() as u32;
            let peers = self.sets.get(maybe);
            if peers.len() * WIDE_PART > len {
                self.wide_groups.push(number);
            } else {
                peers.for_each(|class| groups_of[class as usize].push(number));
            }
            self.groups.push(Group { sure, maybe, ports, subjects: ClassSet::of_sorted(subjects, len) });
        }
        self.groups_of = groups_of;
    }
}

/// A group whose peers are more than one in so many classes is looked at for every class instead of listed for each.
const WIDE_PART: usize = 16;
