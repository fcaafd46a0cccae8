//! KUB-010 to KUB-013: the kubelet's own certificates and TLS.

use super::judge;
use crate::{
    Context, Sink,
    kubelet::{
        Kubelet, ROTATE_CERTIFICATES, SERVER_TLS_BOOTSTRAP, TLS_CERT, TLS_KEY, TLS_MIN_VERSION, TLS_SUITES,
        Value, kubelets,
    },
    program::tls::{is_weak_suite, is_weak_version},
};

/// Whether the serving certificate can be verified: files of its own, or asked of the API server.
fn has_serving_certificate(kubelet: &Kubelet<'_, '_>) -> Result<bool, Option<&'static str>> {
    let is_set = |value: &Value<'_>| matches!(value, Value::Set(set) if !set.text.is_empty());
    let bootstrap = kubelet.value(SERVER_TLS_BOOTSTRAP);
    let (cert, key) = (kubelet.value(TLS_CERT), kubelet.value(TLS_KEY));
    if matches!(&bootstrap, Value::Set(set) if set.bool() == Some(true)) || (is_set(&cert) && is_set(&key)) {
        return Ok(true);
    }
    for value in [&bootstrap, &cert, &key] {
        match value {
            Value::Unknown(why) => return Err(Some(why)),
            Value::Unstated => return Err(None),
            _ => {}
        }
    }
    Ok(false)
}

pub(super) fn self_signed<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        match has_serving_certificate(kubelet) {
            Ok(true) => sink.pass(),
            Ok(false) => {
                let value = kubelet.value(SERVER_TLS_BOOTSTRAP);
                let message = "the serving certificate is self-made, so nobody can verify it";
                let Some(found) = kubelet.found(SERVER_TLS_BOOTSTRAP, &value, message) else { continue };
                sink.fail(kubelet.setting_to(found, SERVER_TLS_BOOTSTRAP, &value, "true"));
            }
            Err(Some(why)) => sink.unknown(why),
            Err(None) => {}
        }
    }
}

pub(super) fn rotate_off<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let broken = |value: &Value<'_>| match value {
        Value::Set(set) => set.bool().map(|on| !on),
        Value::Default | Value::LegacyDefault => Some(true),
        Value::Unknown(_) | Value::Unstated => None,
    };
    judge(context, ROTATE_CERTIFICATES, "the client certificate is not renewed", "true", broken, sink);
}

pub(super) fn rotate_server_off<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        match kubelet.gate("RotateKubeletServerCertificate") {
            Value::Set(set) if set.bool() == Some(false) => {
                sink.fail(
                    kubelet
                        .found_at(&set, "the gate that renews the serving certificate is off")
                        .cause("gate"),
                );
                continue;
            }
            Value::Unknown(why) => {
                sink.unknown(why);
                continue;
            }
            _ => {}
        }
        match has_serving_certificate(kubelet) {
            Ok(true) => sink.pass(),
            Ok(false) => {
                let value = kubelet.value(SERVER_TLS_BOOTSTRAP);
                let message = "the serving certificate is neither asked of the API server nor given";
                let Some(found) = kubelet.found(SERVER_TLS_BOOTSTRAP, &value, message) else { continue };
                sink.fail(kubelet.setting_to(found, SERVER_TLS_BOOTSTRAP, &value, "true"));
            }
            Err(Some(why)) => sink.unknown(why),
            Err(None) => {}
        }
    }
}

pub(super) fn weak_tls<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for kubelet in &kubelets(context) {
        let suites = kubelet.value(TLS_SUITES);
        let version = kubelet.value(TLS_MIN_VERSION);
        let weak: Vec<String> = match &suites {
            Value::Set(set) => set.list().into_iter().filter(|name| is_weak_suite(name)).collect(),
            _ => Vec::new(),
        };
        let mut is_sound = true;
        if let (Value::Set(set), Some(first)) = (&suites, weak.first()) {
            is_sound = false;
            let name: String = first.chars().take(80).collect();
            let message = match weak.len() {
                1 => format!("{name} is weak"),
                count => format!("{name} and {} more are weak", count - 1),
            };
            sink.fail(kubelet.found_at(set, message));
        }
        if let Value::Set(set) = &version
            && is_weak_version(&set.text)
        {
            is_sound = false;
            let found = kubelet.found_at(set, "TLS 1.0 or 1.1 is accepted");
            sink.fail(kubelet.setting_to(found, TLS_MIN_VERSION, &version, "VersionTLS12"));
        }
        match (&suites, &version) {
            _ if !is_sound => {}
            (Value::Unknown(why), _) | (_, Value::Unknown(why)) => sink.unknown(why),
            (Value::Unstated, Value::Unstated) => {}
            _ => sink.pass(),
        }
    }
}
