//! Roles and bindings as plain values, however they came here.

use nightlatch_manifest::{NodeId, SourceId, Span};
use serde::Serialize;

use crate::labels::Selector;

/// Where something stands in a [`nightlatch_manifest::Corpus`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Anchor {
    /// Which object, counted in the order of `Corpus::objects`, from 0.
    pub object: u32,
    /// Which source.
    pub source: SourceId,
    /// The node in the object's document.
    pub node: NodeId,
    /// Its bytes in the source.
    pub span: Span,
}

/// One rule of a role. Lists as written; an absent list is empty, which matches nothing except for
/// `resource_names`, where it matches every name.
///
/// Source: Kubernetes API, `rbac.authorization.k8s.io/v1` PolicyRule.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Rule {
    /// Verbs; `*` is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// API groups; the empty string is the core group, `*` is any.
    #[serde(rename = "apiGroups", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Resources: `pods`, `pods/log`, `*/scale` or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names of objects; empty is any name.
    #[serde(rename = "resourceNames", skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Paths that are no resources; `*` at the end is a prefix.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Where it stands; nothing for rules that came from elsewhere than a corpus.
    #[serde(skip)]
    pub at: Option<Anchor>,
}

impl Rule {
    /// True when both say the same, wherever they stand.
    pub fn says_same(&self, other: &Self) -> bool {
        self.verbs == other.verbs
            && self.groups == other.groups
            && self.resources == other.resources
            && self.names == other.names
            && self.paths == other.paths
    }
}

/// Which of the two kinds of role.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum RoleKind {
    /// Holds in its namespace.
    Role,
    /// Holds wherever it is bound.
    ClusterRole,
}

impl RoleKind {
    /// The kind as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
        }
    }
}

/// How an object came into the policy.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It stands in the input.
    #[default]
    Input,
    /// It does not stand in the input and is assumed, because every cluster starts with it.
    Shipped,
}

/// A Role or ClusterRole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// Which kind.
    pub kind: RoleKind,
    /// The namespace of a Role; empty when it names none, and for a ClusterRole.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The rules, after aggregation.
    pub rules: Vec<Rule>,
    /// For an aggregated role the role each rule came from, index by index; else empty.
    pub from: Vec<String>,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// The selectors of `aggregationRule.clusterRoleSelectors`; nothing when it is not aggregated.
    pub aggregation: Option<Vec<Selector>>,
    /// How many rules were written by hand in an aggregated role that does not stand in a dump; the cluster
    /// overwrites them.
    pub overwritten: usize,
    /// How it came here.
    pub origin: Origin,
    /// Where it stands.
    pub at: Option<Anchor>,
}

impl Role {
    /// A role with rules, for tests and generated policies.
    pub fn new(kind: RoleKind, namespace: &str, name: &str, rules: Vec<Rule>) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            rules,
            from: Vec::new(),
            labels: Vec::new(),
            aggregation: None,
            overwritten: 0,
            origin: Origin::Input,
            at: None,
        }
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True when the cluster made it: labelled `kubernetes.io/bootstrapping: rbac-defaults`, or assumed.
    pub fn claims_default(&self) -> bool {
        self.origin == Origin::Shipped || self.label(BOOTSTRAPPING) == Some("rbac-defaults")
    }
}

/// The label by which the API server marks what it makes itself.
pub const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

/// What a subject is. Others match nobody.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum SubjectKind {
    /// A user by name.
    User,
    /// A group by name.
    Group,
    /// A service account.
    ServiceAccount,
    /// Anything else.
    Unknown,
}

impl SubjectKind {
    /// The kind as written; `?` for an unknown one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServiceAccount => "ServiceAccount",
            Self::Unknown => "?",
        }
    }
}

/// Whom a binding names.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// The namespace of a service account after the binding's was taken for an absent one; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Subject {
    /// A user.
    pub fn user(name: &str) -> Self {
        Self { kind: SubjectKind::User, namespace: String::new(), name: name.to_owned() }
    }

    /// A group.
    pub fn group(name: &str) -> Self {
        Self { kind: SubjectKind::Group, namespace: String::new(), name: name.to_owned() }
    }

    /// A service account.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self { kind: SubjectKind::ServiceAccount, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The kind and name in one word: `User jane`, `ServiceAccount web/api`.
    pub fn describe(&self) -> String {
        match self.kind {
            SubjectKind::ServiceAccount => format!("ServiceAccount {}/{}", self.namespace, self.name),
            kind => format!("{} {}", kind.as_str(), self.name),
        }
    }

    /// A service account named as a user (`system:serviceaccount:ns:name`) is that account.
    pub fn normal(&self) -> Self {
        match (self.kind, crate::user::account_of(&self.name)) {
            (SubjectKind::User, Some((namespace, name))) => Self::service_account(namespace, name),
            _ => self.clone(),
        }
    }
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The namespace it holds in; nothing for a ClusterRoleBinding, empty for a RoleBinding that names none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// `roleRef.kind` as written.
    pub role_kind: String,
    /// `roleRef.name`.
    pub role_name: String,
    /// Whom it names.
    pub subjects: Vec<Subject>,
    /// Where each subject stands, index by index; empty for bindings that came from elsewhere than a corpus.
    pub subjects_at: Vec<Anchor>,
    /// How it came here.
    pub origin: Origin,
    /// Labelled as made by the API server.
    pub claims_default: bool,
    /// Where it stands.
    pub at: Option<Anchor>,
    /// Where `roleRef` stands.
    pub role_at: Option<Anchor>,
}

impl Binding {
    /// A binding, for tests and generated policies.
    pub fn new(namespace: Option<&str>, name: &str, role: (RoleKind, &str), subjects: Vec<Subject>) -> Self {
        Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            role_kind: role.0.as_str().to_owned(),
            role_name: role.1.to_owned(),
            subjects,
            subjects_at: Vec::new(),
            origin: Origin::Input,
            claims_default: false,
            at: None,
            role_at: None,
        }
    }

    /// The kind as written in a manifest.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" }
    }

    /// The kind and name in one phrase: `RoleBinding web/reader`.
    pub fn describe(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("RoleBinding {namespace}/{}", self.name),
            None => format!("ClusterRoleBinding {}", self.name),
        }
    }
}

/// Everything that RBAC decides from.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Roles of both kinds.
    pub roles: Vec<Role>,
    /// Bindings of both kinds.
    pub bindings: Vec<Binding>,
}
