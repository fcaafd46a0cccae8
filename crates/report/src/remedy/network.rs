//! Rules that close one address and port from outside, for the tools that people have.

use std::net::IpAddr;

use nightlatch_asset::{Cloud, Observation};
use serde::Serialize;

use super::products::Product;

/// What a rule is written for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// The packet filter of Linux, by `nft -f`.
    Nftables,
    /// The older command for the same.
    Iptables,
    /// The virtual firewall of Amazon's cloud, by its command line.
    AwsSecurityGroup,
    /// A manifest for the cluster in which the pod runs.
    KubernetesNetworkPolicy,
}

impl Tool {
    /// All tools.
    pub const ALL: [Self; 4] =
        [Self::Nftables, Self::Iptables, Self::AwsSecurityGroup, Self::KubernetesNetworkPolicy];

    /// The one spelling, the same as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::AwsSecurityGroup => "aws-security-group",
            Self::KubernetesNetworkPolicy => "kubernetes-network-policy",
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::AwsSecurityGroup => "AWS security group",
            Self::KubernetesNetworkPolicy => "Kubernetes NetworkPolicy",
        }
    }

    /// What the reader has to know before using the rule.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Nftables => {
                "On the host that has the address; load it with `nft -f FILE`. It acts before address translation, so \
                 ports published by Docker are closed as well."
            }
            Self::Iptables => {
                "On the host that has the address. The raw table acts before address translation, so ports published \
                 by Docker are closed as well."
            }
            Self::AwsSecurityGroup => {
                "Security groups only allow: the port is closed by taking away the rules that let it in. Put the \
                 identifiers that the first two commands print into the third."
            }
            Self::KubernetesNetworkPolicy => {
                "Where the service runs in a pod, and not on the host's network: fill in NAMESPACE and NAME, and the \
                 pod's own port where a Service publishes it under another number. All other ports stay as they are, \
                 and pods of the same namespace keep this one."
            }
        }
    }
}

/// One rule. All of it is ours: only the address, the port and the transport come from the observation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct NetworkRule {
    /// What it is written for.
    pub tool: Tool,
    /// For people, such as `AWS security group`.
    pub title: &'static str,
    /// What to know before using it.
    pub note: &'static str,
    /// The rule itself, several lines, each ended by a line feed.
    pub text: String,
}

/// Groups whose products hold the node's own network, which no NetworkPolicy filters.
const ON_HOST_GROUPS: [&str; 2] = ["kubernetes", "mesos"];
/// Products of other groups that do.
const ON_HOST: [&str; 9] = [
    "containerd",
    "docker-engine",
    "docker-swarm-manager",
    "lxd",
    "node-exporter",
    "openshift",
    "ovsdb",
    "podman",
    "supervisor",
];

/// The rules for an observation; none for loopback.
pub(super) fn rules(seen: &Observation, product: Option<&Product>) -> Vec<NetworkRule> {
    if seen.ip.is_loopback() {
        return Vec::new();
    }
    let rule = |tool: Tool, text| NetworkRule { tool, title: tool.title(), note: tool.note(), text };
    let mut rules = vec![rule(Tool::Nftables, nftables(seen)), rule(Tool::Iptables, iptables(seen))];
    if seen.cloud.as_ref().is_none_or(|cloud| cloud.provider.raw() == "aws") {
        rules.push(rule(Tool::AwsSecurityGroup, aws(seen)));
    }
    let in_pods =
        |product: &Product| !ON_HOST_GROUPS.contains(&product.group) && !ON_HOST.contains(&product.id);
    if product.is_some_and(in_pods) {
        rules.push(rule(Tool::KubernetesNetworkPolicy, network_policy(seen)));
    }
    rules
}

fn nftables(seen: &Observation) -> String {
    let Observation { ip, port, transport, .. } = seen;
    let family = if ip.is_ipv4() { "ip" } else { "ip6" };
    format!(
        "table inet nightlatch {{\n    chain closed {{\n        type filter hook prerouting priority -150; policy accept;\n        \
         iifname != \"lo\" {family} daddr {ip} {transport} dport {port} drop\n    }}\n}}\n"
    )
}

fn iptables(seen: &Observation) -> String {
    let Observation { ip, port, transport, .. } = seen;
    let command = if ip.is_ipv4() { "iptables" } else { "ip6tables" };
    format!("{command} -t raw -I PREROUTING ! -i lo -d {ip} -p {transport} --dport {port} -j DROP\n")
}

fn aws(seen: &Observation) -> String {
    let Observation { ip, port, transport, .. } = seen;
    let filter = match ip {
        IpAddr::V6(_) => "ipv6-addresses.ipv6-address",
        IpAddr::V4(ip) if ip.is_private() => "addresses.private-ip-address",
        IpAddr::V4(_) => "association.public-ip",
    };
    let region = region(seen.cloud.as_ref());
    let query = format!(
        "SecurityGroupRules[?!IsEgress && (IpProtocol==`\"-1\"` || (IpProtocol==`\"{transport}\"` && \
         FromPort<=`{port}` && ToPort>=`{port}`))].[SecurityGroupRuleId,CidrIpv4,CidrIpv6,FromPort,ToPort]"
    );
    format!(
        "aws ec2 describe-network-interfaces{region} --filters Name={filter},Values={ip} \
         --query 'NetworkInterfaces[].Groups[].GroupId' --output text\n\
         aws ec2 describe-security-group-rules{region} --filters Name=group-id,Values=GROUP_ID \
         --query '{query}' --output table\n\
         aws ec2 revoke-security-group-ingress{region} --group-id GROUP_ID --security-group-rule-ids RULE_ID\n"
    )
}

/// The region as an option; only what can be one: the word comes from a file.
fn region(cloud: Option<&Cloud>) -> String {
    let word = cloud.and_then(|cloud| cloud.region.as_ref()).map_or("", |region| region.raw());
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_region = (4..=32).contains(&word.len())
        && word.bytes().all(plain)
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.ends_with(|c: char| c.is_ascii_digit());
    if is_region { format!(" --region {word}") } else { String::new() }
}

fn network_policy(seen: &Observation) -> String {
    let Observation { port, transport, .. } = seen;
    let closed = transport.as_str().to_uppercase();
    let mut open = String::new();
    for protocol in ["TCP", "UDP", "SCTP"] {
        if protocol != closed {
            open.push_str(&range(protocol, 1, u16::MAX));
            continue;
        }
        if *port > 1 {
            open.push_str(&range(protocol, 1, port - 1));
        }
        if *port < u16::MAX {
            open.push_str(&range(protocol, port.saturating_add(1).max(1), u16::MAX));
        }
    }
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: close-{transport}-{port}\n  \
         namespace: NAMESPACE\nspec:\n  podSelector:\n    matchLabels:\n      app: NAME\n  policyTypes: [Ingress]\n  \
         ingress:\n    - ports:\n{open}    - from:\n        - podSelector: {{}}\n      ports:\n        \
         - {{protocol: {closed}, port: {port}}}\n"
    )
}

/// One line for the ports `first..=last`.
fn range(protocol: &str, first: u16, last: u16) -> String {
    if first == last {
        return format!("        - {{protocol: {protocol}, port: {first}}}\n");
    }
    format!("        - {{protocol: {protocol}, port: {first}, endPort: {last}}}\n")
}
