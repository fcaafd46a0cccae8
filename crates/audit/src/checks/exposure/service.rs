//! Services that are published by themselves.

use std::net::IpAddr;

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};
use nightlatch_netpol::ServiceKind;

use super::{product::admin_port, way::port_number};
use crate::{Change, Context, Found, Sink, Subject};

/// Load balancers that anybody may reach.
pub(super) fn load_balancer<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for service in context.ways().services.iter().filter(|service| service.kind == ServiceKind::LoadBalancer)
    {
        let object = &service.object;
        if service.is_internal
            || has_source_ranges(object)
            || has_private_address(object)
            || is_private_class(object)
        {
            sink.pass();
            continue;
        }
        if object.root.at("metadata.annotations").is_some_and(is_bare_metal_pool) {
            sink.unknown("whether the address pool of a bare-metal load balancer is private");
            continue;
        }
        let Some(kind) = object.root.at("spec.type") else { continue };
        let found = Found::new(Subject::object(object), kind, "the load balancer lets in every address");
        sink.fail(match object.root.at("spec.loadBalancerSourceRanges") {
            Some(list) => found.related("the source ranges are everything", Some(list)),
            None => found,
        });
    }
}

/// Annotations that limit who is let in, beside `loadBalancerSourceRanges`.
const RANGE_ANNOTATIONS: [&str; 4] = [
    "service.beta.kubernetes.io/load-balancer-source-ranges",
    "service.beta.kubernetes.io/azure-allowed-ip-ranges",
    "service.beta.kubernetes.io/azure-allowed-service-tags",
    "networking.gke.io/load-balancer-source-ranges",
];

/// True when a load balancer lets in some addresses only.
fn has_source_ranges(service: &Object<'_>) -> bool {
    let ranges: Vec<&str> = match service.root.at("spec.loadBalancerSourceRanges") {
        Some(list) if !list.is_empty() => list.items().map(Node::text).collect(),
        _ => {
            let annotated = RANGE_ANNOTATIONS.iter().filter_map(|key| service.annotation(key));
            annotated
                .flat_map(|value| value.split(','))
                .map(str::trim)
                .filter(|range| !range.is_empty())
                .collect()
        }
    };
    let is_everything = |range: &&str| matches!(*range, "0.0.0.0/0" | "::/0" | "0.0.0.0" | "Internet" | "*");
    !ranges.is_empty() && !ranges.iter().any(is_everything)
}

/// True when the address is known, asked for or already given, and is one of a private network.
fn has_private_address(service: &Object<'_>) -> bool {
    let asked = service.root.at("spec.loadBalancerIP").into_iter();
    let given = service.root.at("status.loadBalancer.ingress").into_iter().flat_map(Node::items);
    let mut addresses = asked.chain(given.filter_map(|entry| entry.get("ip"))).map(Node::text).peekable();
    addresses.peek().is_some() && addresses.all(|address| address.parse().is_ok_and(is_private))
}

pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Load balancers that by their class are of a private network.
fn is_private_class(service: &Object<'_>) -> bool {
    let class = service.root.at("spec.loadBalancerClass").map_or("", Node::text);
    matches!(class, "tailscale" | "netbird") || class.contains("internal")
}

/// MetalLB, kube-vip, Cilium: the pool says whether the address is private, and it is not said here.
fn is_bare_metal_pool(annotations: Node<'_>) -> bool {
    let prefixes =
        ["metallb.universe.tf/", "metallb.io/", "kube-vip.io/", "lbipam.cilium.io/", "io.cilium/lb-ipam"];
    annotations.entries().any(|(key, _)| prefixes.iter().any(|prefix| key.text().starts_with(prefix)))
}

/// Services with a port on every node. Bad ports are judged as the rule says, all others as a note.
pub(super) fn node_port<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for service in &context.ways().services {
        let object = &service.object;
        let Some(kind) = object.root.at("spec.type") else {
            sink.pass();
            continue;
        };
        let allocates =
            object.root.at("spec.allocateLoadBalancerNodePorts").and_then(Node::as_bool) != Some(false);
        let said = match service.kind {
            ServiceKind::NodePort => "the Service has a port on every node",
            ServiceKind::LoadBalancer if allocates => {
                "the load balancer's Service has a port on every node as well"
            }
            _ => {
                sink.pass();
                continue;
            }
        };
        let ports = object.root.at("spec.ports").into_iter().flat_map(Node::items);
        let mut numbers =
            ports.flat_map(|port| ["port", "targetPort"].map(|key| port.get(key).and_then(port_number)));
        let is_admin = numbers.any(|port| port.and_then(admin_port).is_some_and(|row| row.alone));
        let found = Found::new(Subject::object(object), kind, said);
        sink.fail(found.severity(if is_admin { Severity::Medium } else { Severity::Low }));
    }
}

/// Services that take over addresses.
pub(super) fn external_ips<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for service in &context.ways().services {
        match service.object.root.at("spec.externalIPs").filter(|list| !list.is_empty()) {
            Some(list) => {
                let message = "traffic of the cluster to these addresses is taken over by the Service";
                sink.fail(
                    Found::new(Subject::object(&service.object), list, message).change(Change::Remove(list)),
                );
            }
            None => sink.pass(),
        }
    }
}
