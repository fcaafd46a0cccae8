//! Ways out of a container onto its node. Only those that need nothing else: what takes a further weakness is not here.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Workload};

use crate::checks::pod::{
    capabilities::is_same,
    node_path::{clean, runtime_socket, sensitive},
};

/// One way out.
#[derive(Clone, Debug)]
pub(super) struct Escape<'a> {
    /// What gives it.
    pub(super) at: Node<'a>,
    /// In words that follow the name of the container or pod.
    pub(super) words: String,
    /// How hard: 1 is a command, 3 takes preparation.
    pub(super) cost: u32,
}

/// Capabilities that give the node by themselves to a process that is root in the container. Source: capabilities(7).
const CAPABILITIES: [(&str, &str); 4] = [
    ("ALL", "has every capability"),
    ("SYS_ADMIN", "may mount and so reach the node (CAP_SYS_ADMIN)"),
    ("SYS_MODULE", "may load modules into the node's kernel (CAP_SYS_MODULE)"),
    ("DAC_READ_SEARCH", "may open any file of the node by its handle (CAP_DAC_READ_SEARCH)"),
];

/// The ways out of a workload, easiest first. A pod in a user namespace of its own (`hostUsers: false`) has none by
/// privilege or capability.
pub(super) fn escapes<'a>(workload: &Workload<'a>) -> Vec<Escape<'a>> {
    let mut found = Vec::new();
    let own_users = workload.pod_spec.get("hostUsers").and_then(Node::as_bool) == Some(false);
    let host_pid = workload.pod_spec.get("hostPID").and_then(Node::as_bool) == Some(true);
    if !own_users && !workload.is_windows() {
        for container in workload.containers() {
            by_privilege(&container, host_pid, &mut found);
        }
    }
    by_volume(workload, &mut found);
    found.sort_by_key(|escape| escape.cost);
    found
}

fn by_privilege<'a>(container: &Container<'a>, host_pid: bool, found: &mut Vec<Escape<'a>>) {
    let Some(context) = container.node.get("securityContext") else { return };
    if let Some(node) = context.get("privileged").filter(|node| node.as_bool() == Some(true)) {
        found.push(Escape {
            at: node,
            words: format!("container {} is privileged", container.name),
            cost: 1,
        });
        return;
    }
    let added = context.at("capabilities.add");
    for node in added.into_iter().flat_map(Node::items) {
        let known = CAPABILITIES.iter().find(|(name, _)| is_same(name, node.text()));
        if let Some((_, words)) = known {
            found.push(Escape { at: node, words: format!("container {} {words}", container.name), cost: 2 });
        } else if host_pid && is_same("SYS_PTRACE", node.text()) {
            let words = format!(
                "container {} may trace the node's processes (hostPID, CAP_SYS_PTRACE)",
                container.name
            );
            found.push(Escape { at: node, words, cost: 2 });
        }
    }
}

fn by_volume<'a>(workload: &Workload<'a>, found: &mut Vec<Escape<'a>>) {
    for volume in workload.pod_spec.get("volumes").into_iter().flat_map(Node::items) {
        let (Some(name), Some(path)) = (volume.get("name"), volume.at("hostPath.path")) else { continue };
        let Some(writable) = mounted(workload, name.text()) else { continue };
        let clean = clean(path.text());
        if let Some(socket) = runtime_socket(&clean) {
            // A socket obeys whoever opens it, read-only mount or not.
            found.push(Escape { at: path, words: format!("the node's {socket} is mounted"), cost: 1 });
        } else if writable && sensitive(&clean).is_some_and(|entry| entry.writable == Severity::Critical) {
            found.push(Escape {
                at: path,
                words: format!("{clean} of the node is mounted writable"),
                cost: 1,
            });
        }
    }
}

/// Whether a volume is mounted by any container, and if so whether anywhere writable.
fn mounted(workload: &Workload<'_>, volume: &str) -> Option<bool> {
    let mut found = None;
    for container in workload.containers() {
        for mount in container.node.get("volumeMounts").into_iter().flat_map(Node::items) {
            if mount.get("name").is_some_and(|name| name.text() == volume) {
                let read_only = mount.get("readOnly").and_then(Node::as_bool) == Some(true);
                found = Some(found.unwrap_or(false) || !read_only);
            }
        }
    }
    found
}
