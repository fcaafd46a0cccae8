//! Where distributions keep the files of a node. `*` stands for any part of a name, `**` for any path.

/// Static pod manifests: kubeadm, OpenShift and kops; rke2; the argument files of microk8s, which stand in for them.
pub(super) const MANIFESTS: &[&str] = &[
    "/etc/kubernetes/manifests/**",
    "/var/lib/rancher/rke2/agent/pod-manifests/**",
    "/var/snap/microk8s/*/args/*",
];
/// Names of control-plane programs in manifests and argument files.
pub(super) const CONTROL_PLANE: [&str; 4] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];
pub(super) const CNI: &[&str] = &[
    "/etc/cni/net.d/**",
    "/var/lib/rancher/*/agent/etc/cni/net.d/**",
    "/var/snap/microk8s/*/args/cni-network/**",
];
pub(super) const ETCD_DATA: &[&str] = &["/var/lib/etcd", "/var/lib/rancher/*/server/db/etcd"];
pub(super) const ADMIN: &[&str] = &[
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/etc/rancher/*/*.yaml",
    "/var/lib/rancher/*/server/cred/admin.kubeconfig",
    "/root/.kube/config",
];
pub(super) const COMPONENTS: &[&str] = &[
    "/etc/kubernetes/scheduler.conf",
    "/etc/kubernetes/controller-manager.conf",
    "/var/lib/rancher/*/server/cred/scheduler.kubeconfig",
    "/var/lib/rancher/*/server/cred/controller.kubeconfig",
    "/var/snap/microk8s/*/credentials/scheduler.config",
    "/var/snap/microk8s/*/credentials/controller.config",
];
pub(super) const PKI: &[&str] = &[
    "/etc/kubernetes/pki",
    "/etc/kubernetes/pki/**",
    "/etc/kubernetes/ssl",
    "/etc/kubernetes/ssl/**",
    "/var/lib/rancher/*/server/tls",
    "/var/lib/rancher/*/server/tls/**",
    "/var/snap/microk8s/*/certs",
    "/var/snap/microk8s/*/certs/**",
];
pub(super) const KUBELET_UNIT: &[&str] = &[
    "/etc/systemd/system/kubelet.service",
    "/etc/systemd/system/kubelet.service.d/*.conf",
    "/usr/lib/systemd/system/kubelet.service",
    "/usr/lib/systemd/system/kubelet.service.d/*.conf",
    "/lib/systemd/system/kubelet.service",
    "/lib/systemd/system/kubelet.service.d/*.conf",
];
pub(super) const PROXY: &[&str] = &[
    "/etc/kubernetes/kube-proxy.conf",
    "/etc/kubernetes/kube-proxy.kubeconfig",
    "/var/lib/kube-proxy/kubeconfig",
    "/var/lib/kube-proxy/kubeconfig.conf",
    "/var/lib/rancher/*/agent/kubeproxy.kubeconfig",
    "/var/snap/microk8s/*/credentials/proxy.config",
];
pub(super) const KUBELET: &[&str] = &[
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/var/lib/kubelet/kubeconfig",
    "/var/lib/rancher/*/agent/kubelet.kubeconfig",
    "/var/snap/microk8s/*/credentials/kubelet.config",
];
pub(super) const CLIENT_CA: &[&str] = &[
    "/etc/kubernetes/pki/ca.crt",
    "/var/lib/rancher/*/agent/client-ca.crt",
    "/var/snap/microk8s/*/certs/ca.crt",
];
pub(super) const KUBELET_CONFIG: &[&str] = &[
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet/*.json",
    "/etc/kubernetes/kubelet/*.yaml",
    "/etc/kubernetes/kubelet/config.json.d/*.conf",
    "/etc/kubernetes/kubelet.conf.d/*.conf",
    "/var/lib/kubelet/config.yaml.d/*.conf",
    "/var/lib/rancher/*/agent/etc/kubelet.conf.d/*.conf",
];

/// True when `path` is one of the places of `patterns`.
pub(super) fn is_at(patterns: &[&str], path: &str) -> bool {
    let path = path.strip_prefix('.').unwrap_or(path).trim_end_matches('/');
    patterns.iter().any(|pattern| glob(pattern.as_bytes(), path.as_bytes()))
}

/// Patterns are constants with at most two stars, so the recursion is shallow.
fn glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*'] => !path.is_empty(),
        [b'*', rest @ ..] => {
            let part = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
            (0..=part).any(|taken| glob(rest, &path[taken..]))
        }
        [first, rest @ ..] => path.first() == Some(first) && glob(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let check = |patterns, path, expected| assert_eq!(is_at(patterns, path), expected, "{path}");
        check(PKI, "/etc/kubernetes/pki/etcd/ca.key", true);
        check(PKI, "/etc/kubernetes/pki/", true);
        check(PKI, "/etc/kubernetes/pkix/a", false);
        check(PKI, "/var/lib/rancher/rke2/server/tls/server-ca.key", true);
        check(ADMIN, "/etc/rancher/k3s/k3s.yaml", true);
        check(ADMIN, "/etc/rancher/k3s/config.d/x.yaml", false);
        check(KUBELET_UNIT, "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", true);
        check(KUBELET_UNIT, "/etc/systemd/system/kubelet.service.d", false);
        check(CNI, "/etc/cni/net.d", false);
    }
}
