//! Who can reach a workload?

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clap::Args;
use nightlatch_netpol::{
    AddressSet, Certainty, Direction, Engine, Exposed, Party, PortSet, Region, Verdict, Way,
};
use serde_json::json;

use super::{
    super::rbac::page::Page,
    input::{Input, Port, chosen},
};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Everybody who can reach a workload, on which ports, and the ways in from outside
///
/// Examples:
///   nightlatch net who-can-reach shop/db deploy/
///   nightlatch net who-can-reach shop/db deploy/ --port 5432
///   nightlatch net who-can-reach 169.254.169.254 deploy/ --port 80
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct WhoCanReach {
    /// A workload or pod, labels, an address or a block
    #[arg(value_name = "TO")]
    to: String,
    #[command(flatten)]
    input: Input,
    /// Only this port: 443, 53/udp, or a name
    #[arg(long, short, value_name = "PORT", value_parser = Port::parse)]
    port: Option<Port>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Sources by the ports they reach and whether that is certain.
type Sources = BTreeMap<(bool, PortSet), Vec<usize>>;

impl WhoCanReach {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let (_, network) = self.input.read(session)?;
        let engine = Engine::new(&network);
        let mut out = io::BufWriter::new(io::stdout().lock());
        let exposures = engine.exposures();
        let mut all = Vec::new();
        for destination in chosen(&network, &self.to)?.parties() {
            let sources = self.sources(&engine, &destination);
            let (outside, ways): (Vec<Region>, Vec<&Exposed>) = match destination {
                Party::Pod(pod) => (
                    self.only(
                        &engine,
                        &destination,
                        engine.outside(pod, Direction::Ingress, Certainty::Sure, &AddressSet::internet()),
                    ),
                    exposures.iter().filter(|exposed| exposed.pod == pod).collect(),
                ),
                Party::Addresses(_) => (Vec::new(), Vec::new()),
            };
            let name = super::explain::party(&network, &destination);
            if self.json {
                let list: Vec<_> = sources
                    .iter()
                    .map(|((certain, ports), pods)| json!({"ports": ports.to_string(), "certain": certain, "from": names(&engine, pods)}))
                    .collect();
                let outside: Vec<_> = outside
                    .iter()
                    .map(|r| json!({"ports": r.ports.to_string(), "addresses": r.addresses.to_string()}))
                    .collect();
                let ways: Vec<_> = ways
                    .iter()
                    .map(|way| json!({"way": way_text(&engine, way), "verdict": way.verdict.as_str()}))
                    .collect();
                all.push(json!({"to": name, "pods": list, "internet": outside, "ways_in": ways}));
                continue;
            }
            let mut page = Page::new(&mut out, session.style());
            page.head(&name)?;
            if sources.is_empty() {
                page.text("  ", "no pod can reach it", 4)?;
            }
            for ((certain, ports), pods) in &sources {
                let lead = if *certain { shown(ports) } else { format!("{} perhaps", shown(ports)) };
                page.text("  ", &format!("{lead}, from {}:", counted(pods.len())), 4)?;
                page.text("    ", &collapsed(&engine, pods).join(", "), 4)?;
            }
            for region in outside {
                page.text(
                    "  ",
                    &format!(
                        "{}, from the Internet as far as policies go ({})",
                        shown(&region.ports),
                        whole(&region.addresses)
                    ),
                    4,
                )?;
            }
            for way in ways {
                let word = match way.verdict {
                    Verdict::Allowed => "open",
                    Verdict::Denied => "closed by policy",
                    other => other.as_str(),
                };
                page.text("  ", &format!("way in: {}: {word}", way_text(&engine, way)), 4)?;
            }
        }
        if self.json {
            super::super::json_line(&json!({"destinations": all}), &mut out)?;
        }
        out.flush()?;
        Ok(Exit::Clean)
    }

    /// The port asked for as a set, on a destination.
    fn wanted(&self, engine: &Engine<'_>, destination: &Party) -> PortSet {
        let Some(port) = &self.port else { return PortSet::all() };
        let pod = if let Party::Pod(pod) = destination { Some(*pod) } else { None };
        let numbers = port.on(engine.network(), pod);
        numbers.iter().fold(PortSet::empty(), |all, &number| all.union(&PortSet::port(port.protocol, number)))
    }

    fn only(&self, engine: &Engine<'_>, destination: &Party, regions: Vec<Region>) -> Vec<Region> {
        let wanted = self.wanted(engine, destination);
        let cut = |region: Region| Region {
            ports: region.ports.intersection(&wanted),
            addresses: region.addresses,
        };
        regions.into_iter().map(cut).filter(|region| !region.ports.is_empty()).collect()
    }

    fn sources(&self, engine: &Engine<'_>, destination: &Party) -> Sources {
        let wanted = self.wanted(engine, destination);
        let mut found = Sources::new();
        for class in 0..engine.classes() as u32 {
            let pods: Vec<usize> =
                engine.pods_of(class).filter(|&pod| Party::Pod(pod) != *destination).collect();
            let Some(&first) = pods.first() else { continue };
            let Some(answer) = engine.pair(&Party::Pod(first), destination) else { continue };
            let sure = answer.sure.intersection(&wanted);
            let possible = answer.possible.intersection(&wanted).minus(&sure);
            for (certain, ports) in [(true, sure), (false, possible)] {
                if !ports.is_empty() {
                    let certain = certain && answer.foreign.is_empty();
                    found.entry((certain, ports)).or_default().extend(&pods);
                }
            }
        }
        found
    }
}

