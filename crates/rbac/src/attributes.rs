//! What is asked.

use crate::Rule;

/// One question: a verb on a resource, or on a path.
///
/// Shapes: `namespace` is empty for cluster-scoped resources and for questions about all namespaces at once;
/// `name` is empty for requests without one (create, list, watch, deletecollection); `path` is given for requests
/// that are no resource requests, and the resource fields are then not looked at. On a request for a namespace itself
/// (`/api/v1/namespaces/X`) the API server sets both `namespace` and `name` to X; [`Attributes::completed`] does so.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Attributes<'a> {
    /// The verb: `get`, `create`, `bind` ...
    pub verb: &'a str,
    /// The API group; empty is core.
    pub group: &'a str,
    /// The resource, plural: `pods`.
    pub resource: &'a str,
    /// The subresource; empty when there is none.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The path of a request that is no resource request.
    pub path: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// A question about a resource, `pods` or `pods/exec`, in a namespace (empty: cluster scope).
    pub fn resource(verb: &'a str, group: &'a str, resource: &'a str, namespace: &'a str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self { verb, group, resource, subresource, namespace, ..Self::default() }
    }

    /// A question about a path.
    pub fn path(verb: &'a str, path: &'a str) -> Self {
        Self { verb, path: Some(path), ..Self::default() }
    }

    /// The same question about one object.
    #[must_use]
    pub fn named(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// As the API server completes a request: a named namespace is its own namespace. A SubjectAccessReview is
    /// not completed.
    #[must_use]
    pub fn completed(self) -> Self {
        let of_itself = self.path.is_none()
            && self.group.is_empty()
            && self.resource == "namespaces"
            && self.namespace.is_empty();
        if of_itself { Self { namespace: self.name, ..self } } else { self }
    }
}

impl Rule {
    /// Whether the rule allows what is asked, whoever asks and wherever.
    ///
    /// Source: Kubernetes documentation, Using RBAC Authorization; the empty cases as the API server decides them.
    pub fn allows(&self, asked: &Attributes<'_>) -> bool {
        match asked.path {
            Some(path) => has(&self.verbs, asked.verb) && self.paths.iter().any(|own| path_covers(own, path)),
            None => self.allows_any_name(asked) && self.allows_name(asked.name),
        }
    }

    /// Whether verb, group and resource of a resource question match.
    pub fn allows_any_name(&self, asked: &Attributes<'_>) -> bool {
        has(&self.verbs, asked.verb)
            && has(&self.groups, asked.group)
            && self.resources.iter().any(|own| resource_covers(own, asked.resource, asked.subresource))
    }

    /// Whether the name matches: no names listed is any name.
    pub fn allows_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|own| own == name)
    }
}

/// Whether a list has `*` or the word.
pub(crate) fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|own| own == "*" || own == word)
}

/// Whether a resource as written in a rule matches: `*`, the exact words, or `*/sub`. `pods/*` is literal.
pub(crate) fn resource_covers(own: &str, resource: &str, subresource: &str) -> bool {
    if own == "*" {
        return true;
    }
    if subresource.is_empty() {
        return own == resource;
    }
    let literal = own.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/'));
    literal == Some(subresource) || own.strip_prefix("*/") == Some(subresource)
}

/// Whether a path as written in a rule matches: `*`, the exact path, or a prefix before the stars it ends in.
pub(crate) fn path_covers(own: &str, path: &str) -> bool {
    own == "*" || own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}
