//! Folders of the node that hold its credentials, mounted into a pod.

use nightlatch_manifest::Node;

use crate::{Found, Part, Sink};

/// Where nodes keep credentials, and whose they are. Sources: kubeadm, kubelet and cloud vendors' documentation.
const PLACES: &[(&str, &str)] = &[
    ("/etc/kubernetes/azure.json", "the cloud account of the node (Azure)"),
    ("/etc/kubernetes/cloud.conf", "the cloud account of the node"),
    ("/etc/kubernetes/cloud-config", "the cloud account of the node"),
    ("/etc/kubernetes/pki", "the keys of the cluster's authorities"),
    ("/etc/kubernetes/ssl", "the keys of the cluster's authorities"),
    ("/etc/kubernetes/admin.conf", "the administrator's kubeconfig"),
    ("/etc/kubernetes/super-admin.conf", "the administrator's kubeconfig"),
    ("/etc/kubernetes/kubelet.conf", "the kubelet's kubeconfig"),
    ("/etc/kubernetes/controller-manager.conf", "the controller manager's kubeconfig"),
    ("/etc/kubernetes/scheduler.conf", "the scheduler's kubeconfig"),
    ("/var/lib/kubelet/pki", "the kubelet's key"),
    ("/var/lib/kubelet/pods", "the secrets and tokens of all pods of the node"),
    ("/var/lib/kubelet/kubeconfig", "the kubelet's kubeconfig"),
    ("/var/lib/kubelet/config.json", "the node's registry login"),
    ("/var/lib/etcd", "every secret of the cluster"),
    ("/var/lib/rancher/k3s/server", "the keys and token of the cluster"),
    ("/var/lib/rancher/k3s/agent", "the kubelet's key"),
    ("/var/lib/rancher/rke2/server", "the keys and token of the cluster"),
    ("/var/lib/rancher/rke2/agent", "the kubelet's key"),
    ("/etc/rancher/k3s", "the administrator's kubeconfig"),
    ("/etc/rancher/rke2", "the administrator's kubeconfig"),
    ("/var/lib/minikube/certs", "the keys of the cluster's authorities"),
    ("/var/snap/microk8s/current/credentials", "the administrator's kubeconfig"),
    ("/var/snap/microk8s/current/certs", "the keys of the cluster's authorities"),
    ("/var/lib/k0s/pki", "the keys of the cluster's authorities"),
    ("/etc/srv/kubernetes", "the keys of the node (Google Cloud)"),
    ("/home/kubernetes/kube-env", "the keys of the node (Google Cloud)"),
    ("/var/lib/cloud/instance", "the user data of the instance"),
    ("/etc/docker/certs.d", "the node's registry certificates"),
    ("/etc/ssh", "the node's host keys"),
    ("/root/.kube", "root's kubeconfig"),
    ("/root/.aws", "root's cloud account (AWS)"),
    ("/root/.azure", "root's cloud account (Azure)"),
    ("/root/.config/gcloud", "root's cloud account (Google Cloud)"),
    ("/root/.docker", "root's registry logins"),
    ("/root/.ssh", "root's keys"),
    ("/etc/shadow", "the node's password hashes"),
];

/// Folders in homes, whoever's.
const IN_HOMES: &[(&str, &str)] = &[
    ("/.kube", "a kubeconfig"),
    ("/.aws", "a cloud account (AWS)"),
    ("/.azure", "a cloud account (Azure)"),
    ("/.config/gcloud", "a cloud account (Google Cloud)"),
    ("/.docker/config.json", "registry logins"),
    ("/.ssh", "somebody's keys"),
];

pub(super) fn check<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        let subject = context.workload_subject(workload);
        let volumes = workload.pod_spec.get("volumes").into_iter().flat_map(Node::items);
        for volume in volumes {
            let Some(path) = volume.at("hostPath.path") else { continue };
            let name = volume.get("name").map_or("", Node::text);
            match holds(path.text()) {
                Some(what) => sink.fail(
                    Found::new(subject, path, format!("volume `{name}` gives the pod {what}"))
                        .cause(format!("volume:{name}")),
                ),
                None => sink.pass(),
            }
        }
    }
}

/// What a folder of the node gives away: a known place, something in one, or a folder above one.
fn holds(path: &str) -> Option<String> {
    let path = normal(path);
    let inside = |known: &str| path == known || path.starts_with(&format!("{known}/"));
    if let Some((_, what)) = PLACES.iter().find(|(known, _)| inside(known)) {
        return Some((*what).to_owned());
    }
    if let Some((_, what)) =
        IN_HOMES.iter().find(|(end, _)| path.ends_with(end) || path.contains(&format!("{end}/")))
    {
        return Some((*what).to_owned());
    }
    let above: Vec<&str> = PLACES
        .iter()
        .filter(|(known, _)| path.is_empty() || known.starts_with(&format!("{path}/")))
        .map(|(known, _)| *known)
        .collect();
    match above.as_slice() {
        [] => matches!(path.as_str(), "/root" | "/home").then(|| "the homes of the node's users".to_owned()),
        [one] => Some(format!("a folder above {one}")),
        [one, rest @ ..] => {
            Some(format!("a folder above {one} and {} more places with credentials", rest.len()))
        }
    }
}

/// The path without doubled slashes, `.` and `..`; the root is empty.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn parents_and_children_count() {
        for path in [
            "/",
            "/etc",
            "/etc/kubernetes/",
            "/var/lib",
            "//var/lib/kubelet/./pki",
            "/home/x/.aws",
            "/root/.kube/config",
            "/var",
            "/home",
        ] {
            assert!(holds(path).is_some(), "{path}");
        }
        for path in [
            "/var/log",
            "/tmp",
            "/data",
            "/etc/localtime",
            "/var/run/docker.sock",
            "/sys",
            "/etc/kubernetes-extra",
            "/opt/cni/bin",
            "/home/kubernetes/bin/nvidia",
            "/lib/modules",
        ] {
            assert!(holds(path).is_none(), "{path}");
        }
    }
}
