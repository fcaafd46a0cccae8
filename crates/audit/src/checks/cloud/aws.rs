//! AWS: security groups and network ACLs, from answers of the command line client and from Terraform.
//!
//! Source: Amazon EC2 API reference (DescribeSecurityGroups, DescribeSecurityGroupRules, DescribeNetworkAcls);
//! documentation of the Terraform provider hashicorp/aws.

use std::collections::HashMap;

use nightlatch_manifest::{Document, Kind, Node};
use nightlatch_netpol::PortSet;

use super::{
    fields::{Fields, Seen},
    model::{Direction, Firewall, FirewallKind, FirewallRule, Peers, Targets, addresses, ports_of},
    terraform::Resource,
};
use crate::Subject;

const PREFIX_LIST: &str = "a prefix list stands for addresses that the input does not show";
const LATER: &str = "part of a rule is known only after it is applied";

/// The groups and lists of an answer.
pub(super) fn from_answer(document: &Document) -> Vec<Firewall<'_>> {
    let root = document.root();
    let listed = |key: &str, mark: &str| -> Vec<Node<'_>> {
        let list = root.get(key).or_else(|| (root.kind() == Kind::Sequence).then_some(root));
        let one = (root.get(mark).is_some() && root.get(key).is_none()).then_some(root);
        list.into_iter().flat_map(Node::items).chain(one).filter(|item| item.get(mark).is_some()).collect()
    };
    let mut found: Vec<Firewall<'_>> =
        listed("SecurityGroups", "IpPermissions").into_iter().map(group).collect();
    found.extend(separate_rules(root));
    found.extend(listed("NetworkAcls", "Entries").into_iter().map(acl));
    found
}

fn group(node: Node<'_>) -> Firewall<'_> {
    let name = ["GroupName", "GroupId"].into_iter().find_map(|key| node.get(key)).map_or("", Node::text);
    let mut firewall =
        Firewall::new(Subject::other(node, "SecurityGroup", name), FirewallKind::SecurityGroup);
    firewall.is_default = node.get("GroupName").is_some_and(|name| name.text() == "default");
    firewall.is_of_load_balancer = is_of_load_balancer(node, name);
    for (key, direction) in
        [("IpPermissions", Direction::Ingress), ("IpPermissionsEgress", Direction::Egress)]
    {
        for permission in node.get(key).into_iter().flat_map(Node::items) {
            firewall.rules.push(permission_rule(firewall.subject, permission, direction));
        }
    }
    if node.get("IpPermissionsEgress").is_none() {
        firewall.egress_hidden = Some("the answer has no egress rules in it");
    }
    firewall
}

/// Groups that controllers of Kubernetes make for load balancers say so in their name, description or tags.
fn is_of_load_balancer(node: Node<'_>, name: &str) -> bool {
    let description = node.get("Description").map_or("", Node::text);
    let tagged =
        node.get("Tags").into_iter().flat_map(Node::items).filter_map(|tag| tag.get("Key")).any(|key| {
            matches!(key.text(), "elbv2.k8s.aws/cluster" | "ingress.k8s.aws/stack" | "service.k8s.aws/stack")
        });
    tagged || name.starts_with("k8s-elb-") || description.starts_with("Security group for Kubernetes ELB")
}

fn permission_rule<'a>(subject: Subject<'a>, node: Node<'a>, direction: Direction) -> FirewallRule<'a> {
    let number = |key: &str| node.get(key).and_then(Node::as_int);
    let mut peers = Peers::default();
    for (list, key) in [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")] {
        for range in node.get(list).into_iter().flat_map(Node::items) {
            push(&mut peers, range.get(key));
        }
    }
    if node.get("PrefixListIds").is_some_and(|list| !list.is_empty()) {
        peers.unknown = Some(PREFIX_LIST);
    }
    FirewallRule {
        subject,
        direction,
        allows: true,
        priority: 0,
        ports: ports_of(node.get("IpProtocol").map_or("", Node::text), number("FromPort"), number("ToPort")),
        ports_unknown: None,
        peers,
        targets: Targets::All,
        node,
    }
}

/// Adds a block; what is none (a reference to another group) lets in nothing of the Internet.
fn push<'a>(peers: &mut Peers<'a>, node: Option<Node<'a>>) {
    if let Some(node) = node
        && let Some(set) = addresses(node.text())
    {
        peers.cidrs.push((set, node));
    }
}

