//! Versions of APIs that are gone. Source: the Kubernetes deprecated API migration guide.

use super::spec::shown;
use crate::{Change, Context, Found, Sink, Subject};

/// A version of an API that is gone.
struct Removed {
    api_version: &'static str,
    /// Kinds; empty for all of that version.
    kinds: &'static [&'static str],
    /// The first minor version of 1.x without it.
    gone_in: u16,
    /// What to use; empty when there is nothing.
    instead: &'static str,
    /// Whether nothing but the version has to change.
    same_shape: bool,
}

const fn gone(
    api_version: &'static str,
    kinds: &'static [&'static str],
    gone_in: u16,
    instead: &'static str,
    same_shape: bool,
) -> Removed {
    Removed { api_version, kinds, gone_in, instead, same_shape }
}

const REMOVED: &[Removed] = &[
    gone("extensions/v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], 16, "apps/v1", false),
    gone("extensions/v1beta1", &["NetworkPolicy"], 16, "networking.k8s.io/v1", false),
    gone("extensions/v1beta1", &["PodSecurityPolicy"], 16, "", false),
    gone("extensions/v1beta1", &["Ingress"], 22, "networking.k8s.io/v1", false),
    gone("apps/v1beta1", &[], 16, "apps/v1", false),
    gone("apps/v1beta2", &[], 16, "apps/v1", false),
    gone("batch/v2alpha1", &["CronJob"], 21, "batch/v1", true),
    gone(
        "admissionregistration.k8s.io/v1beta1",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        22,
        "admissionregistration.k8s.io/v1",
        false,
    ),
    gone("apiextensions.k8s.io/v1beta1", &["CustomResourceDefinition"], 22, "apiextensions.k8s.io/v1", false),
    gone("apiregistration.k8s.io/v1beta1", &["APIService"], 22, "apiregistration.k8s.io/v1", true),
    gone("authentication.k8s.io/v1beta1", &["TokenReview"], 22, "authentication.k8s.io/v1", true),
    gone("authorization.k8s.io/v1beta1", &[], 22, "authorization.k8s.io/v1", false),
    gone("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"], 22, "certificates.k8s.io/v1", false),
    gone("coordination.k8s.io/v1beta1", &["Lease"], 22, "coordination.k8s.io/v1", true),
    gone("networking.k8s.io/v1beta1", &["Ingress"], 22, "networking.k8s.io/v1", false),
    gone("networking.k8s.io/v1beta1", &["IngressClass"], 22, "networking.k8s.io/v1", true),
    gone("rbac.authorization.k8s.io/v1alpha1", &[], 22, "rbac.authorization.k8s.io/v1", true),
    gone("rbac.authorization.k8s.io/v1beta1", &[], 22, "rbac.authorization.k8s.io/v1", true),
    gone("scheduling.k8s.io/v1beta1", &["PriorityClass"], 22, "scheduling.k8s.io/v1", true),
    gone(
        "storage.k8s.io/v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        22,
        "storage.k8s.io/v1",
        true,
    ),
    gone("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], 25, "autoscaling/v2", false),
    gone("batch/v1beta1", &["CronJob"], 25, "batch/v1", true),
    gone("discovery.k8s.io/v1beta1", &["EndpointSlice"], 25, "discovery.k8s.io/v1", false),
    gone("events.k8s.io/v1beta1", &["Event"], 25, "events.k8s.io/v1", false),
    gone("node.k8s.io/v1beta1", &["RuntimeClass"], 25, "node.k8s.io/v1", true),
    gone("policy/v1beta1", &["PodDisruptionBudget"], 25, "policy/v1", true),
    gone("policy/v1beta1", &["PodSecurityPolicy"], 25, "", false),
    gone("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], 26, "autoscaling/v2", true),
    gone("flowcontrol.apiserver.k8s.io/v1beta1", &[], 26, "flowcontrol.apiserver.k8s.io/v1", false),
    gone("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 27, "storage.k8s.io/v1", true),
    gone("flowcontrol.apiserver.k8s.io/v1beta2", &[], 29, "flowcontrol.apiserver.k8s.io/v1", false),
    gone("flowcontrol.apiserver.k8s.io/v1beta3", &[], 32, "flowcontrol.apiserver.k8s.io/v1", true),
];

/// An object has a version that the API server of the target version does not know.
pub(super) fn api<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let version = context.kubernetes();
    for object in &context.objects {
        let removed = REMOVED.iter().find(|removed| {
            removed.api_version == object.api_version
                && (removed.kinds.is_empty() || removed.kinds.contains(&object.kind))
                && version.is_at_least(removed.gone_in)
        });
        let Some(removed) = removed else {
            sink.pass();
            continue;
        };
        let Some(node) = object.root.get("apiVersion") else { continue };
        let instead = if removed.instead.is_empty() { "nothing replaced it" } else { removed.instead };
        let message = format!(
            "{} of {} is gone since 1.{}; use {instead}",
            removed.api_version,
            shown(object.kind),
            removed.gone_in
        );
        let message =
            if removed.instead.is_empty() { message.replace("use nothing", "nothing") } else { message };
        let mut found = Found::new(Subject::object(object), node, message);
        if removed.same_shape {
            found = found.change(Change::Set(node, removed.instead.into()));
        }
        sink.fail(found);
    }
}
