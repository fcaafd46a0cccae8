//! Ports that administer or hold data, published.

use std::collections::HashSet;

use nightlatch_finding::Severity;
use nightlatch_manifest::NodeId;
use nightlatch_netpol::Verdict;

use super::{
    guard::is_guarded,
    product::{self, Product, Sort, admin_port},
    way::{Way, WayKind},
};
use crate::{Context, Found, Sink, Subject};

/// What speaks against a published port.
struct Evidence {
    what: String,
    port: u16,
    is_product: bool,
}

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut seen: HashSet<(*const nightlatch_manifest::Document, NodeId, u16)> = HashSet::new();
    for way in &context.ways().list {
        let workload = way.workload.and_then(|index| context.workloads.get(index));
        if workload.is_some_and(is_control_plane) {
            continue;
        }
        let product = workload.and_then(product::of_workload).map(|(product, _)| product);
        let runs_the_cluster =
            product.is_some_and(|product| matches!(product.id, "etcd" | "kubernetes-apiserver"));
        if runs_the_cluster && way.kind == WayKind::HostNetwork {
            continue;
        }
        let guarded = way.kind == WayKind::Entry && is_guarded(&way.object);
        let Some(evidence) = judge(way, product).filter(|_| !guarded) else {
            sink.pass();
            continue;
        };
        if !seen.insert((std::ptr::from_ref(way.at.document()), way.at.id(), evidence.port)) {
            continue;
        }
        sink.fail(found(context, way, &evidence));
    }
}

/// The port alone is weak: only with a product that listens there it is sure. Some ports say nothing without one.
fn judge(way: &Way<'_>, product: Option<&'static Product>) -> Option<Evidence> {
    for port in way.ports() {
        let row = admin_port(port);
        let own = product.filter(|product| product.ports.contains(&port));
        match (own, row) {
            (Some(product), Some(_)) => {
                return Some(Evidence { what: product.name.to_owned(), port, is_product: true });
            }
            (Some(product), None) if product.sort == Sort::Data => {
                return Some(Evidence { what: product.name.to_owned(), port, is_product: true });
            }
            (None, Some(row)) if row.alone && way.kind != WayKind::Entry => {
                return Some(Evidence { what: row.what.to_owned(), port, is_product: false });
            }
            _ => {}
        }
    }
    None
}

fn found<'a>(context: &Context<'a>, way: &Way<'a>, evidence: &Evidence) -> Found<'a> {
    let words = way.words();
    let message = if evidence.is_product {
        format!("{} (port {}) is published by {words}", evidence.what, evidence.port)
    } else {
        format!("port {}, usually {}, is published by {words}", evidence.port, evidence.what)
    };
    let usual = if evidence.is_product { Severity::Critical } else { Severity::Medium };
    let is_stopped = way.verdict == Verdict::Denied;
    let mut found = Found::new(subject(context, way), way.at, message)
        .severity(if is_stopped { Severity::Low } else { usual })
        .cause(cause(way, evidence.port));
    if is_stopped {
        found =
            found.related("a network policy stops it, as long as the network plugin enforces policies", None);
    }
    if let Some(workload) = way.workload.and_then(|index| context.workloads.get(index)) {
        let message = format!("it leads to {} `{}`", workload.object.kind, workload.object.name);
        found = found.related(message, Some(workload.object.root));
    }
    found
}

/// What the finding is about: the object that publishes.
pub(super) fn subject<'a>(context: &Context<'a>, way: &Way<'a>) -> Subject<'a> {
    match (way.kind, way.workload.and_then(|index| context.workloads.get(index))) {
        (WayKind::HostPort | WayKind::HostNetwork, Some(workload)) => context.workload_subject(workload),
        _ => Subject::object(&way.object),
    }
}

/// Rules about the same published port name the same cause, so that one of them speaks.
pub(super) fn cause(way: &Way<'_>, port: u16) -> String {
    format!("port:{}:{port}", way.at.pointer_from(way.object.root))
}

/// Static pods of the control plane are on the node's network by design; their flags are other rules' business.
fn is_control_plane(workload: &nightlatch_manifest::Workload<'_>) -> bool {
    let mut labels = workload.pod_labels();
    let by_label = labels.any(|(key, value)| key == "tier" && value == "control-plane");
    let names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd"];
    let in_system = workload.object.namespace == Some("kube-system");
    by_label || (in_system && names.iter().any(|name| workload.object.name.starts_with(name)))
}
