//! Connections that the manifests say are needed.

use std::collections::{BTreeMap, HashMap};

use crate::{
    Cidr, Engine, Network, PortMatch, Protocol, Service, Way,
    exposure::{selected_by_services, targets},
};

/// Who connects.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// A pod.
    Pod(usize),
    /// Somebody outside, from these blocks when they are said.
    Outside(Option<Vec<Cidr>>),
    /// A pod that is not in the input: the controller of an Ingress or Gateway.
    AnyPod,
}

/// A connection that is needed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Need {
    /// Who connects.
    pub source: Source,
    /// To which pod.
    pub target: usize,
    /// On which of its ports.
    pub ports: Vec<(Protocol, u16)>,
    /// What says so: the Service, by its index, when one does.
    pub service: Option<usize>,
    /// The way in from outside, when it is one.
    pub way: Option<Way>,
}

type Key = (Source, usize);
type Found = (Vec<(Protocol, u16)>, Option<usize>, Option<Way>);

pub(super) fn needs(engine: &Engine<'_>) -> Vec<Need> {
    let network = engine.network();
    let behind = selected_by_services(network);
    let mut found: BTreeMap<Key, Found> = BTreeMap::new();
    let mut note = |source, to: usize, ports: Vec<(Protocol, u16)>, service, way| {
        let (known, ..) = found.entry((source, to)).or_insert((Vec::new(), service, way));
        known.extend(ports);
        known.sort_by_key(|&(protocol, number)| (number, protocol));
        known.dedup();
    };
    let services: HashMap<(&str, &str), usize> = network
        .services
        .iter()
        .enumerate()
        .map(|(at, service)| ((service.namespace.as_ref(), service.name.as_ref()), at))
        .collect();
    for (from, pod) in network.pods.iter().enumerate() {
        for mention in &pod.mentions {
            let Some((service, port)) = named(&services, &pod.namespace, mention) else { continue };
            for &to in behind[service].iter().filter(|&&to| to != from) {
                let ports = ports(network, to, &network.services[service], port);
                if !ports.is_empty() {
                    note(Source::Pod(from), to, ports, Some(service), None);
                }
            }
        }
    }
    let controllers = engine.controllers();
    for exposed in engine.exposures() {
        let Some(port) = exposed.port.filter(|_| !network.pods[exposed.pod].host_network) else { continue };
        let (sources, service) = match exposed.way {
            Way::HostNetwork => continue,
            Way::Entry(_, service) if controllers.is_empty() => (vec![Source::AnyPod], Some(service)),
            Way::Entry(_, service) => {
                (controllers.iter().map(|&pod| Source::Pod(pod)).collect(), Some(service))
            }
            Way::LoadBalancer(at) => {
                (vec![Source::Outside(super::blocks(&network.services[at].source_ranges))], Some(at))
            }
            Way::NodePort(at) | Way::ExternalIps(at) => (vec![Source::Outside(None)], Some(at)),
            Way::HostPort => (vec![Source::Outside(None)], None),
        };
        for source in sources.into_iter().filter(|source| *source != Source::Pod(exposed.pod)) {
            note(source, exposed.pod, vec![port], service, Some(exposed.way));
        }
    }
    let need = |((source, target), (ports, service, way)): (Key, Found)| Need {
        source,
        target,
        ports,
        service,
        way,
    };
    found.into_iter().map(need).collect()
}

/// The Service that a word means, and its port when it names one: `db`, `db:5432`, `db.shop`, `db.shop.svc.cluster.local`.
fn named(services: &HashMap<(&str, &str), usize>, own: &str, word: &str) -> Option<(usize, Option<u16>)> {
    let (host, port) = match word.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (word, None),
    };
    let mut parts = host.split('.');
    let name = parts.next()?;
    let namespace = parts.next();
    if namespace.is_some() && parts.next().is_some_and(|third| third != "svc") {
        return None;
    }
    let service = services.get(&(namespace.unwrap_or(own), name))?;
    Some((*service, port))
}

fn ports(network: &Network, pod: usize, service: &Service, wanted: Option<u16>) -> Vec<(Protocol, u16)> {
    let has_wanted = wanted.is_some_and(|wanted| service.ports.iter().any(|port| port.number == wanted));
    let mut found = Vec::new();
    for port in &service.ports {
        if has_wanted && Some(port.number) != wanted {
            continue;
        }
        let numbers = targets(&network.pods[pod], port);
        // Nobody declares the name: the number of the Service is the best guess there is, and none is made.
        debug_assert!(!numbers.is_empty() || matches!(port.target, PortMatch::Name(_)));
        found.extend(numbers.into_iter().map(|number| (port.protocol, number)));
    }
    found
}
