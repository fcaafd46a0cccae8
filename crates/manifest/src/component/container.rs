//! Components that run in pods.

use super::{
    Component, ComponentKind, Distribution,
    command_line::{self, Found, Word},
    environment, image,
};
use crate::{Container, Node, Workload};

/// The components in the pods of `workloads`, once per template.
pub(super) fn components<'a>(workloads: &[Workload<'a>]) -> Vec<Component<'a>> {
    workloads
        .iter()
        .flat_map(|workload| workload.containers().flat_map(|container| of_container(workload, container)))
        .collect()
}

fn of_container<'a>(workload: &Workload<'a>, container: Container<'a>) -> Vec<Component<'a>> {
    let by_image = image::program(container.image);
    let has_words = ["command", "args"].iter().any(|key| container.node.get(key).is_some());
    if by_image.is_none() && !has_words {
        return Vec::new();
    }
    let environment = environment::of_container(container.node);
    let words = |key: &str| -> Vec<Word<'a>> {
        let list = container.node.get(key);
        let items = list.into_iter().flat_map(Node::items);
        items.map(|node| Word { text: environment.expand_kubernetes(node.text()), node }).collect()
    };
    let (command, arguments) = (words("command"), words("args"));
    let mut all = command.clone();
    all.extend(arguments.iter().cloned());
    let mut found: Vec<Found<'a>> = command_line::programs(&all);
    if found.is_empty()
        && command.is_empty()
        && let Some(kind) = by_image
    {
        // The image's own entry point is the program.
        found.push(command_line::found(kind, &arguments));
    }
    let list = |key: &str| container.node.get(key).filter(|list| !list.is_empty());
    found
        .into_iter()
        .map(|found| {
            let mut flags = found.flags;
            if found.kind == ComponentKind::Etcd {
                flags.splice(0..0, environment.etcd_flags());
            }
            let version = image::version(container.image);
            Component {
                kind: found.kind,
                object: Some(workload.object),
                container: Some(container),
                at: container.node,
                arguments: list("args").or_else(|| list("command")),
                flags,
                version,
                distribution: distribution(workload, container),
                is_whole: !found.has_variable && !found.is_supervised,
            }
        })
        .collect()
}

fn distribution(workload: &Workload<'_>, container: Container<'_>) -> Distribution {
    let by_image = image::distribution(container.image);
    if by_image != Distribution::Unknown {
        return by_image;
    }
    let annotations = workload.template_metadata.and_then(|metadata| metadata.get("annotations"));
    let by_kubeadm = annotations.is_some_and(|annotations| {
        annotations.entries().any(|(key, _)| key.text().starts_with("kubeadm.kubernetes.io/"))
    });
    let texts =
        ["command", "args"].into_iter().filter_map(|key| container.node.get(key)).flat_map(Node::items);
    let mut found = if by_kubeadm { Distribution::Kubeadm } else { Distribution::Unknown };
    for text in texts.map(Node::text) {
        if text.contains("/var/lib/rancher/rke2/") {
            found = Distribution::Rke2;
        } else if text.contains("/var/lib/rancher/k3s/") {
            found = Distribution::K3s;
        } else if text.contains("--openshift-config") {
            found = Distribution::OpenShift;
        }
    }
    found
}
