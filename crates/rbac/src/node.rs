//! What a kubelet may do: the Node authoriser's model.

use std::collections::{HashMap, HashSet};

use nightlatch_manifest::{Corpus, Node, Object};

use crate::{Attributes, Rule, User, user::NODES};

/// From this minor version a kubelet reads only its own Node and the pods bound to it.
const SELECTORS_SINCE: u32 = 32;
/// From this minor version a kubelet may read the accounts of its pods.
const READ_ACCOUNTS_SINCE: u32 = 34;
/// How deep volumes and environments are searched for names.
const DEPTH_MAX: u32 = 32;

/// A kind of object that a kubelet reaches only through a pod on its node.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Related {
    Secret,
    ConfigMap,
    Claim,
    Volume,
    Account,
    Pod,
    Attachment,
}

/// Which objects each node's pods refer to.
#[derive(Clone, Debug, Default)]
pub struct NodeGraph {
    edges: HashMap<String, HashSet<(Related, String, String)>>,
    rules: Vec<Rule>,
    minor: u32,
}

/// What the Node authoriser says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeAnswer {
    /// Allowed, and why.
    Allow(&'static str),
    /// It has no opinion.
    NoOpinion,
    /// It allows the request if a pod on the node refers to the object, which this input does not show.
    IfReferred,
}

impl NodeGraph {
    /// Reads pods that are bound to nodes, volumes and attachments.
    ///
    /// - `rules`: those of the role `system:node`, for what is not told apart by node.
    /// - `minor`: the minor version of Kubernetes 1.
    pub fn read(corpus: &Corpus, rules: Vec<Rule>, minor: u32) -> Self {
        let mut graph = Self { edges: HashMap::new(), rules, minor };
        let mut claims_by: HashMap<(String, String), Vec<String>> = HashMap::new();
        for object in corpus.objects().filter(|object| object.kind == "Pod" && object.group().is_empty()) {
            graph.pod(&object, &mut claims_by);
        }
        for object in corpus.objects() {
            match object.kind {
                "PersistentVolume" => graph.volume(&object, &claims_by),
                "VolumeAttachment" => {
                    if let Some(node) = object.root.at("spec.nodeName").and_then(Node::as_str) {
                        graph.edge(node, Related::Attachment, "", object.name);
                    }
                }
                _ => {}
            }
        }
        graph
    }

    fn edge(&mut self, node: &str, kind: Related, namespace: &str, name: &str) {
        let of = self.edges.entry(node.to_owned()).or_default();
        of.insert((kind, namespace.to_owned(), name.to_owned()));
    }

    fn pod(&mut self, pod: &Object<'_>, claims_by: &mut HashMap<(String, String), Vec<String>>) {
        let (Some(spec), Some(namespace)) = (pod.spec(), pod.namespace) else { return };
        let Some(node) = spec.get("nodeName").and_then(Node::as_str) else { return };
        self.edge(node, Related::Pod, namespace, pod.name);
        // A kubelet makes mirror pods itself; they must not widen what it may read.
        if pod.annotation("kubernetes.io/config.mirror").is_some() {
            return;
        }
        if let Some(account) = spec.get("serviceAccountName").and_then(Node::as_str) {
            self.edge(node, Related::Account, namespace, account);
        }
        let mut found = Vec::new();
        names_in(spec, "", 0, &mut found);
        for (kind, name) in found {
            self.edge(node, kind, namespace, &name);
            if kind == Related::Claim {
                claims_by.entry((namespace.to_owned(), name)).or_default().push(node.to_owned());
            }
        }
    }

    fn volume(&mut self, volume: &Object<'_>, claims_by: &HashMap<(String, String), Vec<String>>) {
        let word = |path: &str| volume.root.at(path).map_or("", Node::text).to_owned();
        let claim = (word("spec.claimRef.namespace"), word("spec.claimRef.name"));
        for node in claims_by.get(&claim).into_iter().flatten() {
            self.edge(node, Related::Volume, "", volume.name);
            let mut found = Vec::new();
            if let Some(spec) = volume.spec() {
                names_in(spec, "", 0, &mut found);
            }
            for (kind, name) in found.into_iter().filter(|(kind, _)| *kind == Related::Secret) {
                self.edge(node, kind, &claim.0, &name);
            }
        }
    }

