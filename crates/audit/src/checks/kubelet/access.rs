//! KUB-001 to KUB-004 and KUB-016: who may ask the kubelet for what.

use nightlatch_finding::Severity;

use super::judge;
use crate::{
    Context, Sink,
    kubelet::{
        ANONYMOUS, AUTHORIZATION_MODE, CLIENT_CA, DEBUGGING_HANDLERS, Kubelet, PROFILING_HANDLER,
        READ_ONLY_PORT, SYSTEM_LOG_HANDLER, Value, WEBHOOK_AUTHENTICATION, kubelets,
    },
};

pub(super) fn anonymous<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let message = "requests without credentials are answered";
    judge(context, ANONYMOUS, message, "false", lets_strangers_in, sink);
}

/// Whether the kubelet answers requests without credentials; nothing when that is not known.
fn lets_strangers_in(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Set(set) => set.bool(),
        Value::Default => Some(false),
        Value::LegacyDefault => Some(true),
        Value::Unknown(_) | Value::Unstated => None,
    }
}

pub(super) fn always_allow<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(
        context,
        AUTHORIZATION_MODE,
        "every request of whoever logs in is allowed",
        "Webhook",
        allows_all,
        sink,
    );
}

fn allows_all(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Set(set) => Some(set.text == "AlwaysAllow"),
        Value::Default => Some(false),
        Value::LegacyDefault => Some(true),
        Value::Unknown(_) | Value::Unstated => None,
    }
}

pub(super) fn read_only_port<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let broken = |value: &Value<'_>| match value {
        Value::Set(set) => set.int().map(|port| port != 0),
        Value::Default => Some(false),
        Value::LegacyDefault => Some(true),
        Value::Unknown(_) | Value::Unstated => None,
    };
    judge(context, READ_ONLY_PORT, "the port without authentication is open", "0", broken, sink);
}

pub(super) fn client_ca<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        let value = kubelet.value(CLIENT_CA);
        match &value {
            Value::Set(set) if !set.text.is_empty() => sink.pass(),
            Value::Unknown(why) => sink.unknown(why),
            Value::Unstated => {}
            _ => {
                let webhook = match kubelet.value(WEBHOOK_AUTHENTICATION) {
                    Value::Set(set) => set.bool() == Some(true),
                    Value::Default => true,
                    _ => false,
                };
                let message = if webhook {
                    "client certificates are not verified; only tokens log in"
                } else {
                    "neither client certificates nor tokens are verified"
                };
                let Some(found) = kubelet.found(CLIENT_CA, &value, message) else { continue };
                sink.fail(if webhook { found.severity(Severity::Medium) } else { found });
            }
        }
    }
}

/// Handlers are needed for logs and exec, so they count only where strangers reach them. Those that are written down as on
/// though nobody needs them are a hint.
pub(super) fn debug_handlers<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        let open = open_to_strangers(kubelet);
        let value = kubelet.value(DEBUGGING_HANDLERS);
        let is_on = match &value {
            Value::Set(set) => set.bool().unwrap_or(true),
            Value::Default | Value::LegacyDefault => true,
            Value::Unknown(_) | Value::Unstated => false,
        };
        match (open, &value) {
            (_, Value::Unknown(why)) => sink.unknown(why),
            (Some(true), _) if is_on => {
                let message = "exec, logs and port-forward are offered to whoever reaches the port";
                if let Some(found) = kubelet.found(DEBUGGING_HANDLERS, &value, message) {
                    sink.fail(found);
                }
            }
            (None, Value::Unstated) => {}
            (None, _) => sink.unknown("who may log in is not in the input"),
            _ => sink.pass(),
        }
        for (field, message) in [
            (PROFILING_HANDLER, "the profiler is switched on"),
            (SYSTEM_LOG_HANDLER, "the logs of the node are offered under /logs"),
        ] {
            if let Value::Set(set) = kubelet.value(field)
                && set.bool() == Some(true)
                && !matches!(set.by, crate::kubelet::By::Effective(_))
            {
                sink.fail(kubelet.found_at(&set, message).severity(Severity::Info));
            }
        }
    }
}

/// Whether strangers, or all who log in, are served; nothing when that is not known.
fn open_to_strangers(kubelet: &Kubelet<'_, '_>) -> Option<bool> {
    let anonymous = lets_strangers_in(&kubelet.value(ANONYMOUS));
    let all = allows_all(&kubelet.value(AUTHORIZATION_MODE));
    match (anonymous, all) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}