fn shown(ports: &PortSet) -> String {
    if ports.is_all() { "every port".to_owned() } else { ports.to_string() }
}

fn whole(addresses: &AddressSet) -> String {
    if *addresses == AddressSet::internet() { "all of it".to_owned() } else { addresses.to_string() }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 workload".to_owned() } else { format!("{count} workloads") }
}

fn names(engine: &Engine<'_>, pods: &[usize]) -> Vec<String> {
    let mut names: Vec<String> = pods.iter().map(|&pod| engine.network().pod_name(pod)).collect();
    names.sort();
    names
}

/// Names; of a namespace that is there as a whole, and has several, only the namespace.
fn collapsed(engine: &Engine<'_>, pods: &[usize]) -> Vec<String> {
    let network = engine.network();
    let mut by_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &pod in pods {
        by_namespace.entry(&network.pods[pod].namespace).or_default().push(pod);
    }
    let mut shown = Vec::new();
    for (namespace, own) in by_namespace {
        let all = network.pods.iter().filter(|pod| *pod.namespace == *namespace).count();
        if own.len() > 3 && own.len() + 1 >= all && !namespace.is_empty() {
            shown.push(format!("{namespace}/* ({})", own.len()));
        } else {
            shown.extend(names(engine, &own));
        }
    }
    shown
}

/// A way in, in words.
pub(crate) fn way_text(engine: &Engine<'_>, exposed: &Exposed) -> String {
    let network = engine.network();
    let service =
        |at: usize| network.services.get(at).map_or(String::new(), |s| format!("{}/{}", s.namespace, s.name));
    let port = exposed.port.map_or(String::new(), |(protocol, number)| format!(" to {protocol} {number}"));
    let way = match exposed.way {
        Way::LoadBalancer(at) => format!("LoadBalancer {}", service(at)),
        Way::NodePort(at) => format!("NodePort {}", service(at)),
        Way::ExternalIps(at) => format!("external addresses of {}", service(at)),
        Way::Entry(at, _) => network.entries.get(at).map_or(String::new(), |entry| {
            let hosts =
                if entry.hosts.is_empty() { String::new() } else { format!(" ({})", entry.hosts.join(", ")) };
            format!("{} {}/{}{hosts}", entry.kind, entry.namespace, entry.name)
        }),
        Way::HostPort => "a port of its node".to_owned(),
        Way::HostNetwork => "its node's network".to_owned(),
    };
    format!("{way}{port}")
}
