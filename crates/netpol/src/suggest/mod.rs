//! Policies that deny by default and allow what the manifests say is needed.

mod identity;
mod need;
mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use need::{Need, Source};

use crate::{
    AddressSet, Cidr, Engine, Network, Party, Peer, Policy, PortMatch, PortRule, Protocol, Rule, Selector,
    Verdict,
};

/// The label of namespaces that only their name decides.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Where name resolution is asked, unless the input shows it elsewhere.
const DNS_NAMESPACE: &str = "kube-system";
const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");

/// Suggested policies.
#[derive(Clone, Debug, Default)]
pub struct Suggestion {
    /// The policies: of each namespace a default deny, name resolution, and one for each workload that needs something.
    pub policies: Vec<Policy>,
    /// What they allow, and why.
    pub needs: Vec<Need>,
    /// Needs that stay unfulfilled with these policies, as indices: cluster policies forbid them.
    pub unmet: Vec<usize>,
    /// Workloads whose pods no labels tell apart from others: their rules hold for all pods with the same labels.
    pub ambiguous: Vec<usize>,
}

impl Engine<'_> {
    /// Suggests policies for every namespace with pods.
    ///
    /// Needs are read from Services named in environments, arguments and ConfigMaps, from ways in from outside, and from
    /// node ports. Probes need nothing: what comes from a pod's own node is always let through. Connections to hosts outside
    /// the cluster cannot be read from manifests and are not allowed.
    pub fn suggest(&self) -> Suggestion {
        let network = self.network;
        let needs = need::needs(self);
        let named = needs.iter().flat_map(|need| match need.source {
            Source::Pod(from) => vec![from, need.target],
            _ => vec![need.target],
        });
        let identities = identity::identities(network, named);
        let mut ingress: BTreeMap<usize, Vec<Rule>> = BTreeMap::new();
        let mut egress: BTreeMap<usize, Vec<Rule>> = BTreeMap::new();
        for need in &needs {
            let ports: Vec<PortRule> = need.ports.iter().map(port_rule).collect();
            let rule = |peers| Rule { peers, ports: ports.clone(), origin: None };
            let to = need.target;
            if let Source::Pod(from) = &need.source {
                egress.entry(*from).or_default().push(rule(vec![peer(network, &identities, *from, to)]));
            }
            let peers = match &need.source {
                Source::Pod(from) => vec![peer(network, &identities, to, *from)],
                Source::Outside(None) => Vec::new(),
                Source::Outside(Some(blocks)) => {
                    blocks.iter().map(|&net| Peer::Block { net, except: Vec::new() }).collect()
                }
                Source::AnyPod => {
                    vec![Peer::Pods { namespaces: Some(Selector::default()), pods: Selector::default() }]
                }
            };
            ingress.entry(to).or_default().push(rule(peers));
        }
        let mut suggestion = Suggestion { needs, ..Suggestion::default() };
        let namespaces: BTreeSet<&str> =
            network.pods.iter().filter(|pod| !pod.host_network).map(|pod| pod.namespace.as_ref()).collect();
        for namespace in namespaces {
            suggestion.policies.extend([deny(namespace), dns(namespace)]);
            for (at, pod) in network.pods.iter().enumerate().filter(|(_, pod)| *pod.namespace == *namespace) {
                let (ingress, egress) = (ingress.remove(&at), egress.remove(&at));
                if pod.host_network || (ingress.is_none() && egress.is_none()) {
                    continue;
                }
                let Some(identity) = identities.get(&at) else { continue };
                if !identity.exact {
                    suggestion.ambiguous.push(at);
                }
                suggestion.policies.push(Policy {
                    namespace: namespace.into(),
                    name: policy_name(pod).into(),
                    selector: identity.selector.clone(),
                    ingress: ingress.map(merged),
                    egress: egress.map(merged),
                    inert: Vec::new(),
                    origin: None,
                });
            }
        }
        suggestion.unmet = suggestion.check(network);
        suggestion
    }
}

impl Suggestion {
    /// The policies as YAML documents that read back to the same.
    pub fn yaml(&self) -> String {
        yaml::documents(&self.policies)
    }

