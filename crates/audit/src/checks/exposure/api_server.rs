//! The API server, published beside its own endpoint.

use nightlatch_manifest::{Container, Node, Object};
use nightlatch_netpol::ServiceKind;

use crate::{Context, Found, Sink, Subject};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let ways = context.ways();
    for service in &ways.services {
        let is_published =
            matches!(service.kind, ServiceKind::NodePort | ServiceKind::LoadBalancer) && !service.is_internal;
        if !is_published || !is_api_server(&service.object) {
            sink.pass();
            continue;
        }
        let Some(kind) = service.object.root.at("spec.type") else { continue };
        sink.fail(Found::new(Subject::object(&service.object), kind, "the Service publishes the API server"));
    }
    for entry in &context.network().entries {
        let leads =
            |namespace: &str, service: &str| service == "kubernetes" && matches!(namespace, "default" | "");
        if !entry.backends.iter().any(|backend| leads(&backend.namespace, &backend.service)) {
            continue;
        }
        let Some(object) = context.objects_of(&entry.kind).find(|object| object.name == &*entry.name) else {
            continue;
        };
        let at = object.root.at("metadata.name").unwrap_or(object.root);
        sink.fail(Found::new(
            Subject::object(object),
            at,
            format!("the {} publishes the API server", object.kind),
        ));
    }
    for workload in &context.workloads {
        for container in workload.containers() {
            if let Some(node) = open_proxy(&container) {
                let message = "kubectl proxy hands the pod's permissions to whoever reaches it";
                sink.fail(Found::new(context.container_subject(workload, &container), node, message));
            }
        }
    }
}

/// The Service that the cluster makes for itself, and Services that select the API server's static pods.
fn is_api_server(service: &Object<'_>) -> bool {
    let own = service.name == "kubernetes" && matches!(service.namespace, Some("default"));
    let selector = service.root.at("spec.selector").into_iter().flat_map(Node::entries);
    let mut selector = selector.map(|(key, value)| (key.text(), value.text()));
    own || selector.any(|pair| matches!(pair, ("component" | "k8s-app" | "app", "kube-apiserver")))
}

/// The argument that opens a `kubectl proxy`: an address beyond loopback, or hosts of every name.
fn open_proxy<'a>(container: &Container<'a>) -> Option<Node<'a>> {
    let words: Vec<Node<'a>> = ["command", "args"]
        .into_iter()
        .filter_map(|key| container.node.get(key))
        .flat_map(Node::items)
        .collect();
    let shell = words.iter().copied().find(|word| word.text().contains("kubectl proxy"));
    let texts: Vec<&str> = match shell {
        Some(line) => line.text().split_whitespace().collect(),
        None => words.iter().map(|word| word.text()).collect(),
    };
    let is_kubectl = |text: &&str| text.rsplit('/').next() == Some("kubectl");
    let is_image = super::product::repository(container.image).rsplit('/').next() == Some("kubectl");
    let is_proxy = texts.contains(&"proxy") && (texts.iter().any(is_kubectl) || is_image);
    let value = |flag: &str| {
        texts.iter().enumerate().find_map(|(at, text)| match text.strip_prefix(flag) {
            Some("") => texts.get(at + 1).copied(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        })
    };
    let address = value("--address")?;
    let is_open = is_proxy && !matches!(address.trim_matches(['"', '\'']), "127.0.0.1" | "localhost" | "::1");
    let node = shell.or_else(|| words.iter().copied().find(|word| word.text().starts_with("--address")));
    node.filter(|_| is_open)
}
