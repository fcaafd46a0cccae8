//! Native checks of the family `etcd`.
//!
//! Source: etcd documentation, "Configuration options" and "Transport security model"; what a trusted authority implies is
//! in etcd's `client/pkg/transport/listener.go`.

mod settings;

use nightlatch_finding::Severity;

use self::settings::{Etcd, Verdict, judge_each};
use crate::{
    Context, Found, NativeCheck, Sink,
    program::{Setting, authority::Authority, listen::Reach, programs},
};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("etcd/auto-tls", auto_tls),
    ("etcd/client-ca-missing", client_ca_missing),
    ("etcd/client-cert-auth-off", client_cert_auth_off),
    ("etcd/client-url-plaintext", client_url_plaintext),
    ("etcd/metrics-public", metrics_public),
    ("etcd/peer-auto-tls", peer_auto_tls),
    ("etcd/peer-cert-auth-off", peer_cert_auth_off),
    ("etcd/peer-tls-missing", peer_tls_missing),
    ("etcd/server-tls-missing", server_tls_missing),
    ("etcd/shared-ca", shared_ca),
];

const FILLED_IN: &str = "the address is filled in later";

fn server_tls_missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        if etcd.has_both(["cert-file", "key-file"]) {
            return Verdict::Holds;
        }
        match etcd.reach("listen-client-urls") {
            // The default is a loopback address.
            None | Some(Reach::Host) => Verdict::Holds,
            Some(Reach::Unknown) => Verdict::Unknown(FILLED_IN),
            Some(Reach::Network) if etcd.is_true("auto-tls") => Verdict::Holds,
            Some(Reach::Network) => {
                let name = etcd.absent(["cert-file", "key-file"]);
                etcd.finding(name, "clients are served on the network without certificate and key", None)
                    .into()
            }
        }
    });
}

/// A trusted authority alone makes etcd demand certificates too, so its presence leaves only a lack of clarity.
fn client_cert_auth_off<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        if etcd.is_true("client-cert-auth") {
            return Verdict::Holds;
        }
        let is_local = matches!(etcd.reach("listen-client-urls"), None | Some(Reach::Host));
        let implied = etcd.get("trusted-ca-file").is_some() && etcd.has_both(["cert-file", "key-file"]);
        let (message, severity) = match (implied, is_local) {
            (true, _) => (
                "client certificates are demanded because of --trusted-ca-file, not by name",
                Some(Severity::Low),
            ),
            (false, true) => (
                "every process of the host is a client, because no certificate is asked for",
                Some(Severity::Medium),
            ),
            (false, false) => {
                ("whoever reaches the port is a client, because no certificate is asked for", None)
            }
        };
        with(etcd.finding("client-cert-auth", message, Some("true")), severity).into()
    });
}

fn with(found: Found<'_>, severity: Option<Severity>) -> Found<'_> {
    match severity {
        Some(severity) => found.severity(severity),
        None => found,
    }
}

fn auto_tls<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    must_not_be_true(context, "auto-tls", "the certificate for clients is self-made", sink);
}

fn peer_auto_tls<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    must_not_be_true(context, "peer-auto-tls", "the certificates between members are self-made", sink);
}

fn must_not_be_true<'a>(context: &Context<'a>, name: &str, message: &'static str, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        if etcd.is_true(name) { etcd.finding(name, message, Some("false")).into() } else { Verdict::Holds }
    });
}

/// Judges the side towards other members. It matters for a cluster of several, and less for one member that listens on the
/// network: single members are exempt in the benchmark.
fn peer<'a>(etcd: &Etcd<'_, 'a>, found: impl FnOnce() -> Found<'a>) -> Verdict<'a> {
    if etcd.members() > 1 {
        return found().into();
    }
    match etcd.reach("listen-peer-urls") {
        None | Some(Reach::Host) => Verdict::Holds,
        Some(Reach::Network) => found().severity(Severity::Medium).into(),
        Some(Reach::Unknown) => Verdict::Unknown(FILLED_IN),
    }
}

fn peer_tls_missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        if etcd.has_both(["peer-cert-file", "peer-key-file"]) || etcd.is_true("peer-auto-tls") {
            return Verdict::Holds;
        }
        let name = etcd.absent(["peer-cert-file", "peer-key-file"]);
        peer(etcd, || etcd.finding(name, "members talk without certificate and key", None))
    });
}

