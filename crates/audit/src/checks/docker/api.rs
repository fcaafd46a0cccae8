//! The API on TCP.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::{
    daemon::{Daemon, TWICE, daemons},
    info::infos,
};
use crate::{Context, Found, Sink};

/// An address at which the API listens on TCP.
struct Listener<'a> {
    node: Node<'a>,
    is_loopback: bool,
}

fn listeners<'a>(daemon: &Daemon<'a>) -> Vec<Listener<'a>> {
    let hosts = daemon.get("hosts");
    let mut found: Vec<Listener<'a>> = hosts
        .values()
        .iter()
        .filter_map(|(text, node)| {
            tcp_address(text).map(|address| Listener { node: *node, is_loopback: is_loopback(address) })
        })
        .collect();
    let takes_sockets =
        hosts.values().is_empty() || hosts.values().iter().any(|(text, _)| text.starts_with("fd://"));
    if takes_sockets {
        found.extend(
            daemon
                .socket_streams
                .iter()
                .map(|node| Listener { node: *node, is_loopback: is_loopback(node.text()) }),
        );
    }
    found
}

/// The address of a host that is TCP: `tcp://a:1`, `http://a:1`, or without a scheme `a:1` and `:1`.
fn tcp_address(host: &str) -> Option<&str> {
    for scheme in ["tcp://", "http://", "https://"] {
        if let Some(address) = host.strip_prefix(scheme) {
            return Some(address);
        }
    }
    (!host.contains("://") && !host.starts_with('/') && host.contains(':')).then_some(host)
}

fn is_loopback(address: &str) -> bool {
    address.starts_with("127.") || address.starts_with("localhost") || address.starts_with("[::1]")
}

/// TCP without `tlsverify`.
pub(super) fn without_tls<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for daemon in daemons(context) {
        let listeners = listeners(&daemon);
        let verify = daemon.get("tlsverify");
        if listeners.is_empty() {
            match daemon.get("hosts").why_unknown().filter(|why| *why == TWICE || daemon.file.is_none()) {
                Some(why) => sink.unknown(why),
                None => sink.pass(),
            }
            continue;
        }
        if verify.is_true() == Some(true) {
            sink.pass();
            continue;
        }
        for listener in listeners {
            let encrypts = daemon.get("tls").is_true() == Some(true);
            let how =
                if encrypts { "encrypted, but without asking who the client is" } else { "without TLS" };
            let whom =
                if listener.is_loopback { "everybody on the machine" } else { "whoever reaches the port" };
            let mut found = Found::new(
                daemon.subject,
                listener.node,
                format!("the Docker API listens on TCP {how}, for {whom}"),
            )
            .cause("setting:hosts");
            if listener.is_loopback {
                found = found.severity(Severity::High);
            }
            if daemon.file.is_none() {
                found = found.related("daemon.json is not part of the input; it may set tlsverify", None);
            }
            if matches!(daemon.get("hosts"), super::daemon::Setting::Twice(_)) {
                found = found.related(TWICE, None);
            }
            sink.fail(found);
        }
    }
    for info in infos(context) {
        let warnings = info.api_warnings();
        for warning in &warnings {
            let text = warning.text();
            let is_loopback =
                ["//127.", "//localhost", "//[::1]"].iter().any(|address| text.contains(address));
            let how = if text.contains("on http://") {
                "without TLS"
            } else {
                "encrypted, but without asking who the client is"
            };
            let mut found = Found::new(
                info.subject,
                *warning,
                format!("the Docker API listens on TCP {how}, as the daemon warns"),
            );
            if is_loopback {
                found = found.severity(Severity::High);
            }
            sink.fail(found);
        }
        if warnings.is_empty() {
            // Loopback addresses and verified clients give no warning, so silence shows only the worst is absent.
            sink.unknown("`docker info` does not say at which addresses the API listens");
        }
    }
}

/// `tlsverify` without authority, certificate or key.
pub(super) fn tls_incomplete<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for daemon in daemons(context) {
        let verify = daemon.get("tlsverify");
        if listeners(&daemon).is_empty() || verify.is_true() != Some(true) {
            continue;
        }
        let keys = ["tlscacert", "tlscert", "tlskey"];
        let missing: Vec<&str> = keys.into_iter().filter(|key| daemon.get(key).values().is_empty()).collect();
        if missing.is_empty() {
            sink.pass();
        } else if missing.iter().any(|key| daemon.get(key).why_unknown().is_some()) && daemon.file.is_none() {
            sink.unknown("daemon.json is not part of the input");
        } else {
            let message = format!("the API checks clients, and {} is not named", missing.join(", "));
            sink.fail(daemon.found("tlsverify", &verify, message));
        }
    }
}

/// A remote API without a plugin that says who may do what.
pub(super) fn no_authorization_plugin<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for daemon in daemons(context) {
        if listeners(&daemon).is_empty() {
            continue;
        }
        let plugins = daemon.get("authorization-plugins");
        match (plugins.values().is_empty(), plugins.why_unknown()) {
            (false, _) => sink.pass(),
            (true, Some(why)) => sink.unknown(why),
            (true, None) => {
                sink.fail(daemon.found(
                    "authorization-plugins",
                    &plugins,
                    "the API is open on TCP, and no plugin says who may do what",
                ));
            }
        }
    }
    for info in infos(context) {
        let warnings = info.api_warnings();
        let Some(warning) = warnings.first() else { continue };
        if info.root.at("Plugins.Authorization").is_some_and(|plugins| !plugins.is_empty()) {
            sink.pass();
        } else {
            sink.fail(Found::new(
                info.subject,
                *warning,
                "the API is open on TCP, and no plugin says who may do what",
            ));
        }
    }
}
