//! Policies of network plugins: recognised, so that nobody is told there is none, and not modelled.

use nightlatch_manifest::{Node, Object};

use super::origin;
use crate::{Foreign, Labels, Selector};

/// Group, kind, and whether it belongs to a namespace. Staged policies are left out: they decide nothing.
const KINDS: &[(&str, &str, bool)] = &[
    ("cilium.io", "CiliumNetworkPolicy", true),
    ("cilium.io", "CiliumClusterwideNetworkPolicy", false),
    ("crd.projectcalico.org", "NetworkPolicy", true),
    ("crd.projectcalico.org", "GlobalNetworkPolicy", false),
    ("projectcalico.org", "NetworkPolicy", true),
    ("projectcalico.org", "GlobalNetworkPolicy", false),
    ("crd.antrea.io", "NetworkPolicy", true),
    ("crd.antrea.io", "ClusterNetworkPolicy", false),
    ("security.antrea.tanzu.vmware.com", "NetworkPolicy", true),
    ("security.antrea.tanzu.vmware.com", "ClusterNetworkPolicy", false),
    ("k8s.ovn.org", "EgressFirewall", true),
    ("network.openshift.io", "EgressNetworkPolicy", true),
    ("networking.gke.io", "FQDNNetworkPolicy", true),
    ("vpcresources.k8s.aws", "SecurityGroupPolicy", true),
    ("networking.k8s.aws", "ApplicationNetworkPolicy", true),
    ("networking.k8s.aws", "ClusterNetworkPolicy", false),
];

pub(super) fn foreign(object: &Object<'_>) -> Option<Foreign> {
    let &(_, _, namespaced) =
        KINDS.iter().find(|(group, kind, _)| *group == object.group() && *kind == object.kind)?;
    Some(Foreign {
        kind: object.kind.into(),
        group: object.group().into(),
        namespace: namespaced.then(|| object.namespace.unwrap_or("").into()),
        name: object.name.into(),
        selector: selects(object),
        origin: origin(object.root),
    })
}

/// Which pods it concerns, where that is written as an ordinary label selector without prefixes for the labels' source.
fn selects(object: &Object<'_>) -> Option<Selector> {
    let spec = object.spec()?;
    let node = spec.get("endpointSelector").or_else(|| spec.get("podSelector"))?;
    let labels: Vec<_> = node.get("matchLabels").into_iter().flat_map(Node::entries).collect();
    let prefixed = |key: &str| key.contains(':') || key.starts_with("k8s.") || key.starts_with("io.");
    if labels.iter().any(|(key, _)| prefixed(key.text())) || node.get("matchExpressions").is_some() {
        return None;
    }
    let labels =
        Labels::new(labels.into_iter().filter_map(|(key, value)| Some((key.text(), value.as_str()?))));
    Some(Selector::equal(labels.iter()))
}
