//! Single rules of NetworkPolicies that let more through than somebody wanted.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};
use nightlatch_netpol::{AddressSet, Cidr, Direction, Peer, Policy, PortMatch, PortRule, Rule};

use super::view::View;
use crate::{Found, Sink, Subject};

/// A rule in force, with its place.
struct Live<'c, 'a> {
    policy: usize,
    rule: &'c Rule,
    object: &'c Object<'a>,
    /// The rule itself, and its `from` or `to`.
    at: Node<'a>,
    peers: Option<Node<'a>>,
}

impl<'a> Live<'_, 'a> {
    /// Where to point: the peers, or the rule when it names none.
    fn place(&self) -> Node<'a> {
        self.peers.unwrap_or(self.at)
    }

    fn peer(&self, index: usize) -> Node<'a> {
        self.peers.and_then(|peers| peers.items().nth(index)).unwrap_or(self.place())
    }
}

/// Calls `each` for every rule in force of a direction.
fn live<'c, 'a>(view: &View<'c, 'a>, direction: Direction, mut each: impl FnMut(Live<'c, 'a>)) {
    let (rules_key, peers_key) = match direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    };
    for (policy, own, object) in view.policies() {
        let Some(nodes) = object.spec().and_then(|spec| spec.get(rules_key)) else { continue };
        let own: &'c Policy = own;
        for (rule, at) in own.rules(direction).unwrap_or(&[]).iter().zip(nodes.items()) {
            each(Live { policy, rule, object, at, peers: at.get(peers_key) });
        }
    }
}

pub(super) fn allow_all_ingress<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    live(view, Direction::Ingress, |live| {
        let policy = &view.network.policies[live.policy];
        let classes = view.engine().selected(live.policy);
        let workloads: usize = classes.iter().map(|class| view.engine().pods_of(class).len()).sum();
        let wide = policy.selector.is_everything() || workloads > 1;
        let (from_all, on_all) = (live.rule.peers.is_empty(), live.rule.ports.is_empty());
        let severity = match (wide, on_all) {
            (true, true) => Severity::High,
            (false, false) => return sink.pass(),
            _ => Severity::Medium,
        };
        if !from_all {
            return sink.pass();
        }
        let ports = if on_all { "on every port" } else { "on the ports listed" };
        let whom = if wide { "all pods that it selects" } else { "the pod that it selects" };
        let message = format!("the rule lets everybody reach {whom} {ports}");
        sink.fail(Found::new(Subject::object(live.object), live.place(), message).severity(severity));
    });
}

pub(super) fn allow_all_egress<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    live(view, Direction::Egress, |live| {
        let subject = Subject::object(live.object);
        if live.rule.peers.is_empty() {
            // Name resolution with everybody is a rule of its own.
            if only_dns(&live.rule.ports) {
                return sink.pass();
            }
            let severity = if live.rule.ports.is_empty() { Severity::Medium } else { Severity::Low };
            let found = Found::new(
                subject,
                live.place(),
                "the rule lets the pods connect to everybody, inside and outside",
            );
            return sink.fail(found.severity(severity));
        }
        let mut clean = true;
        for (index, peer) in live.rule.peers.iter().enumerate() {
            let Peer::Block { net, except } = peer else { continue };
            if net.prefix() != 0 {
                continue;
            }
            clean = false;
            let narrowed = !except.is_empty() || !live.rule.ports.is_empty();
            let severity = if narrowed { Severity::Low } else { Severity::Medium };
            let at = live.peer(index).at("ipBlock.cidr").unwrap_or(live.peer(index));
            let message = format!("the rule lets the pods connect to every address ({net}){}", less(except));
            sink.fail(Found::new(subject, at, message).severity(severity));
        }
        if clean {
            sink.pass();
        }
    });
}

fn less(except: &[Cidr]) -> String {
    if except.is_empty() { String::new() } else { format!(" but {}", AddressSet::of(except)) }
}

pub(super) fn ingress_from_internet<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    live(view, Direction::Ingress, |live| {
        let mut clean = true;
        for (index, peer) in live.rule.peers.iter().enumerate() {
            let Peer::Block { net, except } = peer else { continue };
            let bound = if net.is_ipv4() { 8 } else { 16 };
            if !except.is_empty()
                || net.prefix() >= bound
                || !AddressSet::from(*net).meets(&AddressSet::internet())
            {
                continue;
            }
            clean = false;
            let at = live.peer(index).at("ipBlock.cidr").unwrap_or(live.peer(index));
            let message = format!("the rule lets {net} in, which is the Internet or a large part of it");
            sink.fail(Found::new(Subject::object(live.object), at, message));
        }
        if clean && !live.rule.peers.is_empty() {
            sink.pass();
        }
    });
}

