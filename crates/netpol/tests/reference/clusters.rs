//! Random small clusters with every feature, made to shrink.

use std::net::IpAddr;

use nightlatch_netpol::{
    Action, Cidr, ClusterNode, ClusterPeer, ClusterPolicy, ClusterRule, ContainerPort, Labels, Namespace,
    Network, Operator, Peer, Pod, Policy, PortMatch, PortRule, Protocol, Requirement, Rule, Selector, Tier,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// A network, and what a world adds to it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) network: Network,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) nodes: Vec<usize>,
    /// Every address and node is in the network.
    pub(crate) everything_known: bool,
}

pub(crate) const PORTS: &[(Protocol, u16)] = &[
    (Protocol::Tcp, 80),
    (Protocol::Tcp, 81),
    (Protocol::Tcp, 8080),
    (Protocol::Udp, 53),
    (Protocol::Udp, 80),
    (Protocol::Sctp, 65535),
];
pub(crate) const OUTSIDE: &[&str] = &["8.8.8.8", "10.0.9.1", "2606:4700::1", "192.168.0.2"];

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const NODES: [&str; 2] = ["192.168.0.2", "192.168.0.3"];
const POD_ADDRESSES: [&str; 5] = ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.1.0.1", "fd00::1"];
const NETS: [&str; 9] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.1.0/24",
    "10.0.1.1/32",
    "10.0.0.0/16",
    "::/0",
    "fd00::/8",
    "8.0.0.0/5",
    "192.168.0.2/32",
];

fn selector() -> impl Strategy<Value = Selector> {
    let value = || select(vec!["1", "2"]).prop_map(Box::<str>::from);
    let operator = prop_oneof![
        4 => vec(value(), 1..3).prop_map(Operator::In),
        1 => vec(value(), 1..3).prop_map(Operator::NotIn),
        1 => Just(Operator::Exists),
        1 => Just(Operator::DoesNotExist),
    ];
    let requirement = (select(vec!["x", "y"]), operator)
        .prop_map(|(key, operator)| Requirement { key: key.into(), operator });
    prop_oneof![1 => Just(Selector::default()), 3 => vec(requirement, 0..3).prop_map(Selector::new)]
}

fn namespace_selector() -> impl Strategy<Value = Selector> {
    let by_name =
        select(NAMESPACES.to_vec()).prop_map(|name| Selector::equal([("kubernetes.io/metadata.name", name)]));
    prop_oneof![selector(), by_name]
}

fn labels() -> impl Strategy<Value = Labels> {
    let label = (select(vec!["x", "y", "unused"]), select(vec!["1", "2", "3"]));
    vec(label, 0..3).prop_map(Labels::new)
}

