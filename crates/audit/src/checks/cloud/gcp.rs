//! Google Cloud: firewall rules, grouped by network.
//!
//! Source: Compute Engine API (firewalls), VPC firewall rules overview: lower numbers first, of equal ones the denying
//! rule; without any rule ingress is denied and egress allowed. Documentation of the Terraform provider hashicorp/google.

use std::collections::HashMap;

use nightlatch_manifest::{Document, Kind, Node};
use nightlatch_netpol::{AddressSet, PortSet};

use super::{
    fields::{Fields, Seen},
    model::{Direction, Firewall, FirewallKind, FirewallRule, Peers, Targets, addresses, port_range},
    terraform::Resource,
};
use crate::Subject;

const LATER: &str = "part of a rule is known only after it is applied";

/// The networks that the rules of an answer are for.
pub(super) fn from_answer(document: &Document) -> Vec<Firewall<'_>> {
    let root = document.root();
    let items: Vec<Node<'_>> = match root.kind() {
        Kind::Sequence => root.items().collect(),
        _ => root.get("items").map_or_else(|| vec![root], |items| items.items().collect()),
    };
    let rules: Vec<Node<'_>> = items
        .into_iter()
        .filter(|item| {
            item.get("network").is_some() && (item.get("allowed").is_some() || item.get("denied").is_some())
        })
        .collect();
    let mut networks = Networks::default();
    for node in rules {
        let fields = Fields::of_answer(node);
        let network = node.get("network").map_or("", Node::text);
        let name = node.get("name").map_or("", Node::text);
        networks.add(
            network.to_owned(),
            network,
            node,
            rule(Subject::other(node, "FirewallRule", name), &fields, ANSWER),
        );
    }
    networks.found
}

/// The networks that the rules of a plan are for, and networks without rules.
pub(super) fn from_plan<'a>(resources: &[Resource<'a>]) -> Vec<Firewall<'a>> {
    let mut networks = Networks::default();
    for resource in resources.iter().filter(|resource| resource.kind == "google_compute_network") {
        networks.open(resource.key(), resource.root, resource.address);
        if let (Some(name), Some(at)) =
            (resource.get("name").text(), networks.at.get(&resource.key()).copied())
        {
            networks.at.insert(name.to_owned(), at);
        }
    }
    for resource in resources.iter().filter(|resource| resource.kind == "google_compute_firewall") {
        let network = resource.get("network").text();
        let key = network.map_or_else(
            || resource.referred("network").unwrap_or_else(|| resource.address.to_owned()),
            |network| network.rsplit('/').next().unwrap_or(network).to_owned(),
        );
        let subject = Subject::other(resource.root, "FirewallRule", resource.address);
        let is_known = networks.at.contains_key(&key);
        networks.add(
            key.clone(),
            network.unwrap_or(resource.address),
            resource.root,
            rule(subject, &resource.fields, PLAN),
        );
        if let (Some(&at), false) = (networks.at.get(&key), is_known) {
            networks.found[at].is_whole = false;
            networks.found[at].lets_out_by_default = false;
        }
    }
    networks.found
}

#[derive(Default)]
struct Networks<'a> {
    found: Vec<Firewall<'a>>,
    at: HashMap<String, usize>,
}

impl<'a> Networks<'a> {
    fn open(&mut self, key: String, node: Node<'a>, network: &'a str) -> usize {
        if let Some(&at) = self.at.get(&key) {
            return at;
        }
        let name = if network.contains("/networks/") {
            network.rsplit('/').next().unwrap_or(network)
        } else {
            network
        };
        let mut firewall = Firewall::new(Subject::other(node, "Network", name), FirewallKind::VpcNetwork);
        firewall.lets_out_by_default = true;
        firewall.is_default = name == "default";
        self.found.push(firewall);
        self.at.insert(key, self.found.len() - 1);
        self.found.len() - 1
    }

    fn add(&mut self, key: String, network: &'a str, node: Node<'a>, rule: Option<FirewallRule<'a>>) {
        let at = self.open(key, node, network);
        if let Some(rule) = rule {
            self.found[at].rules.push(rule);
        }
    }
}

