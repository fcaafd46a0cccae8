//! Ways in from outside that lead to Services.

use std::collections::HashMap;

use nightlatch_manifest::{Kind, Node, Object};

use super::{grant::ReferenceGrant, list, origin, port_number, text};
use crate::{Backend, Entry, PortMatch};

/// Ways in, and what must be known of all objects before it is clear where they lead.
#[derive(Debug, Default)]
pub(super) struct Entries {
    list: Vec<Entry>,
    grants: Vec<ReferenceGrant>,
    /// Gateways by namespace and name, and the namespaces from which their listeners take routes.
    gateways: HashMap<Named, Takes>,
    /// Of entries, by their index, the Gateways they want to be attached to.
    parents: Vec<(usize, Vec<Named>)>,
}

/// Namespace and name.
type Named = (Box<str>, Box<str>);

/// From where the listeners of a Gateway take routes, the widest of them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Takes {
    None,
    Own,
    /// All, or those with labels, which are not compared.
    Others,
}

impl Entries {
    /// Takes an object that is a way in; false when it is not.
    pub(super) fn take(&mut self, object: &Object<'_>) -> bool {
        if (object.group(), object.kind) == ("gateway.networking.k8s.io", "Gateway") {
            let key = (object.namespace.unwrap_or("").into(), object.name.into());
            self.gateways.insert(key, takes(object));
            return true;
        }
        let read: fn(&Object<'_>) -> Option<Entry> = match (object.group(), object.kind) {
            ("gateway.networking.k8s.io", "ReferenceGrant") => {
                self.grants.push(ReferenceGrant::read(object));
                return true;
            }
            ("networking.k8s.io" | "extensions", "Ingress") => ingress,
            (
                "gateway.networking.k8s.io",
                "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute",
            ) => gateway_route,
            ("route.openshift.io", "Route") => openshift_route,
            ("networking.istio.io", "VirtualService") => virtual_service,
            (
                "traefik.io" | "traefik.containo.us",
                "IngressRoute" | "IngressRouteTCP" | "IngressRouteUDP",
            ) => traefik,
            ("projectcontour.io", "HTTPProxy") => contour,
            _ => return false,
        };
        let Some(entry) = read(object) else { return true };
        if object.group() == "gateway.networking.k8s.io" {
            self.parents.push((self.list.len(), parents(object)));
        }
        self.list.push(entry);
        true
    }

    /// All of them, references to other namespaces checked.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        for (at, parents) in &self.parents {
            let entry = &mut self.list[*at];
            // A Gateway that is not in the input may take the route.
            let taken = parents.iter().any(|parent| match self.gateways.get(parent) {
                Some(Takes::None) => false,
                Some(Takes::Own) => parent.0 == entry.namespace,
                Some(Takes::Others) | None => true,
            });
            if !taken {
                entry.backends.clear();
            }
        }
        for entry in
            self.list.iter_mut().filter(|entry| entry.kind.ends_with("Route") && &*entry.kind != "Route")
        {
            for backend in entry.backends.iter_mut().filter(|backend| backend.namespace != entry.namespace) {
                let grants = |g: &ReferenceGrant| {
                    g.grants(&entry.kind, &entry.namespace, &backend.namespace, &backend.service)
                };
                backend.ungranted = !self.grants.iter().any(grants);
            }
        }
        self.list
    }
}

fn entry(object: &Object<'_>, class: Option<&str>, hosts: Vec<Box<str>>, backends: Vec<Backend>) -> Entry {
    Entry {
        kind: object.kind.into(),
        namespace: object.namespace.unwrap_or("").into(),
        name: object.name.into(),
        class: class.map(Box::from),
        hosts,
        backends,
        origin: origin(object.root),
    }
}

/// A backend in the object's own namespace.
fn backend(object: &Object<'_>, service: &str, port: Option<Node<'_>>) -> Backend {
    let namespace = object.namespace.unwrap_or("").into();
    Backend { namespace, service: service.into(), port: port.and_then(port_match), ungranted: false }
}

fn port_match(node: Node<'_>) -> Option<PortMatch> {
    match node.kind() {
        Kind::Int => port_number(node).map(|number| PortMatch::Range(number, number)),
        _ => node.as_str().map(|name| PortMatch::Name(name.into())),
    }
}

fn ingress(object: &Object<'_>) -> Option<Entry> {
    let spec = object.spec()?;
    let read = |node: Node<'_>| {
        // extensions/v1beta1 and networking.k8s.io/v1beta1 wrote it flat.
        if let Some(name) = text(node, "serviceName") {
            return Some(backend(object, name, node.get("servicePort")));
        }
        let service = node.get("service")?;
        let port = service.get("port");
        let port = port.and_then(|port| port.get("number").or_else(|| port.get("name")));
        Some(backend(object, text(service, "name")?, port))
    };
    let default = spec.get("defaultBackend").or_else(|| spec.get("backend"));
    let rules: Vec<_> = list(spec, "rules").collect();
    let paths = rules.iter().filter_map(|rule| rule.get("http")).flat_map(|http| list(http, "paths"));
    let backends =
        default.into_iter().chain(paths.filter_map(|path| path.get("backend"))).filter_map(read).collect();
    let class = text(spec, "ingressClassName").or_else(|| object.annotation("kubernetes.io/ingress.class"));
    // A rule without a host, and a default backend, answer to every name.
    let any = default.is_some() || rules.iter().any(|rule| text(*rule, "host").is_none());
    let hosts = rules.iter().filter_map(|rule| text(*rule, "host")).map(Box::from).collect();
    Some(entry(object, class, if any { Vec::new() } else { hosts }, backends))
}

