//! PTH-004: what a workload that strangers reach can reach itself.

use std::collections::BTreeMap;

use nightlatch_finding::Severity;
use nightlatch_manifest::Object;
use nightlatch_netpol::{AddressSet, Cidr, Engine, Party, Protocol, Verdict};

use crate::{
    Context, Found, Sink,
    checks::{
        exposure::{
            product::{Sort, of_workload},
            way::WayKind,
        },
        pod::system,
    },
};

/// Where clouds answer their machines with credentials; sources: documentation of AWS, Google Cloud, Azure, Alibaba Cloud.
const METADATA: [&str; 2] = ["169.254.169.254/32", "100.100.100.200/32"];
/// Pairs that are asked about in one audit; an estate with more has its first ones judged.
const PAIRS_MAX: usize = 200_000;
/// Targets named in one finding.
const TOLD_MAX: usize = 6;

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let ways = context.ways().list.iter();
    let ways = ways.filter(|way| way.is_shown() && matches!(way.verdict, Verdict::Allowed | Verdict::Partly));
    // Of each workload whether it is published, or only reached where the nodes are.
    let mut entries: BTreeMap<usize, bool> = BTreeMap::new();
    for (index, way) in ways.filter_map(|way| Some((way.workload?, way))) {
        *entries.entry(index).or_default() |= way.kind != WayKind::HostNetwork;
    }
    if entries.is_empty() {
        return;
    }
    let network = context.network();
    let engine = Engine::new(network);
    let pods: BTreeMap<(u32, u32), usize> = network
        .pods
        .iter()
        .enumerate()
        .filter_map(|(at, pod)| pod.origin.map(|(source, span)| ((source.0, span.start), at)))
        .collect();
    let pod_of =
        |object: &Object<'_>| pods.get(&(object.document().source.0, object.root.span().start)).copied();
    let sensitive: Vec<(usize, usize, &'static str, &[u16])> = context
        .workloads
        .iter()
        .enumerate()
        .filter_map(|(index, workload)| {
            let (product, _) = of_workload(workload)?;
            let guarded = matches!(product.sort, Sort::Data | Sort::Console);
            guarded.then_some((index, pod_of(&workload.object)?, product.name, product.ports.as_slice()))
        })
        .collect();
    let metadata =
        AddressSet::of(&METADATA.iter().filter_map(|text| text.parse::<Cidr>().ok()).collect::<Vec<_>>());
    let mut pairs = 0;
    for (&index, &is_published) in &entries {
        let workload = &context.workloads[index];
        let Some(pod) = pod_of(&workload.object) else { continue };
        let mut told = Vec::new();
        let mut depends = false;
        for &(other, target, name, ports) in sensitive.iter().filter(|(other, ..)| *other != index) {
            pairs += 1;
            if pairs > PAIRS_MAX {
                sink.unknown("there are more pairs of workloads than are judged");
                return;
            }
            let Some(answer) = engine.pair(&Party::Pod(pod), &Party::Pod(target)) else { continue };
            let open = ports.iter().map(|port| (port, answer.verdict(Protocol::Tcp, *port)));
            for (port, verdict) in open {
                match verdict {
                    Verdict::Allowed | Verdict::Partly => {
                        told.push((
                            format!(
                                "{name} in {} `{}` on port {port}",
                                context.workloads[other].object.kind, context.workloads[other].object.name
                            ),
                            Some(other),
                        ));
                        break;
                    }
                    Verdict::Depends | Verdict::Unknown => depends = true,
                    Verdict::Denied => {}
                }
            }
        }
        let to_metadata = engine.pair(&Party::Pod(pod), &Party::Addresses(metadata.clone()));
        if to_metadata.is_some_and(|answer| answer.verdict(Protocol::Tcp, 80) == Verdict::Allowed)
            && !told.is_empty()
        {
            told.push(("the addresses where clouds hand out credentials".to_owned(), None));
        }
        if told.is_empty() {
            if depends {
                sink.unknown("policies of kinds that are not modelled decide")
            } else {
                sink.pass()
            }
            continue;
        }
        let at = workload.object.root.at("metadata.name").unwrap_or(workload.object.root);
        let (first, _) = &told[0];
        let more = if told.len() > 1 { format!(" and {} more", told.len() - 1) } else { String::new() };
        let message = format!(
            "{} `{}`, which strangers reach, can connect to {first}{more}",
            workload.object.kind, workload.object.name
        );
        let mut found = Found::new(context.workload_subject(workload), at, message);
        for (words, other) in told.iter().take(TOLD_MAX) {
            let place = other.and_then(|other| context.workloads[other].object.root.at("metadata.name"));
            found = found.related(words.clone(), place);
        }
        if !is_published {
            found = found.severity(Severity::Medium);
        }
        sink.fail(system::judged(found, context, workload));
    }
}
