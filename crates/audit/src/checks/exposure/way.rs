//! Ways from outside the cluster to its workloads, with the places in the input at which each is opened.
//!
//! What leads where, and what policies say to it, is `netpol`'s answer ([`Engine::exposures`]); here it gets its nodes,
//! and published Services whose pods are not in the input are added.

use std::collections::HashMap;

use nightlatch_manifest::{Node, Object, Workload};
use nightlatch_netpol::{Engine, Exposed, Network, Origin, Pod, Service, ServiceKind, Verdict, Way as Path};

use crate::Context;

/// How a way begins.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum WayKind {
    /// Service of type LoadBalancer with a public address.
    LoadBalancer,
    /// Service of type NodePort: a port of every node.
    NodePort,
    /// Service with externalIPs.
    ExternalIp,
    /// Ingress, Gateway route, OpenShift Route, Istio, Traefik, Contour.
    Entry,
    /// `hostPort` of a container.
    HostPort,
    /// The pod shares the network of its node.
    HostNetwork,
}

/// One way from outside to one port of one workload, or of a Service whose pods are not in the input.
#[derive(Clone, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) kind: WayKind,
    /// What publishes: the Service, the Ingress, the workload itself.
    pub(crate) object: Object<'a>,
    /// Where it does so: the port of the Service or container, the object.
    pub(crate) at: Node<'a>,
    /// The port of the Service, or of the node.
    pub(crate) port: Option<u16>,
    /// The port of the pod.
    pub(crate) target: Option<u16>,
    /// Index of the workload in [`Context::workloads`].
    pub(crate) workload: Option<usize>,
    /// What policies say to it; allowed when the pods are not in the input.
    pub(crate) verdict: Verdict,
}

impl Way<'_> {
    /// `Service web (LoadBalancer)`, `Ingress shop`, `host port 9100`.
    pub(crate) fn words(&self) -> String {
        let name = self.object.name;
        match self.kind {
            WayKind::LoadBalancer => format!("Service `{name}` (LoadBalancer)"),
            WayKind::NodePort => format!("Service `{name}` (NodePort)"),
            WayKind::ExternalIp => format!("Service `{name}` (externalIPs)"),
            WayKind::Entry => format!("{} `{name}`", self.object.kind),
            WayKind::HostPort => format!("host port {}", self.port.unwrap_or(0)),
            WayKind::HostNetwork => "the network of its node".to_owned(),
        }
    }

    /// Whether the input shows that something listens there: a pod on its node's network that declares no port need not.
    pub(crate) fn is_shown(&self) -> bool {
        self.kind != WayKind::HostNetwork || self.target.is_some()
    }

    /// The ports by which it may be known: the pod's first.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        let second = self.port.filter(|port| Some(*port) != self.target);
        self.target.into_iter().chain(second)
    }
}

/// A Service with what it selects.
#[derive(Debug)]
pub(crate) struct ServiceView<'a> {
    pub(crate) object: Object<'a>,
    pub(crate) kind: ServiceKind,
    /// It selects pods; manual endpoints and ExternalName do not.
    pub(crate) has_selector: bool,
    pub(crate) is_internal: bool,
    /// Indices in [`Context::workloads`].
    pub(crate) workloads: Vec<usize>,
}

/// All ways, and all Services.
#[derive(Debug, Default)]
pub(crate) struct Ways<'a> {
    pub(crate) list: Vec<Way<'a>>,
    pub(crate) services: Vec<ServiceView<'a>>,
    /// Entries with a backend Service that is not in the input: the entry, namespace and name of the Service.
    pub(crate) dangling: Vec<(Object<'a>, String, String)>,
}

type Place = (u32, u32);

fn place(object: &Object<'_>) -> Place {
    (object.document().source.0, object.root.span().start)
}

fn place_of(origin: Origin) -> Option<Place> {
    origin.map(|(source, span)| (source.0, span.start))
}

/// From the network's values back to the objects they were read from.
struct Objects<'c, 'a> {
    context: &'c Context<'a>,
    objects: HashMap<Place, usize>,
    workloads: HashMap<Place, usize>,
}

impl<'c, 'a> Objects<'c, 'a> {
    fn new(context: &'c Context<'a>) -> Self {
        let objects = context.objects.iter().enumerate().map(|(at, object)| (place(object), at)).collect();
        let workloads = context.workloads.iter().enumerate();
        let workloads = workloads.map(|(at, workload)| (place(&workload.object), at)).collect();
        Self { context, objects, workloads }
    }

