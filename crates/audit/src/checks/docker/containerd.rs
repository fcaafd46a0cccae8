//! containerd's config.toml, in the section names of versions 1, 2 and 3, and hosts.toml of registries.
//!
//! Source: containerd documentation, "CRI plugin config guide" and "registry configuration".

use nightlatch_finding::Severity;
use nightlatch_manifest::{Document, Format, Node};

use crate::{Change, Context, Found, Sink, Subject};

/// Names of the CRI plugin: version 1, version 2, and what version 3 split it into.
const PLUGINS: [&str; 5] = [
    "cri",
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.runtime",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1",
];

/// True for a host name or address that only this machine reaches, and for sockets.
pub(super) fn is_local(address: &str) -> bool {
    let address = address.trim();
    address.is_empty()
        || address.starts_with('/')
        || address.starts_with("unix:")
        || address.starts_with("127.")
        || address.starts_with("localhost")
        || address.starts_with("::1")
        || address.starts_with("[::1]")
}

/// Everything that opens the runtime further than it has to be.
pub(super) fn insecure<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for document in context.corpus.documents.iter().filter(|document| document.format == Format::Toml) {
        let root = document.root();
        let mut found = Vec::new();
        if is_config(root) {
            let subject = Subject::document(document, "Containerd", "config.toml");
            addresses(subject, root, &mut found);
            for plugin in PLUGINS.iter().filter_map(|name| root.get("plugins")?.get(name)) {
                plugin_settings(context, subject, plugin, &mut found);
            }
        } else if let Some(hosts) = root.get("host").filter(|_| root.get("crio").is_none()) {
            let subject = Subject::document(document, "Containerd", "hosts.toml");
            for (_, host) in hosts.entries() {
                unverified(subject, host.get("skip_verify"), &mut found);
            }
        } else {
            continue;
        }
        if found.is_empty() {
            sink.pass();
        }
        found.into_iter().for_each(|found| sink.fail(found));
    }
}

fn is_config(root: Node<'_>) -> bool {
    root.get("crio").is_none()
        && (root.get("grpc").is_some()
            || root.get("plugins").is_some_and(|plugins| {
                plugins
                    .entries()
                    .any(|(name, _)| name.text() == "cri" || name.text().starts_with("io.containerd."))
            }))
}

fn addresses<'a>(subject: Subject<'a>, root: Node<'a>, found: &mut Vec<Found<'a>>) {
    if let Some(address) = root.at("grpc.tcp_address").filter(|address| !address.text().is_empty()) {
        let has = |key: &str| root.at(key).is_some_and(|value| !value.text().is_empty());
        let message = if !has("grpc.tcp_tls_cert") || !has("grpc.tcp_tls_key") {
            Some("the API of containerd listens on TCP without TLS")
        } else if !has("grpc.tcp_tls_ca") {
            Some("the API of containerd listens on TCP without asking who the client is")
        } else {
            None
        };
        found.extend(message.map(|message| Found::new(subject, address, message)));
    }
    for (path, what) in [("debug.address", "debugging"), ("metrics.address", "metrics")] {
        if let Some(address) = root.at(path).filter(|address| !is_local(address.text())) {
            let message = format!("{what} of containerd listens on an address that others reach");
            found.push(Found::new(subject, address, message).severity(Severity::Medium));
        }
    }
}

fn plugin_settings<'a>(
    context: &Context<'a>,
    subject: Subject<'a>,
    plugin: Node<'a>,
    found: &mut Vec<Found<'a>>,
) {
    if let Some(address) = plugin.get("stream_server_address").filter(|address| !is_local(address.text())) {
        found.push(
            Found::new(
                subject,
                address,
                "the streaming server, which leads into containers, listens on an address that others reach",
            )
            .change(Change::Set(address, "\"127.0.0.1\"".into())),
        );
    }
    if let Some(disabled) = plugin.get("disable_apparmor").filter(|value| value.as_bool() == Some(true)) {
        found.push(
            Found::new(subject, disabled, "containers run without AppArmor")
                .change(Change::Set(disabled, "false".into())),
        );
    }
    for (_, registry) in plugin.at("registry.configs").into_iter().flat_map(Node::entries) {
        unverified(subject, registry.at("tls.insecure_skip_verify"), found);
    }
    let shares_network = || {
        context
            .workloads
            .iter()
            .any(|workload| workload.pod_spec.get("hostNetwork").and_then(Node::as_bool) == Some(true))
    };
    for key in ["enable_unprivileged_ports", "enable_unprivileged_icmp"] {
        if let Some(value) = plugin.get(key).filter(|value| value.as_bool() == Some(true) && shares_network())
        {
            let message = "unprivileged containers may use low ports or raw echo, and pods here share the network of the node";
            found.push(Found::new(subject, value, message).severity(Severity::Low));
        }
    }
}

fn unverified<'a>(subject: Subject<'a>, skips: Option<Node<'a>>, found: &mut Vec<Found<'a>>) {
    if let Some(skips) = skips.filter(|value| value.as_bool() == Some(true)) {
        let found_here =
            Found::new(subject, skips, "images come from this registry without a verified certificate");
        found.push(found_here.change(Change::Set(skips, "false".into())));
    }
}

/// The documents of CRI-O's configuration.
pub(super) fn crio<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Document> {
    context
        .corpus
        .documents
        .iter()
        .filter(|document| document.format == Format::Toml && document.root().get("crio").is_some())
}
