//! Which pods are isolated, and by what.

use std::io::{self, Write};

use clap::Args;
use nightlatch_manifest::Corpus;
use nightlatch_netpol::{Direction, Engine, Idle, PolicyRef, PortSet};
use serde_json::{Value, json};

use super::{super::rbac::page::Page, explain, input::Input};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Which workloads policies isolate in which direction, and which policies do nothing; exit code 1 when one is open
///
/// Examples:
///   nightlatch net isolate deploy/
///   nightlatch net isolate deploy/ --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Isolate {
    #[command(flatten)]
    input: Input,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Policies that are compared with each other; of more only those that select nothing are told.
const COMPARED_MAX: usize = 5_000;

impl Isolate {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let (corpus, network) = self.input.read(session)?;
        let engine = Engine::new(&network);
        let pods: Vec<usize> = (0..network.pods.len()).collect();
        let idle: Vec<(usize, Idle)> = (0..network.policies.len())
            .filter_map(|at| match engine.idle(at) {
                Some(Idle::ChangesNothing) if network.policies.len() > COMPARED_MAX => None,
                found => found.map(|idle| (at, idle)),
            })
            .collect();
        let open = |pod: usize, direction| {
            !network.pods[pod].host_network
                && engine.isolating(pod, direction).is_empty()
                && engine.foreign(pod).is_empty()
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            super::super::json_line(&as_json(&engine, &corpus, &idle), &mut out)?;
        } else {
            text(&engine, &corpus, &idle, &mut Page::new(&mut out, session.style()))?;
        }
        out.flush()?;
        let any = pods.iter().any(|&pod| Direction::ALL.into_iter().any(|direction| open(pod, direction)));
        Ok(if any { Exit::Findings } else { Exit::Clean })
    }
}

fn state(engine: &Engine<'_>, pod: usize, direction: Direction) -> String {
    if engine.network().pods[pod].host_network {
        return "host network".to_owned();
    }
    let foreign = !engine.foreign(pod).is_empty();
    match engine.isolating(pod, direction).len() {
        0 if foreign => "unknown".to_owned(),
        0 => "open".to_owned(),
        1 => "isolated (1)".to_owned(),
        count => format!("isolated ({count})"),
    }
}

fn text(engine: &Engine<'_>, corpus: &Corpus, idle: &[(usize, Idle)], page: &mut Page<'_>) -> io::Result<()> {
    let network = engine.network();
    let mut order: Vec<usize> = (0..network.pods.len()).collect();
    order.sort_by_key(|&pod| network.pod_name(pod));
    page.head(&format!("{:<15} {:<15} workload", "ingress", "egress"))?;
    for pod in order {
        let states = Direction::ALL.map(|direction| state(engine, pod, direction));
        let [ingress, egress] = states;
        page.text(&format!("{ingress:<15} {egress:<15} "), &network.pod_name(pod), 32)?;
    }
    for (title, wanted) in [
        ("policies that select nothing", Idle::SelectsNothing),
        ("policies without which nothing would change", Idle::ChangesNothing),
    ] {
        let these: Vec<usize> = idle.iter().filter(|(_, idle)| *idle == wanted).map(|&(at, _)| at).collect();
        if these.is_empty() {
            continue;
        }
        page.blank()?;
        page.head(title)?;
        for at in these {
            let (name, place) = explain::policy(network, corpus, PolicyRef::Namespaced(at));
            page.placed("  ", &name, &place, 4)?;
        }
    }
    let (share, mutual) = lateral(engine);
    if let Some(percent) = share {
        page.blank()?;
        page.head("how far one taken workload gets")?;
        page.text("  ", &format!("{percent} % of the pairs of workloads that differ may connect"), 4)?;
        if !mutual.is_empty() {
            let lead = format!("{} get to each other, perhaps through others: ", mutual.len());
            let shown: Vec<&str> = mutual.iter().take(NAMES_MAX).map(String::as_str).collect();
            let more = if mutual.len() > NAMES_MAX { ", ..." } else { "" };
            page.text("  ", &format!("{lead}{}{more}", shown.join(", ")), 4)?;
        }
    }
    Ok(())
}

/// Names shown of a set of workloads.
const NAMES_MAX: usize = 20;
/// Inputs with more classes of pods are not counted through.
const CLASSES_MAX: usize = 20_000;

/// The share of pairs that connect in percent, and the largest set of workloads that get to each other.
fn lateral(engine: &Engine<'_>) -> (Option<u64>, Vec<String>) {
    if engine.classes() > CLASSES_MAX {
        return (None, Vec::new());
    }
    let found = engine.lateral(&PortSet::all());
    let pods = found.mutual.iter().flat_map(|&class| engine.pods_of(class).collect::<Vec<_>>());
    let mut mutual: Vec<String> = pods.map(|pod| engine.network().pod_name(pod)).collect();
    mutual.sort();
    ((found.pairs > 0).then(|| found.reachable * 100 / found.pairs), mutual)
}

fn as_json(engine: &Engine<'_>, corpus: &Corpus, idle: &[(usize, Idle)]) -> Value {
    let network = engine.network();
    let by = |pod: usize, direction| {
        let policies = engine.isolating(pod, direction).iter();
        let named = policies.map(|&at| explain::policy(network, corpus, PolicyRef::Namespaced(at as usize)));
        named.map(|(name, place)| json!({"policy": name, "at": place})).collect::<Vec<_>>()
    };
    let pods: Vec<Value> = network
        .pods
        .iter()
        .enumerate()
        .map(|(at, pod)| {
            json!({
                "namespace": pod.namespace, "kind": pod.kind, "name": pod.name, "host_network": pod.host_network,
                "foreign_policies": engine.foreign(at).len(),
                "ingress": by(at, Direction::Ingress), "egress": by(at, Direction::Egress),
            })
        })
        .collect();
    let idle: Vec<Value> = idle
        .iter()
        .map(|&(at, what)| {
            let (name, place) = explain::policy(network, corpus, PolicyRef::Namespaced(at));
            let what = if what == Idle::SelectsNothing { "selects-nothing" } else { "changes-nothing" };
            json!({"policy": name, "at": place, "what": what})
        })
        .collect();
    let (percent, mutual) = lateral(engine);
    json!({"workloads": pods, "idle_policies": idle, "pairs_reachable_percent": percent, "mutually_reachable": mutual})
}
