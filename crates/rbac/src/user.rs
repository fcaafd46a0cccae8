//! Who asks.

/// The group that is always allowed, before any authoriser is asked.
pub const MASTERS: &str = "system:masters";
/// The group of every caller who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of those who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The name of those who did not.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of all service accounts; with `:NAMESPACE` behind it, of a namespace's.
pub const ACCOUNTS: &str = "system:serviceaccounts";
/// The group of kubelets.
pub const NODES: &str = "system:nodes";
/// What the name of a service account starts with.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A caller as authorisers see it: a name and exactly these groups, nothing added.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct User {
    /// The user name.
    pub name: String,
    /// All groups, the implicit ones too.
    pub groups: Vec<String>,
}

impl User {
    /// Exactly this name and these groups, as a SubjectAccessReview takes them.
    pub fn exact(name: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name: name.into(), groups: groups.into_iter().map(Into::into).collect() }
    }

    /// The caller that the API server sees under this name, with the groups that come by themselves: those of a
    /// service account, of a kubelet, of a bootstrap token, and `system:authenticated` or, for
    /// `system:anonymous`, `system:unauthenticated`.
    pub fn real(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut groups = account_groups(&name);
        if name.starts_with("system:node:") {
            groups.push(NODES.to_owned());
        }
        if name.starts_with("system:bootstrap:") {
            groups.push("system:bootstrappers".to_owned());
        }
        groups.push(standing(&name).to_owned());
        Self { name, groups }
    }

    /// The caller of `kubectl --as NAME --as-group GROUP...`: given groups are the authority, a service account's own
    /// are added only when none is given, and `system:authenticated` joins unless one of the two standings is given.
    /// `system:anonymous` always has `system:unauthenticated`.
    ///
    /// Source: Kubernetes documentation, Authenticating, User impersonation.
    pub fn impersonated(name: impl Into<String>, groups: Vec<String>) -> Self {
        let name = name.into();
        let mut groups = if groups.is_empty() { account_groups(&name) } else { groups };
        let has = |wanted: &str| groups.iter().any(|group| group == wanted);
        if !has(UNAUTHENTICATED) && (name == ANONYMOUS || !has(AUTHENTICATED)) {
            groups.push(standing(&name).to_owned());
        }
        Self { name, groups }
    }

    /// A service account.
    pub fn account(namespace: &str, name: &str) -> Self {
        Self::real(account_name(namespace, name))
    }

    /// True when a group is among the caller's.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }
}

/// The user name of a service account.
pub fn account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT_PREFIX}{namespace}:{name}")
}

/// The namespace and name of a service account from its user name.
pub fn account_of(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(ACCOUNT_PREFIX)?
        .split_once(':')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
}

fn account_groups(user: &str) -> Vec<String> {
    match account_of(user) {
        Some((namespace, _)) => vec![ACCOUNTS.to_owned(), format!("{ACCOUNTS}:{namespace}")],
        None => Vec::new(),
    }
}

fn standing(user: &str) -> &'static str {
    if user == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED }
}