pub(super) fn all_namespaces_peer<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    for direction in Direction::ALL {
        live(view, direction, |live| {
            let mut clean = true;
            for (index, peer) in live.rule.peers.iter().enumerate() {
                let Peer::Pods { namespaces: Some(namespaces), pods } = peer else { continue };
                // Name resolution, and pods of one app wherever they run, are how the selector is meant to be used.
                let meant =
                    direction == Direction::Egress && (!pods.is_everything() || only_dns(&live.rule.ports));
                if !namespaces.is_everything() || meant {
                    continue;
                }
                clean = false;
                let at = live.peer(index).get("namespaceSelector").unwrap_or(live.peer(index));
                let found = match pods.is_everything() {
                    true => Found::new(Subject::object(live.object), at, "the peer is every pod of every namespace, those made tomorrow included"),
                    false => Found::new(
                        Subject::object(live.object),
                        at,
                        "the peer is found by labels of pods in any namespace: whoever may make pods anywhere can wear them",
                    )
                    .severity(Severity::Low),
                };
                sink.fail(found);
            }
            if clean {
                sink.pass();
            }
        });
    }
}

pub(super) fn egress_dns_open<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    live(view, Direction::Egress, |live| {
        if !only_dns(&live.rule.ports) {
            return;
        }
        let anybody = |peer: &Peer| match peer {
            Peer::Pods { namespaces, pods } => {
                namespaces.as_ref().is_some_and(|n| n.is_everything()) && pods.is_everything()
            }
            Peer::Block { net, except } => net.prefix() == 0 && except.is_empty(),
        };
        if live.rule.peers.is_empty() || live.rule.peers.iter().any(anybody) {
            let message = "names may be asked of anybody, and data carried out in the questions";
            sink.fail(Found::new(Subject::object(live.object), live.place(), message));
        } else {
            sink.pass();
        }
    });
}

pub(super) fn peer_and_or_confusion<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    for direction in Direction::ALL {
        live(view, direction, |live| {
            let mut clean = true;
            let items: Vec<Node<'a>> = live.peers.into_iter().flat_map(Node::items).collect();
            for pair in items.windows(2) {
                let has = |node: Node<'a>| {
                    (node.get("namespaceSelector").is_some(), node.get("podSelector").is_some())
                };
                if !matches!(
                    (has(pair[0]), has(pair[1])),
                    ((true, false), (false, true)) | ((false, true), (true, false))
                ) {
                    continue;
                }
                clean = false;
                let message = "two list items, which mean OR: all pods of those namespaces, and in the policy's own \
                     namespace the pods with those labels; pods with those labels in those namespaces would be one item";
                let found =
                    Found::new(Subject::object(live.object), pair[1], message).severity(Severity::Info);
                sink.fail(found.related("the item before it", Some(pair[0])));
            }
            if clean && !items.is_empty() {
                sink.pass();
            }
        });
    }
}

pub(super) fn peer_by_mutable_label<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    for direction in Direction::ALL {
        live(view, direction, |live| {
            for (index, peer) in live.rule.peers.iter().enumerate() {
                let Peer::Pods { namespaces: Some(namespaces), .. } = peer else { continue };
                let keys = namespaces.requirements();
                if keys.is_empty() {
                    continue;
                }
                if keys.iter().any(|requirement| &*requirement.key == "kubernetes.io/metadata.name") {
                    sink.pass();
                    continue;
                }
                let at = live.peer(index).get("namespaceSelector").unwrap_or(live.peer(index));
                let message = "the namespace is found by a label that whoever may edit namespaces can set on another one";
                sink.fail(Found::new(Subject::object(live.object), at, message));
            }
        });
    }
}

/// True when ports are listed and each of them is 53.
fn only_dns(ports: &[PortRule]) -> bool {
    let dns = |rule: &PortRule| match &rule.port {
        PortMatch::Range(53, 53) => true,
        PortMatch::Name(name) => name.starts_with("dns"),
        _ => false,
    };
    !ports.is_empty() && ports.iter().all(dns)
}