    /// The needs that the policies, and the network's cluster policies, do not let through.
    pub fn check(&self, network: &Network) -> Vec<usize> {
        let with = Network { policies: self.policies.clone(), ..network.clone() };
        let engine = Engine::new(&with);
        let met = |need: &Need| {
            let source = match &need.source {
                Source::Pod(from) => Party::Pod(*from),
                Source::Outside(Some(blocks)) => Party::Addresses(AddressSet::of(blocks)),
                Source::Outside(None) => Party::Addresses(AddressSet::internet()),
                Source::AnyPod => return true,
            };
            let answer = engine.pair(&source, &Party::Pod(need.target));
            answer.is_some_and(|answer| {
                need.ports.iter().all(|&(protocol, port)| answer.modelled(protocol, port) == Verdict::Allowed)
            })
        };
        self.needs.iter().enumerate().filter(|(_, need)| !met(need)).map(|(at, _)| at).collect()
    }
}

fn port_rule(&(protocol, number): &(Protocol, u16)) -> PortRule {
    PortRule { protocol: Some(protocol), port: PortMatch::Range(number, number) }
}

fn peer(
    network: &Network,
    identities: &HashMap<usize, identity::Identity>,
    own: usize,
    other: usize,
) -> Peer {
    let (own, pod) = (&network.pods[own], &network.pods[other]);
    let namespaces =
        (own.namespace != pod.namespace).then(|| Selector::equal([(NAME_LABEL, pod.namespace.as_ref())]));
    Peer::Pods {
        namespaces,
        pods: identities.get(&other).map(|identity| identity.selector.clone()).unwrap_or_default(),
    }
}

/// Rules with the same peers become one with all ports, and rules with the same ports one with all peers.
fn merged(rules: Vec<Rule>) -> Vec<Rule> {
    let mut by_peers: Vec<Rule> = Vec::new();
    for rule in rules {
        match by_peers.iter_mut().find(|known| known.peers == rule.peers) {
            Some(known) => {
                let new: Vec<_> = rule.ports.into_iter().filter(|port| !known.ports.contains(port)).collect();
                known.ports.extend(new);
            }
            None => by_peers.push(rule),
        }
    }
    let mut by_ports: Vec<Rule> = Vec::new();
    for rule in by_peers {
        // A rule without peers is for everybody: it takes no others in.
        let same = |known: &&mut Rule| {
            known.ports == rule.ports && !known.peers.is_empty() && !rule.peers.is_empty()
        };
        match by_ports.iter_mut().find(same) {
            Some(known) => known.peers.extend(rule.peers),
            None => by_ports.push(rule),
        }
    }
    by_ports
}

fn deny(namespace: &str) -> Policy {
    Policy {
        namespace: namespace.into(),
        name: "default-deny".into(),
        selector: Selector::default(),
        ingress: Some(Vec::new()),
        egress: Some(Vec::new()),
        inert: Vec::new(),
        origin: None,
    }
}

fn dns(namespace: &str) -> Policy {
    let peer = Peer::Pods {
        namespaces: Some(Selector::equal([(NAME_LABEL, DNS_NAMESPACE)])),
        pods: Selector::equal([DNS_LABEL]),
    };
    let ports = [(Protocol::Udp, 53), (Protocol::Tcp, 53)].iter().map(port_rule).collect();
    Policy {
        namespace: namespace.into(),
        name: "allow-dns".into(),
        selector: Selector::default(),
        ingress: None,
        egress: Some(vec![Rule { peers: vec![peer], ports, origin: None }]),
        inert: Vec::new(),
        origin: None,
    }
}

/// The longest name of an object.
const NAME_BYTES_MAX: usize = 253;

fn policy_name(pod: &crate::Pod) -> String {
    let mut name = format!("allow-{}", pod.name);
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

/// Blocks of a Service's load balancer; nothing when anybody may.
fn blocks(ranges: &[Cidr]) -> Option<Vec<Cidr>> {
    (!ranges.is_empty()).then(|| ranges.to_vec())
}
