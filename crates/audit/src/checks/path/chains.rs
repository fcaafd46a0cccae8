//! PTH-001 to PTH-003: ways from the internet, and from workloads, to the node and the whole cluster.

use std::collections::BTreeSet;

use nightlatch_attack_path::{StepId, Way};
use nightlatch_finding::Severity;

use super::routes::{Routes, Spot};
use crate::{Context, Found, Sink, checks::pod::system};

/// Namespaces whose workloads run the cluster; that their accounts may do everything is expected.
const SYSTEM: [&str; 1] = ["kube-system"];

pub(super) fn internet_to_node<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let routes = context.routes();
    tell(context, routes, &routes.to_node, "the node it runs on", sink);
}

pub(super) fn internet_to_cluster<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let routes = context.routes();
    tell(context, routes, &routes.to_cluster, "the whole cluster", sink);
}

fn tell<'a>(context: &Context<'a>, routes: &Routes<'a>, ways: &[Way], goal: &str, sink: &mut Sink<'a>) {
    let all = &context.ways().list;
    let reached: BTreeSet<usize> =
        all.iter().filter(|way| way.is_shown()).filter_map(|way| way.workload).collect();
    for _ in ways.len()..reached.len() {
        sink.pass();
    }
    let perhaps: BTreeSet<usize> = all.iter().filter_map(|way| way.workload).collect();
    for _ in perhaps.difference(&reached) {
        sink.unknown("whether a pod on its node's network listens there is not in the input");
    }
    for way in ways {
        let Some(&Spot::Workload(index)) =
            way.steps.first().map(|step| routes.graph.description(routes.graph.get(*step).to))
        else {
            continue;
        };
        let workload = &context.workloads[index];
        let at = workload.object.root.at("metadata.name").unwrap_or(workload.object.root);
        let message = format!(
            "whoever takes over {} `{}`, which strangers reach, has {goal}",
            workload.object.kind, workload.object.name
        );
        let mut found =
            with_steps(routes, Found::new(context.workload_subject(workload), at, message), &way.steps);
        let total = routes.to_node.len() + routes.to_cluster.len();
        for chosen in routes.breaks.iter().filter(|_| total > 1) {
            found = found.related(
                format!("mending \"{}\" ends {} of {total} such ways", chosen.what, chosen.ways),
                None,
            );
        }
        // Nodes seldom have public addresses; who publishes a Service means it.
        if routes.on_nodes.contains(&index) {
            found = found.severity(Severity::High);
        }
        sink.fail(system::judged(found, context, workload));
    }
}

fn with_steps<'a>(routes: &Routes<'a>, mut found: Found<'a>, steps: &[StepId]) -> Found<'a> {
    for (number, step) in steps.iter().enumerate() {
        let shown = &routes.graph.get(*step).evidence;
        found = found.related(format!("{}. {}", number + 1, shown.words), shown.at);
    }
    found
}

pub(super) fn account_to_cluster<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let routes = context.routes();
    for (index, workload) in context.workloads.iter().enumerate() {
        let Some(steps) = routes.accounts.get(&index) else {
            sink.pass();
            continue;
        };
        if workload.object.namespace.is_some_and(|namespace| SYSTEM.contains(&namespace)) {
            sink.pass();
            continue;
        }
        let at = workload.object.root.at("metadata.name").unwrap_or(workload.object.root);
        let message = format!(
            "whoever runs code in {} `{}` can make themselves lord of the whole cluster with its service account",
            workload.object.kind, workload.object.name
        );
        sink.fail(with_steps(routes, Found::new(context.workload_subject(workload), at, message), steps));
    }
}
