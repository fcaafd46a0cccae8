//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy (`policy.networking.k8s.io`).

use nightlatch_manifest::{Kind, Node, Object};

use super::{Mistake, origin, policy, selector::selector};
use crate::{
    Action, Cidr, ClusterPeer, ClusterPolicy, ClusterRule, PortMatch, PortRule, Protocol, Selector, Tier,
};

/// The kinds read here.
pub(super) const KINDS: [&str; 3] =
    ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"];
/// The largest priority (v1alpha1 and v1alpha2).
const PRIORITY_MAX: i64 = 1000;

pub(super) fn cluster_policy<'a>(object: &Object<'a>) -> Result<ClusterPolicy, Mistake<'a>> {
    let Some(spec) = object.spec() else { return Err(Mistake::at(object.root, "`spec` is missing")) };
    let (tier, priority) = match object.kind {
        "AdminNetworkPolicy" => (Tier::Admin, priority(spec)?),
        "BaselineAdminNetworkPolicy" if object.name == "default" => (Tier::Baseline, 0),
        "BaselineAdminNetworkPolicy" => {
            return Err(Mistake::at(object.root, "the only baseline policy is called `default`"));
        }
        _ => (named_tier(spec)?, priority(spec)?),
    };
    let Some(subject) = spec.get("subject") else { return Err(Mistake::at(spec, "`subject` is missing")) };
    exactly_one(subject, &["namespaces", "pods"], "a subject needs either `namespaces` or `pods`")?;
    let (namespaces, pods) =
        pods(subject)?.ok_or_else(|| Mistake::at(subject, "a subject needs `namespaces` or `pods`"))?;
    let of_old_baseline = object.kind == "BaselineAdminNetworkPolicy";
    let rules = |key: &str, peers: &str| {
        let read = |node: Node<'a>| {
            let rule = rule(node, peers, tier)?;
            if of_old_baseline && rule.action == Action::Pass {
                return Err(Mistake::at(node, "a baseline policy cannot pass: nothing comes after it"));
            }
            Ok(rule)
        };
        super::list(spec, key).map(read).collect::<Result<Vec<_>, _>>()
    };
    Ok(ClusterPolicy {
        kind: object.kind.into(),
        name: object.name.into(),
        tier,
        priority,
        namespaces,
        pods,
        ingress: rules("ingress", "from")?,
        egress: rules("egress", "to")?,
        origin: origin(object.root),
    })
}

fn named_tier(spec: Node<'_>) -> Result<Tier, Mistake<'_>> {
    match super::text(spec, "tier") {
        Some("Admin") => Ok(Tier::Admin),
        Some("Baseline") => Ok(Tier::Baseline),
        _ => Err(Mistake::at(spec, "`tier` must be `Admin` or `Baseline`")),
    }
}

fn priority(spec: Node<'_>) -> Result<i32, Mistake<'_>> {
    let Some(node) = spec.get("priority") else { return Err(Mistake::at(spec, "`priority` is missing")) };
    let number = node.as_int().filter(|number| (0..=PRIORITY_MAX).contains(number));
    number
        .map(|number| number as i32)
        .ok_or_else(|| Mistake::at(node, "a priority is a number from 0 to 1000"))
}

/// Refuses a node that has none or several of the fields of which it may have one.
fn exactly_one<'a>(node: Node<'a>, fields: &[&str], wanted: &'static str) -> Result<(), Mistake<'a>> {
    let given = fields.iter().filter(|field| node.get(field).is_some()).count();
    if given == 1 { Ok(()) } else { Err(Mistake::at(node, wanted)) }
}

/// The pods that a subject or peer selects: by namespaces alone, or by namespaces and pods.
fn pods(node: Node<'_>) -> Result<Option<(Selector, Selector)>, Mistake<'_>> {
    if let Some(namespaces) = node.get("namespaces") {
        // The first drafts nested the selector once more.
        let inner = namespaces.get("namespaceSelector").unwrap_or(namespaces);
        return Ok(Some((selector(Some(inner))?, Selector::default())));
    }
    let Some(both) = node.get("pods") else { return Ok(None) };
    Ok(Some((selector(both.get("namespaceSelector"))?, selector(both.get("podSelector"))?)))
}

fn rule<'a>(node: Node<'a>, peers_key: &str, tier: Tier) -> Result<ClusterRule, Mistake<'a>> {
    let action = match super::text(node, "action") {
        Some("Allow" | "Accept") => Action::Allow,
        Some("Deny") => Action::Deny,
        Some("Pass") => Action::Pass,
        _ => return Err(Mistake::at(node, "`action` must be Accept (Allow in v1alpha1), Deny or Pass")),
    };
    let peers: Vec<ClusterPeer> =
        super::list(node, peers_key).map(|node| peer(node, peers_key)).collect::<Result<_, _>>()?;
    if peers.is_empty() {
        return Err(Mistake::at(
            node,
            format!("`{peers_key}` needs a peer: here an empty list is not everybody"),
        ));
    }
    if peers.iter().any(|peer| matches!(peer, ClusterPeer::Domains(_)))
        && (action != Action::Allow || tier != Tier::Admin)
    {
        return Err(Mistake::at(node, "`domainNames` can only be allowed, in the admin tier"));
    }
    let mut ports = Vec::new();
    for item in super::list(node, "ports") {
        ports.push(old_port(item)?);
    }
    for item in super::list(node, "protocols") {
        ports.push(protocol(item)?);
    }
    Ok(ClusterRule { action, peers, ports, origin: origin(node) })
}

fn peer<'a>(node: Node<'a>, peers_key: &str) -> Result<ClusterPeer, Mistake<'a>> {
    if peers_key == "from" {
        exactly_one(node, &["namespaces", "pods"], "a peer of ingress needs either `namespaces` or `pods`")?;
    }
    exactly_one(node, &["namespaces", "pods", "nodes", "networks", "domainNames"], PEER)?;
    if let Some((namespaces, pods)) = pods(node)? {
        return Ok(ClusterPeer::Pods { namespaces, pods });
    }
    if let Some(nodes) = node.get("nodes") {
        return Ok(ClusterPeer::Nodes(selector(Some(nodes))?));
    }
    if let Some(networks) = node.get("networks") {
        let read = |item: Node<'_>| item.as_str().and_then(|text| text.parse::<Cidr>().ok());
        let nets =
            networks.items().map(|item| read(item).ok_or_else(|| Mistake::at(item, "not a CIDR block")));
        return Ok(ClusterPeer::Networks(nets.collect::<Result<_, _>>()?));
    }
    if let Some(names) = node.get("domainNames") {
        return Ok(ClusterPeer::Domains(names.items().filter_map(Node::as_str).map(Box::from).collect()));
    }
    Err(Mistake::at(node, PEER))
}

