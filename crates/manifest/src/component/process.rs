//! Components in lists of processes.

use super::{
    Component, ComponentKind, Distribution,
    command_line::{self, Word},
};
use crate::{Corpus, DocumentKind, Kind, Node};

/// The components among the command lines of the corpus.
pub(super) fn components(corpus: &Corpus) -> Vec<Component<'_>> {
    let mut found = Vec::new();
    for document in corpus.documents_of(DocumentKind::ProcessList) {
        for entry in document.root().items() {
            let Some(args) = entry.get("args").or_else(|| entry.get("cmdline")) else { continue };
            let words = words(args);
            found.extend(command_line::programs(&words).into_iter().map(|program| Component {
                kind: program.kind,
                object: None,
                container: None,
                at: args,
                arguments: None,
                flags: program.flags,
                version: None,
                distribution: distribution(program.kind, &words),
                // What the environment adds is not in the list.
                is_whole: !program.is_supervised && program.kind != ComponentKind::Etcd,
            }));
        }
    }
    found
}

fn words<'a>(args: Node<'a>) -> Vec<Word<'a>> {
    if args.kind() == Kind::Sequence {
        return args.items().map(|node| Word { text: node.text().to_owned(), node }).collect();
    }
    command_line::split(args.text()).into_iter().map(|text| Word { text, node: args }).collect()
}

fn distribution(kind: ComponentKind, words: &[Word<'_>]) -> Distribution {
    let has = |part: &str| words.iter().any(|word| word.text.contains(part));
    if has("/var/lib/rancher/rke2") {
        Distribution::Rke2
    } else if has("/var/lib/rancher/k3s") {
        Distribution::K3s
    } else if has("--openshift-config") {
        Distribution::OpenShift
    } else if has("/etc/eks/") || has("eks.amazonaws.com") {
        Distribution::Eks
    } else if has("cloud.google.com/gke") {
        Distribution::Gke
    } else if has("kubernetes.azure.com") {
        Distribution::Aks
    } else if kind == ComponentKind::Kubelet && has("/etc/kubernetes/bootstrap-kubelet.conf") {
        Distribution::Kubeadm
    } else {
        Distribution::Unknown
    }
}
