//! Which authorisers a cluster asks, as far as the input shows.

use nightlatch_manifest::{Corpus, Node, Object};

/// One authoriser of the API server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// Kubelets by what runs on their node.
    Node,
    /// Roles and bindings.
    Rbac,
    /// A service elsewhere; what it says is not known here.
    Webhook,
    /// A policy file on the control plane; what it says is not known here, but it never denies.
    Abac,
    /// Everything is allowed.
    AlwaysAllow,
}

/// The authorisers in the order they are asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// The authorisers.
    pub modes: Vec<Mode>,
    /// True when the input says so, false when it is taken for granted.
    pub is_shown: bool,
    /// False when the input says that requests without credentials are refused.
    pub anonymous: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self { modes: vec![Mode::Node, Mode::Rbac], is_shown: false, anonymous: true }
    }
}

impl Chain {
    /// What the corpus says: the flags of a kube-apiserver container, or an `AuthorizationConfiguration`.
    pub fn read(corpus: &Corpus) -> Self {
        let mut chain = Self::default();
        for object in corpus.objects() {
            match object.kind {
                "AuthorizationConfiguration" => chain.structured(&object),
                "Pod" | "Deployment" | "DaemonSet" | "StatefulSet" => {
                    for container in containers(&object) {
                        chain.flags(container);
                    }
                }
                _ => {}
            }
        }
        chain
    }

    fn structured(&mut self, object: &Object<'_>) {
        let authorizers = object.root.get("authorizers").into_iter().flat_map(Node::items);
        let modes: Vec<Mode> =
            authorizers.filter_map(|node| mode(node.get("type").map_or("", Node::text))).collect();
        if !modes.is_empty() {
            self.modes = modes;
            self.is_shown = true;
        }
    }

    fn flags(&mut self, container: Node<'_>) {
        let words = || {
            ["command", "args"]
                .into_iter()
                .filter_map(|key| container.get(key))
                .flat_map(Node::items)
                .map(Node::text)
        };
        if !words().any(|word| word == "kube-apiserver" || word.ends_with("/kube-apiserver")) {
            return;
        }
        if let Some(list) = flag(words(), "authorization-mode") {
            self.modes = list.split(',').filter_map(|word| mode(word.trim())).collect();
            self.is_shown = true;
        } else if flag(words(), "authorization-config").is_none() {
            // Without either flag the server allows everything.
            self.modes = vec![Mode::AlwaysAllow];
            self.is_shown = true;
        }
        self.anonymous = flag(words(), "anonymous-auth").is_none_or(|value| value != "false");
    }
}

fn mode(word: &str) -> Option<Mode> {
    Some(match word {
        "Node" => Mode::Node,
        "RBAC" => Mode::Rbac,
        "Webhook" => Mode::Webhook,
        "ABAC" => Mode::Abac,
        "AlwaysAllow" => Mode::AlwaysAllow,
        _ => return None,
    })
}

/// The value of a flag, `--name=value` or `--name value`; of a repeated one the last.
fn flag<'a>(words: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let mut value = None;
    let mut is_next = false;
    for word in words {
        if std::mem::take(&mut is_next) {
            value = Some(word);
            continue;
        }
        let Some(rest) = word.strip_prefix("--") else { continue };
        match rest.split_once('=') {
            Some((own, given)) if own.replace('_', "-") == name => value = Some(given),
            None if rest.replace('_', "-") == name => is_next = true,
            _ => {}
        }
    }
    value
}

/// The containers of a pod or of a workload's template.
fn containers<'a>(object: &Object<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let spec = object.spec();
    let spec = spec.and_then(|spec| spec.at("template.spec")).or(spec);
    spec.and_then(|spec| spec.get("containers")).into_iter().flat_map(Node::items)
}
