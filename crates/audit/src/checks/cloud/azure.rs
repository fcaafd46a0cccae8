//! Azure: network security groups.
//!
//! Source: Azure documentation of network security groups: rules in order of priority, the first that fits decides; the
//! rules that every group has let out to the Internet (`AllowInternetOutBound`) and deny what comes in. Documentation of the
//! Terraform provider hashicorp/azurerm.

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

/// The groups of an answer: of `az network nsg list` or `show`, in its own form or with `properties` as the API has them.
pub(super) fn from_answer(document: &Document) -> Vec<Firewall<'_>> {
    let root = document.root();
    let items: Vec<Node<'_>> = match root.kind() {
        Kind::Sequence => root.items().collect(),
        _ => root.get("value").map_or_else(|| vec![root], |value| value.items().collect()),
    };
    items.into_iter().filter_map(group).collect()
}

fn group(node: Node<'_>) -> Option<Firewall<'_>> {
    let of = |key: &str| node.get(key).or_else(|| node.get("properties")?.get(key));
    let listed = of("securityRules")?;
    let name = node.get("name").map_or("", Node::text);
    let subject = Subject::other(node, "NetworkSecurityGroup", name);
    let mut firewall = Firewall::new(subject, FirewallKind::NetworkSecurityGroup);
    firewall.lets_out_by_default = true;
    for item in listed.items() {
        let fields = Fields::of_answer(item.get("properties").unwrap_or(item));
        firewall.rules.push(rule(subject, &fields, item, ANSWER));
    }
    Some(firewall)
}

/// The groups of a plan, with the rules that are resources of their own.
pub(super) fn from_plan<'a>(resources: &[Resource<'a>]) -> Vec<Firewall<'a>> {
    let mut found: Vec<Firewall<'a>> = Vec::new();
    let mut keys: HashMap<String, usize> = HashMap::new();
    for resource in resources.iter().filter(|resource| resource.kind == "azurerm_network_security_group") {
        let subject = Subject::other(resource.root, "NetworkSecurityGroup", resource.address);
        let mut firewall = Firewall::new(subject, FirewallKind::NetworkSecurityGroup);
        firewall.lets_out_by_default = true;
        if resource.get("security_rule").is_unknown() {
            firewall.ingress_hidden = Some(LATER);
            firewall.egress_hidden = Some(LATER);
        }
        for block in resource.fields.blocks("security_rule") {
            firewall.rules.push(rule(subject, &block, block.values, PLAN));
        }
        keys.insert(resource.key(), found.len());
        if let Some(name) = resource.get("name").text() {
            keys.insert(name.to_owned(), found.len());
        }
        found.push(firewall);
    }
    for resource in resources.iter().filter(|resource| resource.kind == "azurerm_network_security_rule") {
        let parent = "network_security_group_name";
        let subject = Subject::other(resource.root, "NetworkSecurityGroup", resource.address);
        let rule = rule(subject, &resource.fields, resource.fields.values, PLAN);
        let known = resource.get(parent).text().and_then(|name| keys.get(name));
        match known.or_else(|| keys.get(&resource.referred(parent)?)).copied() {
            Some(at) => found[at].rules.push(rule),
            None => {
                let mut alone = Firewall::new(subject, FirewallKind::NetworkSecurityGroup);
                alone.is_whole = false;
                alone.rules.push(rule);
                found.push(alone);
            }
        }
    }
    found
}

/// Names of fields: one and several.
struct Names {
    sources: [&'static str; 2],
    destinations: [&'static str; 2],
    source_ports: [&'static str; 2],
    ports: [&'static str; 2],
}

const ANSWER: &Names = &Names {
    sources: ["sourceAddressPrefix", "sourceAddressPrefixes"],
    destinations: ["destinationAddressPrefix", "destinationAddressPrefixes"],
    source_ports: ["sourcePortRange", "sourcePortRanges"],
    ports: ["destinationPortRange", "destinationPortRanges"],
};

const PLAN: &Names = &Names {
    sources: ["source_address_prefix", "source_address_prefixes"],
    destinations: ["destination_address_prefix", "destination_address_prefixes"],
    source_ports: ["source_port_range", "source_port_ranges"],
    ports: ["destination_port_range", "destination_port_ranges"],
};

fn rule<'a>(subject: Subject<'a>, fields: &Fields<'a>, node: Node<'a>, names: &Names) -> FirewallRule<'a> {
    let is_egress =
        fields.get("direction").text().is_some_and(|direction| direction.eq_ignore_ascii_case("outbound"));
    let access = fields.get("access");
    let allows = access.text().is_some_and(|access| access.eq_ignore_ascii_case("allow"));
    let protocol = fields.get("protocol").text().unwrap_or("*").to_ascii_lowercase();
    let (near, far) =
        if is_egress { (names.sources, names.destinations) } else { (names.destinations, names.sources) };
    let mut peers = peers(fields, far);
    // A rule that denies for some machines or some source ports only leaves the others open.
    let is_for_all = is_any(fields, near) && is_any(fields, names.source_ports);
    if !allows && !is_for_all {
        peers.cidrs.clear();
    }
    let is_later = access.is_unknown()
        || names.ports.iter().any(|key| fields.get(key).is_unknown() || fields.has_unknown_elements(key));
    FirewallRule {
        subject,
        direction: if is_egress { Direction::Egress } else { Direction::Ingress },
        allows,
        priority: fields.get("priority").number().unwrap_or(i64::MAX),
        ports: values(fields, names.ports)
            .into_iter()
            .fold(PortSet::empty(), |all, node| all.union(&port_range(&protocol, node.text()))),
        ports_unknown: is_later.then_some(LATER),
        peers,
        targets: Targets::All,
        node,
    }
}

/// The values of a field that comes as one and as a list.
fn values<'a>(fields: &Fields<'a>, keys: [&str; 2]) -> Vec<Node<'a>> {
    let [one, several] = keys;
    let one = fields.get(one).node().filter(|node| !node.text().is_empty());
    one.into_iter().chain(fields.get(several).node().into_iter().flat_map(Node::items)).collect()
}

fn is_any(fields: &Fields<'_>, keys: [&str; 2]) -> bool {
    let found = values(fields, keys);
    found.is_empty() || found.iter().any(|node| matches!(node.text(), "*" | "0.0.0.0/0" | "0-65535"))
}

fn peers<'a>(fields: &Fields<'a>, keys: [&str; 2]) -> Peers<'a> {
    let mut peers = Peers::default();
    for node in values(fields, keys) {
        let text = node.text();
        if text == "*" || text.eq_ignore_ascii_case("any") || text.eq_ignore_ascii_case("internet") {
            peers.cidrs.push((AddressSet::all(), node));
        } else if let Some(set) = addresses(text) {
            peers.cidrs.push((set, node));
        }
    }
    if keys.iter().any(|key| matches!(fields.get(key), Seen::Unknown) || fields.has_unknown_elements(key)) {
        peers.unknown = Some(LATER);
    }
    peers
}
