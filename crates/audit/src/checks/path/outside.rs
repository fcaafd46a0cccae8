//! PTH-005: what was seen from outside, and what inside explains it.

use std::net::IpAddr;

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use crate::{Context, Found, Outside, Sink, checks::exposure::way::WayKind};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for seen in &context.settings.outside {
        match explanation(context, seen) {
            Some((object, at, words)) => {
                let message = format!(
                    "from outside {} on {}:{} was seen {}; {words}",
                    seen.product, seen.address, seen.port, seen.exposure
                );
                let severity = seen.severity.max(Severity::High);
                sink.fail(
                    Found::new(crate::Subject::object(object), at, message)
                        .severity(severity)
                        .related(format!("seen from outside at {}", seen.seen), None),
                );
            }
            None => sink.unknown("what was seen from outside is not in the input"),
        }
    }
}

/// The object that publishes an endpoint, where it does, and how.
fn explanation<'c, 'a>(
    context: &'c Context<'a>,
    seen: &Outside,
) -> Option<(&'c Object<'a>, Node<'a>, String)> {
    for way in &context.ways().list {
        let port_fits = way.port == Some(seen.port) || (way.port.is_none() && way.target == Some(seen.port));
        let fits = match way.kind {
            WayKind::LoadBalancer => {
                port_fits
                    && addresses(&way.object, "status.loadBalancer.ingress", "ip")
                        .any(|ip| ip == seen.address)
            }
            WayKind::ExternalIp => {
                port_fits && listed(&way.object, "spec.externalIPs").any(|ip| ip == seen.address)
            }
            WayKind::Entry => {
                [80, 443].contains(&seen.port)
                    && addresses(&way.object, "status.loadBalancer.ingress", "ip")
                        .any(|ip| ip == seen.address)
            }
            WayKind::NodePort => {
                let node_port = way.at.get("nodePort").and_then(Node::as_int);
                node_port == Some(i64::from(seen.port)) && is_node(context, seen.address)
            }
            WayKind::HostPort | WayKind::HostNetwork => port_fits && is_node(context, seen.address),
        };
        if fits {
            return Some((object_of(context, &way.object)?, way.at, format!("{} opens it", way.words())));
        }
    }
    None
}

fn object_of<'c, 'a>(context: &'c Context<'a>, object: &Object<'a>) -> Option<&'c Object<'a>> {
    context.objects.iter().find(|own| own.root == object.root)
}

fn is_node(context: &Context<'_>, address: IpAddr) -> bool {
    context
        .objects_of("Node")
        .any(|node| addresses(node, "status.addresses", "address").any(|own| own == address))
}

fn addresses<'a>(
    object: &Object<'a>,
    path: &str,
    key: &'static str,
) -> impl Iterator<Item = IpAddr> + use<'a> {
    let list = object.root.at(path);
    list.into_iter().flat_map(Node::items).filter_map(move |entry| entry.get(key)?.text().parse().ok())
}

fn listed<'a>(object: &Object<'a>, path: &str) -> impl Iterator<Item = IpAddr> + use<'a> {
    object.root.at(path).into_iter().flat_map(Node::items).filter_map(|entry| entry.text().parse().ok())
}
