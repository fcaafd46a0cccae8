//! Admin products and data services under their stock name and port, reached from outside or with no network policy before
//! them.

use std::collections::HashMap;

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Object, Workload};
use nightlatch_netpol::Verdict;

use super::{spec::is_main, system::is_of_cluster};
use crate::{
    Context, Found, Sink,
    checks::exposure::{product, way::Way},
};

/// A container with a stock name listens on the stock port of that product, and something from outside leads there or no
/// policy stands before the pod.
pub(super) fn default_name_and_port<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let policies: Vec<&Object<'a>> =
        context.objects_of("NetworkPolicy").filter(|object| object.group() == "networking.k8s.io").collect();
    let mut open: HashMap<usize, Vec<&Way<'a>>> = HashMap::new();
    for way in context.ways().list.iter().filter(|way| way.verdict != Verdict::Denied) {
        if let Some(workload) = way.workload {
            open.entry(workload).or_default().push(way);
        }
    }
    for (index, workload) in context.workloads.iter().enumerate() {
        if is_of_cluster(workload) {
            continue;
        }
        for container in workload.containers().filter(is_main) {
            let Some((name, port)) = stock(workload, &container) else { continue };
            let subject = context.container_subject(workload, &container);
            let leads =
                |way: &&&Way<'a>| way.target.is_none_or(|target| port.as_int() == Some(i64::from(target)));
            if let Some(way) = open.get(&index).and_then(|ways| ways.iter().find(leads)) {
                let message = format!(
                    "{name} listens on its stock port {} and can be reached from outside",
                    port.text()
                );
                sink.fail(Found::new(subject, port, message).related(way.words(), Some(way.at)));
                continue;
            }
            if policies.iter().any(|policy| may_select(policy, workload)) {
                sink.pass();
                continue;
            }
            let message =
                format!("{name} listens on its stock port {} and no network policy selects it", port.text());
            let found = Found::new(subject, port, message);
            if context.is_full() {
                sink.fail(found);
            } else {
                sink.fail(found.severity(Severity::Info).related("a policy may stand in another file", None));
            }
        }
    }
}

fn stock<'a>(workload: &Workload<'a>, container: &Container<'a>) -> Option<(&'static str, Node<'a>)> {
    let product = [container.name, workload.object.name].into_iter().find_map(product::of_image)?;
    // A name alone may be chance: the image has to fit when it is one that is known.
    if product::of_container(container).is_some_and(|image| image.id != product.id) {
        return None;
    }
    let entries = container.node.get("ports").into_iter().flat_map(Node::items);
    let mut ports = entries.filter_map(|entry| entry.get("containerPort"));
    let is_stock = |port: &i64| u16::try_from(*port).is_ok_and(|port| product.ports.contains(&port));
    let port = ports.find(|node| node.as_int().as_ref().is_some_and(is_stock))?;
    Some((product.name, port))
}

/// True unless the policy surely does not select the workload's pods: expressions are taken to fit.
fn may_select(policy: &Object<'_>, workload: &Workload<'_>) -> bool {
    let labels = policy.root.at("spec.podSelector.matchLabels");
    policy.namespace == workload.object.namespace
        && labels.into_iter().flat_map(Node::entries).all(|(key, value)| {
            workload.pod_labels().any(|(own, label)| own == key.text() && label == value.text())
        })
}
