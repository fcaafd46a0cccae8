//! Native checks of the family `kube-proxy`.

use std::borrow::Cow;

use nightlatch_manifest::{Kind, Node};

use crate::{
    Change, Context, Found, NativeCheck, Sink, Subject,
    program::{
        Program, embedded,
        listen::{Reach, host_of, reach},
        programs,
        values::items,
    },
};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] =
    &[("kube-proxy/metrics-public", metrics), ("kube-proxy/nodeport-all-addresses", nodeports)];

const KIND: &str = "KubeProxyConfiguration";

/// What a kube-proxy is configured by: its flags, or a file, which makes them void.
enum Proxy<'c, 'a> {
    Flags(Program<'c, 'a>),
    File { subject: Subject<'a>, root: Node<'a>, is_editable: bool },
}

fn proxies<'c, 'a>(context: &'c Context<'a>, sink: &mut Sink<'a>) -> Vec<Proxy<'c, 'a>> {
    let mut found: Vec<Proxy<'c, 'a>> = context
        .objects_of(KIND)
        .map(|object| Proxy::File { subject: Subject::object(object), root: object.root, is_editable: true })
        .collect();
    found.extend(embedded(context, KIND).map(|embedded| Proxy::File {
        subject: embedded.subject,
        root: embedded.root,
        is_editable: embedded.is_editable,
    }));
    let has_file = !found.is_empty();
    for program in programs(context, "kube-proxy") {
        match program.get("config") {
            None => found.push(Proxy::Flags(program)),
            // The file is judged where it stands; a DaemonSet has it from a ConfigMap.
            Some(_) if has_file => {}
            Some(_) => sink.unknown("the file of --config is not in the input"),
        }
    }
    found
}

impl<'a> Proxy<'_, 'a> {
    /// The text of a setting; empty ones ask for the default.
    fn get(&self, path: &str, flag: &str) -> Option<(Cow<'a, str>, Node<'a>)> {
        match self {
            Self::Flags(program) => program.get(flag).map(|setting| (Cow::Owned(setting.text), setting.node)),
            Self::File { root, .. } => root
                .at(path)
                .filter(|node| !node.text().is_empty())
                .map(|node| (Cow::Borrowed(node.text()), node)),
        }
    }

    fn found(&self, node: Node<'a>, message: &'static str) -> Found<'a> {
        match self {
            Self::Flags(program) => program.found_at(node, message),
            Self::File { subject, .. } => Found::new(*subject, node, message),
        }
    }
}

/// The value may be a host alone; an empty host means all addresses, an empty value the default, which is the host itself.
fn metrics<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for proxy in proxies(context, sink) {
        let Some((text, node)) = proxy.get("metricsBindAddress", "metrics-bind-address") else {
            sink.pass();
            continue;
        };
        match reach(host_of(&text)) {
            Reach::Host => sink.pass(),
            Reach::Unknown => sink.unknown("the address is filled in later"),
            Reach::Network => {
                let found = proxy.found(node, "metrics and configuration are told to the network");
                let mended = "127.0.0.1:10249";
                sink.fail(match &proxy {
                    Proxy::Flags(program) => program.setting_to(
                        found,
                        program.get("metrics-bind-address").as_ref(),
                        "metrics-bind-address",
                        mended,
                    ),
                    Proxy::File { is_editable: true, .. } => {
                        found.change(Change::Set(node, format!("\"{mended}\"").into()))
                    }
                    Proxy::File { .. } => found,
                });
            }
        }
    }
}

/// Matters only where Services have node ports; with nftables the default is the primary address.
fn nodeports<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let published = context.objects_of("Service").find(|service| has_node_port(service.spec()));
    for proxy in proxies(context, sink) {
        let given = match &proxy {
            Proxy::Flags(program) => {
                program.get("nodeport-addresses").is_some_and(|own| items(own.text()).next().is_some())
            }
            Proxy::File { root, .. } => root
                .get("nodePortAddresses")
                .is_some_and(|list| list.kind() == Kind::Sequence && !list.is_empty()),
        };
        let is_nftables = proxy.get("mode", "proxy-mode").is_some_and(|(mode, _)| mode == "nftables");
        match published {
            _ if given || is_nftables => sink.pass(),
            None if context.is_full() => sink.pass(),
            None => sink.unknown("whether any Service has a node port is not in the input"),
            Some(service) => {
                let message = "node ports are opened on every address of the nodes";
                let found = match &proxy {
                    Proxy::Flags(program) => program.missing(message),
                    Proxy::File { subject, root, .. } => {
                        Found::missing(*subject, *root, "nodePortAddresses", message)
                    }
                };
                sink.fail(found.related("a Service with a node port", service.root.at("spec.type")));
            }
        }
    }
}

fn has_node_port(spec: Option<Node<'_>>) -> bool {
    let Some(spec) = spec else { return false };
    match spec.get("type").map(Node::text) {
        Some("NodePort") => true,
        Some("LoadBalancer") => {
            spec.get("allocateLoadBalancerNodePorts").and_then(Node::as_bool) != Some(false)
        }
        _ => false,
    }
}
