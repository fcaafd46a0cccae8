//! Security groups and network ACLs of CloudFormation templates, JSON or YAML with short tags.
//!
//! Source: AWS CloudFormation template reference (AWS::EC2::SecurityGroup, SecurityGroupIngress, SecurityGroupEgress,
//! NetworkAclEntry). A group without egress rules keeps the one that lets everything out.

use std::collections::HashMap;

use nightlatch_manifest::{Document, DocumentKind, Kind, Node, kind_of};
use nightlatch_netpol::PortSet;

use super::model::{Direction, Firewall, FirewallKind, FirewallRule, Peers, Targets, addresses, ports_of};
use crate::Subject;

const LATER: &str = "a value is a reference that the template does not resolve";

/// A resource of a template: its name, its type and its properties.
pub(super) struct Resource<'a> {
    pub(super) name: Node<'a>,
    pub(super) kind: &'a str,
    pub(super) properties: Node<'a>,
}

/// The resources of a template; none for any other document.
pub(super) fn resources(document: &Document) -> Vec<Resource<'_>> {
    if kind_of(document) != Some(DocumentKind::CloudFormation) {
        return Vec::new();
    }
    let listed = document.root().get("Resources").into_iter().flat_map(Node::entries);
    listed
        .filter_map(|(name, resource)| {
            Some(Resource {
                name,
                kind: resource.get("Type")?.text(),
                properties: resource.get("Properties")?,
            })
        })
        .collect()
}

/// The groups and lists of a template, with the rules that are resources of their own.
pub(super) fn from_template(document: &Document) -> Vec<Firewall<'_>> {
    let resources = resources(document);
    let parameters = document.root().get("Parameters");
    let mut found: Vec<Firewall<'_>> = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    for resource in &resources {
        let (what, kind) = match resource.kind {
            "AWS::EC2::SecurityGroup" => ("SecurityGroup", FirewallKind::SecurityGroup),
            "AWS::EC2::NetworkAcl" => ("NetworkAcl", FirewallKind::NetworkAcl),
            _ => continue,
        };
        let subject = Subject::other(resource.properties, what, resource.name.text());
        let mut firewall = Firewall::new(subject, kind);
        for (key, direction) in
            [("SecurityGroupIngress", Direction::Ingress), ("SecurityGroupEgress", Direction::Egress)]
        {
            for node in one_or_more(resource.properties.get(key)) {
                firewall.rules.push(rule(subject, parameters, node, direction));
            }
        }
        at.insert(resource.name.text(), found.len());
        found.push(firewall);
    }
    for resource in &resources {
        let Some((rule, parent, kind)) = separate(parameters, resource) else { continue };
        match resource.properties.get(parent).and_then(referred).and_then(|name| at.get(name)) {
            Some(&index) => found[index].rules.push(rule),
            None => {
                let mut alone = Firewall::new(rule.subject, kind);
                alone.is_whole = false;
                alone.rules.push(rule);
                found.push(alone);
            }
        }
    }
    for firewall in &mut found {
        let has_egress = firewall.rules_of(Direction::Egress).next().is_some();
        firewall.lets_out_by_default =
            firewall.is_whole && firewall.kind == FirewallKind::SecurityGroup && !has_egress;
    }
    found
}

fn one_or_more(node: Option<Node<'_>>) -> Vec<Node<'_>> {
    match node {
        Some(node) if node.kind() == Kind::Sequence => node.items().collect(),
        Some(node) if node.kind() == Kind::Mapping => vec![node],
        _ => Vec::new(),
    }
}

/// A rule that is a resource of its own, the property that names what it belongs to, and what that is.
fn separate<'a>(
    parameters: Option<Node<'a>>,
    resource: &Resource<'a>,
) -> Option<(FirewallRule<'a>, &'static str, FirewallKind)> {
    let properties = resource.properties;
    let is_egress = || {
        value(parameters, properties.get("Egress")?).map(|node| matches!(node.text(), "true" | "yes" | "1"))
    };
    let (direction, parent, kind) = match resource.kind {
        "AWS::EC2::SecurityGroupIngress" => (Direction::Ingress, "GroupId", FirewallKind::SecurityGroup),
        "AWS::EC2::SecurityGroupEgress" => (Direction::Egress, "GroupId", FirewallKind::SecurityGroup),
        "AWS::EC2::NetworkAclEntry" => {
            let direction = if is_egress() == Some(true) { Direction::Egress } else { Direction::Ingress };
            (direction, "NetworkAclId", FirewallKind::NetworkAcl)
        }
        _ => return None,
    };
    let what = if kind == FirewallKind::NetworkAcl { "NetworkAcl" } else { "SecurityGroup" };
    let subject = Subject::other(properties, what, resource.name.text());
    Some((rule(subject, parameters, properties, direction), parent, kind))
}

fn rule<'a>(
    subject: Subject<'a>,
    parameters: Option<Node<'a>>,
    node: Node<'a>,
    direction: Direction,
) -> FirewallRule<'a> {
    let mut is_later = false;
    let mut field = |path: &str| {
        let written = node.at(path)?;
        let known = value(parameters, written);
        is_later |= known.is_none();
        known
    };
    let number = |node: Option<Node<'a>>| node.and_then(|node| node.text().parse::<i64>().ok());
    let protocol = field("IpProtocol").or_else(|| field("Protocol"));
    let (from, to) = (
        field("FromPort").or_else(|| field("PortRange.From")),
        field("ToPort").or_else(|| field("PortRange.To")),
    );
    let (action, priority) = (field("RuleAction"), field("RuleNumber"));
    let mut peers = Peers::default();
    for key in ["CidrIp", "CidrIpv6", "CidrBlock", "Ipv6CidrBlock"] {
        let Some(written) = node.get(key) else { continue };
        match value(parameters, written) {
            Some(known) => peers.cidrs.extend(addresses(known.text()).map(|set| (set, written))),
            None => peers.unknown = Some(LATER),
        }
    }
    if ["SourcePrefixListId", "DestinationPrefixListId"].iter().any(|key| node.get(key).is_some()) {
        peers.unknown = Some("a prefix list stands for addresses that the input does not show");
    }
    FirewallRule {
        subject,
        direction,
        allows: action.is_none_or(|action| action.text() == "allow"),
        priority: number(priority).unwrap_or(0),
        ports: if is_later {
            PortSet::empty()
        } else {
            ports_of(protocol.map_or("", Node::text), number(from), number(to))
        },
        ports_unknown: is_later.then_some(LATER),
        peers,
        targets: Targets::All,
        node,
    }
}

/// A value as it will be: what is written, or the default of the parameter that it refers to.
fn value<'a>(parameters: Option<Node<'a>>, node: Node<'a>) -> Option<Node<'a>> {
    let is_reference = node.kind() == Kind::Mapping || node.tag().is_some();
    if !is_reference {
        return Some(node);
    }
    parameters?.get(referred(node)?)?.get("Default")
}

/// The name in `!Ref NAME`, `{Ref: NAME}`, `!GetAtt NAME.GroupId` or `{Fn::GetAtt: [NAME, GroupId]}`.
fn referred(node: Node<'_>) -> Option<&str> {
    let inner = node.get("Ref").or_else(|| node.get("Fn::GetAtt")).unwrap_or(node);
    let text = if inner.kind() == Kind::Sequence { inner.items().next()?.text() } else { inner.text() };
    let is_known = inner != node || matches!(node.tag(), Some("!Ref" | "!GetAtt"));
    is_known.then(|| text.split('.').next().unwrap_or(text))
}