const PEER: &str = "a peer needs one of `namespaces`, `pods`, `nodes`, `networks` and `domainNames`";
const OLD_PORT: &str = "a port needs one of `portNumber`, `portRange` and `namedPort`";

/// `portNumber`, `portRange` or `namedPort` (v1alpha1).
fn old_port(node: Node<'_>) -> Result<PortRule, Mistake<'_>> {
    exactly_one(node, &["portNumber", "portRange", "namedPort"], OLD_PORT)?;
    if let Some(name) = node.get("namedPort") {
        return Ok(PortRule { protocol: None, port: PortMatch::Name(policy::port_name(name)?.into()) });
    }
    let (inner, single) = match (node.get("portNumber"), node.get("portRange")) {
        (Some(inner), _) => (inner, true),
        (None, Some(inner)) => (inner, false),
        (None, None) => {
            return Err(Mistake::at(node, OLD_PORT));
        }
    };
    let protocol = inner.get("protocol").map_or(Ok(Protocol::Tcp), policy::protocol)?;
    let port = if single {
        inner.get("port").and_then(super::port_number).map(|n| PortMatch::Range(n, n))
    } else {
        range(inner)
    };
    let port = port.ok_or_else(|| Mistake::at(inner, "not a port number or range"))?;
    Ok(PortRule { protocol: Some(protocol), port })
}

fn range(node: Node<'_>) -> Option<PortMatch> {
    let (start, end) = (super::port_number(node.get("start")?)?, super::port_number(node.get("end")?)?);
    (start <= end).then_some(PortMatch::Range(start, end))
}

/// `tcp`, `udp`, `sctp` with an optional `destinationPort`, or `destinationNamedPort` (v1alpha2).
fn protocol(node: Node<'_>) -> Result<PortRule, Mistake<'_>> {
    if let Some(name) = node.get("destinationNamedPort") {
        return Ok(PortRule { protocol: None, port: PortMatch::Name(policy::port_name(name)?.into()) });
    }
    let words = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    let known = words.into_iter().find_map(|(word, protocol)| Some((node.get(word)?, protocol)));
    let Some((inner, protocol)) = known else {
        return Err(Mistake::at(node, "a protocol needs `tcp`, `udp`, `sctp` or `destinationNamedPort`"));
    };
    let port = match inner.get("destinationPort") {
        None => PortMatch::Any,
        Some(port) => {
            let number = port.get("number").filter(|n| n.kind() == Kind::Int).and_then(super::port_number);
            let number = number.map(|n| PortMatch::Range(n, n)).or_else(|| range(port.get("range")?));
            number.ok_or_else(|| Mistake::at(port, "not a port number or range"))?
        }
    };
    Ok(PortRule { protocol: Some(protocol), port })
}
