//! API-007, API-029, API-030, API-032 and API-038: certificates towards kubelets, etcd and clients.

use crate::{
    Context, Sink,
    program::{INJECTED, Item, Program, listen::Reach, listen::url, programs},
};

/// Reports a program that lacks one of two flags that only help together.
fn pair<'a>(program: &Program<'_, 'a>, flags: [&str; 2], message: &str, sink: &mut Sink<'a>) {
    let missing: Vec<&str> = flags.into_iter().filter(|flag| program.get(flag).is_none()).collect();
    match missing.as_slice() {
        [] => sink.pass(),
        [_, _] if !program.is_whole() => sink.unknown(INJECTED),
        _ => {
            let names: Vec<String> = missing.iter().map(|flag| format!("--{flag}")).collect();
            sink.fail(program.missing(format!("{message}: {} not set", names.join(" and "))));
        }
    }
}

pub(super) fn kubelet_client<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let flags = ["kubelet-client-certificate", "kubelet-client-key"];
        pair(&program, flags, "kubelets are shown no client certificate", sink);
    }
}

pub(super) fn serving<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        pair(
            &program,
            ["tls-cert-file", "tls-private-key-file"],
            "the server makes its own certificate",
            sink,
        );
    }
}

fn is_socket(item: &Item<'_>) -> bool {
    item.text.starts_with("unix:") || item.text.starts_with("unixs:") || item.text.contains("kine.sock")
}

pub(super) fn etcd_client<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let servers = program.list("etcd-servers");
        if servers.is_empty() {
            sink.unknown("--etcd-servers is not in the input");
        } else if servers.iter().all(is_socket) {
            sink.pass();
        } else {
            pair(&program, ["etcd-certfile", "etcd-keyfile"], "etcd is shown no client certificate", sink);
        }
    }
}

pub(super) fn etcd_ca<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let servers = program.list("etcd-servers");
        let is_tls = servers
            .iter()
            .filter_map(|item| url(&item.text))
            .any(|url| url.scheme.eq_ignore_ascii_case("https"));
        if program.get("etcd-cafile").is_some() {
            sink.pass();
        } else if is_tls {
            sink.fail(program.missing("any authority that the system trusts may sign etcd's certificate"));
        } else if servers.is_empty() {
            sink.unknown("--etcd-servers is not in the input");
        }
    }
}

pub(super) fn etcd_plaintext<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let servers = program.list("etcd-servers");
        let plain = servers
            .iter()
            .find(|item| url(&item.text).is_some_and(|url| url.is_plain() && url.reach == Reach::Network));
        let unknown = servers
            .iter()
            .any(|item| url(&item.text).is_some_and(|url| url.is_plain() && url.reach == Reach::Unknown));
        match plain {
            Some(item) => {
                sink.fail(program.found_at(item.node, "etcd is asked in clear text over the network"))
            }
            None if servers.is_empty() => sink.unknown("--etcd-servers is not in the input"),
            None if unknown => sink.unknown("the address of etcd is filled in later"),
            None => sink.pass(),
        }
    }
}
