//! Workloads that belong to a cluster itself: what they are called, and where they live.

use nightlatch_finding::Severity;
use nightlatch_manifest::Workload;

use super::spec::{is_static, pss};
use crate::{Context, Found};

/// Namespaces that belong to the cluster.
pub(super) const NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// What Kubernetes, its distributions and clouds run in those. A name fits that is one of these, or starts with one and a
/// dash.
const COMPONENTS: &[&str] = &[
    "antrea-agent",
    "antrea-controller",
    "aws-cloud-controller-manager",
    "aws-load-balancer-controller",
    "aws-node",
    "azure-cni",
    "azure-cns",
    "azure-ip-masq-agent",
    "azure-npm",
    "azure-policy",
    "calico",
    "canal",
    "cilium",
    "cloud-controller-manager",
    "cloud-node-manager",
    "cluster-autoscaler",
    "cluster-proportional-autoscaler",
    "coredns",
    "csi",
    "descheduler",
    "dns-autoscaler",
    "dns-controller",
    "do-node-agent",
    "ebs-csi",
    "efs-csi",
    "eks-pod-identity-agent",
    "etcd",
    "event-exporter",
    "fluentbit-gke",
    "fsx-csi",
    "gcp-filestore-csi",
    "gke-metadata-server",
    "gke-metrics-agent",
    "hcloud-cloud-controller-manager",
    "haproxy",
    "hcloud-csi",
    "helm-install",
    "hubble",
    "ip-masq-agent",
    "karpenter",
    "keepalived",
    "kindnet",
    "konnectivity-agent",
    "kops-controller",
    "kube-addon-manager",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-dns",
    "kube-flannel",
    "kube-multus",
    "kube-ovn",
    "kube-proxy",
    "kube-router",
    "kube-scheduler",
    "kube-state-metrics",
    "kube-vip",
    "kubelet-csr-approver",
    "l7-default-backend",
    "local-path-provisioner",
    "metadata-proxy",
    "metrics-server",
    "multus",
    "netd",
    "nginx-proxy",
    "node-local-dns",
    "node-problem-detector",
    "nodelocaldns",
    "nvidia-device-plugin",
    "nvidia-gpu-device-plugin",
    "openstack-cloud-controller-manager",
    "ovn",
    "ovs",
    "ovn-central",
    "pdcsi-node",
    "sealed-secrets-controller",
    "secrets-store-csi-driver",
    "snapshot-controller",
    "storage-provisioner",
    "svclb",
    "traefik",
    "vpc-cni",
    "vsphere-cloud-controller-manager",
    "weave-net",
    "whereabouts",
];

/// Agents of nodes that have a namespace of their own: namespace, name.
const AGENTS: &[(&str, &str)] = &[
    ("calico-system", "calico"),
    ("calico-system", "csi-node-driver"),
    ("cilium", "cilium"),
    ("gpu-operator", "nvidia"),
    ("istio-system", "istio-cni-node"),
    ("istio-system", "ztunnel"),
    ("kube-flannel", "kube-flannel"),
    ("linkerd-cni", "linkerd-cni"),
    ("longhorn-system", "engine-image"),
    ("longhorn-system", "longhorn-csi-plugin"),
    ("longhorn-system", "longhorn-manager"),
    ("metallb-system", "metallb-speaker"),
    ("metallb-system", "speaker"),
    ("node-feature-discovery", "nfd-worker"),
    ("openshift-multus", "multus"),
    ("openshift-ovn-kubernetes", "ovnkube"),
    ("openshift-sdn", "sdn"),
    ("rook-ceph", "csi"),
    ("rook-ceph", "rook-ceph"),
    ("tigera-operator", "tigera-operator"),
];

fn named(name: &str, known: &str) -> bool {
    name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// True for a name that Kubernetes or a distribution uses in a system namespace.
pub(super) fn is_component(name: &str) -> bool {
    COMPONENTS.iter().any(|known| named(name, known))
}

/// True for what a cluster runs on its nodes: a component in `kube-system`, or an agent in its own namespace.
pub(super) fn is_of_cluster(workload: &Workload<'_>) -> bool {
    let object = &workload.object;
    if is_static(workload) {
        return true;
    }
    match object.namespace {
        Some("kube-system") => is_component(object.name),
        Some(namespace) => AGENTS.iter().any(|(own, known)| *own == namespace && named(object.name, known)),
        None => false,
    }
}

/// Judges a finding about access to the node mildly for what cannot work without: the cluster's own agents. The name is
/// all there is to go by, so it stays a finding. The letter of the Pod Security Standards knows no exception.
pub(crate) fn judged<'a>(found: Found<'a>, context: &Context<'a>, workload: &Workload<'a>) -> Found<'a> {
    if pss(context).is_some() || !is_of_cluster(workload) {
        return found;
    }
    found
        .severity(Severity::Low)
        .related("by its name and namespace it is a part of the cluster that needs this", None)
}
