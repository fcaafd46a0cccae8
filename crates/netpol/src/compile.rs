//! Policies turned into sets of classes and ports.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    Action, AddressSet, ClusterPeer, Direction, Network, Operator, Peer, PortMatch, PortRule, PortSet,
    Protocol, Selector, Tier, class::Classes, class_set::ClassSet,
};

/// Values that are kept once and called by a number.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    values: Vec<Arc<T>>,
    numbers: HashMap<Arc<T>, u32>,
}

impl<T: Eq + Hash> Interner<T> {
    pub(crate) fn new() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }

    pub(crate) fn number(&mut self, value: T) -> u32 {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let (value, number) = (Arc::new(value), self.values.len() as u32);
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    /// Gives a value the next number, even when it has one already: the first keeps the right to be found.
    pub(crate) fn push(&mut self, value: T) {
        let (value, number) = (Arc::new(value), self.values.len() as u32);
        self.values.push(Arc::clone(&value));
        self.numbers.entry(value).or_insert(number);
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.values[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// A number of a set of classes.
pub(crate) type SetId = u32;
/// A number of a set of ports.
pub(crate) type PortsId = u32;

/// What one rule lets through, or of a cluster policy decides: `subjects` and `peers` on `ports`.
///
/// A rule with named ports makes one for each way in which pods resolve the names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) subjects: SetId,
    /// Peers for certain.
    pub(crate) sure: SetId,
    /// Those, and peers whose addresses may lie in a block or whose node may be selected.
    pub(crate) maybe: SetId,
    pub(crate) ports: PortsId,
}

/// What one rule says about addresses outside.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) ports: PortSet,
    /// For certain.
    pub(crate) sure: AddressSet,
    /// Those, and addresses that a name of a host may stand for.
    pub(crate) maybe: AddressSet,
}

#[derive(Clone, Debug)]
pub(crate) struct CompiledRule {
    pub(crate) grants: Vec<Grant>,
    pub(crate) outside: Outside,
}

#[derive(Clone, Debug)]
pub(crate) struct CompiledPolicy {
    pub(crate) selected: SetId,
    pub(crate) ingress: Vec<CompiledRule>,
    pub(crate) egress: Vec<CompiledRule>,
}

impl CompiledPolicy {
    pub(crate) fn rules(&self, direction: Direction) -> &[CompiledRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// A rule of a cluster policy, in the order in which it is asked.
#[derive(Clone, Debug)]
pub(crate) struct OrderedRule {
    /// Index of the policy in the network.
    pub(crate) policy: u32,
    /// Index of the rule in the policy.
    pub(crate) rule: u32,
    pub(crate) action: Action,
    pub(crate) subjects: SetId,
    pub(crate) compiled: CompiledRule,
}

/// The rules of a tier in a direction, in order.
pub(crate) type Ordered = Vec<OrderedRule>;

pub(crate) struct Compiler<'a> {
    pub(crate) network: &'a Network,
    pub(crate) classes: &'a Classes,
    pub(crate) sets: Interner<ClassSet>,
    pub(crate) ports: Interner<PortSet>,
    /// Classes by label, as far as selectors ask for it.
    by_label: HashMap<(&'a str, &'a str), Vec<u32>>,
    places: HashMap<&'a Selector, Arc<Vec<u32>>>,
    pods: HashMap<(Scope<'a>, &'a Selector), SetId>,
    /// Known addresses, sorted, with their classes; how many each class has; classes without any.
    addresses: Vec<(IpAddr, u32)>,
    counts: Vec<u32>,
    unaddressed: Vec<u32>,
    blocks: HashMap<AddressSet, (SetId, SetId)>,
    pod_networks: AddressSet,
    pub(crate) none: SetId,
    pub(crate) everybody: SetId,
}

#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Scope<'a> {
    Place(u32),
    Matching(&'a Selector),
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(network: &'a Network, classes: &'a Classes) -> Self {
        let mut sets = Interner::new();
        let len = classes.len();
        let none = sets.number(ClassSet::of_sorted(Vec::new(), len));
        let everybody = sets.number(ClassSet::of_sorted((0..len as u32).collect(), len));
        let mut compiler = Self {
            network,
            classes,
            sets,
            ports: Interner::new(),
            by_label: HashMap::new(),
            places: HashMap::new(),
            pods: HashMap::new(),
            addresses: Vec::new(),
            counts: vec![0; len],
            unaddressed: Vec::new(),
            blocks: HashMap::new(),
            pod_networks: AddressSet::of(&network.pod_networks),
            none,
            everybody,
        };
        compiler.index();
        compiler
    }

    fn index(&mut self) {
        for (number, class) in self.classes.list.iter().enumerate() {
            let Some(pod) = self.network.pods.get(class.sample as usize) else { continue };
            if !class.host_network {
                for label in pod.labels.iter() {
                    self.by_label.entry(label).or_default().push(number as u32);
                }
            }
            if pod.addresses.is_empty() {
                self.unaddressed.push(number as u32);
            } else {
                self.addresses.extend(pod.addresses.iter().map(|&address| (address, number as u32)));
            }
        }
        self.addresses.sort_unstable();
        self.addresses.dedup();
        for &(_, class) in &self.addresses {
            self.counts[class as usize] += 1;
        }
    }

    /// All NetworkPolicies, in the network's order.
    pub(crate) fn policies(&mut self) -> Vec<CompiledPolicy> {
        let network = self.network;
        let place_of: HashMap<&str, u32> = self
            .classes
            .places
            .iter()
            .enumerate()
            .map(|(at, place)| (place.name.as_ref(), at as u32))
            .collect();
        let mut compiled = Vec::with_capacity(network.policies.len());
        for policy in &network.policies {
            let place = place_of.get(policy.namespace.as_ref()).copied().unwrap_or(0);
            let selected = self.pods(Scope::Place(place), &policy.selector);
            let mut rules = |direction| {
                let rules = policy.rules(direction).unwrap_or(&[]).iter();
                rules.map(|rule| self.rule(place, selected, direction, rule)).collect()
            };
            let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
            compiled.push(CompiledPolicy { selected, ingress, egress });
        }
        compiled
    }

    /// The rules of cluster policies in the order in which they are asked.
    pub(crate) fn tier(&mut self, tier: Tier, direction: Direction) -> Ordered {
        let network = self.network;
        let mut order: Vec<_> =
            network.cluster_policies.iter().enumerate().filter(|(_, policy)| policy.tier == tier).collect();
        order.sort_by_key(|(at, policy)| (policy.priority, *at));
        let mut rules = Vec::new();
        for (at, policy) in order {
            let subjects = self.pods(Scope::Matching(&policy.namespaces), &policy.pods);
            for (index, rule) in policy.rules(direction).iter().enumerate() {
                let ([pods, sure, maybe], outside, known) = self.cluster_peers(&rule.peers);
                let compiled = CompiledRule {
                    grants: self.grants(direction, subjects, [pods, sure, maybe], &rule.ports),
                    outside: Outside { ports: plain_ports(&rule.ports), sure: known, maybe: outside },
                };
                rules.push(OrderedRule {
                    policy: at as u32,
                    rule: index as u32,
                    action: rule.action,
                    subjects,
                    compiled,
                });
            }
        }
        rules
    }

    fn rule(
        &mut self,
        place: u32,
        selected: SetId,
        direction: Direction,
        rule: &'a crate::Rule,
    ) -> CompiledRule {
        let ports = plain_ports(&rule.ports);
        if rule.peers.is_empty() {
            let grants = self.grants(direction, selected, [self.everybody; 3], &rule.ports);
            let outside = Outside { ports, sure: AddressSet::all(), maybe: AddressSet::all() };
            return CompiledRule { grants, outside };
        }
        let mut pods = Vec::new();
        let mut block = AddressSet::empty();
        for peer in &rule.peers {
            match peer {
                Peer::Pods { namespaces, pods: selector } => {
                    let scope = namespaces.as_ref().map_or(Scope::Place(place), Scope::Matching);
                    pods.push(self.pods(scope, selector));
                }
                Peer::Block { net, except } => {
                    block = block.union(&AddressSet::from(*net).minus(&AddressSet::of(except)));
                }
            }
        }
        let sure = self.union(&pods);
        // Whether a block means pods is up to the network plugin.
        let (_, in_block) = self.in_block(&block);
        let maybe = self.union(&[sure, in_block]);
        let grants = self.grants(direction, selected, [sure, sure, maybe], &rule.ports);
        CompiledRule { grants, outside: Outside { ports, sure: block.clone(), maybe: block } }
    }

    /// Pods selected as pods, pods for certain, pods perhaps; addresses perhaps, addresses for certain.
    fn cluster_peers(&mut self, peers: &'a [ClusterPeer]) -> ([SetId; 3], AddressSet, AddressSet) {
        let (mut selected, mut sure, mut maybe) = (Vec::new(), Vec::new(), Vec::new());
        let (mut known, mut guessed) = (AddressSet::empty(), AddressSet::empty());
        for peer in peers {
            match peer {
                ClusterPeer::Pods { namespaces, pods } => {
                    selected.push(self.pods(Scope::Matching(namespaces), pods))
                }
                ClusterPeer::Nodes(selector) => {
                    let (on, perhaps, addresses) = self.on_nodes(selector);
                    sure.push(on);
                    maybe.push(perhaps);
                    known = known.union(&addresses);
                }
                ClusterPeer::Networks(nets) => {
                    let block = AddressSet::of(nets);
                    let (inside, perhaps) = self.in_block(&block);
                    sure.push(inside);
                    maybe.push(perhaps);
                    known = known.union(&block);
                }
                ClusterPeer::Domains(_) => guessed = AddressSet::internet(),
            }
        }
        let selected = self.union(&selected);
        sure.push(selected);
        let sure = self.union(&sure);
        maybe.push(sure);
        ([selected, sure, self.union(&maybe)], guessed.union(&known), known)
    }

    /// Host-network pods on nodes for certain, perhaps, and the nodes' addresses.
    fn on_nodes(&mut self, selector: &Selector) -> (SetId, SetId, AddressSet) {
        let nodes = &self.network.nodes;
        let selected: Vec<_> = nodes.iter().filter(|node| selector.matches(&node.labels)).collect();
        let addresses: Vec<_> = selected.iter().flat_map(|node| &node.addresses).collect();
        let addresses = addresses.into_iter().fold(AddressSet::empty(), |all, &a| all.union(&a.into()));
        let (mut sure, mut maybe) = (Vec::new(), Vec::new());
        for (number, class) in self.classes.list.iter().enumerate().filter(|(_, class)| class.host_network) {
            let name = self.network.pods.get(class.sample as usize).and_then(|pod| pod.node.as_deref());
            let known = name.is_some_and(|name| nodes.iter().any(|node| node.name.as_ref() == name));
            let on = name.is_some_and(|name| selected.iter().any(|node| node.name.as_ref() == name));
            if on {
                sure.push(number as u32);
            }
            if on || !known {
                maybe.push(number as u32);
            }
        }
        (self.set(sure), self.set(maybe), addresses)
    }

    /// Classes whose addresses lie in a block for certain, and perhaps.
    fn in_block(&mut self, block: &AddressSet) -> (SetId, SetId) {
        if block.is_empty() {
            return (self.none, self.none);
        }
        if let Some(&known) = self.blocks.get(block) {
            return known;
        }
        let (mut sure, mut maybe) = (Vec::new(), Vec::new());
        let mut hits: BTreeMap<u32, u32> = BTreeMap::new();
        for (first, last) in block.ranges() {
            let start = self.addresses.partition_point(|&(address, _)| address < first);
            for &(_, class) in self.addresses[start..].iter().take_while(|&&(address, _)| address <= last) {
                *hits.entry(class).or_default() += 1;
            }
        }
        for (class, count) in hits {
            maybe.push(class);
            if count == self.counts[class as usize] {
                sure.push(class);
            }
        }
        let host = |class: &u32| self.classes.list[*class as usize].host_network;
        let bounded = !self.pod_networks.is_empty();
        for class in &self.unaddressed {
            if bounded && !host(class) {
                if block.covers(&self.pod_networks) {
                    sure.push(*class);
                }
                if !block.meets(&self.pod_networks) {
                    continue;
                }
            }
            maybe.push(*class);
        }
        let found = (self.set(sure), self.set(maybe));
        self.blocks.insert(block.clone(), found);
        found
    }

    fn grants(
        &mut self,
        direction: Direction,
        subjects: SetId,
        [pods, sure, maybe]: [SetId; 3],
        ports: &[PortRule],
    ) -> Vec<Grant> {
        let has_names = ports.iter().any(|rule| matches!(rule.port, PortMatch::Name(_)));
        if !has_names {
            let ports = self.ports.number(plain_ports(ports));
            return vec![Grant { subjects, sure, maybe, ports }];
        }
        // Names are resolved on the pod that receives: the subject of ingress, the peer of egress. A peer that is known
        // by its address alone has no names.
        let receivers = if direction == Direction::Ingress { subjects } else { pods };
        let mut ways: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        self.sets.get(receivers).for_each(|class| {
            ways.entry(self.classes.list[class as usize].named).or_default().push(class);
        });
        let mut grants = Vec::new();
        for (named, classes) in ways {
            let resolved =
                resolved_ports(ports, self.classes.named.get(named as usize).map_or(&[], Vec::as_slice));
            let (part, ports) = (self.set(classes), self.ports.number(resolved));
            grants.push(match direction {
                Direction::Ingress => Grant { subjects: part, sure, maybe, ports },
                Direction::Egress => Grant { subjects, sure: part, maybe: part, ports },
            });
        }
        if direction == Direction::Egress && (maybe != pods || sure != pods) {
            let ports = self.ports.number(plain_ports(ports));
            grants.push(Grant { subjects, sure, maybe, ports });
        }
        grants.retain(|grant| !self.ports.get(grant.ports).is_empty());
        grants
    }

    fn pods(&mut self, scope: Scope<'a>, selector: &'a Selector) -> SetId {
        if let Some(&known) = self.pods.get(&(scope, selector)) {
            return known;
        }
        let places = match scope {
            Scope::Place(place) => Arc::new(vec![place]),
            Scope::Matching(namespaces) => self.places(namespaces),
        };
        let found = match self.rarest(selector).filter(|_| places.len() > 1) {
            Some(candidates) => {
                let among =
                    |class: &u32| places.binary_search(&self.classes.list[*class as usize].namespace).is_ok();
                candidates
                    .iter()
                    .copied()
                    .filter(among)
                    .filter(|&class| self.selects(selector, class))
                    .collect()
            }
            None => {
                let all =
                    places.iter().flat_map(|&place| self.classes.places[place as usize].classes.clone());
                all.filter(|&class| self.selects(selector, class)).collect()
            }
        };
        let id = self.set(found);
        self.pods.insert((scope, selector), id);
        id
    }

    /// The classes of the rarest label that a selector asks to be equal to one value.
    fn rarest<'s>(&'s self, selector: &'s Selector) -> Option<&'s [u32]> {
        let equal = selector.requirements().iter().filter_map(|requirement| match &requirement.operator {
            Operator::In(values) if values.len() == 1 => Some((requirement.key.as_ref(), values[0].as_ref())),
            _ => None,
        });
        equal
            .map(move |label| self.by_label.get(&label).map_or(&[][..], Vec::as_slice))
            .min_by_key(|found| found.len())
    }

    fn selects(&self, selector: &Selector, class: u32) -> bool {
        let class = &self.classes.list[class as usize];
        !class.host_network
            && (selector.is_everything()
                || selector.matches(&self.network.pods[class.sample as usize].labels))
    }

    fn places(&mut self, selector: &'a Selector) -> Arc<Vec<u32>> {
        let places = &self.classes.places;
        let matching = || {
            let found = places.iter().enumerate().filter(|(_, place)| selector.matches(&place.labels));
            Arc::new(found.map(|(at, _)| at as u32).collect())
        };
        Arc::clone(self.places.entry(selector).or_insert_with(matching))
    }

    fn union(&mut self, sets: &[SetId]) -> SetId {
        match sets {
            [] => self.none,
            [one] => *one,
            _ => {
                let mut all: Vec<u32> = Vec::new();
                for &id in sets {
                    self.sets.get(id).for_each(|class| all.push(class));
                }
                all.sort_unstable();
                all.dedup();
                self.set(all)
            }
        }
    }

    /// - `classes`: sorted, or not yet when small.
    fn set(&mut self, mut classes: Vec<u32>) -> SetId {
        if !classes.is_sorted() {
            classes.sort_unstable();
        }
        self.sets.number(ClassSet::of_sorted(classes, self.classes.len()))
    }
}

/// The ports of a rule for a peer whose names are not known.
pub(crate) fn plain_ports(rules: &[PortRule]) -> PortSet {
    resolved_ports(rules, &[])
}

/// The ports of a rule for a receiver with named ports.
pub(crate) fn resolved_ports(rules: &[PortRule], named: &[(Box<str>, Protocol, u16)]) -> PortSet {
    if rules.is_empty() {
        return PortSet::all();
    }
    let mut ports = PortSet::empty();
    for PortRule { protocol, port } in rules {
        let tcp = protocol.unwrap_or_default();
        ports = ports.union(&match port {
            PortMatch::Any => PortSet::protocol(tcp),
            PortMatch::Range(from, to) => PortSet::range(tcp, *from, *to),
            PortMatch::Name(name) => {
                let known =
                    named.iter().filter(|(n, p, _)| n == name && protocol.is_none_or(|wanted| wanted == *p));
                known.fold(PortSet::empty(), |all, &(_, p, number)| all.union(&PortSet::port(p, number)))
            }
        });
    }
    ports
}