    /// What the Node authoriser says to a question.
    ///
    /// - `is_whole`: whether the input shows every pod.
    pub fn answer(&self, user: &User, asked: &Attributes<'_>, is_whole: bool) -> NodeAnswer {
        let Some(node) = user.name.strip_prefix("system:node:").filter(|node| !node.is_empty()) else {
            return NodeAnswer::NoOpinion;
        };
        if !user.has_group(NODES) {
            return NodeAnswer::NoOpinion;
        }
        let related = |kind: Related| {
            let key = (kind, asked.namespace.to_owned(), asked.name.to_owned());
            let is_there =
                !asked.name.is_empty() && self.edges.get(node).is_some_and(|edges| edges.contains(&key));
            match (is_there, is_whole || asked.name.is_empty()) {
                (true, _) => NodeAnswer::Allow("a pod on this node refers to the object"),
                (false, true) => NodeAnswer::NoOpinion,
                (false, false) => NodeAnswer::IfReferred,
            }
        };
        let when =
            |is_right: bool, kind: Related| if is_right { related(kind) } else { NodeAnswer::NoOpinion };
        let own = |is_right: bool| {
            if is_right { NodeAnswer::Allow("it is the node's own object") } else { NodeAnswer::NoOpinion }
        };
        let (verb, sub) = (asked.verb, asked.subresource);
        let reads = matches!(verb, "get" | "list" | "watch") && sub.is_empty() && !asked.namespace.is_empty();
        let gets = verb == "get" && sub.is_empty();
        let writes_own = matches!(verb, "get" | "create" | "update" | "patch" | "delete");
        match (asked.path, asked.group, asked.resource) {
            (None, "", "secrets") => when(reads, Related::Secret),
            (None, "", "configmaps") => when(reads, Related::ConfigMap),
            (None, "", "persistentvolumeclaims") if sub == "status" => {
                when(matches!(verb, "update" | "patch"), Related::Claim)
            }
            (None, "", "persistentvolumeclaims") => when(gets, Related::Claim),
            (None, "", "persistentvolumes") => when(gets, Related::Volume),
            (None, "storage.k8s.io", "volumeattachments") => when(gets, Related::Attachment),
            (None, "", "serviceaccounts") if gets => {
                when(self.minor >= READ_ACCOUNTS_SINCE && !asked.namespace.is_empty(), Related::Account)
            }
            (None, "", "serviceaccounts") => when(verb == "create" && sub == "token", Related::Account),
            (None, "coordination.k8s.io", "leases") => own(writes_own
                && asked.namespace == "kube-node-lease"
                && (verb == "create" || asked.name == node)),
            (None, "storage.k8s.io", "csinodes") => {
                own(writes_own && sub.is_empty() && (verb == "create" || asked.name == node))
            }
            (None, "", "nodes") if self.minor >= SELECTORS_SINCE => own(match sub {
                "" => {
                    matches!(verb, "create" | "update" | "patch")
                        || (matches!(verb, "get" | "list" | "watch") && asked.name == node)
                }
                "status" => matches!(verb, "update" | "patch"),
                _ => false,
            }),
            (None, "", "pods")
                if self.minor >= SELECTORS_SINCE
                    && sub.is_empty()
                    && matches!(verb, "get" | "list" | "watch") =>
            {
                related(Related::Pod)
            }
            _ if self.rules.iter().any(|rule| rule.allows(asked)) => NodeAnswer::Allow("every node may"),
            _ => NodeAnswer::NoOpinion,
        }
    }
}

/// Names of secrets, config maps and claims anywhere in a pod's or volume's specification, by the keys they stand
/// under.
fn names_in(node: Node<'_>, under: &str, depth: u32, found: &mut Vec<(Related, String)>) {
    if depth > DEPTH_MAX {
        return;
    }
    for item in node.items() {
        if under == "imagePullSecrets"
            && let Some(name) = item.get("name").and_then(Node::as_str)
        {
            found.push((Related::Secret, name.to_owned()));
        }
        names_in(item, under, depth + 1, found);
    }
    for (key, value) in node.entries() {
        let name = |of: &str| value.get(of).and_then(Node::as_str).map(str::to_owned);
        let named = match key.text() {
            "secretRef" | "secretKeyRef" | "nodePublishSecretRef" | "nodeStageSecretRef" => {
                name("name").map(|name| (Related::Secret, name))
            }
            "secret" => name("secretName").or_else(|| name("name")).map(|name| (Related::Secret, name)),
            "azureFile" => name("secretName").map(|name| (Related::Secret, name)),
            "configMapRef" | "configMapKeyRef" | "configMap" => {
                name("name").map(|name| (Related::ConfigMap, name))
            }
            "persistentVolumeClaim" => name("claimName").map(|name| (Related::Claim, name)),
            _ => None,
        };
        found.extend(named);
        names_in(value, key.text(), depth + 1, found);
    }
}
