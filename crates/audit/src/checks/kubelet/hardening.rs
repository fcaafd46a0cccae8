//! KUB-005 to KUB-009, KUB-014, KUB-015 and KUB-017 to KUB-019: limits, defaults for pods, ports and sources of pods.

use nightlatch_manifest::{Node, node_files};

use super::judge;
use crate::{
    Context, Sink,
    kubelet::{
        By, EVENT_QPS, Field, HEALTHZ_ADDRESS, HEALTHZ_PORT, IPTABLES_UTIL_CHAINS, Kubelet, POD_PIDS_LIMIT,
        PROTECT_KERNEL_DEFAULTS, SECCOMP_DEFAULT, STATIC_POD_PATH, STATIC_POD_URL, STREAMING_TIMEOUT,
        UNSAFE_SYSCTLS, Value, kubelets,
    },
    program::{
        listen::{Reach, reach, url},
        programs,
        values::go_duration,
    },
};

/// In a file a zero duration means the default of four hours, as kubeadm writes it; as a flag it means never.
pub(super) fn streaming_timeout<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let broken = |value: &Value<'_>| match value {
        Value::Set(set) => match set.by {
            By::File(_) => Some(false),
            By::Flag | By::Effective(_) => go_duration(&set.text).map(|duration| duration.is_zero()),
        },
        Value::Default | Value::LegacyDefault => Some(false),
        Value::Unknown(_) | Value::Unstated => None,
    };
    judge(context, STREAMING_TIMEOUT, "idle connections are never cut", "4h0m0s", broken, sink);
}

/// For fields that must be `wanted` and are not by default.
fn must_be_true(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Set(set) => set.bool().map(|on| !on),
        Value::Default | Value::LegacyDefault => Some(true),
        Value::Unknown(_) | Value::Unstated => None,
    }
}

/// For fields that must not be `false`, which they are not by default.
fn must_not_be_false(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Set(set) => set.bool().map(|on| !on),
        Value::Default | Value::LegacyDefault => Some(false),
        Value::Unknown(_) | Value::Unstated => None,
    }
}

pub(super) fn protect_kernel_defaults<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let message = "the kubelet overwrites kernel settings that differ from what it expects";
    judge(context, PROTECT_KERNEL_DEFAULTS, message, "true", must_be_true, sink);
}

pub(super) fn iptables_util_chains<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(
        context,
        IPTABLES_UTIL_CHAINS,
        "the helper chains are not maintained",
        "true",
        must_not_be_false,
        sink,
    );
}

pub(super) fn seccomp_default<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(
        context,
        SECCOMP_DEFAULT,
        "pods without a seccomp profile run unconfined",
        "true",
        must_be_true,
        sink,
    );
}

pub(super) fn hostname_override<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kubelet") {
        match program.get("hostname-override") {
            Some(setting) => {
                sink.fail(program.found(&setting, "the node registers under a name that is not the host's"))
            }
            None => sink.pass(),
        }
    }
}

/// 0 means no limit.
pub(super) fn event_qps<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let broken = |value: &Value<'_>| match value {
        Value::Set(set) => set.int().map(|rate| rate != 0 && rate < 5),
        Value::Default | Value::LegacyDefault => Some(false),
        Value::Unknown(_) | Value::Unstated => None,
    };
    judge(context, EVENT_QPS, "events beyond a very low rate are dropped", "50", broken, sink);
}

pub(super) fn pod_pids<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let broken = |value: &Value<'_>| match value {
        Value::Set(set) => set.int().map(|limit| limit <= 0),
        Value::Default | Value::LegacyDefault => Some(true),
        Value::Unknown(_) | Value::Unstated => None,
    };
    judge(context, POD_PIDS_LIMIT, "a pod may use up the process numbers of its node", "4096", broken, sink);
}

pub(super) fn healthz<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        let is_closed = matches!(kubelet.value(HEALTHZ_PORT), Value::Set(set) if set.int() == Some(0));
        let value = kubelet.value(HEALTHZ_ADDRESS);
        match &value {
            Value::Set(set) if !is_closed => match reach(&set.text) {
                Reach::Host => sink.pass(),
                Reach::Unknown => sink.unknown("the address is filled in later"),
                Reach::Network => {
                    let found = kubelet.found_at(set, "the health port answers the network");
                    sink.fail(kubelet.setting_to(found, HEALTHZ_ADDRESS, &value, "127.0.0.1"));
                }
            },
            Value::Unknown(why) => sink.unknown(why),
            Value::Unstated => {}
            _ => sink.pass(),
        }
    }
}

pub(super) fn unsafe_sysctls<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        match kubelet.value(UNSAFE_SYSCTLS) {
            Value::Set(set) if !set.list().is_empty() => {
                let names: String = set.list().join(", ").chars().take(120).collect();
                sink.fail(kubelet.found_at(&set, format!("pods may set unsafe sysctls: {names}")));
            }
            Value::Unknown(why) => sink.unknown(why),
            Value::Unstated => {}
            _ => sink.pass(),
        }
    }
}

pub(super) fn static_pod_source<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        let before = sink.found.len();
        if let Value::Set(set) = kubelet.value(STATIC_POD_URL)
            && url(&set.text).is_some_and(|url| url.is_plain())
        {
            sink.fail(kubelet.found_at(&set, "static pods are fetched in plain HTTP"));
        }
        if let Value::Set(set) = kubelet.value(STATIC_POD_PATH)
            && let Some(evidence) = writable(context, &set.text)
        {
            let mut found = kubelet.found_at(&set, "static pods lie where everybody can write");
            if let Some(node) = evidence {
                found = found.related("its mode in the list of files", Some(node));
            }
            sink.fail(found);
        }
        if sink.found.len() == before {
            verdict_of_nothing(kubelet, [STATIC_POD_URL, STATIC_POD_PATH], sink);
        }
    }
}

fn verdict_of_nothing<'a>(kubelet: &Kubelet<'_, 'a>, fields: [Field; 2], sink: &mut Sink<'a>) {
    let values = fields.map(|field| kubelet.value(field));
    if let Some(why) = values.iter().find_map(|value| match value {
        Value::Unknown(why) => Some(why),
        _ => None,
    }) {
        sink.unknown(why);
    } else if values.iter().any(|value| !matches!(value, Value::Unstated)) {
        sink.pass();
    }
}

/// Whether everybody can write at a path, with the entry of a list of files that shows it.
fn writable<'a>(context: &Context<'a>, path: &str) -> Option<Option<Node<'a>>> {
    let path = path.trim_end_matches('/');
    if ["/tmp", "/var/tmp", "/dev/shm"]
        .iter()
        .any(|open| path == *open || path.starts_with(&format!("{open}/")))
    {
        return Some(None);
    }
    node_files(context.corpus)
        .into_iter()
        .find(|file| {
            file.path.trim_end_matches('/') == path && file.mode.is_some_and(|mode| mode & 0o1002 == 0o002)
        })
        .map(|file| Some(file.node))
}
