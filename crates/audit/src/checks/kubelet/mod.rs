//! Native checks of the family `kubelet`.

mod access;
mod certificates;
mod hardening;

use crate::{
    Context, NativeCheck, Sink,
    kubelet::{Field, Value, kubelets},
};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("kubelet/anonymous-auth", access::anonymous),
    ("kubelet/authz-always-allow", access::always_allow),
    ("kubelet/client-ca-missing", access::client_ca),
    ("kubelet/debug-handlers", access::debug_handlers),
    ("kubelet/event-qps", hardening::event_qps),
    ("kubelet/healthz-public", hardening::healthz),
    ("kubelet/hostname-override", hardening::hostname_override),
    ("kubelet/iptables-util-chains-off", hardening::iptables_util_chains),
    ("kubelet/pod-pids-unlimited", hardening::pod_pids),
    ("kubelet/protect-kernel-defaults-off", hardening::protect_kernel_defaults),
    ("kubelet/read-only-port", access::read_only_port),
    ("kubelet/rotate-certificates-off", certificates::rotate_off),
    ("kubelet/rotate-server-cert-off", certificates::rotate_server_off),
    ("kubelet/seccomp-default-off", hardening::seccomp_default),
    ("kubelet/serving-cert-self-signed", certificates::self_signed),
    ("kubelet/static-pod-source-open", hardening::static_pod_source),
    ("kubelet/streaming-timeout-off", hardening::streaming_timeout),
    ("kubelet/unsafe-sysctls-allowed", hardening::unsafe_sysctls),
    ("kubelet/weak-tls", certificates::weak_tls),
];

/// Judges one field of every kubelet. `broken`: whether its value breaks the rule, nothing when it cannot be read.
fn judge<'a>(
    context: &Context<'a>,
    field: Field,
    message: &'static str,
    mended: &str,
    broken: impl Fn(&Value<'a>) -> Option<bool>,
    sink: &mut Sink<'a>,
) {
    for kubelet in &kubelets(context) {
        let value = kubelet.value(field);
        match (&value, broken(&value)) {
            (Value::Unknown(why), _) => sink.unknown(why),
            (Value::Unstated, _) => {}
            (_, Some(false)) => sink.pass(),
            (_, None) => sink.unknown("the value cannot be read"),
            (_, Some(true)) => {
                if let Some(found) = kubelet.found(field, &value, message) {
                    sink.fail(kubelet.setting_to(found, field, &value, mended));
                }
            }
        }
    }
}
