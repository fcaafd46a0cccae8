//! Pods reduced to classes that no policy can tell apart.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    ops::Range,
};

use crate::{
    AddressSet, Cidr, ClusterPeer, Direction, Labels, Network, Peer, PortMatch, PortRule, Protocol,
    Requirement, Selector,
};

/// The name that every namespace carries as a label since Kubernetes 1.21.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A namespace with the labels that hold in effect.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: Box<str>,
    pub(crate) labels: Labels,
    /// Its classes, which stand together.
    pub(crate) classes: Range<u32>,
}

/// Names of ports and what they mean, sorted.
pub(crate) type NamedPorts = Vec<(Box<str>, Protocol, u16)>;

/// What all pods of a class have in common.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) namespace: u32,
    /// One of its pods.
    pub(crate) sample: u32,
    pub(crate) host_network: bool,
    /// Index into [`Classes::named`].
    pub(crate) named: u32,
}

#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) places: Vec<Place>,
    pub(crate) list: Vec<Class>,
    /// Pod to class.
    pub(crate) of_pod: Vec<u32>,
    /// The pods of class `n` are `members[starts[n]..starts[n + 1]]`.
    pub(crate) members: Vec<u32>,
    pub(crate) starts: Vec<u32>,
    pub(crate) named: Vec<NamedPorts>,
}

/// What a class is told apart by.
#[derive(Eq, Hash, PartialEq)]
struct Key<'a> {
    namespace: u32,
    host_network: bool,
    labels: Vec<(&'a str, &'a str)>,
    named: u32,
    /// Between which boundaries of blocks its addresses lie.
    addresses: Vec<u32>,
    node: Option<&'a str>,
}

