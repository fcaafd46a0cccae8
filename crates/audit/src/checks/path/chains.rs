//! PTH-001 to PTH-003: ways from the internet, and from workloads, to the node and the whole cluster.

use nightlatch_attack_path::{StepId, Way};

use super::routes::{Routes, Spot};
use crate::{Context, Found, Sink};

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
    let reached =
        context.ways().list.iter().filter_map(|way| way.workload).collect::<std::collections::BTreeSet<_>>();
    for _ in ways.len()..reached.len() {
        sink.pass();
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
        sink.fail(found);
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
