//! One service, over all files that say something of it.

use std::collections::{HashMap, HashSet};

use super::{ComposeMount, ComposePort, ComposeProject};
use crate::{Kind, Node};

/// One service of a project.
#[derive(Clone, Debug)]
pub struct ComposeService<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is named first.
    pub key: Node<'a>,
    /// What the first file of the project says of it.
    pub node: Node<'a>,
    /// Everything that is said of it, what overrides last: services it extends, then file by file.
    pub layers: Vec<Node<'a>>,
}

/// One variable of a service's environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ComposeVariable<'a> {
    /// Where it stands: the value, or the element of the list.
    pub node: Node<'a>,
    /// Its name.
    pub name: &'a str,
    /// Its value, variables replaced; nothing when it comes from outside.
    pub value: Option<String>,
}

impl<'a> ComposeService<'a> {
    /// The value of a field that counts: of the last layer that has it. Lists of several layers add up: see
    /// [`ComposeService::list`].
    pub fn get(&self, path: &str) -> Option<Node<'a>> {
        for layer in self.layers.iter().rev() {
            match path.split('.').try_fold(*layer, Node::get_raw) {
                Some(value) if value.tag() == Some("!reset") => return None,
                Some(value) if !value.is_null() => return Some(value),
                _ => {}
            }
        }
        None
    }

    /// A boolean field.
    pub fn flag(&self, path: &str) -> Option<bool> {
        self.get(path)?.as_bool()
    }

    /// The elements of a list field over all layers, in order, equal texts once. Of a field written as a mapping (such as
    /// `networks`) the keys.
    pub fn list(&self, field: &str) -> Vec<Node<'a>> {
        let mut found: Vec<Node<'a>> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for value in self.values(field) {
            let keys = value.entries().map(|(key, _)| key);
            let one = (value.kind() == Kind::String).then_some(value);
            for element in value.items().chain(keys).chain(one) {
                if element.kind() == Kind::Mapping || seen.insert(element.text()) {
                    found.push(element);
                }
            }
        }
        found
    }

    /// The published ports.
    pub fn ports(&self, project: &ComposeProject<'a>) -> Vec<ComposePort<'a>> {
        let mut seen = HashSet::new();
        let nodes = self.values("ports").into_iter().flat_map(Node::items);
        nodes
            .filter_map(|node| ComposePort::read(project, node))
            .filter(|port| {
                let same = (&port.host_ip, &port.published, &port.target, &port.protocol);
                !port.is_known || seen.insert(format!("{same:?}"))
            })
            .collect()
    }

    /// What is mounted; of several mounts at one place the last.
    pub fn mounts(&self, project: &ComposeProject<'a>) -> Vec<ComposeMount<'a>> {
        let mut found: Vec<ComposeMount<'a>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for node in self.values("volumes").into_iter().flat_map(Node::items) {
            let Some(mount) = ComposeMount::read(project, node) else { continue };
            match places.get(&mount.target).filter(|_| !mount.target.is_empty()) {
                Some(&at) => found[at] = mount,
                None => {
                    places.insert(mount.target.clone(), found.len());
                    found.push(mount);
                }
            }
        }
        found
    }

    /// The environment; of several values of one name the last.
    pub fn environment(&self, project: &ComposeProject<'a>) -> Vec<ComposeVariable<'a>> {
        let mut found: Vec<ComposeVariable<'a>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut add = |variable: ComposeVariable<'a>| match places.get(variable.name) {
            Some(&at) => found[at] = variable,
            None => {
                places.insert(variable.name, found.len());
                found.push(variable);
            }
        };
        for value in self.values("environment") {
            for (key, value) in value.entries() {
                let text = if value.is_null() { None } else { project.text(value) };
                let node = if value.is_null() { key } else { value };
                add(ComposeVariable { node, name: key.text(), value: text });
            }
            for node in value.items() {
                let (name, text) = match node.text().split_once('=') {
                    Some((name, value)) => (name, project.resolve(value)),
                    None => (node.text(), None),
                };
                add(ComposeVariable { node, name, value: text });
            }
        }
        found
    }

    /// The paths of its environment files, in short and long syntax.
    pub fn env_files(&self) -> Vec<Node<'a>> {
        self.list("env_file").into_iter().map(|element| element.get("path").unwrap_or(element)).collect()
    }

    /// The words of `command`, `entrypoint` or a health check: a text is split as a shell does.
    pub fn words(&self, path: &str) -> Vec<String> {
        let Some(value) = self.get(path) else { return Vec::new() };
        if value.kind() == Kind::Sequence {
            return value.items().map(|word| word.text().to_owned()).collect();
        }
        crate::component::split_words(value.text())
    }

    /// The values of a field, layer by layer, from the last one that starts anew (`!override`, `!reset`).
    fn values(&self, field: &str) -> Vec<Node<'a>> {
        let mut found = Vec::new();
        for value in self.layers.iter().filter_map(|layer| layer.get_raw(field)) {
            if matches!(value.tag(), Some("!override" | "!reset")) {
                found.clear();
            }
            if value.tag() != Some("!reset") {
                found.push(value);
            }
        }
        found
    }
}
