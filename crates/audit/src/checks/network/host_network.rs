//! Pods that share the node's network: policies do not concern them.

use std::collections::HashMap;

use super::view::View;
use crate::{Found, Sink};

pub(super) fn host_network_bypass<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    let context = view.context;
    let mut policies: HashMap<&str, Vec<_>> = HashMap::new();
    for (_, policy, object) in view.policies() {
        policies.entry(&policy.namespace).or_default().push((policy, object));
    }
    for (at, pod) in view.network.pods.iter().enumerate() {
        let near = policies.get(&*pod.namespace).map_or(&[][..], Vec::as_slice);
        let mut selecting = near.iter().filter(|(policy, _)| policy.selector.matches(&pod.labels));
        let Some((_, policy)) = selecting.next() else { continue };
        if !pod.host_network {
            sink.pass();
            continue;
        }
        let Some((subject, place)) = view.pod(at) else { continue };
        let workload = context.workloads.iter().find(|workload| workload.object.root == subject.root);
        let place = workload.and_then(|workload| workload.pod_spec.get("hostNetwork")).unwrap_or(place);
        let message = "a policy of the namespace selects the pod by its labels, but policies are not enforced on host-network pods";
        sink.fail(
            Found::new(subject, place, message)
                .related("the policy is here", Some(super::view::name_of(policy))),
        );
    }
}