/// The answer of `describe-security-group-rules`: one rule after the other, each with its group.
fn separate_rules(root: Node<'_>) -> Vec<Firewall<'_>> {
    let mut found: Vec<Firewall<'_>> = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    for node in root.get("SecurityGroupRules").into_iter().flat_map(Node::items) {
        let group = node.get("GroupId").map_or("", Node::text);
        let index = *at.entry(group).or_insert_with(|| {
            found.push(Firewall::new(
                Subject::other(node, "SecurityGroup", group),
                FirewallKind::SecurityGroup,
            ));
            found.len() - 1
        });
        let direction = if node.get("IsEgress").and_then(Node::as_bool) == Some(true) {
            Direction::Egress
        } else {
            Direction::Ingress
        };
        let mut rule = permission_rule(Subject::other(node, "SecurityGroup", group), node, direction);
        push(&mut rule.peers, node.get("CidrIpv4"));
        push(&mut rule.peers, node.get("CidrIpv6"));
        if node.get("PrefixListId").is_some() {
            rule.peers.unknown = Some(PREFIX_LIST);
        }
        found[index].rules.push(rule);
    }
    found
}

fn acl(node: Node<'_>) -> Firewall<'_> {
    let name = node.get("NetworkAclId").map_or("", Node::text);
    let mut firewall = Firewall::new(Subject::other(node, "NetworkAcl", name), FirewallKind::NetworkAcl);
    firewall.is_default = node.get("IsDefault").and_then(Node::as_bool) == Some(true);
    for entry in node.get("Entries").into_iter().flat_map(Node::items) {
        let number = |path: &str| entry.at(path).and_then(Node::as_int);
        let mut peers = Peers::default();
        push(&mut peers, entry.get("CidrBlock"));
        push(&mut peers, entry.get("Ipv6CidrBlock"));
        let protocol = entry.get("Protocol").map_or("", Node::text);
        firewall.rules.push(FirewallRule {
            subject: firewall.subject,
            direction: direction_of(entry.get("Egress").and_then(Node::as_bool) == Some(true)),
            allows: entry.get("RuleAction").is_some_and(|action| action.text() == "allow"),
            priority: number("RuleNumber").unwrap_or(i64::MAX),
            ports: ports_of(protocol, number("PortRange.From"), number("PortRange.To")),
            ports_unknown: None,
            peers,
            targets: Targets::All,
            node: entry,
        });
    }
    firewall
}

fn direction_of(is_egress: bool) -> Direction {
    if is_egress { Direction::Egress } else { Direction::Ingress }
}

/// The groups and lists of a plan, with the rules that are resources of their own.
pub(super) fn from_plan<'a>(resources: &[Resource<'a>]) -> Vec<Firewall<'a>> {
    let mut found: Vec<Firewall<'a>> = Vec::new();
    let mut keys: HashMap<String, usize> = HashMap::new();
    let behind = behind_load_balancers(resources);
    for resource in resources {
        let (kind, is_default) = match resource.kind {
            "aws_security_group" => (FirewallKind::SecurityGroup, false),
            "aws_default_security_group" => (FirewallKind::SecurityGroup, true),
            "aws_network_acl" => (FirewallKind::NetworkAcl, false),
            "aws_default_network_acl" => (FirewallKind::NetworkAcl, true),
            _ => continue,
        };
        let what = if kind == FirewallKind::SecurityGroup { "SecurityGroup" } else { "NetworkAcl" };
        let mut firewall = Firewall::new(Subject::other(resource.root, what, resource.address), kind);
        firewall.is_default = is_default;
        firewall.is_of_load_balancer = behind.contains(&resource.key());
        for (key, direction) in [("ingress", Direction::Ingress), ("egress", Direction::Egress)] {
            inline(resource, &mut firewall, key, direction);
        }
        keys.insert(resource.key(), found.len());
        if let Some(id) = resource.get("id").text() {
            keys.insert(id.to_owned(), found.len());
        }
        found.push(firewall);
    }
    for resource in resources {
        let Some((rule, parent)) = separate(resource) else { continue };
        let known = resource.get(parent).text().and_then(|id| keys.get(id));
        let at = known.or_else(|| keys.get(&resource.referred(parent)?)).copied();
        match at {
            Some(at) => found[at].rules.push(rule),
            None => {
                let kind = if parent == "network_acl_id" {
                    FirewallKind::NetworkAcl
                } else {
                    FirewallKind::SecurityGroup
                };
                let mut alone = Firewall::new(rule.subject, kind);
                alone.is_whole = false;
                alone.rules.push(rule);
                found.push(alone);
            }
        }
    }
    found
}

