//! Which pods can be reached from outside, by which way, and what policies say to that.

use std::collections::HashMap;

use crate::{
    AddressSet, Certainty, Direction, Engine, Network, Party, Pod, PortMatch, PortSet, Protocol, Selector,
    Service, ServiceKind, ServicePort, Verdict,
};

/// The way by which a pod is reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Way {
    /// A Service of type LoadBalancer, by its index in the network.
    LoadBalancer(usize),
    /// A Service's port on every node.
    NodePort(usize),
    /// A Service with `externalIPs`.
    ExternalIps(usize),
    /// An Ingress, route or the like, by its index in [`Network::entries`], and the Service behind it.
    Entry(usize, usize),
    /// A port of the node that leads to a container.
    HostPort,
    /// The pod listens on the node's own addresses.
    HostNetwork,
}

/// A pod that can be reached from outside.
///
/// An upper bound: whether anything listens, and on which address, is not in manifests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exposed {
    /// The pod, by its index.
    pub pod: usize,
    /// How.
    pub way: Way,
    /// The pod's port, when it is known.
    pub port: Option<(Protocol, u16)>,
    /// What policies say to a connection by this way.
    pub verdict: Verdict,
    /// From where, when not from anywhere.
    pub from: Option<AddressSet>,
}

impl Engine<'_> {
    /// Everything that is exposed, by pod.
    pub fn exposures(&self) -> Vec<Exposed> {
        let network = self.network;
        let behind: Vec<Vec<usize>> = selected_by_services(network);
        let mut found = Vec::new();
        for (at, service) in network.services.iter().enumerate() {
            let pods = behind.get(at).map_or(&[][..], Vec::as_slice);
            if let Some(way) = published(at, service) {
                self.service(service, way, pods, &mut found);
            }
        }
        let services: HashMap<(&str, &str), usize> = network
            .services
            .iter()
            .enumerate()
            .map(|(at, service)| ((service.namespace.as_ref(), service.name.as_ref()), at))
            .collect();
        let controllers = self.controllers();
        for (at, entry) in network.entries.iter().enumerate() {
            for backend in entry.backends.iter().filter(|backend| !backend.ungranted) {
                let Some(&service) = services.get(&(backend.namespace.as_ref(), backend.service.as_ref()))
                else {
                    continue;
                };
                for port in network.services[service]
                    .ports
                    .iter()
                    .filter(|port| leads_to(backend.port.as_ref(), port))
                {
                    for &pod in &behind[service] {
                        for number in targets(&network.pods[pod], port) {
                            let port = (port.protocol, number);
                            let verdict = self.controller_verdict(&controllers, pod, port);
                            found.push(Exposed {
                                pod,
                                way: Way::Entry(at, service),
                                port: Some(port),
                                verdict,
                                from: None,
                            });
                        }
                    }
                }
            }
        }
        self.on_nodes(&mut found);
        found.sort_by_key(|exposed| (exposed.pod, exposed.port.map(|(protocol, number)| (number, protocol))));
        found.dedup();
        found
    }

    fn service(&self, service: &Service, way: Way, pods: &[usize], found: &mut Vec<Exposed>) {
        let internet = AddressSet::internet();
        let from = (!service.source_ranges.is_empty() && matches!(way, Way::LoadBalancer(_)))
            .then(|| AddressSet::of(&service.source_ranges));
        for &pod in pods {
            for port in &service.ports {
                for number in targets(&self.network.pods[pod], port) {
                    let sources = from.as_ref().unwrap_or(&internet);
                    let port = (port.protocol, number);
                    let verdict = self.outside_verdict(pod, port, sources, service.keeps_source);
                    found.push(Exposed { pod, way, port: Some(port), verdict, from: from.clone() });
                }
            }
        }
    }

    fn on_nodes(&self, found: &mut Vec<Exposed>) {
        let internet = AddressSet::internet();
        for (at, pod) in self.network.pods.iter().enumerate() {
            if pod.host_network {
                let exposed = |port| Exposed {
                    pod: at,
                    way: Way::HostNetwork,
                    port,
                    verdict: Verdict::Allowed,
                    from: None,
                };
                found.extend(pod.ports.iter().map(|port| exposed(Some((port.protocol, port.number)))));
                if pod.ports.is_empty() {
                    found.push(exposed(None));
                }
                continue;
            }
            for port in pod.ports.iter().filter(|port| port.host_port.is_some()) {
                let port = (port.protocol, port.number);
                let verdict = self.outside_verdict(at, port, &internet, true);
                found.push(Exposed { pod: at, way: Way::HostPort, port: Some(port), verdict, from: None });
            }
        }
    }

    /// What policies say to connections from outside. Where the source is replaced on the way, they see a node's address.
    fn outside_verdict(
        &self,
        pod: usize,
        (protocol, port): (Protocol, u16),
        sources: &AddressSet,
        keeps: bool,
    ) -> Verdict {
        if !self.foreign(pod).is_empty() {
            return Verdict::Unknown;
        }
        let allowed = |within: &AddressSet| {
            let regions = self.outside(pod, Direction::Ingress, Certainty::Sure, within);
            let mut found = regions.into_iter().filter(|region| region.ports.contains(protocol, port));
            found.next().map(|region| region.addresses)
        };
        match allowed(sources) {
            Some(addresses) if addresses == *sources => Verdict::Allowed,
            Some(_) => Verdict::Partly,
            None if !keeps && allowed(&AddressSet::all().minus(&AddressSet::internet())).is_some() => {
                Verdict::Depends
            }
            None => Verdict::Denied,
        }
    }

    /// Pods that pass requests from outside on.
    pub(crate) fn controllers(&self) -> Vec<usize> {
        let is_controller = |pod: &&Pod| {
            pod.images.iter().any(|image| CONTROLLERS.iter().any(|part| image.contains(part)))
                || INGRESS_LABELS.iter().any(|(key, value)| pod.labels.get(key) == Some(value))
        };
        let pods = self.network.pods.iter().enumerate();
        pods.filter(|(_, pod)| is_controller(pod)).map(|(at, _)| at).collect()
    }

    fn controller_verdict(
        &self,
        controllers: &[usize],
        pod: usize,
        (protocol, port): (Protocol, u16),
    ) -> Verdict {
        if !self.foreign(pod).is_empty() {
            return Verdict::Unknown;
        }
        let answers = controllers.iter().filter_map(|&from| self.pair(&Party::Pod(from), &Party::Pod(pod)));
        let verdicts = answers.map(|answer| answer.modelled(protocol, port));
        if let Some(best) = verdicts.min() {
            return best;
        }
        // The controller is not in the input: any pod of any namespace might be it.
        let Some(answer) = self.pair(&Party::Addresses(AddressSet::all()), &Party::Pod(pod)) else {
            return Verdict::Unknown;
        };
        if answer.sure.contains(protocol, port) {
            return Verdict::Allowed;
        }
        let wanted = PortSet::port(protocol, port);
        let mut rules = self
            .isolating(pod, Direction::Ingress)
            .iter()
            .flat_map(|&policy| self.policies[policy as usize].ingress.iter().flat_map(|rule| &rule.grants));
        let class = self.class_of(pod);
        let lets = |grant: &crate::compile::Grant| {
            self.sets.get(grant.subjects).has(class) && self.ports.get(grant.ports).covers(&wanted)
        };
        if rules.any(lets) { Verdict::Depends } else { Verdict::Denied }
    }
}