/// Names of fields that differ between the API and the provider.
struct Names {
    allow: &'static str,
    deny: &'static str,
    protocol: &'static str,
    sources: &'static str,
    destinations: &'static str,
    other_sources: [&'static str; 2],
    targets: [&'static str; 2],
}

const ANSWER: &Names = &Names {
    allow: "allowed",
    deny: "denied",
    protocol: "IPProtocol",
    sources: "sourceRanges",
    destinations: "destinationRanges",
    other_sources: ["sourceTags", "sourceServiceAccounts"],
    targets: ["targetTags", "targetServiceAccounts"],
};

const PLAN: &Names = &Names {
    allow: "allow",
    deny: "deny",
    protocol: "protocol",
    sources: "source_ranges",
    destinations: "destination_ranges",
    other_sources: ["source_tags", "source_service_accounts"],
    targets: ["target_tags", "target_service_accounts"],
};

/// A rule; nothing for one that is switched off.
fn rule<'a>(subject: Subject<'a>, fields: &Fields<'a>, names: &Names) -> Option<FirewallRule<'a>> {
    if fields.get("disabled").is_true() {
        return None;
    }
    let is_egress = fields.get("direction").text() == Some("EGRESS");
    let direction = if is_egress { Direction::Egress } else { Direction::Ingress };
    let (allow, deny) = (fields.blocks(names.allow), fields.blocks(names.deny));
    let allows = !allow.is_empty();
    let mut ports = PortSet::empty();
    let mut ports_unknown =
        (allow.is_empty() && deny.is_empty() || fields.get("disabled").is_unknown()).then_some(LATER);
    for block in if allows { &allow } else { &deny } {
        let protocol = block.get(names.protocol);
        if protocol.is_unknown() || block.get("ports").is_unknown() || block.has_unknown_elements("ports") {
            ports_unknown = Some(LATER);
            continue;
        }
        ports = ports.union(&block_ports(protocol.text().unwrap_or(""), block.get("ports")));
    }
    Some(FirewallRule {
        subject,
        direction,
        allows,
        priority: fields.get("priority").number().unwrap_or(1_000),
        ports,
        ports_unknown,
        peers: peers(fields, names, is_egress),
        targets: targets(fields, names),
        node: fields.values,
    })
}

fn block_ports(protocol: &str, ports: Seen<'_>) -> PortSet {
    let list: Vec<&str> = ports.node().into_iter().flat_map(Node::items).map(Node::text).collect();
    if list.is_empty() {
        return port_range(protocol, "*");
    }
    list.into_iter().fold(PortSet::empty(), |all, text| all.union(&port_range(protocol, text)))
}

/// Without a source of any sort an ingress rule is for every address, and so is an egress rule without destinations.
fn peers<'a>(fields: &Fields<'a>, names: &Names, is_egress: bool) -> Peers<'a> {
    let key = if is_egress { names.destinations } else { names.sources };
    let mut peers = Peers::default();
    let ranges = fields.get(key);
    for node in ranges.node().into_iter().flat_map(Node::items) {
        if let Some(set) = addresses(node.text()) {
            peers.cidrs.push((set, node));
        }
    }
    let others = names.other_sources.map(|key| fields.get(key));
    let has_others = !is_egress
        && others.iter().any(|seen| seen.is_unknown() || seen.node().is_some_and(|list| !list.is_empty()));
    if ranges.is_unknown() || fields.has_unknown_elements(key) {
        peers.unknown = Some(LATER);
    } else if ranges.node().is_none_or(Node::is_empty) && !has_others {
        peers.cidrs.push((AddressSet::all(), fields.values));
    }
    peers
}

fn targets<'a>(fields: &Fields<'a>, names: &Names) -> Targets<'a> {
    let mut found = Vec::new();
    for key in names.targets {
        let seen = fields.get(key);
        if seen.is_unknown() || fields.has_unknown_elements(key) {
            return Targets::Unknown;
        }
        found.extend(seen.node().into_iter().flat_map(Node::items).map(Node::text));
    }
    found.sort_unstable();
    if found.is_empty() { Targets::All } else { Targets::Some(found) }
}