/// The keys of groups that load balancers refer to.
fn behind_load_balancers(resources: &[Resource<'_>]) -> Vec<String> {
    resources
        .iter()
        .filter(|resource| matches!(resource.kind, "aws_lb" | "aws_alb" | "aws_elb"))
        .flat_map(|resource| resource.all_referred("security_groups"))
        .collect()
}

fn inline<'a>(resource: &Resource<'a>, firewall: &mut Firewall<'a>, key: &str, direction: Direction) {
    if resource.get(key).is_unknown() {
        match direction {
            Direction::Ingress => firewall.ingress_hidden = Some(LATER),
            Direction::Egress => firewall.egress_hidden = Some(LATER),
        }
    }
    for block in resource.fields.blocks(key) {
        let rule = plan_rule(firewall.subject, &block, block.values, direction);
        firewall.rules.push(rule);
    }
}

/// A rule of a plan, of any of the forms: the fields of blocks and of separate resources are told by their names.
fn plan_rule<'a>(
    subject: Subject<'a>,
    fields: &Fields<'a>,
    node: Node<'a>,
    direction: Direction,
) -> FirewallRule<'a> {
    let protocol = fields.first_of(&["protocol", "ip_protocol"]);
    let (from, to) = (fields.get("from_port"), fields.get("to_port"));
    let later = [protocol, from, to].into_iter().any(Seen::is_unknown);
    let action = fields.first_of(&["rule_action", "action"]);
    FirewallRule {
        subject,
        direction,
        allows: action.text().is_none_or(|action| action == "allow"),
        priority: fields.first_of(&["rule_number", "rule_no"]).number().unwrap_or(0),
        ports: if later {
            PortSet::empty()
        } else {
            ports_of(protocol.text().unwrap_or(""), from.number(), to.number())
        },
        ports_unknown: (later || action.is_unknown()).then_some(LATER),
        peers: plan_peers(fields),
        targets: Targets::All,
        node,
    }
}

fn plan_peers<'a>(fields: &Fields<'a>) -> Peers<'a> {
    let mut peers = Peers::default();
    for key in ["cidr_blocks", "ipv6_cidr_blocks"] {
        for block in fields.get(key).node().into_iter().flat_map(Node::items) {
            push(&mut peers, Some(block));
        }
        if fields.get(key).is_unknown() || fields.has_unknown_elements(key) {
            peers.unknown = Some(LATER);
        }
    }
    for key in ["cidr_block", "ipv6_cidr_block", "cidr_ipv4", "cidr_ipv6"] {
        push(&mut peers, fields.get(key).node());
        if fields.get(key).is_unknown() {
            peers.unknown = Some(LATER);
        }
    }
    let lists = [fields.get("prefix_list_ids"), fields.get("prefix_list_id")];
    if lists.into_iter().any(|list| {
        list.is_unknown() || list.node().is_some_and(|list| !list.is_empty() || !list.text().is_empty())
    }) {
        peers.unknown = Some(PREFIX_LIST);
    }
    peers
}

/// A rule that is a resource of its own, and the field that names what it belongs to.
fn separate<'a>(resource: &Resource<'a>) -> Option<(FirewallRule<'a>, &'static str)> {
    let direction = match resource.kind {
        "aws_security_group_rule" => direction_of(resource.get("type").text() == Some("egress")),
        "aws_vpc_security_group_ingress_rule" => Direction::Ingress,
        "aws_vpc_security_group_egress_rule" => Direction::Egress,
        "aws_network_acl_rule" => direction_of(resource.get("egress").is_true()),
        _ => return None,
    };
    let (what, parent) = match resource.kind {
        "aws_network_acl_rule" => ("NetworkAcl", "network_acl_id"),
        _ => ("SecurityGroup", "security_group_id"),
    };
    let subject = Subject::other(resource.root, what, resource.address);
    Some((plan_rule(subject, &resource.fields, resource.fields.values, direction), parent))
}