/// For each Service the pods it leads to.
pub(crate) fn selected_by_services(network: &Network) -> Vec<Vec<usize>> {
    let mut by_namespace: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, pod) in network.pods.iter().enumerate() {
        by_namespace.entry(pod.namespace.as_ref()).or_default().push(at);
    }
    let pods = |service: &Service, selector: &Selector| -> Vec<usize> {
        let own = by_namespace.get(service.namespace.as_ref()).map_or(&[][..], Vec::as_slice);
        own.iter().copied().filter(|&pod| selector.matches(&network.pods[pod].labels)).collect()
    };
    network
        .services
        .iter()
        .map(|s| s.selector.as_ref().map_or_else(Vec::new, |selector| pods(s, selector)))
        .collect()
}

fn published(at: usize, service: &Service) -> Option<Way> {
    match service.kind {
        ServiceKind::LoadBalancer if !service.internal => Some(Way::LoadBalancer(at)),
        ServiceKind::NodePort => Some(Way::NodePort(at)),
        ServiceKind::LoadBalancer | ServiceKind::ClusterIp if service.external_ips => {
            Some(Way::ExternalIps(at))
        }
        _ => None,
    }
}

/// The pod's ports behind a Service's port: a number, or what the pod calls by the name.
pub(crate) fn targets(pod: &Pod, port: &ServicePort) -> Vec<u16> {
    match &port.target {
        PortMatch::Range(number, _) => vec![*number],
        PortMatch::Any => vec![port.number],
        PortMatch::Name(name) => pod
            .ports
            .iter()
            .filter(|own| own.name.as_ref() == Some(name) && own.protocol == port.protocol)
            .map(|own| own.number)
            .collect(),
    }
}

fn leads_to(wanted: Option<&PortMatch>, port: &ServicePort) -> bool {
    match wanted {
        None | Some(PortMatch::Any) => true,
        Some(PortMatch::Range(number, _)) => port.number == *number,
        Some(PortMatch::Name(name)) => port.name.as_ref() == Some(name),
    }
}

/// Parts of the names of images of ingress and gateway controllers.
const CONTROLLERS: &[&str] = &[
    "ingress-nginx/controller",
    "nginx/nginx-ingress",
    "nginx-ingress-controller",
    "traefik",
    "haproxytech/kubernetes-ingress",
    "haproxy-ingress",
    "kong/kong",
    "kong-gateway",
    "envoyproxy/envoy",
    "projectcontour/contour",
    "pomerium/ingress-controller",
    "apache/apisix",
    "tyk-gateway",
    "ambassador",
    "emissary",
];
/// Labels of ingress and gateway controllers.
const INGRESS_LABELS: &[(&str, &str)] = &[
    ("app.kubernetes.io/name", "ingress-nginx"),
    ("app.kubernetes.io/name", "traefik"),
    ("istio", "ingressgateway"),
    ("app", "istio-ingressgateway"),
    ("ingresscontroller.operator.openshift.io/deployment-ingresscontroller", "default"),
];
