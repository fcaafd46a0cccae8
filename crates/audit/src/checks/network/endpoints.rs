//! Endpoints that somebody wrote by hand (CVE-2021-25740).

use std::net::IpAddr;

use nightlatch_manifest::{Node, Object};
use nightlatch_netpol::{AddressSet, Cidr, Network};

use crate::{Context, Found, Sink, Subject};

pub(super) fn manual_endpoints<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let network = context.network();
    for object in context.objects_of("Endpoints").chain(context.objects_of("EndpointSlice")) {
        if is_managed(context, object) {
            sink.pass();
            continue;
        }
        let mut clean = true;
        for node in addresses(object) {
            let Some(what) = node.text().parse().ok().and_then(|address| target(network, object, address))
            else {
                continue;
            };
            clean = false;
            let message = format!("endpoints written by hand lead to {what}");
            sink.fail(Found::new(Subject::object(object), node, message));
        }
        if clean {
            sink.pass();
        }
    }
}

/// Kept by the controller: of a Service with a selector, or marked so.
fn is_managed(context: &Context<'_>, object: &Object<'_>) -> bool {
    if object.label("endpointslice.kubernetes.io/managed-by").is_some_and(|by| by.ends_with("k8s.io")) {
        return true;
    }
    let service = object.label("kubernetes.io/service-name").unwrap_or(object.name);
    let service = context.object("Service", object.namespace, service);
    service
        .is_some_and(|service| service.root.at("spec.selector").is_some_and(|selector| !selector.is_empty()))
}

fn addresses<'a>(object: &Object<'a>) -> Vec<Node<'a>> {
    let list = |node: Node<'a>, key| node.get(key).into_iter().flat_map(Node::items);
    let old = list(object.root, "subsets")
        .flat_map(|subset| list(subset, "addresses"))
        .filter_map(|node| node.get("ip"));
    let new = list(object.root, "endpoints").flat_map(|endpoint| list(endpoint, "addresses"));
    old.chain(new).collect()
}

fn target(network: &Network, object: &Object<'_>, address: IpAddr) -> Option<&'static str> {
    let local: Vec<Cidr> = [
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fe80::/10",
        "::1/128",
        "fd00:ec2::254/128",
        "168.63.129.16/32",
        "100.100.100.200/32",
    ]
    .iter()
    .filter_map(|text| text.parse().ok())
    .collect();
    if AddressSet::of(&local).contains(address) {
        return Some("the node itself or the cloud's metadata service");
    }
    if network.nodes.iter().any(|node| node.addresses.contains(&address)) {
        return Some("a node");
    }
    let elsewhere = network
        .pods
        .iter()
        .any(|pod| pod.addresses.contains(&address) && *pod.namespace != *object.namespace.unwrap_or(""));
    elsewhere.then_some("a pod of another namespace")
}