    fn object(&self, origin: Origin) -> Option<&'c Object<'a>> {
        self.context.objects.get(*self.objects.get(&place_of(origin)?)?)
    }

    fn workload(&self, origin: Origin) -> Option<usize> {
        self.workloads.get(&place_of(origin)?).copied()
    }
}

impl<'a> Ways<'a> {
    /// Finds them.
    pub(crate) fn new(context: &Context<'a>) -> Self {
        let network = context.network();
        let objects = Objects::new(context);
        let mut ways = Self { dangling: dangling(&objects, network), ..Self::default() };
        let mut by_namespace: HashMap<&str, Vec<&Pod>> = HashMap::new();
        network.pods.iter().for_each(|pod| by_namespace.entry(&pod.namespace).or_default().push(pod));
        let view = |service| service_view(&objects, &by_namespace, service);
        ways.services = network.services.iter().filter_map(view).collect();
        let mut backends = Backends::new();
        for exposed in Engine::new(network).exposures() {
            ways.list.extend(way(&objects, network, &exposed, &mut backends));
        }
        let unknown: Vec<Way<'a>> = ways.services.iter().flat_map(without_pods).collect();
        ways.list.extend(unknown);
        ways
    }
}

/// Where entries name their backends, by the indices of both in the network.
type Backends<'a> = HashMap<(usize, usize), Node<'a>>;

/// Ways that a network's answer stands for, with their nodes.
fn way<'a>(
    objects: &Objects<'_, 'a>,
    network: &Network,
    exposed: &Exposed,
    backends: &mut Backends<'a>,
) -> Option<Way<'a>> {
    let pod = network.pods.get(exposed.pod)?;
    let workload = objects.workload(pod.origin);
    let of = workload.and_then(|index| objects.context.workloads.get(index));
    let target = exposed.port.map(|(_, number)| number);
    let service = |at: usize| objects.object(network.services.get(at)?.origin);
    let (kind, object) = match exposed.way {
        Path::LoadBalancer(at) => (WayKind::LoadBalancer, service(at)?),
        Path::NodePort(at) => (WayKind::NodePort, service(at)?),
        Path::ExternalIps(at) => (WayKind::ExternalIp, service(at)?),
        Path::Entry(at, _) => (WayKind::Entry, objects.object(network.entries.get(at)?.origin)?),
        Path::HostPort => (WayKind::HostPort, &of?.object),
        Path::HostNetwork => (WayKind::HostNetwork, &of?.object),
    };
    let through = match exposed.way {
        Path::Entry(_, at) => service(at),
        Path::HostPort | Path::HostNetwork => None,
        _ => Some(object),
    };
    let service_port = through.and_then(|service| service_port(service, of, target));
    let container_port =
        of.filter(|_| through.is_none()).and_then(|workload| container_port(workload, target));
    let (at, port) = match kind {
        WayKind::Entry => {
            (entry_backend(object, exposed.way, through, backends), service_port.map(|(_, port)| port))
        }
        WayKind::HostPort => (container_port?, container_port?.get("hostPort").and_then(port_number)),
        WayKind::HostNetwork => (container_port.unwrap_or(of?.pod_spec), target),
        _ => (service_port.map_or(object.root, |(node, _)| node), service_port.map(|(_, port)| port)),
    };
    Some(Way { kind, object: *object, at, port, target, workload, verdict: exposed.verdict })
}

/// Where an entry names the Service it leads to; its own name when that is not found.
fn entry_backend<'a>(
    entry: &Object<'a>,
    way: Path,
    service: Option<&Object<'a>>,
    backends: &mut Backends<'a>,
) -> Node<'a> {
    let find = || service.and_then(|service| backend(entry.root, service.name));
    let own_name = || entry.root.at("metadata.name").unwrap_or(entry.root);
    match way {
        Path::Entry(at, through) => {
            *backends.entry((at, through)).or_insert_with(|| find().unwrap_or_else(own_name))
        }
        _ => own_name(),
    }
}

