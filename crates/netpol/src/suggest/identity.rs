//! Labels by which the pods of a workload are told from others.

use std::collections::HashMap;

use crate::{
    Network, Pod, Selector,
    selector::{is_label_key, is_label_value},
};

/// A selector for a workload's pods.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) selector: Selector,
    /// It selects no pod of another workload of the namespace.
    pub(super) exact: bool,
}

/// Labels that say what a pod is, best first.
const TELLING: [&str; 8] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app",
    "k8s-app",
    "component",
    "name",
    "tier",
];
/// Labels that change with every release or pod.
const PASSING: [&str; 10] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "controller-uid",
    "version",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// The selectors of some pods.
pub(super) fn identities(network: &Network, wanted: impl Iterator<Item = usize>) -> HashMap<usize, Identity> {
    let mut by_namespace: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, pod) in network.pods.iter().enumerate().filter(|(_, pod)| !pod.host_network) {
        by_namespace.entry(pod.namespace.as_ref()).or_default().push(at);
    }
    let mut found = HashMap::new();
    for at in wanted {
        let Some(pod) = network.pods.get(at) else { continue };
        let others = by_namespace.get(pod.namespace.as_ref()).map_or(&[][..], Vec::as_slice);
        found.entry(at).or_insert_with(|| identity(pod, at, network, others));
    }
    found
}

fn identity(pod: &Pod, at: usize, network: &Network, others: &[usize]) -> Identity {
    // A policy with any other label would be refused.
    let labels = || pod.labels.iter().filter(|(key, value)| is_label_key(key) && is_label_value(value));
    let telling = labels().filter(|(key, _)| TELLING.contains(key));
    let lasting = labels().filter(|(key, _)| !PASSING.contains(key));
    let candidates = [Selector::equal(telling), Selector::equal(lasting), Selector::equal(labels())];
    let is_exact = |selector: &Selector| {
        !selector.is_everything()
            && !others.iter().any(|&other| other != at && selector.matches(&network.pods[other].labels))
    };
    if let Some(selector) = candidates.iter().find(|selector| is_exact(selector)) {
        return Identity { selector: selector.clone(), exact: true };
    }
    let [_, lasting, _] = candidates;
    Identity { selector: lasting, exact: false }
}
