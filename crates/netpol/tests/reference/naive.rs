//! The semantics as they are told, one connection at a time, without classes, sets or cleverness.
//!
//! Source: Kubernetes documentation "Network Policies"; the Network Policy API's documentation of v1alpha1 and v1alpha2.

use std::net::IpAddr;

use nightlatch_netpol::{
    Action, Cidr, ClusterPeer, ClusterRule, Direction, Network, Operator, Peer, PortMatch, PortRule,
    Protocol, Selector, Tier,
};

/// One end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Pod(usize),
    Address(IpAddr),
}

/// What manifests do not say.
pub(crate) struct World<'a> {
    pub(crate) blocks_mean_pods: bool,
    pub(crate) same_node: bool,
    pub(crate) names_mean_address: bool,
    /// Of each pod.
    pub(crate) addresses: &'a [IpAddr],
    /// Of each pod, as an index; used of host-network pods.
    pub(crate) nodes: &'a [usize],
}

pub(crate) fn allowed(
    net: &Network,
    world: &World<'_>,
    from: End,
    to: End,
    protocol: Protocol,
    port: u16,
) -> bool {
    let host = |end| matches!(end, End::Pod(pod) if net.pods[pod].host_network);
    if from == to && matches!(from, End::Pod(pod) if net.pods[pod].kind.as_ref() == "Pod") {
        return true;
    }
    if world.same_node && (host(from) && matches!(to, End::Pod(_))) {
        return true;
    }
    let leaves =
        (world.same_node && host(to)) || side(net, world, Direction::Egress, from, to, to, protocol, port);
    leaves && side(net, world, Direction::Ingress, to, from, to, protocol, port)
}

#[expect(clippy::too_many_arguments, reason = "a connection has that many")]
fn side(
    net: &Network,
    world: &World<'_>,
    way: Direction,
    own: End,
    other: End,
    to: End,
    protocol: Protocol,
    port: u16,
) -> bool {
    let End::Pod(pod) = own else { return true };
    let pod = &net.pods[pod];
    if pod.host_network {
        return true;
    }
    let named = |rules: &[PortRule], by_name: bool| {
        rules.is_empty() || rules.iter().any(|rule| on_port(net, rule, to, by_name, protocol, port))
    };
    let tier = |tier: Tier| {
        let mut policies: Vec<_> = net.cluster_policies.iter().filter(|policy| policy.tier == tier).collect();
        policies.sort_by_key(|policy| policy.priority);
        for policy in policies {
            if !selects(&policy.namespaces, &namespace(net, &pod.namespace))
                || !selects(&policy.pods, &labels(&pod.labels))
            {
                continue;
            }
            for rule in policy.rules(way) {
                if cluster_rule(net, world, rule, way, other, &named) {
                    return Some(rule.action);
                }
            }
        }
        None
    };
    match tier(Tier::Admin) {
        Some(Action::Allow) => return true,
        Some(Action::Deny) => return false,
        Some(Action::Pass) | None => {}
    }
    let mut isolated = false;
    for policy in net.policies.iter().filter(|policy| policy.namespace == pod.namespace) {
        let Some(rules) = policy.rules(way) else { continue };
        if !selects(&policy.selector, &labels(&pod.labels)) {
            continue;
        }
        isolated = true;
        for rule in rules {
            if rule.peers.is_empty() && named(&rule.ports, true) {
                return true;
            }
            for peer in &rule.peers {
                let by_name = way == Direction::Ingress || matches!(peer, Peer::Pods { .. });
                if is_peer(net, world, peer, &pod.namespace, other) && named(&rule.ports, by_name) {
                    return true;
                }
            }
        }
    }
    !isolated && tier(Tier::Baseline) != Some(Action::Deny)
}

