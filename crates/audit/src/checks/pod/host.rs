//! Namespaces and ports of the node.

use nightlatch_manifest::Node;

use super::{
    spec::{bad_settings, says_true},
    system,
};
use crate::{Change, Found, Part, Sink};

/// The pod shares the node's processes.
pub(super) fn pid<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    namespace(context, sink, "hostPID", "the pod shares the process namespace of its node");
}

/// The pod shares the node's IPC.
pub(super) fn ipc<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    namespace(context, sink, "hostIPC", "the pod shares the IPC namespace of its node");
}

/// The pod shares the node's network.
pub(super) fn network<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    namespace(context, sink, "hostNetwork", "the pod uses the network of its node");
}

fn namespace<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>, field: &str, message: &'static str) {
    for workload in context.workloads {
        match workload.pod_spec.get(field).filter(|node| says_true(*node)) {
            Some(node) => {
                let found = Found::new(context.workload_subject(workload), node, message)
                    .change(Change::Remove(node));
                sink.fail(system::judged(found, context, workload));
            }
            None => sink.pass(),
        }
    }
}

/// A container takes a port of the node. In pods with the node's network the API server fills `hostPort` in; that they
/// have its ports is said already.
pub(super) fn port<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        if workload.pod_spec.get("hostNetwork").is_some_and(says_true) {
            continue;
        }
        for container in workload.containers() {
            let mut fine = true;
            for entry in container.node.get("ports").into_iter().flat_map(Node::items) {
                let Some(node) = entry.get("hostPort") else { continue };
                let Some(port) = node.as_int().filter(|port| *port != 0) else { continue };
                fine = false;
                let subject = context.container_subject(workload, &container);
                let found = Found::new(
                    subject,
                    node,
                    format!("the container takes port {port} of each node it runs on"),
                )
                .change(Change::Remove(node));
                sink.fail(system::judged(found, context, workload));
            }
            if fine {
                sink.pass();
            }
        }
    }
}

/// A container is a process of a Windows node.
pub(super) fn process<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let is_host = |node: Node<'_>| node.get("hostProcess").is_some_and(says_true);
    for workload in context.workloads {
        bad_settings(context, workload, "windowsOptions", true, is_host, sink, |subject, node| {
            let value = node.get("hostProcess").unwrap_or(node);
            Found::new(subject, value, "it is a HostProcess container of Windows")
                .change(Change::Remove(value))
        });
    }
}

/// Containers of the pod see each other's processes.
pub(super) fn shared_processes<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        let shared = workload.pod_spec.get("shareProcessNamespace").filter(|node| says_true(*node));
        let running = workload.containers().filter(super::spec::keeps_running).count();
        match shared {
            Some(node) if running > 1 => sink.fail(
                Found::new(
                    context.workload_subject(workload),
                    node,
                    "the containers of the pod see each other's processes",
                )
                .change(Change::Remove(node)),
            ),
            _ => sink.pass(),
        }
    }
}
