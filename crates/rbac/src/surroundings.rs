//! What stands around the policy and decides what a right is worth: accounts, workloads, namespaces, token secrets.

use std::collections::{BTreeMap, BTreeSet};

use nightlatch_manifest::{Corpus, Node, Object, View};

use crate::Anchor;

/// One workload and the account that its pods run as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workload {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty when it names none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The account; `default` when it names none.
    pub account: String,
    /// Whether its containers get the account's token.
    pub mounts_token: bool,
    /// What the pod itself says of that; nothing leaves it to the account.
    mounts_own: Option<bool>,
    /// Where it stands.
    pub at: Option<Anchor>,
    /// Where its account is named; nothing when it names none.
    pub account_at: Option<Anchor>,
}

/// What is known of a namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NamespaceFacts {
    /// The label `pod-security.kubernetes.io/enforce`.
    pub enforce: Option<String>,
}

/// Accounts, workloads, namespaces and token secrets of a corpus.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Declared service accounts: namespace and name, and whether they mount their token.
    pub accounts: BTreeMap<(String, String), bool>,
    /// Workloads with a pod template.
    pub workloads: Vec<Workload>,
    /// Declared namespaces.
    pub namespaces: BTreeMap<String, NamespaceFacts>,
    /// Secrets that hold the token of an account: namespace, account.
    pub token_secrets: BTreeSet<(String, String)>,
    /// True when policies of Gatekeeper or Kyverno stand in the input: what pods a namespace admits is then unknown.
    pub has_policies: bool,
    /// True when the ConfigMap `kube-system/aws-auth` is there, which maps cloud roles to groups.
    pub has_aws_auth: bool,
    /// How complete all this is.
    pub view: View,
}

/// The label that says which pods a namespace admits.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

impl Surroundings {
    /// Reads a corpus.
    pub fn read(corpus: &Corpus) -> Self {
        let mut found = Self { view: corpus.view, ..Self::default() };
        for (index, object) in corpus.objects().enumerate() {
            found.object(index as u32, &object);
        }
        for workload in &mut found.workloads {
            let identity = (workload.namespace.clone(), workload.account.clone());
            let of_account = found.accounts.get(&identity).copied().unwrap_or(true);
            workload.mounts_token = workload.mounts_own.unwrap_or(of_account);
        }
        found
    }

    fn object(&mut self, index: u32, object: &Object<'_>) {
        let namespace = object.namespace.unwrap_or_default();
        match (object.group(), object.kind) {
            ("", "ServiceAccount") => {
                let mounts =
                    object.root.get("automountServiceAccountToken").and_then(Node::as_bool).unwrap_or(true);
                self.accounts.insert((namespace.to_owned(), object.name.to_owned()), mounts);
            }
            ("", "Namespace") => {
                let enforce = object.label(ENFORCE).map(str::to_owned);
                self.namespaces.insert(object.name.to_owned(), NamespaceFacts { enforce });
            }
            ("", "Secret")
                if object.root.get("type").map(Node::text) == Some("kubernetes.io/service-account-token") =>
            {
                if let Some(account) = object.annotation("kubernetes.io/service-account.name") {
                    self.token_secrets.insert((namespace.to_owned(), account.to_owned()));
                }
            }
            ("", "ConfigMap") if namespace == "kube-system" && object.name == "aws-auth" => {
                self.has_aws_auth = true
            }
            ("templates.gatekeeper.sh" | "constraints.gatekeeper.sh" | "kyverno.io", _) => {
                self.has_policies = true
            }
            _ => self.workload(index, object, namespace),
        }
    }

    fn workload(&mut self, index: u32, object: &Object<'_>, namespace: &str) {
        let Some(spec) = pod_spec(object) else { return };
        let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount"));
        let at = |node: Node<'_>| Anchor {
            object: index,
            source: node.document().source,
            node: node.id(),
            span: node.span(),
        };
        let own = spec.get("automountServiceAccountToken").and_then(Node::as_bool);
        self.workloads.push(Workload {
            kind: object.kind.to_owned(),
            namespace: namespace.to_owned(),
            name: object.name.to_owned(),
            account: account.map_or("default", Node::text).to_owned(),
            mounts_own: own,
            mounts_token: own.unwrap_or(true),
            at: Some(at(object.root)),
            account_at: account.map(at),
        });
    }

    /// Whether a namespace admits pods that reach their node; nothing when that is not known.
    pub fn admits_privileged(&self, namespace: &str) -> Option<bool> {
        match self.namespaces.get(namespace)?.enforce.as_deref() {
            Some("privileged") => Some(true),
            // Anything else, a slip of the pen too, is enforced as baseline or restricted.
            Some(_) => Some(false),
            None => (self.view == View::Full && !self.has_policies).then_some(true),
        }
    }

    /// Whether a namespace enforces the restricted level.
    pub fn is_restricted(&self, namespace: &str) -> bool {
        let enforce = self.namespaces.get(namespace).and_then(|facts| facts.enforce.as_deref());
        enforce.is_some_and(|level| level != "privileged" && level != "baseline")
    }

    /// Whether the input shows that an account does not exist.
    pub fn lacks_account(&self, namespace: &str, name: &str) -> bool {
        name != "default"
            && !self.accounts.is_empty()
            && !self.accounts.contains_key(&(namespace.to_owned(), name.to_owned()))
    }
}

/// The pod template of a workload.
fn pod_spec<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    let spec = object.spec()?;
    let has_containers = |node: &Node<'_>| {
        let named = |item: Node<'_>| item.get("name").is_some();
        node.get("containers").is_some_and(|list| list.items().any(named))
    };
    let paths = ["template.spec", "jobTemplate.spec.template.spec", "workloadTemplate.spec.template.spec"];
    let own = (object.kind == "Pod").then_some(spec);
    own.into_iter().chain(paths.iter().filter_map(|path| spec.at(path))).find(has_containers)
}
