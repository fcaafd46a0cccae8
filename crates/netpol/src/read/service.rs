//! Services.

use nightlatch_manifest::{Kind, Node, Object};

use super::{origin, port_number, text};
use crate::{PortMatch, Protocol, Selector, Service, ServiceKind, ServicePort};

/// Annotations by which clouds are told to give a load balancer a private address; the value, or any when empty.
const INTERNAL: &[(&str, &[&str])] = &[
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", &["internal"]),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", &["true", "0.0.0.0/0"]),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", &["true"]),
    ("networking.gke.io/load-balancer-type", &["Internal", "internal"]),
    ("cloud.google.com/load-balancer-type", &["Internal", "internal"]),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", &["true"]),
    ("service.beta.kubernetes.io/oci-load-balancer-internal", &["true"]),
    ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", &["private"]),
    ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", &["intranet"]),
    ("service.beta.kubernetes.io/do-loadbalancer-network", &["INTERNAL", "internal"]),
    ("service.beta.kubernetes.io/scw-loadbalancer-private", &["true"]),
    ("oci-network-load-balancer.oraclecloud.com/internal", &["true"]),
    ("yandex.cloud/load-balancer-type", &["internal"]),
    ("load-balancer.hetzner.cloud/disable-public-network", &["true"]),
    ("lb.stackit.cloud/internal-lb", &["true"]),
];

pub(super) fn service(object: &Object<'_>) -> Service {
    let spec = object.spec();
    let field = |key: &str| spec.and_then(|spec| spec.get(key));
    let kind = match field("type").and_then(Node::as_str) {
        Some("NodePort") => ServiceKind::NodePort,
        Some("LoadBalancer") => ServiceKind::LoadBalancer,
        Some("ExternalName") => ServiceKind::ExternalName,
        _ => ServiceKind::ClusterIp,
    };
    let selector =
        field("selector").filter(|selector| !selector.is_empty() && kind != ServiceKind::ExternalName);
    let selector = selector.map(|node| {
        Selector::equal(node.entries().filter_map(|(key, value)| Some((key.text(), value.as_str()?))))
    });
    let ranges = field("loadBalancerSourceRanges").into_iter().flat_map(Node::items);
    Service {
        namespace: object.namespace.unwrap_or("").into(),
        name: object.name.into(),
        selector,
        kind,
        ports: field("ports").into_iter().flat_map(Node::items).filter_map(port).collect(),
        external_ips: field("externalIPs").is_some_and(|list| !list.is_empty()),
        source_ranges: ranges.filter_map(|range| range.text().parse().ok()).collect(),
        keeps_source: field("externalTrafficPolicy").and_then(Node::as_str) == Some("Local"),
        internal: INTERNAL
            .iter()
            .any(|(key, values)| object.annotation(key).is_some_and(|v| values.contains(&v))),
        origin: origin(object.root),
    }
}

fn port(node: Node<'_>) -> Option<ServicePort> {
    let number = port_number(node.get("port")?)?;
    let target = match node.get("targetPort") {
        None => PortMatch::Range(number, number),
        Some(target) if target.kind() == Kind::Int => port_number(target).map(|n| PortMatch::Range(n, n))?,
        Some(target) => PortMatch::Name(target.as_str()?.into()),
    };
    Some(ServicePort {
        name: text(node, "name").map(Box::from),
        protocol: text(node, "protocol").and_then(Protocol::named).unwrap_or_default(),
        number,
        target,
        node_port: node.get("nodePort").and_then(port_number),
    })
}