/// A trusted authority for peers makes members demand certificates too.
fn peer_cert_auth_off<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        let implied = || {
            etcd.get("peer-trusted-ca-file").is_some() && etcd.has_both(["peer-cert-file", "peer-key-file"])
        };
        if etcd.is_true("peer-client-cert-auth") || implied() {
            return Verdict::Holds;
        }
        let message =
            "whoever reaches the peer port passes for a member, because no certificate is asked for";
        peer(etcd, || etcd.finding("peer-client-cert-auth", message, Some("true")))
    });
}

/// What etcd trusts to sign clients and members must not sign the clients of the API server as well: the file is the same
/// one, or, where both are in the input, an authority in them is.
fn shared_ca<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let servers: Vec<_> = programs(context, "kube-apiserver")
        .filter_map(|program| program.get("client-ca-file").map(|file| (program.authority(&file), file)))
        .collect();
    judge_each(context, sink, |etcd| {
        let Some(clients) = etcd.get("trusted-ca-file") else { return Verdict::Nothing };
        // A file for members is no must: without one that for clients says it all.
        let mut is_unreadable = false;
        let members = etcd.get("peer-trusted-ca-file").filter(|members| members.text != clients.text);
        for (own, who) in [(Some(clients), "clients"), (members, "members")] {
            let Some(own) = own else { continue };
            let of_own = etcd.authority(&own);
            for (of_server, file) in &servers {
                let both = of_own.as_ref().zip(of_server.as_ref());
                is_unreadable |= both.is_some_and(|(one, two)| !(one.is_readable() && two.is_readable()));
                let Some(related) = shared(&own, of_own.as_ref(), file, of_server.as_ref()) else { continue };
                let message =
                    format!("etcd's {who} and the API server's clients are signed by the same authority");
                let found = etcd.found(&own, message).related(related, Some(file.node));
                return match &of_own {
                    Some(authority) => found.related("etcd's authority", Some(authority.node)),
                    None => found,
                }
                .into();
            }
        }
        if servers.is_empty() {
            return Verdict::Unknown("no API server is in the input to compare with");
        }
        if is_unreadable {
            return Verdict::Unknown("a certificate of an authority cannot be read");
        }
        Verdict::Holds
    });
}

const AUTHORITY: &str = "the API server's authority for clients";

/// How two files of authorities are the same; nothing when they are not, as far as the input shows.
fn shared<'a>(
    own: &Setting<'a>,
    of_own: Option<&Authority<'a>>,
    other: &Setting<'a>,
    of_other: Option<&Authority<'a>>,
) -> Option<&'static str> {
    let same_path = own.text == other.text;
    let same_key = "the API server's authority for clients, in another file with the same key";
    match (of_own, of_other) {
        // One file for two paths is a mistake about which is which.
        (Some(one), Some(two)) if one.is_same_file(two) => same_path.then_some(AUTHORITY),
        (Some(one), Some(two)) => one.shares(two).then_some(same_key),
        _ => same_path.then_some(AUTHORITY),
    }
}

fn client_url_plaintext<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let message = "clients are served in plain HTTP over the network";
    plain(context, &["listen-client-urls", "advertise-client-urls"], message, sink);
}

fn metrics_public<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    plain(context, &["listen-metrics-urls"], "metrics are told to the network in plain HTTP", sink);
}

fn plain<'a>(context: &Context<'a>, names: &[&str], message: &'static str, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        let first = |reach| names.iter().find_map(|name| etcd.plain(name, reach));
        if let Some(value) = first(Reach::Network) {
            return etcd.found(&value, message).into();
        }
        if first(Reach::Unknown).is_some() { Verdict::Unknown(FILLED_IN) } else { Verdict::Holds }
    });
}

fn client_ca_missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge_each(context, sink, |etcd| {
        if !etcd.is_true("client-cert-auth") {
            return Verdict::Nothing;
        }
        if etcd.get("trusted-ca-file").is_some() {
            return Verdict::Holds;
        }
        let message = "certificates are asked for, and any that the system trusts is accepted";
        etcd.finding("trusted-ca-file", message, None).into()
    });
}
