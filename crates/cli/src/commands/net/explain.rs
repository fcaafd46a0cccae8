//! Answers in words.

use std::io;

use nightlatch_manifest::Corpus;
use nightlatch_netpol::{
    Action, Answer, ClusterPeer, Direction, Doubt, Engine, Network, Party, Peer, PolicyRef, Reason,
    SideAnswer,
};
use serde_json::{Value, json};

use super::{super::rbac::page::Page, input::at};

/// An end of a connection in words.
pub(crate) fn party(network: &Network, party: &Party) -> String {
    match party {
        Party::Pod(pod) => network.pod_name(*pod),
        Party::Addresses(addresses) if *addresses == nightlatch_netpol::AddressSet::internet() => {
            "internet".to_owned()
        }
        Party::Addresses(addresses) => addresses.to_string(),
    }
}

/// A policy in words, and where it stands.
pub(crate) fn policy(network: &Network, corpus: &Corpus, policy: PolicyRef) -> (String, String) {
    let named = match policy {
        PolicyRef::Namespaced(index) => network.policies.get(index).map(|policy| {
            let namespace =
                if policy.namespace.is_empty() { String::new() } else { format!("{}/", policy.namespace) };
            (format!("NetworkPolicy {namespace}{}", policy.name), policy.origin)
        }),
        PolicyRef::Cluster(index) => network.cluster_policies.get(index).map(|policy| {
            (format!("{} {} (priority {})", policy.kind, policy.name, policy.priority), policy.origin)
        }),
    };
    named.map(|(name, origin)| (name, at(corpus, origin))).unwrap_or_default()
}

/// Why an answer is what it is, both directions.
pub(crate) fn lines(
    page: &mut Page<'_>,
    engine: &Engine<'_>,
    corpus: &Corpus,
    (source, destination): (&Party, &Party),
    answer: &Answer,
) -> io::Result<()> {
    let network = engine.network();
    for (direction, own, side) in
        [(Direction::Egress, source, &answer.egress), (Direction::Ingress, destination, &answer.ingress)]
    {
        let Party::Pod(_) = own else { continue };
        let lead = format!("  {:<8} ", direction.as_str());
        let name = party(network, own);
        match (side.unfiltered, side.isolated_by.first()) {
            (true, _) => {
                page.text(&lead, &format!("{name} uses its node's network: policies do not apply to it"), 11)?
            }
            (false, None) if network.cluster_policies.is_empty() => {
                let what = if direction == Direction::Ingress { "receives" } else { "sends" };
                page.text(&lead, &format!("no policy restricts what {name} {what}"), 11)?;
            }
            (false, None) => {
                page.text(&lead, &format!("no NetworkPolicy isolates {name}; cluster policies decide:"), 11)?;
            }
            (false, Some(_)) => page.text(&lead, &format!("{name} is isolated:"), 11)?,
        }
        side_lines(page, network, corpus, direction, side)?;
    }
    for doubt in &answer.doubts {
        page.text("  note     ", doubt_text(*doubt), 11)?;
    }
    for &foreign in &answer.foreign {
        if let Some(policy) = network.foreign.get(foreign) {
            page.placed(
                "  note     ",
                &format!("{} {}", policy.kind, policy.name),
                &at(corpus, policy.origin),
                11,
            )?;
        }
    }
    Ok(())
}

fn side_lines(
    page: &mut Page<'_>,
    network: &Network,
    corpus: &Corpus,
    direction: Direction,
    side: &SideAnswer,
) -> io::Result<()> {
    if side.unfiltered {
        return Ok(());
    }
    let lead = " ".repeat(11);
    for reason in &side.reasons {
        let (name, _) = policy(network, corpus, reason.policy);
        let (peers, place) = rule(network, corpus, direction, reason);
        let perhaps = if reason.certain { "" } else { " perhaps" };
        let text = format!(
            "{name} rule {}{perhaps} {} {}{}",
            reason.rule + 1,
            word(reason.action),
            ports(reason),
            peers
        );
        page.placed(&lead, &text, &place, 13)?;
    }
    let allows = side.reasons.iter().any(|reason| matches!(reason.policy, PolicyRef::Namespaced(_)));
    if !side.isolated_by.is_empty() && !allows {
        for &index in side.isolated_by.iter().take(SHOWN_MAX) {
            let (name, place) = policy(network, corpus, PolicyRef::Namespaced(index));
            page.placed(&lead, &format!("{name} selects it, and no rule of it fits"), &place, 13)?;
        }
        if side.isolated_by.len() > SHOWN_MAX {
            page.text(&lead, &format!("and {} more policies", side.isolated_by.len() - SHOWN_MAX), 13)?;
        }
    }
    Ok(())
}

/// Policies named for one answer.
const SHOWN_MAX: usize = 8;

fn ports(reason: &Reason) -> String {
    if reason.ports.is_all() { "everything".to_owned() } else { reason.ports.to_string() }
}

