//! What an image's name tells of what runs in it.

use super::{ComponentKind, Distribution};

/// The program an image is named after.
pub(super) fn program(image: &str) -> Option<ComponentKind> {
    let name = name(image);
    ComponentKind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, ComponentKind::Docker | ComponentKind::Containerd))
        .find(|kind| {
            name.strip_prefix(kind.as_str())
                .is_some_and(|rest| matches!(rest, "" | "-amd64" | "-arm64" | "-arm" | "-ppc64le" | "-s390x"))
        })
}

/// The tag, when it is a version.
pub(super) fn version(image: &str) -> Option<String> {
    let path = image.split('@').next().unwrap_or(image);
    let (_, tag) = path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let digits = tag.strip_prefix('v').unwrap_or(tag);
    let looks_right = digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('.');
    looks_right.then(|| tag.to_owned())
}

/// Who made the image.
pub(super) fn distribution(image: &str) -> Distribution {
    let tag = image.rsplit(':').next().unwrap_or("");
    let has = |parts: &[&str]| parts.iter().any(|part| image.contains(part));
    if tag.contains("k3s") || has(&["rancher/k3s"]) {
        Distribution::K3s
    } else if tag.contains("rke2") || has(&["rancher/hardened-"]) {
        Distribution::Rke2
    } else if tag.contains("eks") || has(&[".dkr.ecr.", "public.ecr.aws/eks"]) {
        Distribution::Eks
    } else if has(&["gke.gcr.io/", "gke-release"]) || tag.contains("gke") {
        Distribution::Gke
    } else if has(&["mcr.microsoft.com/oss/kubernetes"]) {
        Distribution::Aks
    } else if has(&["openshift"]) {
        Distribution::OpenShift
    } else {
        Distribution::Unknown
    }
}

/// The last part of the name without tag and digest.
fn name(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or(image);
    let last = path.rsplit('/').next().unwrap_or(path);
    last.split(':').next().unwrap_or(last)
}
