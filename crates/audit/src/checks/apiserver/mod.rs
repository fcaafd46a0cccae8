//! Native checks of the family `apiserver`.

mod admission;
mod anonymous;
mod audit_log;
mod audit_policy;
mod authorization;
mod certificates;
mod encryption;
mod feature_gates;
mod legacy;
mod limits;
mod public;
mod version;

use crate::NativeCheck;

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("apiserver/admission-always-admit", admission::always_admit),
    ("apiserver/admission-always-pull-images-missing", admission::always_pull_images),
    ("apiserver/admission-deny-external-ips-missing", admission::deny_external_ips),
    ("apiserver/admission-event-rate-limit-missing", admission::event_rate_limit),
    ("apiserver/admission-namespace-lifecycle-disabled", admission::namespace_lifecycle),
    ("apiserver/admission-node-restriction-missing", admission::node_restriction),
    ("apiserver/admission-pod-security-disabled", admission::pod_security),
    ("apiserver/admission-service-account-disabled", admission::service_account),
    ("apiserver/anonymous-auth", anonymous::check),
    ("apiserver/audit-log-disabled", audit_log::disabled),
    ("apiserver/audit-log-maxage", audit_log::maxage),
    ("apiserver/audit-log-maxbackup", audit_log::maxbackup),
    ("apiserver/audit-log-maxsize", audit_log::maxsize),
    ("apiserver/audit-policy-insufficient", audit_policy::check),
    ("apiserver/authz-always-allow", authorization::always_allow),
    ("apiserver/authz-node-missing", authorization::node_missing),
    ("apiserver/authz-rbac-missing", authorization::rbac_missing),
    ("apiserver/bind-public", public::check),
    ("apiserver/encryption-at-rest-missing", encryption::missing),
    ("apiserver/encryption-provider-weak", encryption::weak),
    ("apiserver/etcd-ca-missing", certificates::etcd_ca),
    ("apiserver/etcd-client-cert-missing", certificates::etcd_client),
    ("apiserver/etcd-plaintext", certificates::etcd_plaintext),
    ("apiserver/feature-gates-unsafe", feature_gates::check),
    ("apiserver/insecure-bind-address", legacy::insecure_bind_address),
    ("apiserver/insecure-port", legacy::insecure_port),
    ("apiserver/kubelet-client-cert-missing", certificates::kubelet_client),
    ("apiserver/request-timeout", limits::request_timeout),
    ("apiserver/tls-cert-missing", certificates::serving),
    ("apiserver/version-end-of-life", version::check),
    ("apiserver/weak-tls-ciphers", limits::weak_ciphers),
];
