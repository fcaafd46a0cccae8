//! Command lines of the programs that make up a platform.

/// True for the name of a program whose flags are understood.
pub(crate) fn is_component_name(name: &str) -> bool {
    matches!(
        name,
        "kube-apiserver"
            | "kube-controller-manager"
            | "kube-scheduler"
            | "etcd"
            | "kubelet"
            | "kube-proxy"
            | "dockerd"
            | "containerd"
            | "hyperkube"
            | "k3s"
            | "rke2"
    )
}
