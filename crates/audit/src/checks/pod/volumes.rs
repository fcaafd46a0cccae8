//! Types of volumes, and the hosts file.

use nightlatch_manifest::Node;

use super::{
    node_path::clean,
    spec::{pss, shown},
};
use crate::{Change, Found, Part, Sink};

/// Sources that the level Restricted allows.
const ALLOWED: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// A volume has a source that should be claimed instead. A volume without a source is an emptyDir.
pub(super) fn restricted<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for volume in workload.pod_spec.get("volumes").into_iter().flat_map(Node::items) {
            let sources = || volume.entries().filter(|(key, value)| key.text() != "name" && !value.is_null());
            let Some((key, value)) = sources().next() else {
                sink.pass();
                continue;
            };
            if sources().any(|(key, _)| ALLOWED.contains(&key.text())) {
                sink.pass();
                continue;
            }
            let name = volume.get("name").map_or("", Node::text);
            let message = format!("the volume {} is of the type {}", shown(name), shown(key.text()));
            sink.fail(
                Found::new(context.workload_subject(workload), value, message)
                    .cause(format!("volume:{name}")),
            );
        }
    }
}

/// The pod's hosts file has entries of its own, or is the node's.
pub(super) fn hosts_file<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    if pss(context).is_some() {
        return;
    }
    for workload in context.workloads {
        let subject = context.workload_subject(workload);
        let mut fine = true;
        if let Some(node) = workload.pod_spec.get("hostAliases").filter(|node| !node.is_empty()) {
            fine = false;
            sink.fail(
                Found::new(subject, node, "the pod's hosts file has entries of its own")
                    .change(Change::Remove(node)),
            );
        }
        for volume in workload.pod_spec.get("volumes").into_iter().flat_map(Node::items) {
            let Some(node) = volume.at("hostPath.path").filter(|node| clean(node.text()) == "/etc/hosts")
            else {
                continue;
            };
            fine = false;
            sink.fail(Found::new(subject, node, "the pod mounts the node's hosts file"));
        }
        if fine {
            sink.pass();
        }
    }
}
