//! Questions as people type them: a verb, and a resource in any spelling or a path.

use nightlatch_rbac::{Attributes, Resources};

use crate::{failure::Failure, say::say, session::Session};

/// A question, spelled as the API server spells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    path: Option<String>,
}

impl Question {
    /// Reads `create pods/exec`, `get deployment/web`, `get po web -n shop`, `get /metrics`.
    ///
    /// What follows a slash is a subresource where the resource has one of that name, else the name of an object, as
    /// kubectl takes it; `--subresource` and a third word leave no doubt.
    pub(crate) fn read(
        verb: &str,
        what: &str,
        subresource: Option<&str>,
        namespace: Option<&str>,
        resources: &Resources,
        session: &Session,
    ) -> Result<Self, Failure> {
        let verb = verb.to_owned();
        if what.starts_with('/') {
            return Ok(Self { verb, path: Some(what.to_owned()), ..Self::default() });
        }
        let (word, rest) = what.split_once('/').unwrap_or((what, ""));
        if word.is_empty() {
            return Err(
                Failure::usage("the resource is empty").hint("for example: create pods/exec, get secrets/db")
            );
        }
        let known = resources.meant(word);
        if known.is_none() && word != "*" && session.chatty() {
            let near =
                resources.nearest(word).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            say(format_args!("warning: resource {word} is neither built in nor defined in the input{near}"));
        }
        let (resource, group, is_namespaced) = match (known, word.split_once('.')) {
            (Some(own), _) => (own.name.clone(), own.group.clone(), own.is_namespaced),
            (None, Some((name, group))) => (name.to_owned(), group.to_owned(), true),
            (None, None) => (word.to_owned(), if word == "*" { "*".to_owned() } else { String::new() }, true),
        };
        let has_sub =
            |sub: &str| known.is_some_and(|own| own.subresources.iter().any(|(name, _)| name == sub));
        let (sub, name) = match (subresource, rest.split_once('/')) {
            (Some(sub), _) => (sub, rest),
            // TYPE/NAME/SUBRESOURCE, and the other way round, leave no doubt.
            (None, Some((first, second))) if has_sub(first) => (first, second),
            (None, Some((first, second))) => (second, first),
            (None, None) if rest == "*" || has_sub(rest) => (rest, ""),
            (None, None) => ("", rest),
        };
        let is_in_namespace = is_namespaced || resource == "namespaces";
        let namespace = match (namespace, is_in_namespace) {
            _ if resource == "namespaces" => name,
            (Some(_), false) if session.chatty() => {
                say(format_args!("warning: {resource} belong to no namespace; -n is left aside"));
                ""
            }
            (Some(namespace), true) => namespace,
            _ => "",
        };
        Ok(Self {
            verb,
            group,
            subresource: sub.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            resource,
            path: None,
        })
    }

    /// As the authoriser takes it.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        Attributes {
            verb: &self.verb,
            group: &self.group,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: self.path.as_deref(),
        }
    }

    /// In words: `create pods/exec (core) in namespace web`.
    pub(crate) fn describe(&self) -> String {
        if let Some(path) = &self.path {
            return format!("{} {path}", self.verb);
        }
        let sub = if self.subresource.is_empty() { String::new() } else { format!("/{}", self.subresource) };
        let group = if self.group.is_empty() { "core" } else { &self.group };
        let name = if self.name.is_empty() { String::new() } else { format!(" named {}", self.name) };
        let scope = match self.namespace.as_str() {
            "" => " in the whole cluster".to_owned(),
            namespace => format!(" in namespace {namespace}"),
        };
        format!("{} {}{sub} ({group}){name}{scope}", self.verb, self.resource)
    }
}