/// The port of a Service that leads to `target` on a workload: node and number.
fn service_port<'a>(
    service: &Object<'a>,
    workload: Option<&Workload<'a>>,
    target: Option<u16>,
) -> Option<(Node<'a>, u16)> {
    let ports = service.spec()?.get("ports")?;
    let leads = |node: &Node<'a>| {
        let own = node.get("port").and_then(port_number);
        let to = node
            .get("targetPort")
            .map_or(own, |to| port_number(to).or_else(|| named_port(workload?, to.text())));
        target.is_none() || to == target
    };
    let node = ports.items().find(leads)?;
    Some((node, node.get("port").and_then(port_number)?))
}

fn named_port(workload: &Workload<'_>, name: &str) -> Option<u16> {
    let ports = workload.containers().filter_map(|container| container.node.get("ports"));
    let mut named =
        ports.flat_map(Node::items).filter(|port| port.get("name").is_some_and(|own| own.text() == name));
    named.find_map(|port| port.get("containerPort").and_then(port_number))
}

fn container_port<'a>(workload: &Workload<'a>, number: Option<u16>) -> Option<Node<'a>> {
    let ports = workload.containers().filter_map(|container| container.node.get("ports"));
    ports.flat_map(Node::items).find(|port| port.get("containerPort").and_then(port_number) == number)
}

/// Ways through a published Service whose pods are not in the input, one for each port.
fn without_pods<'a>(service: &ServiceView<'a>) -> Vec<Way<'a>> {
    let spec = service.object.spec();
    let has_external = spec.and_then(|spec| spec.get("externalIPs")).is_some_and(|list| !list.is_empty());
    let kind = match service.kind {
        ServiceKind::LoadBalancer if !service.is_internal => WayKind::LoadBalancer,
        ServiceKind::NodePort => WayKind::NodePort,
        ServiceKind::ClusterIp | ServiceKind::LoadBalancer if has_external => WayKind::ExternalIp,
        _ => return Vec::new(),
    };
    if !service.workloads.is_empty() {
        return Vec::new();
    }
    let ports = spec.and_then(|spec| spec.get("ports")).into_iter().flat_map(Node::items);
    ports
        .map(|node| {
            let port = node.get("port").and_then(port_number);
            let target = node.get("targetPort").map_or(port, port_number);
            Way {
                kind,
                object: service.object,
                at: node,
                port,
                target,
                workload: None,
                verdict: Verdict::Allowed,
            }
        })
        .collect()
}

fn service_view<'a>(
    objects: &Objects<'_, 'a>,
    by_namespace: &HashMap<&str, Vec<&Pod>>,
    service: &Service,
) -> Option<ServiceView<'a>> {
    let object = objects.object(service.origin)?;
    let own = by_namespace.get(&*service.namespace).into_iter().flatten();
    let workloads = match &service.selector {
        None => Vec::new(),
        Some(selector) => own
            .filter(|pod| selector.matches(&pod.labels))
            .filter_map(|pod| objects.workload(pod.origin))
            .collect(),
    };
    Some(ServiceView {
        object: *object,
        kind: service.kind,
        has_selector: service.selector.is_some(),
        is_internal: service.internal,
        workloads,
    })
}

fn dangling<'a>(objects: &Objects<'_, 'a>, network: &Network) -> Vec<(Object<'a>, String, String)> {
    let known: std::collections::HashSet<(&str, &str)> =
        network.services.iter().map(|service| (&*service.namespace, &*service.name)).collect();
    let mut found = Vec::new();
    for entry in &network.entries {
        let Some(object) = objects.object(entry.origin) else { continue };
        for backend in &entry.backends {
            if !known.contains(&(&*backend.namespace, &*backend.service)) {
                found.push((*object, backend.namespace.to_string(), backend.service.to_string()));
            }
        }
    }
    found
}

/// A port as a number, also when it is written as text.
pub(crate) fn port_number(node: Node<'_>) -> Option<u16> {
    node.text().parse().ok().filter(|port| *port > 0)
}

/// The name of a Service where an entry says it: the first value of that text under a key that names Services.
pub(crate) fn backend<'a>(root: Node<'a>, service: &str) -> Option<Node<'a>> {
    let mut open = vec![root.get("spec")?];
    let mut looked = 0;
    while let Some(node) = open.pop() {
        looked += 1;
        if looked > NODES_MAX {
            return None;
        }
        for (key, value) in node.entries() {
            if matches!(key.text(), "name" | "serviceName" | "host")
                && value.text().split('.').next() == Some(service)
            {
                return Some(value);
            }
            open.push(value);
        }
        open.extend(node.items());
    }
    None
}

/// Nodes of one entry that are looked at.
const NODES_MAX: usize = 20_000;
