//! Variables and what they stand for.

use std::collections::HashMap;

use super::Flag;
use crate::Node;

/// Variables with their values and where those stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment<'a> {
    values: HashMap<String, (String, Node<'a>)>,
    /// The names in the order they were first set.
    names: Vec<String>,
}

/// What a container's `env` says, in literals.
pub(super) fn of_container(container: Node<'_>) -> Environment<'_> {
    let mut environment = Environment::default();
    for entry in container.get("env").into_iter().flat_map(Node::items) {
        if let (Some(name), Some(value)) = (entry.get("name"), entry.get("value")) {
            environment.set(name.text(), value.text(), value);
        }
    }
    environment
}

impl<'a> Environment<'a> {
    pub(super) fn set(&mut self, name: &str, value: &str, node: Node<'a>) {
        if self.values.insert(name.to_owned(), (value.to_owned(), node)).is_none() {
            self.names.push(name.to_owned());
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(value, _)| value.as_str())
    }

    /// `$(NAME)` replaced as Kubernetes does: what is not known stays.
    pub(super) fn expand_kubernetes(&self, text: &str) -> String {
        self.expand(text, "$(", ')')
    }

    /// `${NAME}` replaced as systemd does.
    pub(super) fn expand_braces(&self, text: &str) -> String {
        self.expand(text, "${", '}')
    }

    fn expand(&self, text: &str, open: &str, close: char) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(open) {
            let inner = &rest[start + open.len()..];
            let Some(end) = inner.find(close) else { break };
            result.push_str(&rest[..start]);
            match self.get(&inner[..end]) {
                Some(value) => result.push_str(value),
                None => result.push_str(&rest[start..start + open.len() + end + close.len_utf8()]),
            }
            rest = &inner[end + close.len_utf8()..];
        }
        result.push_str(rest);
        result
    }

    /// `ETCD_*` variables as the flags they stand for.
    pub(super) fn etcd_flags(&self) -> Vec<Flag<'a>> {
        self.names
            .iter()
            .filter_map(|name| {
                let flag = name.strip_prefix("ETCD_")?.to_ascii_lowercase().replace('_', "-");
                let (value, node) = self.values.get(name)?;
                Some(Flag { name: flag, value: Some(value.clone()), node: *node })
            })
            .collect()
    }
}
