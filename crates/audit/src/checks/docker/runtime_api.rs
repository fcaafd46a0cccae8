//! APIs of podman and CRI-O, and confinement that they switch off.
//!
//! Source: podman-system-service(1), crio.conf(5), containers.conf(5).

use nightlatch_finding::Severity;
use nightlatch_manifest::{Format, Node, split_words};

use super::{
    containerd::{crio, is_local},
    daemon::{each, is_tcp_stream},
};
use crate::{Change, Context, Found, Sink, Subject};

/// Everything that opens them.
pub(super) fn open<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    podman(context, sink);
    for document in crio(context) {
        let subject = Subject::document(document, "CriO", "crio.conf");
        let found = crio_settings(subject, document.root());
        if found.is_empty() {
            sink.pass();
        }
        found.into_iter().for_each(|found| sink.fail(found));
    }
    for document in context.corpus.documents.iter().filter(|document| document.format == Format::Toml) {
        let profile =
            document.root().at("containers.seccomp_profile").filter(|profile| profile.text() == "unconfined");
        if let Some(profile) = profile {
            let subject = Subject::document(document, "Podman", "containers.conf");
            sink.fail(unconfined(subject, profile, "seccomp"));
        }
    }
}

fn podman<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for document in &context.corpus.documents {
        let root = document.root();
        let name = context.corpus.source(document.source).name.raw();
        let base = name.rsplit('/').next().unwrap_or(name);
        match document.format {
            Format::Unit => {
                let subject = Subject::document(document, "Podman", "podman.service");
                for line in root.at("Service.ExecStart").into_iter().flat_map(each) {
                    service(subject, line, sink);
                }
                if base.starts_with("podman") || name.contains("podman.socket.d/") {
                    let streams = root.at("Socket.ListenStream").into_iter().flat_map(each);
                    for stream in streams {
                        listener(
                            Subject::document(document, "Podman", "podman.socket"),
                            stream,
                            stream.text(),
                            sink,
                        );
                    }
                }
            }
            Format::Lines => {
                for line in root.items().filter_map(|item| item.get("args")) {
                    service(Subject::other(line, "Podman", "podman"), line, sink);
                }
            }
            _ => {}
        }
    }
}

/// `podman system service ADDRESS`.
fn service<'a>(subject: Subject<'a>, line: Node<'a>, sink: &mut Sink<'a>) {
    let found = split_words(line.text());
    let is_podman = found.first().is_some_and(|program| program.rsplit('/').next() == Some("podman"));
    let at = found.windows(2).position(|pair| pair == ["system", "service"]);
    let (true, Some(at)) = (is_podman, at) else { return };
    match found.iter().skip(at + 2).find(|word| word.starts_with("tcp:")) {
        Some(address) => {
            let address = address.trim_start_matches("tcp:").trim_start_matches("//").to_owned();
            listener(subject, line, &address, sink);
        }
        None => sink.pass(),
    }
}

fn listener<'a>(subject: Subject<'a>, node: Node<'a>, address: &str, sink: &mut Sink<'a>) {
    if !is_tcp_stream(address) {
        return sink.pass();
    }
    let mut found =
        Found::new(subject, node, "the API of podman listens on TCP, and it has no authentication at all");
    if is_local(address) && !address.is_empty() {
        found = found.severity(Severity::High);
    }
    sink.fail(found);
}

fn crio_settings<'a>(subject: Subject<'a>, root: Node<'a>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    let of = |path: &str| root.get("crio").and_then(|crio| crio.at(path));
    if let Some(address) = of("api.stream_address").filter(|address| !is_local(address.text())) {
        found.push(
            Found::new(
                subject,
                address,
                "the streaming server, which leads into containers, listens on an address that others reach",
            )
            .change(Change::Set(address, "\"127.0.0.1\"".into())),
        );
    }
    let metrics_on = of("metrics.enable_metrics").and_then(Node::as_bool) == Some(true);
    if let Some(host) = of("metrics.metrics_host").filter(|host| metrics_on && !is_local(host.text())) {
        found.push(
            Found::new(subject, host, "metrics of CRI-O listen on an address that others reach")
                .severity(Severity::Medium),
        );
    }
    for (key, what) in [("runtime.seccomp_profile", "seccomp"), ("runtime.apparmor_profile", "AppArmor")] {
        if let Some(profile) = of(key).filter(|profile| profile.text() == "unconfined") {
            found.push(unconfined(subject, profile, what));
        }
    }
    found
}

fn unconfined<'a>(subject: Subject<'a>, profile: Node<'a>, what: &str) -> Found<'a> {
    Found::new(subject, profile, format!("containers run without {what} unless they ask for it"))
        .severity(Severity::High)
        .change(Change::Remove(profile))
}
