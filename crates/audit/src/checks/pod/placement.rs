//! Where workloads live and run: namespaces, nodes, controllers.

use nightlatch_manifest::{Node, Workload};

use super::{
    spec::{is_static, shown},
    system,
};
use crate::{Change, Context, Found, Part, Sink, Subject};

/// Kinds, beside workloads, whose namespace matters.
const KINDS: [&str; 5] = ["Service", "Ingress", "ConfigMap", "Secret", "PersistentVolumeClaim"];

/// What every cluster has in `default`.
const OF_CLUSTER: [(&str, &str); 2] = [("Service", "kubernetes"), ("ConfigMap", "kube-root-ca.crt")];

/// An object says that it is in `default`. A manifest without a namespace goes where it is applied, which nobody knows.
pub(super) fn default_namespace<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let workloads = context.workloads.iter().map(|workload| &workload.object);
    let others = KINDS.iter().flat_map(|kind| context.objects_of(kind));
    for object in workloads.chain(others) {
        match object.namespace {
            None => {}
            Some("default") if !OF_CLUSTER.contains(&(object.kind, object.name)) => {
                let subject = Subject::object(object);
                let message = "it is in the namespace default";
                sink.fail(match object.root.at("metadata.namespace") {
                    Some(node) => Found::new(subject, node, message),
                    None => Found::missing(subject, object.root, "metadata.namespace", message),
                });
            }
            Some(_) => sink.pass(),
        }
    }
}

/// A workload that is none of the cluster's is in a system namespace.
pub(super) fn system_namespace<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        let Some(namespace) = workload.object.namespace.filter(|own| system::NAMESPACES.contains(own)) else {
            continue;
        };
        // The name only: labels and annotations that mark static pods are easily written by anybody.
        if namespace == "kube-system" && system::is_component(workload.object.name) {
            sink.pass();
            continue;
        }
        let subject = context.workload_subject(workload);
        let message = format!("it is in {namespace} and is no known part of a cluster");
        sink.fail(match workload.object.root.at("metadata.namespace") {
            Some(node) => Found::new(subject, node, message),
            None => Found::missing(subject, workload.object.root, "metadata.namespace", message),
        });
    }
}

const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// A workload may run on control-plane nodes. Agents of every node, and what the cluster runs itself, do so rightly.
pub(super) fn control_plane<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        let of_system = workload.object.namespace.is_some_and(|own| system::NAMESPACES.contains(&own));
        if workload.object.kind == "DaemonSet" || of_system || system::is_of_cluster(workload) {
            continue;
        }
        let mut fine = true;
        let subject = context.workload_subject(workload);
        for (node, why, removable) in ways(workload) {
            fine = false;
            let found = Found::new(subject, node, why);
            sink.fail(if removable { found.change(Change::Remove(node)) } else { found });
        }
        if fine {
            sink.pass();
        }
    }
}

/// What lets or sends a pod to control-plane nodes, why, and whether it can simply go.
fn ways<'a>(workload: &Workload<'a>) -> Vec<(Node<'a>, String, bool)> {
    let spec = workload.pod_spec;
    let mut found = Vec::new();
    for toleration in spec.get("tolerations").into_iter().flat_map(Node::items) {
        let key = toleration.get("key").map_or("", Node::text);
        let effect = toleration.get("effect").map_or("", Node::text);
        if CONTROL_PLANE.contains(&key) && matches!(effect, "" | "NoSchedule") {
            found.push((toleration, "it tolerates the taint of control-plane nodes".to_owned(), true));
        } else if key.is_empty() && matches!(effect, "" | "NoSchedule") && is_exists(toleration) {
            found.push((
                toleration,
                "it tolerates every taint, that of control-plane nodes too".to_owned(),
                true,
            ));
        }
    }
    for (key, value) in spec.get("nodeSelector").into_iter().flat_map(Node::entries) {
        if CONTROL_PLANE.contains(&key.text()) {
            found.push((value, "it selects control-plane nodes".to_owned(), true));
        }
    }
    let terms =
        spec.at("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    for term in terms.into_iter().flat_map(Node::items) {
        for expression in term.get("matchExpressions").into_iter().flat_map(Node::items) {
            let key = expression.get("key").map_or("", Node::text);
            let operator = expression.get("operator").map_or("", Node::text);
            if CONTROL_PLANE.contains(&key) && matches!(operator, "Exists" | "In") {
                found.push((expression, "it selects control-plane nodes".to_owned(), false));
            }
        }
    }
    if let Some(node) = spec.get("nodeName").filter(|node| names_control_plane(node.text())) {
        found.push((node, format!("it runs on the node {}", shown(node.text())), false));
    }
    found
}

fn is_exists(toleration: Node<'_>) -> bool {
    toleration.get("operator").is_some_and(|operator| operator.text() == "Exists")
}

fn names_control_plane(node: &str) -> bool {
    node.contains("control-plane")
        || node.contains("controlplane")
        || node.split(['-', '.']).any(|part| part == "master")
}

/// A pod that nothing controls.
pub(super) fn naked<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads.iter().filter(|workload| workload.object.kind == "Pod") {
        let owned =
            workload.object.root.at("metadata.ownerReferences").is_some_and(|owners| !owners.is_empty());
        let hook = workload.object.annotation("helm.sh/hook").is_some();
        if owned || hook || is_static(workload) {
            sink.pass();
        } else {
            let subject = context.workload_subject(workload);
            sink.fail(Found::new(subject, workload.object.root, "nothing starts the pod again elsewhere"));
        }
    }
}
