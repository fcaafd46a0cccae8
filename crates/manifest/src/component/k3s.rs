//! k3s and RKE2: one program that starts the others with flags of its own and these on top.

use super::{Component, ComponentKind, Distribution, Flag, command_line::Found};
use crate::{Corpus, DocumentKind, Kind, Node};

/// The component to which a key `NAME-arg` of the configuration, or a flag of that name, passes a flag.
pub(crate) fn k3s_argument(key: &str) -> Option<ComponentKind> {
    match key {
        "kube-apiserver-arg" => Some(ComponentKind::ApiServer),
        "kube-controller-manager-arg" => Some(ComponentKind::ControllerManager),
        "kube-scheduler-arg" => Some(ComponentKind::Scheduler),
        "etcd-arg" => Some(ComponentKind::Etcd),
        "kubelet-arg" => Some(ComponentKind::Kubelet),
        "kube-proxy-arg" => Some(ComponentKind::KubeProxy),
        _ => None,
    }
}

/// `name=value` as a flag.
fn flag<'a>(text: &str, node: Node<'a>) -> Flag<'a> {
    let text = text.trim_start_matches('-');
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    Flag { name: name.replace('_', "-"), value, node }
}

/// The components that the flags of `k3s server` or `rke2 server` pass flags to.
pub(super) fn of_flags<'a>(flags: &[Flag<'a>]) -> Vec<Found<'a>> {
    let mut found: Vec<Found<'a>> = Vec::new();
    for outer in flags {
        let (Some(kind), Some(value)) = (k3s_argument(&outer.name), &outer.value) else { continue };
        let inner = flag(value, outer.node);
        match found.iter_mut().find(|found| found.kind == kind) {
            Some(found) => found.flags.push(inner),
            None => found.push(Found { kind, flags: vec![inner], has_variable: false, is_supervised: true }),
        }
    }
    found
}

/// The components of configuration files.
pub(super) fn components(corpus: &Corpus) -> Vec<Component<'_>> {
    let mut found = Vec::new();
    for document in corpus.documents_of(DocumentKind::K3sConfig) {
        let root = document.root();
        let name = corpus.source(document.source).name.raw();
        let is_rke2 = name.contains("rke2") || root.get("cni").is_some() || root.get("profile").is_some();
        for (key, value) in root.entries() {
            let Some(kind) = k3s_argument(key.text().trim_end_matches('+')) else { continue };
            let one = (value.kind() == Kind::String).then_some(value);
            let flags = one.into_iter().chain(value.items()).map(|item| flag(item.text(), item)).collect();
            found.push(Component {
                kind,
                object: None,
                container: None,
                at: value,
                arguments: (value.kind() == Kind::Sequence).then_some(value),
                flags,
                version: None,
                distribution: if is_rke2 { Distribution::Rke2 } else { Distribution::K3s },
                is_whole: false,
            });
        }
    }
    found
}