/// The peers of a rule in words, and where the rule stands.
fn rule(network: &Network, corpus: &Corpus, direction: Direction, reason: &Reason) -> (String, String) {
    let word = if direction == Direction::Ingress { "from" } else { "to" };
    let (peers, origin): (Vec<String>, _) = match reason.policy {
        PolicyRef::Namespaced(index) => {
            let Some(policy) = network.policies.get(index) else { return Default::default() };
            let Some(rule) = policy.rules(direction).and_then(|rules| rules.get(reason.rule)) else {
                return Default::default();
            };
            (rule.peers.iter().map(peer).collect(), rule.origin)
        }
        PolicyRef::Cluster(index) => {
            let Some(policy) = network.cluster_policies.get(index) else { return Default::default() };
            let Some(rule) = policy.rules(direction).get(reason.rule) else { return Default::default() };
            (rule.peers.iter().map(cluster_peer).collect(), rule.origin)
        }
    };
    let shown = match peers.as_slice() {
        [] => "everybody".to_owned(),
        [one] => one.clone(),
        [one, two] => format!("{one} or {two}"),
        [one, .., last] => format!("{one}, {} more or {last}", peers.len() - 2),
    };
    (format!(" {word} {shown}"), at(corpus, origin))
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Pods { namespaces: None, pods } => format!("pods {pods} of its namespace"),
        Peer::Pods { namespaces: Some(namespaces), pods } => {
            format!("pods {pods} of namespaces {namespaces}")
        }
        Peer::Block { net, except } if except.is_empty() => net.to_string(),
        Peer::Block { net, except } => format!("{net} but {}", nightlatch_netpol::AddressSet::of(except)),
    }
}

fn cluster_peer(peer: &ClusterPeer) -> String {
    match peer {
        ClusterPeer::Pods { namespaces, pods } => format!("pods {pods} of namespaces {namespaces}"),
        ClusterPeer::Nodes(selector) => format!("nodes {selector}"),
        ClusterPeer::Networks(nets) => nightlatch_netpol::AddressSet::of(nets).to_string(),
        ClusterPeer::Domains(names) => names.join(", "),
    }
}

/// A doubt in words.
pub(crate) fn doubt_text(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Itself => "a pod always reaches itself; the answer is about another replica",
        Doubt::BlockMeansPod => {
            "whether an ipBlock means pods is up to the network plugin, and addresses may be unknown: --pod-cidr says where they lie"
        }
        Doubt::SameNode => {
            "pods always exchange traffic with the node they run on, so it depends on where they run"
        }
        Doubt::HostNetwork => "a host-network pod has its node's address, and selectors never mean it",
        Doubt::HostNames => "which addresses a rule for names of hosts stands for is not known",
        Doubt::SourceReplaced => {
            "load balancers and node ports may replace the source by a node's address before policies see it"
        }
        Doubt::PriorityTie => {
            "two cluster policies of equal priority say different things: which is asked first is not defined"
        }
        Doubt::ForeignPolicy => "policies of a network plugin concern the pods, and are not evaluated:",
    }
}

/// One direction as JSON.
fn side_json(network: &Network, corpus: &Corpus, direction: Direction, side: &SideAnswer) -> Value {
    let named = |reference| {
        let (name, place) = policy(network, corpus, reference);
        json!({"policy": name, "at": place})
    };
    let reason = |reason: &Reason| {
        let (peers, place) = rule(network, corpus, direction, reason);
        json!({
            "policy": policy(network, corpus, reason.policy).0, "rule": reason.rule + 1, "action": reason.action.as_str(),
            "ports": reason.ports.to_string(), "peers": peers.trim(), "certain": reason.certain, "at": place,
        })
    };
    json!({
        "isolated": !side.isolated_by.is_empty(),
        "isolated_by": side.isolated_by.iter().map(|&index| named(PolicyRef::Namespaced(index))).collect::<Vec<_>>(),
        "applies": !side.unfiltered,
        "rules": side.reasons.iter().map(reason).collect::<Vec<_>>(),
        "ports": side.sure.to_string(),
        "ports_possible": side.possible.to_string(),
    })
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allows",
        Action::Deny => "denies",
        Action::Pass => "passes on",
    }
}

/// An answer as JSON, without a verdict.
pub(crate) fn answer_json(network: &Network, corpus: &Corpus, answer: &Answer) -> Value {
    let region = |region: &nightlatch_netpol::Region| json!({"ports": region.ports.to_string(), "addresses": region.addresses.cidrs().iter().map(ToString::to_string).collect::<Vec<_>>()});
    json!({
        "ports": answer.sure.to_string(),
        "ports_possible": answer.possible.to_string(),
        "regions": answer.regions.iter().map(region).collect::<Vec<_>>(),
        "egress": side_json(network, corpus, Direction::Egress, &answer.egress),
        "ingress": side_json(network, corpus, Direction::Ingress, &answer.ingress),
        "notes": answer.doubts.iter().map(|doubt| doubt_text(*doubt)).collect::<Vec<_>>(),
    })
}
