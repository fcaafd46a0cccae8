//! Native checks of the family `admission`: pod security of namespaces, and webhooks.

mod exemptions;
mod namespace;
mod quota;
mod webhook;

use nightlatch_manifest::Object;

use crate::{Context, NativeCheck};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("admission/namespace-quota-missing", quota::missing),
    ("admission/psa-enforce-missing", namespace::enforce_missing),
    ("admission/psa-enforce-privileged", namespace::enforce_privileged),
    ("admission/psa-exemptions-broad", exemptions::broad),
    ("admission/psa-version-pinned-old", namespace::version_old),
    ("admission/webhook-bypass-selector", webhook::bypass_selector),
    ("admission/webhook-fail-open", webhook::fail_open),
    ("admission/webhook-insecure-endpoint", webhook::insecure_endpoint),
];

/// Namespaces that every cluster has for itself.
const SYSTEM: [&str; 3] = ["kube-node-lease", "kube-public", "kube-system"];

fn is_system(namespace: &str) -> bool {
    SYSTEM.contains(&namespace)
}

/// True when policies of an engine stand in the input, which may do what labels would.
fn has_policy_engine(context: &Context<'_>) -> bool {
    let is_policy = |object: &Object<'_>| {
        matches!(object.group(), "constraints.gatekeeper.sh" | "templates.gatekeeper.sh" | "kyverno.io")
    };
    context.objects.iter().any(is_policy)
}
