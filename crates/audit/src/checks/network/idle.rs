//! Policies, peers and names that select nothing, and rules that are not in force.

use nightlatch_manifest::{Node, Object};
use nightlatch_netpol::{Direction, Peer, Policy, PortMatch};

use super::view::{View, name_of};
use crate::{Change, Found, Sink, Subject};

pub(super) fn dangling_policy<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    let context = view.context;
    for (at, policy, object) in view.policies() {
        let pods = view.pods_in(&policy.namespace);
        if pods.is_empty() && !context.is_full() {
            sink.unknown("no workload of the policy's namespace is in the input");
            continue;
        }
        let place = object.root.at("spec.podSelector").unwrap_or(name_of(object));
        if view.engine().selected(at).is_empty() {
            let host = pods.iter().map(|&pod| &view.network.pods[pod]);
            let host = host.filter(|pod| pod.host_network).any(|pod| policy.selector.matches(&pod.labels));
            // Selecting host-network pods alone is another rule's matter.
            if !host {
                let message = "the policy selects no pod";
                sink.fail(view.absence(Found::new(Subject::object(object), place, message)));
            }
            continue;
        }
        let before = sink.found.len();
        for direction in Direction::ALL {
            dangling_peers(view, policy, object, direction, sink);
        }
        if sink.found.len() == before {
            sink.pass();
        }
    }
}

fn dangling_peers<'a>(
    view: &View<'_, 'a>,
    policy: &Policy,
    object: &Object<'a>,
    direction: Direction,
    sink: &mut Sink<'a>,
) {
    for (rule, peers) in rules(object, policy, direction) {
        for (peer, node) in rule.peers.iter().zip(peers.into_iter().flat_map(Node::items)) {
            let Peer::Pods { namespaces, pods } = peer else { continue };
            let in_namespace = |name: &str| match namespaces {
                None => *policy.namespace == *name,
                Some(selector) => {
                    view.engine().namespace_labels(name).is_some_and(|labels| selector.matches(labels))
                }
            };
            let near = view.pods_by_namespace().iter().filter(|(name, _)| in_namespace(name));
            let mut near = near.flat_map(|(_, pods)| pods).map(|&pod| &view.network.pods[pod]).peekable();
            // Namespaces that are not in the input may have such pods.
            if near.peek().is_none() && !view.context.is_full() {
                continue;
            }
            if !near.any(|pod| pods.matches(&pod.labels)) {
                let message = format!("the peer of this {} rule selects no pod", direction.as_str());
                sink.fail(view.absence(Found::new(Subject::object(object), node, message)));
            }
        }
    }
}

/// Rules in force with the node of their peers.
fn rules<'p, 'a>(
    object: &Object<'a>,
    policy: &'p Policy,
    direction: Direction,
) -> impl Iterator<Item = (&'p nightlatch_netpol::Rule, Option<Node<'a>>)> {
    let (rules_key, peers_key) = keys(direction);
    let nodes = object.spec().and_then(|spec| spec.get(rules_key)).into_iter().flat_map(Node::items);
    policy
        .rules(direction)
        .unwrap_or(&[])
        .iter()
        .zip(nodes)
        .map(move |(rule, node)| (rule, node.get(peers_key)))
}

fn keys(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    }
}

pub(super) fn policy_types_inert<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    for (_, policy, object) in view.policies() {
        let Some(spec) = object.spec() else { continue };
        let subject = Subject::object(object);
        let mut clean = true;
        for &direction in &policy.inert {
            let (key, word) = match direction {
                Direction::Ingress => ("ingress", "Ingress"),
                Direction::Egress => ("egress", "Egress"),
            };
            let Some(node) = spec.get(key) else { continue };
            clean = false;
            let message = format!("the {key} rules do nothing: `policyTypes` does not list `{word}`");
            let mut found = Found::new(subject, node, message);
            if let Some(types) = spec.get("policyTypes") {
                found = found
                    .related("the types are here", Some(types))
                    .change(Change::Append(types, word.into()));
            }
            sink.fail(found);
        }
        let types = spec.get("policyTypes").is_some_and(|types| !types.is_empty());
        if let Some(empty) = spec.get("egress").filter(|egress| egress.is_empty() && !types) {
            clean = false;
            let message = "an empty `egress` denies nothing unless `policyTypes` lists `Egress`: without types it counts only when it has rules";
            let found = Found::new(subject, empty, message);
            sink.fail(found.change(Change::SetPath(spec, "policyTypes".into(), "[Ingress, Egress]".into())));
        }
        if clean {
            sink.pass();
        }
    }
}

pub(super) fn named_port_unmatched<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    for (at, policy, object) in view.policies() {
        for direction in Direction::ALL {
            let (rules_key, _) = keys(direction);
            let nodes = object.spec().and_then(|spec| spec.get(rules_key)).into_iter().flat_map(Node::items);
            for (rule, node) in policy.rules(direction).unwrap_or(&[]).iter().zip(nodes) {
                let receivers = receivers(view, at, rule, direction);
                for (port, node) in rule.ports.iter().zip(node.get("ports").into_iter().flat_map(Node::items))
                {
                    let PortMatch::Name(name) = &port.port else { continue };
                    if receivers.is_empty() {
                        sink.unknown("no pod that would receive is in the input");
                        continue;
                    }
                    let declares = |&pod: &usize| {
                        let ports = &view.network.pods[pod].ports;
                        ports
                            .iter()
                            .any(|own| own.name.as_ref() == Some(name) && Some(own.protocol) == port.protocol)
                    };
                    if receivers.iter().any(declares) {
                        sink.pass();
                        continue;
                    }
                    let place = node.get("port").unwrap_or(node);
                    let message = "no pod that would receive declares a port of this name and protocol: the rule lets nothing through by it";
                    sink.fail(view.absence(Found::new(Subject::object(object), place, message)));
                }
            }
        }
    }
}

/// Pods on which the names of a rule's ports are resolved.
fn receivers(
    view: &View<'_, '_>,
    policy: usize,
    rule: &nightlatch_netpol::Rule,
    direction: Direction,
) -> Vec<usize> {
    let own = &view.network.policies[policy];
    if direction == Direction::Ingress {
        return view
            .engine()
            .selected(policy)
            .iter()
            .flat_map(|class| view.engine().pods_of(class).collect::<Vec<_>>())
            .collect();
    }
    let is_peer = |pod: &nightlatch_netpol::Pod| {
        rule.peers.is_empty()
            || rule.peers.iter().any(|peer| match peer {
                Peer::Pods { namespaces, pods } => {
                    let namespace = match namespaces {
                        None => pod.namespace == own.namespace,
                        Some(n) => view
                            .engine()
                            .namespace_labels(&pod.namespace)
                            .is_some_and(|labels| n.matches(labels)),
                    };
                    namespace && pods.matches(&pod.labels)
                }
                Peer::Block { .. } => false,
            })
    };
    let pods = view.network.pods.iter().enumerate();
    pods.filter(|(_, pod)| !pod.host_network && is_peer(pod)).map(|(at, _)| at).collect()
}
