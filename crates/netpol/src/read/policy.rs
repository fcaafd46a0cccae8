//! NetworkPolicy (`networking.k8s.io/v1`), with the API server's defaults and refusals.

use nightlatch_manifest::{Kind, Node, Object};

use super::{Mistake, origin, selector::selector};
use crate::{Cidr, Direction, Peer, Policy, PortMatch, PortRule, Protocol, Rule};

pub(super) fn policy<'a>(object: &Object<'a>) -> Result<Policy, Mistake<'a>> {
    let spec = object.spec();
    let field = |key: &str| spec.and_then(|spec| spec.get(key));
    let ingress = rules(field("ingress"), "from")?;
    let egress = rules(field("egress"), "to")?;
    let types = types(field("policyTypes"))?;
    // Without types: ingress always, egress only when there is an egress rule.
    let has = |direction, default| if types.is_empty() { default } else { types.contains(&direction) };
    let (isolates_ingress, isolates_egress) =
        (has(Direction::Ingress, true), has(Direction::Egress, !egress.is_empty()));
    let mut inert = Vec::new();
    if !isolates_ingress && !ingress.is_empty() {
        inert.push(Direction::Ingress);
    }
    if !isolates_egress && !egress.is_empty() {
        inert.push(Direction::Egress);
    }
    Ok(Policy {
        namespace: object.namespace.unwrap_or("").into(),
        name: object.name.into(),
        selector: selector(field("podSelector"))?,
        ingress: isolates_ingress.then_some(ingress),
        egress: isolates_egress.then_some(egress),
        inert,
        origin: origin(object.root),
    })
}

fn types(node: Option<Node<'_>>) -> Result<Vec<Direction>, Mistake<'_>> {
    let read = |word: Node<'_>| match word.as_str() {
        Some("Ingress") => Some(Direction::Ingress),
        Some("Egress") => Some(Direction::Egress),
        _ => None,
    };
    let words = node.into_iter().flat_map(Node::items);
    words
        .map(|word| read(word).ok_or_else(|| Mistake::at(word, "a policy type is `Ingress` or `Egress`")))
        .collect()
}

fn rules<'a>(node: Option<Node<'a>>, peers_key: &str) -> Result<Vec<Rule>, Mistake<'a>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    if node.kind() != Kind::Sequence {
        return Err(Mistake::at(node, "rules must be a list"));
    }
    node.items().map(|item| rule(item, peers_key)).collect()
}

fn rule<'a>(node: Node<'a>, peers_key: &str) -> Result<Rule, Mistake<'a>> {
    if !matches!(node.kind(), Kind::Mapping | Kind::Null) {
        return Err(Mistake::at(node, "a rule must be a mapping"));
    }
    for key in [peers_key, "ports"] {
        if let Some(wrong) = node.get(key).filter(|list| list.kind() != Kind::Sequence) {
            return Err(Mistake::at(wrong, format!("`{key}` must be a list")));
        }
    }
    let peers = super::list(node, peers_key).map(peer).collect::<Result<_, _>>()?;
    let ports = super::list(node, "ports").map(port).collect::<Result<_, _>>()?;
    Ok(Rule { peers, ports, origin: origin(node) })
}

fn peer(node: Node<'_>) -> Result<Peer, Mistake<'_>> {
    let (namespaces, pods) = (node.get("namespaceSelector"), node.get("podSelector"));
    match (node.get("ipBlock"), namespaces.is_some() || pods.is_some()) {
        (Some(_), true) => Err(Mistake::at(node, "a peer has either an `ipBlock` or selectors")),
        (Some(block), false) => ip_block(block),
        (None, false) => {
            Err(Mistake::at(node, "a peer needs a `podSelector`, a `namespaceSelector` or an `ipBlock`"))
        }
        (None, true) => {
            let namespaces = namespaces.map(|node| selector(Some(node))).transpose()?;
            Ok(Peer::Pods { namespaces, pods: selector(pods)? })
        }
    }
}

fn ip_block(node: Node<'_>) -> Result<Peer, Mistake<'_>> {
    let read = |node: Node<'_>| node.as_str().and_then(|text| text.parse::<Cidr>().ok());
    let Some(cidr) = node.get("cidr") else { return Err(Mistake::at(node, "an `ipBlock` needs a `cidr`")) };
    let Some(net) = read(cidr) else { return Err(Mistake::at(cidr, "not a CIDR block")) };
    let mut except = Vec::new();
    for item in super::list(node, "except") {
        let Some(hole) = read(item) else { return Err(Mistake::at(item, "not a CIDR block")) };
        if !net.contains(&hole) || net == hole {
            return Err(Mistake::at(item, "an exception must lie inside its `cidr`"));
        }
        except.push(hole);
    }
    Ok(Peer::Block { net, except })
}

fn port(node: Node<'_>) -> Result<PortRule, Mistake<'_>> {
    let protocol = match node.get("protocol") {
        None => Protocol::Tcp,
        Some(word) => protocol(word)?,
    };
    let end = node.get("endPort");
    let port = match (node.get("port"), end) {
        (None, None) => PortMatch::Any,
        (None, Some(end)) => return Err(Mistake::at(end, "`endPort` needs a `port`")),
        (Some(port), end) if port.kind() == Kind::Int => {
            let Some(from) = super::port_number(port) else {
                return Err(Mistake::at(port, "not a port number"));
            };
            let to = match end {
                None => from,
                Some(end) => super::port_number(end)
                    .filter(|&to| to >= from)
                    .ok_or_else(|| Mistake::at(end, "`endPort` must be a port number not below `port`"))?,
            };
            PortMatch::Range(from, to)
        }
        (Some(_), Some(end)) => return Err(Mistake::at(end, "`endPort` needs a numeric `port`")),
        (Some(port), None) => PortMatch::Name(port_name(port)?.into()),
    };
    Ok(PortRule { protocol: Some(protocol), port })
}

pub(super) fn protocol(word: Node<'_>) -> Result<Protocol, Mistake<'_>> {
    let known = Protocol::ALL.into_iter().find(|protocol| Some(protocol.as_str()) == word.as_str());
    known.ok_or_else(|| Mistake::at(word, "a protocol is `TCP`, `UDP` or `SCTP`"))
}

/// The name of a port: at most 15 small letters, digits and hyphens, with a letter (RFC 6335, 5.1).
pub(super) fn port_name(node: Node<'_>) -> Result<&str, Mistake<'_>> {
    let right = |name: &&str| {
        name.len() <= 15
            && name.bytes().any(|b| b.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    node.as_str().filter(right).ok_or_else(|| Mistake::at(node, "not a port number, and not a port name"))
}