fn gateway_route(object: &Object<'_>) -> Option<Entry> {
    let spec = object.spec()?;
    // Routes of a mesh have a Service as parent and let nobody in.
    let parent =
        list(spec, "parentRefs").find(|parent| text(*parent, "kind").is_none_or(|kind| kind == "Gateway"))?;
    let services = list(spec, "rules")
        .flat_map(|rule| list(rule, "backendRefs"))
        .filter(|node| text(*node, "kind").is_none_or(|kind| kind == "Service"));
    let backends = services.filter_map(|node| {
        let mut found = backend(object, text(node, "name")?, node.get("port"));
        if let Some(namespace) = text(node, "namespace") {
            found.namespace = namespace.into();
        }
        Some(found)
    });
    let hosts = list(spec, "hostnames").filter_map(Node::as_str).map(Box::from).collect();
    Some(entry(object, text(parent, "name"), hosts, backends.collect()))
}

/// The Gateways that a route names, by namespace and name.
fn parents(object: &Object<'_>) -> Vec<Named> {
    let own = object.namespace.unwrap_or("");
    let refs = object.spec().into_iter().flat_map(|spec| list(spec, "parentRefs"));
    let gateways = refs.filter(|parent| text(*parent, "kind").is_none_or(|kind| kind == "Gateway"));
    gateways
        .filter_map(|parent| {
            Some((text(parent, "namespace").unwrap_or(own).into(), text(parent, "name")?.into()))
        })
        .collect()
}

fn takes(object: &Object<'_>) -> Takes {
    let listeners = object.spec().into_iter().flat_map(|spec| list(spec, "listeners"));
    let of = |listener: Node<'_>| match listener.at("allowedRoutes.namespaces.from").and_then(Node::as_str) {
        Some("All" | "Selector") => Takes::Others,
        Some("None") => Takes::None,
        _ => Takes::Own,
    };
    listeners.map(of).max().unwrap_or(Takes::None)
}

fn openshift_route(object: &Object<'_>) -> Option<Entry> {
    let spec = object.spec()?;
    // The port of a Route is the target port, by number or by the name of the Service's port.
    let targets = spec.get("to").into_iter().chain(list(spec, "alternateBackends"));
    let backends = targets.filter_map(|node| Some(backend(object, text(node, "name")?, None))).collect();
    Some(entry(object, None, text(spec, "host").map(Box::from).into_iter().collect(), backends))
}

fn virtual_service(object: &Object<'_>) -> Option<Entry> {
    let spec = object.spec()?;
    let gateway = list(spec, "gateways").filter_map(Node::as_str).find(|name| *name != "mesh")?;
    let routes = ["http", "tcp", "tls"]
        .into_iter()
        .flat_map(|key| list(spec, key))
        .flat_map(|rule| list(rule, "route"));
    let backends = routes.filter_map(|route| {
        let destination = route.get("destination")?;
        let mut parts = text(destination, "host")?.split('.');
        let mut found = backend(object, parts.next()?, destination.at("port.number"));
        if let Some(namespace) = parts.next() {
            found.namespace = namespace.into();
        }
        Some(found)
    });
    let hosts =
        list(spec, "hosts").filter_map(Node::as_str).filter(|host| *host != "*").map(Box::from).collect();
    Some(entry(object, Some(gateway), hosts, backends.collect()))
}

fn traefik(object: &Object<'_>) -> Option<Entry> {
    let spec = object.spec()?;
    let services = list(spec, "routes").flat_map(|route| list(route, "services"));
    Some(entry(object, None, Vec::new(), named_services(object, services)))
}

fn contour(object: &Object<'_>) -> Option<Entry> {
    let spec = object.spec()?;
    let routed = list(spec, "routes").flat_map(|route| list(route, "services"));
    let proxied = spec.get("tcpproxy").into_iter().flat_map(|proxy| list(proxy, "services"));
    let hosts = spec.at("virtualhost.fqdn").and_then(Node::as_str).map(Box::from).into_iter().collect();
    Some(entry(object, None, hosts, named_services(object, routed.chain(proxied))))
}

fn named_services<'a>(object: &Object<'_>, services: impl Iterator<Item = Node<'a>>) -> Vec<Backend> {
    let read = |node: Node<'a>| {
        let mut found = backend(object, text(node, "name")?, node.get("port"));
        if let Some(namespace) = text(node, "namespace") {
            found.namespace = namespace.into();
        }
        Some(found)
    };
    services
        .filter(|node| text(*node, "kind").is_none_or(|kind| kind == "Service"))
        .filter_map(read)
        .collect()
}