impl Classes {
    pub(crate) fn of(network: &Network) -> Self {
        let mut places = places(network);
        let place_of: HashMap<&str, u32> =
            places.iter().enumerate().map(|(at, place)| (place.name.as_ref(), at as u32)).collect();
        let used = Used::of(network);
        let mut named: Vec<NamedPorts> = vec![Vec::new()];
        let mut named_of: HashMap<NamedPorts, u32> = HashMap::from([(Vec::new(), 0)]);
        let mut keys: HashMap<Key<'_>, u32> = HashMap::new();
        let mut list: Vec<Class> = Vec::new();
        let mut of_pod = Vec::with_capacity(network.pods.len());
        for (index, pod) in network.pods.iter().enumerate() {
            let ports = used.named_ports(pod);
            let named_id = match named_of.get(&ports) {
                Some(&id) => id,
                None => {
                    named.push(ports.clone());
                    named_of.insert(ports, named.len() as u32 - 1);
                    named.len() as u32 - 1
                }
            };
            let labels =
                pod.labels.iter().filter(|(key, _)| !pod.host_network && used.keys.contains(key)).collect();
            let namespace = place_of.get(pod.namespace.as_ref()).copied().unwrap_or(0);
            let key = Key {
                namespace,
                host_network: pod.host_network,
                labels,
                named: named_id,
                addresses: used.between(&pod.addresses),
                node: pod.node.as_deref().filter(|_| pod.host_network && used.nodes),
            };
            let class = *keys.entry(key).or_insert_with(|| {
                list.push(Class {
                    namespace,
                    sample: index as u32,
                    host_network: pod.host_network,
                    named: named_id,
                });
                list.len() as u32 - 1
            });
            of_pod.push(class);
        }
        drop(keys);
        drop(place_of);
        let mut classes =
            Self { places: Vec::new(), list, of_pod, members: Vec::new(), starts: Vec::new(), named };
        classes.sort_by_namespace(&mut places);
        classes.places = places;
        classes.count_members();
        classes
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The pods of a class.
    pub(crate) fn pods(&self, class: u32) -> &[u32] {
        let at = |n: usize| self.starts.get(n).copied().unwrap_or(0) as usize;
        self.members.get(at(class as usize)..at(class as usize + 1)).unwrap_or(&[])
    }

    fn sort_by_namespace(&mut self, places: &mut [Place]) {
        let mut order: Vec<u32> = (0..self.list.len() as u32).collect();
        order.sort_by_key(|&class| (self.list[class as usize].namespace, class));
        let mut new_of = vec![0_u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            new_of[old as usize] = new as u32;
        }
        self.list = order.iter().map(|&old| self.list[old as usize].clone()).collect();
        for class in &mut self.of_pod {
            *class = new_of[*class as usize];
        }
        for (at, place) in places.iter_mut().enumerate() {
            let start = self.list.partition_point(|class| class.namespace < at as u32) as u32;
            let end = self.list.partition_point(|class| class.namespace <= at as u32) as u32;
            place.classes = start..end;
        }
    }

    fn count_members(&mut self) {
        let mut starts = vec![0_u32; self.list.len() + 1];
        for &class in &self.of_pod {
            starts[class as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut members = vec![0; self.of_pod.len()];
        for (pod, &class) in self.of_pod.iter().enumerate() {
            let at = &mut next[class as usize];
            members[*at as usize] = pod as u32;
            *at += 1;
        }
        (self.members, self.starts) = (members, starts);
    }
}

/// Every namespace that anything names.
fn places(network: &Network) -> Vec<Place> {
    let mut labels: BTreeMap<&str, Labels> = BTreeMap::new();
    for namespace in &network.namespaces {
        labels.insert(&namespace.name, namespace.labels.clone());
    }
    let pods = network.pods.iter().map(|pod| &pod.namespace);
    let policies = network.policies.iter().map(|policy| &policy.namespace);
    for name in pods.chain(policies) {
        if !labels.contains_key(name.as_ref()) {
            labels.insert(name, Labels::default());
        }
    }
    labels
        .into_iter()
        .map(|(name, mut labels)| {
            if !name.is_empty() {
                labels.insert(NAME_LABEL, name);
            }
            Place { name: name.into(), labels, classes: 0..0 }
        })
        .collect()
}

/// What policies look at.
struct Used<'a> {
    keys: HashSet<&'a str>,
    names: HashSet<&'a str>,
    boundaries: Vec<IpAddr>,
    nodes: bool,
}

impl<'a> Used<'a> {
    fn of(network: &'a Network) -> Self {
        let mut used =
            Self { keys: HashSet::new(), names: HashSet::new(), boundaries: Vec::new(), nodes: false };
        let mut blocks: BTreeSet<IpAddr> = BTreeSet::new();
        for policy in &network.policies {
            used.selector(&policy.selector);
            for rule in Direction::ALL.into_iter().filter_map(|direction| policy.rules(direction)).flatten() {
                used.ports(&rule.ports);
                for peer in &rule.peers {
                    match peer {
                        Peer::Pods { pods, .. } => used.selector(pods),
                        Peer::Block { net, except } => {
                            cut(&mut blocks, std::slice::from_ref(net));
                            cut(&mut blocks, except);
                        }
                    }
                }
            }
        }
        for policy in &network.cluster_policies {
            used.selector(&policy.pods);
            for rule in policy.ingress.iter().chain(&policy.egress) {
                used.ports(&rule.ports);
                for peer in &rule.peers {
                    match peer {
                        ClusterPeer::Pods { pods, .. } => used.selector(pods),
                        ClusterPeer::Networks(nets) => cut(&mut blocks, nets),
                        ClusterPeer::Nodes(_) => used.nodes = true,
                        ClusterPeer::Domains(_) => {}
                    }
                }
            }
        }
        used.boundaries = blocks.into_iter().collect();
        used
    }

    fn selector(&mut self, selector: &'a Selector) {
        self.keys.extend(selector.requirements().iter().map(|Requirement { key, .. }| key.as_ref()));
    }

    fn ports(&mut self, ports: &'a [PortRule]) {
        self.names.extend(ports.iter().filter_map(|rule| match &rule.port {
            PortMatch::Name(name) => Some(name.as_ref()),
            _ => None,
        }));
    }

    /// Of host-network pods none: they stand for their node, whose ports have no names.
    fn named_ports(&self, pod: &crate::Pod) -> NamedPorts {
        if self.names.is_empty() || pod.host_network {
            return Vec::new();
        }
        let known = pod.ports.iter().filter_map(|port| {
            let name = port.name.as_deref().filter(|name| self.names.contains(name))?;
            Some((name.into(), port.protocol, port.number))
        });
        let mut ports: NamedPorts = known.collect();
        ports.sort();
        ports.dedup();
        ports
    }

    fn between(&self, addresses: &[IpAddr]) -> Vec<u32> {
        let at = |address: &IpAddr| {
            let family = if address.is_ipv4() { 0 } else { 1 << 31 };
            family | self.boundaries.partition_point(|boundary| boundary <= address) as u32
        };
        let mut between: Vec<u32> = addresses.iter().map(at).collect();
        between.sort_unstable();
        between.dedup();
        between
    }
}

/// Adds the first address of each block and the first one behind it.
fn cut(boundaries: &mut BTreeSet<IpAddr>, cidrs: &[Cidr]) {
    for (start, end) in cidrs.iter().flat_map(|&cidr| AddressSet::from(cidr).ranges().collect::<Vec<_>>()) {
        boundaries.insert(start);
        boundaries.extend(match end {
            IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|next| IpAddr::V4(next.into())),
            IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|next| IpAddr::V6(next.into())),
        });
    }
}
