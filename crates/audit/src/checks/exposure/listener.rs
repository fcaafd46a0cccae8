//! Listeners of gateways that serve without TLS.

use nightlatch_manifest::{Node, Object};

use super::service::is_private;
use crate::{Context, Found, Sink, Subject};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for gateway in context.objects_of("Gateway") {
        match gateway.group() {
            "gateway.networking.k8s.io" => gateway_api(context, gateway, sink),
            "networking.istio.io" => istio(gateway, sink),
            _ => {}
        }
    }
}

/// A plain listener is fine while all it does is send people to HTTPS.
fn gateway_api<'a>(context: &Context<'a>, gateway: &Object<'a>, sink: &mut Sink<'a>) {
    let Some(spec) = gateway.spec() else { return };
    let addresses: Vec<&str> = spec
        .get("addresses")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|entry| entry.get("value"))
        .map(Node::text)
        .collect();
    let is_internal =
        !addresses.is_empty() && addresses.iter().all(|address| address.parse().is_ok_and(is_private));
    let routes: Vec<&Object<'a>> =
        ["HTTPRoute", "GRPCRoute"].iter().flat_map(|kind| context.objects_of(kind)).collect();
    for listener in spec.get("listeners").into_iter().flat_map(Node::items) {
        let Some(protocol) = listener.get("protocol") else { continue };
        if protocol.text() != "HTTP" || is_internal {
            sink.pass();
            continue;
        }
        let name = listener.get("name").map_or("", Node::text);
        let attached: Vec<&&Object<'a>> =
            routes.iter().filter(|route| is_attached(route, gateway, name)).collect();
        if attached.is_empty() {
            if context.is_full() {
                sink.pass()
            } else {
                sink.unknown("which routes a plain listener has")
            }
            continue;
        }
        match attached.iter().find(|route| !only_redirects(route)) {
            None => sink.pass(),
            Some(route) => {
                let message = format!("listener `{name}` serves without TLS");
                let said = format!("{} `{}` is served there", route.kind, route.name);
                sink.fail(
                    Found::new(Subject::object(gateway), protocol, message).related(said, Some(route.root)),
                );
            }
        }
    }
}

fn is_attached(route: &Object<'_>, gateway: &Object<'_>, listener: &str) -> bool {
    let parents = route.root.at("spec.parentRefs").into_iter().flat_map(Node::items);
    let mut parents = parents.filter(|parent| parent.get("kind").is_none_or(|kind| kind.text() == "Gateway"));
    parents.any(|parent| {
        let namespace = parent.get("namespace").map(Node::text).or(route.namespace);
        let section = parent.get("sectionName").map(Node::text);
        parent.get("name").is_some_and(|name| name.text() == gateway.name)
            && namespace == gateway.namespace
            && section.is_none_or(|section| section == listener)
    })
}

fn only_redirects(route: &Object<'_>) -> bool {
    let rules = route.root.at("spec.rules").into_iter().flat_map(Node::items);
    let redirects = |rule: Node<'_>| {
        let mut filters = rule.get("filters").into_iter().flat_map(Node::items);
        filters
            .any(|filter| filter.at("requestRedirect.scheme").is_some_and(|scheme| scheme.text() == "https"))
    };
    let rules: Vec<Node<'_>> = rules.collect();
    !rules.is_empty() && rules.into_iter().all(redirects)
}

/// Istio's gateways: HTTP without a redirect, and HTTPS without TLS.
fn istio<'a>(gateway: &Object<'a>, sink: &mut Sink<'a>) {
    for server in gateway.root.at("spec.servers").into_iter().flat_map(Node::items) {
        let Some(protocol) = server.at("port.protocol") else { continue };
        let redirects = server.at("tls.httpsRedirect").and_then(Node::as_bool) == Some(true);
        let subject = Subject::object(gateway);
        match protocol.text() {
            "HTTP" | "HTTP2" | "GRPC"
                if !redirects && server.get("tls").is_none_or(|tls| tls.get("mode").is_none()) =>
            {
                sink.fail(Found::new(
                    subject,
                    protocol,
                    "the server takes requests without TLS and sends nobody to HTTPS",
                ));
            }
            "HTTPS" | "TLS"
                if server.at("tls.mode").is_none() && server.at("tls.credentialName").is_none() =>
            {
                sink.fail(Found::missing(
                    subject,
                    server,
                    "tls.mode",
                    "the server says HTTPS and has no TLS mode",
                ));
            }
            _ => sink.pass(),
        }
    }
}