fn cidr() -> impl Strategy<Value = Cidr> {
    select(NETS.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn number() -> impl Strategy<Value = u16> {
    select(vec![80, 81, 53, 8080, 65535])
}

fn port_rule(any_protocol: bool) -> impl Strategy<Value = PortRule> {
    let port = prop_oneof![
        1 => Just(PortMatch::Any),
        3 => number().prop_map(|n| PortMatch::Range(n, n)),
        2 => (number(), number()).prop_map(|(a, b)| PortMatch::Range(a.min(b), a.max(b))),
        2 => select(vec!["web", "dns"]).prop_map(|name| PortMatch::Name(name.into())),
    ];
    (protocol(), port).prop_map(move |(protocol, port)| {
        let nameless = any_protocol && matches!(port, PortMatch::Name(_));
        PortRule { protocol: (!nameless).then_some(protocol), port }
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        3 => (option::of(namespace_selector()), selector()).prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods }),
        1 => (cidr(), vec(cidr(), 0..2)).prop_map(|(net, except)| {
            let except = except.into_iter().filter(|e| net.contains(e)).collect();
            Peer::Block { net, except }
        }),
    ]
}

fn rules() -> impl Strategy<Value = Option<Vec<Rule>>> {
    let rule = (vec(peer(), 0..3), vec(port_rule(false), 0..3)).prop_map(|(peers, ports)| Rule {
        peers,
        ports,
        origin: None,
    });
    option::of(vec(rule, 0..3))
}

fn policy() -> impl Strategy<Value = Policy> {
    (select(NAMESPACES.to_vec()), selector(), rules(), rules()).prop_map(
        |(namespace, selector, ingress, egress)| Policy {
            namespace: namespace.into(),
            name: "p".into(),
            selector,
            ingress,
            egress,
            inert: Vec::new(),
            origin: None,
        },
    )
}

fn cluster_rule(egress: bool) -> impl Strategy<Value = ClusterRule> {
    let pods = || {
        (namespace_selector(), selector())
            .prop_map(|(namespaces, pods)| ClusterPeer::Pods { namespaces, pods })
    };
    let peer = match egress {
        false => pods().boxed(),
        true => prop_oneof![
            4 => pods(),
            1 => selector().prop_map(ClusterPeer::Nodes),
            2 => vec(cidr(), 1..3).prop_map(ClusterPeer::Networks),
            1 => Just(ClusterPeer::Domains(vec!["example.com".into()])),
        ]
        .boxed(),
    };
    let action = select(vec![Action::Allow, Action::Deny, Action::Pass]);
    (action, vec(peer, 1..3), vec(port_rule(true), 0..3)).prop_map(|(action, peers, ports)| {
        let names = peers.iter().any(|peer| matches!(peer, ClusterPeer::Domains(_)));
        ClusterRule { action: if names { Action::Allow } else { action }, peers, ports, origin: None }
    })
}

fn cluster_policy() -> impl Strategy<Value = ClusterPolicy> {
    let tier = select(vec![Tier::Admin, Tier::Admin, Tier::Baseline]);
    (tier, namespace_selector(), selector(), vec(cluster_rule(false), 0..3), vec(cluster_rule(true), 0..3))
        .prop_map(|(tier, namespaces, pods, ingress, egress)| ClusterPolicy {
            kind: "ClusterNetworkPolicy".into(),
            name: "c".into(),
            tier,
            priority: 0,
            namespaces,
            pods,
            ingress,
            egress,
            origin: None,
        })
}

fn pod() -> impl Strategy<Value = (Pod, IpAddr, usize)> {
    let port = (option::of(select(vec!["web", "dns"])), protocol(), number()).prop_map(
        |(name, protocol, number)| ContainerPort {
            name: name.map(Into::into),
            number,
            protocol,
            host_port: None,
        },
    );
    let kind = select(vec!["Pod", "Deployment"]);
    (
        select(NAMESPACES.to_vec()),
        kind,
        labels(),
        vec(port, 0..3),
        0_u8..6,
        select(POD_ADDRESSES.to_vec()),
        0_usize..2,
        any::<bool>(),
    )
        .prop_map(|(namespace, kind, labels, ports, host, address, node, known)| {
            let host_network = host == 0;
            let address: IpAddr = if host_network { NODES[node] } else { address }.parse().unwrap();
            let pod = Pod {
                namespace: namespace.into(),
                kind: kind.into(),
                name: "w".into(),
                labels,
                ports,
                host_network,
                addresses: if known { vec![address] } else { Vec::new() },
                node: (known && host_network).then(|| format!("node{node}").into()),
                ..Pod::default()
            };
            (pod, address, node)
        })
}

pub(crate) fn cluster() -> impl Strategy<Value = Cluster> {
    let namespaces = vec(option::of(labels()), 3);
    let cluster_policies = prop_oneof![1 => Just(Vec::new()), 1 => vec(cluster_policy(), 0..4)];
    let nodes = (labels(), labels());
    (namespaces, vec(pod(), 1..7), vec(policy(), 0..5), cluster_policies, nodes, any::<bool>(), any::<bool>())
        .prop_map(|(namespaces, pods, policies, mut cluster_policies, nodes, reveal, bounded)| {
            // Equal priorities are undefined, so there are none.
            for (at, policy) in cluster_policies.iter_mut().enumerate() {
                policy.priority = at as i32;
            }
            let mut network = Network { policies, cluster_policies, ..Network::default() };
            for (name, labels) in NAMESPACES.iter().zip(namespaces) {
                // Some namespaces are known by their pods alone.
                network.namespaces.extend(labels.map(|labels| Namespace {
                    name: (*name).into(),
                    labels,
                    origin: None,
                }));
            }
            for (at, labels) in [nodes.0, nodes.1].into_iter().enumerate() {
                let addresses = vec![NODES[at].parse().unwrap()];
                network.nodes.push(ClusterNode { name: format!("node{at}").into(), labels, addresses });
            }
            let (mut addresses, mut on) = (Vec::new(), Vec::new());
            for (mut pod, address, node) in pods {
                if reveal {
                    pod.addresses = vec![address];
                    pod.node = pod.host_network.then(|| format!("node{node}").into());
                }
                network.pods.push(pod);
                addresses.push(address);
                on.push(node);
            }
            if bounded {
                network.pod_networks = vec!["10.0.0.0/15".parse().unwrap(), "fd00::/64".parse().unwrap()];
            }
            Cluster { network, addresses, nodes: on, everything_known: reveal }
        })
}
