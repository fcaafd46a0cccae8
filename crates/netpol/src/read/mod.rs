//! From manifests to a [`Network`].

mod cluster_policy;
mod entry;
mod foreign;
mod grant;
mod pods;
mod policy;
mod replica;
mod selector;
mod service;
mod words;

use nightlatch_manifest::{Corpus, Node, Object};

use crate::{ClusterNode, Labels, Namespace, Network, Origin, Refused};

/// Why a policy would be refused, and where the mistake is.
struct Mistake<'a> {
    reason: String,
    at: Option<Node<'a>>,
}

impl<'a> Mistake<'a> {
    fn at(node: Node<'a>, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), at: Some(node) }
    }
}

impl Network {
    /// Reads everything that says who can reach whom.
    ///
    /// Policies that the API server would refuse are left out and listed in [`Network::refused`]; nothing else is
    /// dropped without a trace, as what is not read here does not decide about connections.
    pub fn read(corpus: &Corpus) -> Self {
        let mut network = Self::default();
        let mut pods = pods::Pods::default();
        let mut entries = entry::Entries::default();
        for object in corpus.objects() {
            match (object.group(), object.kind) {
                ("", "Namespace") => network.namespaces.push(namespace(&object)),
                ("", "Node") => network.nodes.extend(node(&object)),
                ("", "Service") => network.services.push(service::service(&object)),
                ("", "ConfigMap") => pods.config(&object),
                ("networking.k8s.io" | "extensions", "NetworkPolicy") => {
                    keep(policy::policy(&object), &object, &mut network.policies, &mut network.refused);
                }
                ("policy.networking.k8s.io", kind) if cluster_policy::KINDS.contains(&kind) => {
                    let read = cluster_policy::cluster_policy(&object);
                    keep(read, &object, &mut network.cluster_policies, &mut network.refused);
                }
                _ => {
                    if let Some(policy) = foreign::foreign(&object) {
                        network.foreign.push(policy);
                    } else if !entries.take(&object) {
                        pods.take(&object, &corpus.pod_templates);
                    }
                }
            }
        }
        network.pods = pods.finish(&replica::Asked::of(&network));
        network.entries = entries.finish();
        network
    }
}

fn keep<'a, T>(
    read: Result<T, Mistake<'a>>,
    object: &Object<'a>,
    into: &mut Vec<T>,
    refused: &mut Vec<Refused>,
) {
    match read {
        Ok(policy) => into.push(policy),
        Err(Mistake { reason, at }) => refused.push(Refused {
            kind: object.kind.into(),
            namespace: object.namespace.unwrap_or("").into(),
            name: object.name.into(),
            reason,
            origin: origin(at.unwrap_or(object.root)),
        }),
    }
}

fn namespace(object: &Object<'_>) -> Namespace {
    Namespace { name: object.name.into(), labels: Labels::new(object.labels()), origin: origin(object.root) }
}

fn node(object: &Object<'_>) -> Option<ClusterNode> {
    let addresses = object.root.at("status.addresses").into_iter().flat_map(Node::items);
    let addresses = addresses.filter_map(|address| address.get("address")?.text().parse().ok()).collect();
    (!object.name.is_empty()).then(|| ClusterNode {
        name: object.name.into(),
        labels: Labels::new(object.labels()),
        addresses,
    })
}

fn origin(node: Node<'_>) -> Origin {
    Some((node.document().source, node.span()))
}

/// The text of a string under a key.
fn text<'a>(node: Node<'a>, key: &str) -> Option<&'a str> {
    node.get(key)?.as_str()
}

/// A port number: 1 to 65535.
fn port_number(node: Node<'_>) -> Option<u16> {
    u16::try_from(node.as_int()?).ok().filter(|&port| port > 0)
}

/// The elements of a list under a key; none when it is absent.
fn list<'a>(node: Node<'a>, key: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(key).into_iter().flat_map(Node::items)
}
