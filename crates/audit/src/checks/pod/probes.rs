//! Probes and lifecycle hooks.

use nightlatch_manifest::Node;

use super::spec::{is_static, pss, says_true, shown};
use crate::{Change, Found, Part, Sink};

const HANDLERS: [&str; 5] =
    ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop"];

/// A probe or hook names a host. In pods with the node's network, loopback is the pod itself; the control plane's own pods
/// name it or an address of their node.
pub(super) fn host<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let standard = pss(context);
    if standard.is_some_and(|version| !version.is_at_least(34)) {
        return;
    }
    for workload in context.workloads {
        if standard.is_none() && is_static(workload) {
            sink.pass();
            continue;
        }
        let own_loopback = standard.is_none() && workload.pod_spec.get("hostNetwork").is_some_and(says_true);
        for container in workload.containers() {
            let mut fine = true;
            for handler in HANDLERS.iter().filter_map(|path| container.node.at(path)) {
                for node in ["httpGet", "tcpSocket"].iter().filter_map(|kind| handler.get(kind)?.get("host"))
                {
                    let host = node.text();
                    if host.is_empty() || (own_loopback && is_loopback(host)) {
                        continue;
                    }
                    fine = false;
                    let subject = context.container_subject(workload, &container);
                    let message = format!("the kubelet is sent to the host {}", shown(host));
                    sink.fail(Found::new(subject, node, message).change(Change::Remove(node)));
                }
            }
            if fine {
                sink.pass();
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "::1" || host.starts_with("127.")
}

/// A container that should keep running has no probe: liveness and readiness are told apart.
pub(super) fn missing<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        let restart = workload.pod_spec.get("restartPolicy").map_or("Always", Node::text);
        let ends = matches!(workload.object.kind, "Job" | "CronJob" | "PodTemplate") || restart != "Always";
        if ends {
            continue;
        }
        for container in workload.containers().filter(super::spec::is_main) {
            for (field, what) in [("livenessProbe", "liveness"), ("readinessProbe", "readiness")] {
                if container.node.get(field).is_some() {
                    sink.pass();
                    continue;
                }
                let subject = context.container_subject(workload, &container);
                sink.fail(Found::missing(subject, container.node, field, format!("it has no {what} probe")));
            }
        }
    }
}