/// One rule of a cluster policy: any of its peers, on its ports.
fn cluster_rule(
    net: &Network,
    world: &World<'_>,
    rule: &ClusterRule,
    way: Direction,
    other: End,
    named: &dyn Fn(&[PortRule], bool) -> bool,
) -> bool {
    let is_peer = |peer: &ClusterPeer| match peer {
        ClusterPeer::Pods { namespaces, pods } => is_pod(net, other, namespaces, pods),
        ClusterPeer::Nodes(selector) => net.nodes.iter().enumerate().any(|(at, node)| {
            let here = match other {
                End::Pod(pod) => net.pods[pod].host_network && world.nodes[pod] == at,
                End::Address(address) => node.addresses.contains(&address),
            };
            here && selects(selector, &labels(&node.labels))
        }),
        ClusterPeer::Networks(nets) => nets.iter().any(|net| inside(*net, address(world, other))),
        ClusterPeer::Domains(_) => {
            world.names_mean_address
                && matches!(other, End::Address(a) if nightlatch_netpol::AddressSet::internet().contains(a))
        }
    };
    rule.peers
        .iter()
        .filter(|peer| is_peer(peer))
        .any(|peer| named(&rule.ports, way == Direction::Ingress || matches!(peer, ClusterPeer::Pods { .. })))
}

fn is_peer(net: &Network, world: &World<'_>, peer: &Peer, own: &str, other: End) -> bool {
    match peer {
        Peer::Pods { namespaces: Some(namespaces), pods } => is_pod(net, other, namespaces, pods),
        Peer::Pods { namespaces: None, pods } => {
            matches!(other, End::Pod(pod) if net.pods[pod].namespace.as_ref() == own)
                && is_pod(net, other, &Selector::default(), pods)
        }
        Peer::Block { net, except } => {
            let meant = world.blocks_mean_pods || matches!(other, End::Address(_));
            let other = address(world, other);
            meant && inside(*net, other) && !except.iter().any(|except| inside(*except, other))
        }
    }
}

fn is_pod(net: &Network, end: End, namespaces: &Selector, pods: &Selector) -> bool {
    let End::Pod(pod) = end else { return false };
    let pod = &net.pods[pod];
    !pod.host_network
        && selects(namespaces, &namespace(net, &pod.namespace))
        && selects(pods, &labels(&pod.labels))
}

fn address(world: &World<'_>, end: End) -> IpAddr {
    match end {
        End::Pod(pod) => world.addresses[pod],
        End::Address(address) => address,
    }
}

fn inside(net: Cidr, address: IpAddr) -> bool {
    let text = net.to_string();
    let (base, prefix) = text.split_once('/').unwrap();
    let free = |bits: u32| bits - prefix.parse::<u32>().unwrap();
    match (base.parse().unwrap(), address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u64::from(a.to_bits()) >> free(32)) == (u64::from(b.to_bits()) >> free(32))
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            free(128) == 128 || (a.to_bits() >> free(128)) == (b.to_bits() >> free(128))
        }
        _ => false,
    }
}

fn on_port(net: &Network, rule: &PortRule, to: End, by_name: bool, protocol: Protocol, port: u16) -> bool {
    let right = rule.protocol.is_none_or(|wanted| wanted == protocol);
    right
        && match &rule.port {
            PortMatch::Any => true,
            PortMatch::Range(first, last) => (*first..=*last).contains(&port),
            PortMatch::Name(name) => {
                let End::Pod(pod) = to else { return false };
                let pod = &net.pods[pod];
                by_name
                    && !pod.host_network
                    && pod
                        .ports
                        .iter()
                        .any(|p| p.name.as_ref() == Some(name) && p.protocol == protocol && p.number == port)
            }
        }
}

type Pairs = Vec<(String, String)>;

fn labels(labels: &nightlatch_netpol::Labels) -> Pairs {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn namespace(net: &Network, name: &str) -> Pairs {
    let known = net.namespaces.iter().find(|namespace| namespace.name.as_ref() == name);
    let mut all = known.map(|namespace| labels(&namespace.labels)).unwrap_or_default();
    all.push(("kubernetes.io/metadata.name".to_owned(), name.to_owned()));
    all
}

fn selects(selector: &Selector, labels: &Pairs) -> bool {
    selector.requirements().iter().all(|requirement| {
        let value = labels.iter().find(|(key, _)| *key == *requirement.key).map(|(_, value)| value.as_str());
        match (&requirement.operator, value) {
            (Operator::In(values), Some(value)) => values.iter().any(|v| **v == *value),
            (Operator::In(_), None) => false,
            (Operator::NotIn(values), Some(value)) => values.iter().all(|v| **v != *value),
            (Operator::NotIn(_), None) => true,
            (Operator::Exists, value) => value.is_some(),
            (Operator::DoesNotExist, value) => value.is_none(),
        }
    })
}
