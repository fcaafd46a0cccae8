//! Resources of a Terraform plan or state.
//!
//! Source: Terraform's JSON output format (`terraform show -json`): `resource_changes` of a plan with `after_unknown`,
//! `configuration` with the expressions, `values` of a state; and the state file itself, version 4.

use std::collections::HashMap;

use nightlatch_manifest::{Document, Kind, Node};

use super::fields::{Fields, Seen};

/// One managed resource as it will be, or is.
#[derive(Clone, Debug)]
pub(crate) struct Resource<'a> {
    /// Such as `module.net.aws_security_group.web[0]`.
    pub(crate) address: &'a str,
    /// Such as `aws_security_group`.
    pub(crate) kind: &'a str,
    /// The module, without indexes: `net`, `net/inner`, empty for the root.
    module: String,
    /// The name within its module, without index: `aws_security_group.web`.
    short: String,
    /// Where it stands in the document.
    pub(crate) root: Node<'a>,
    /// What it says.
    pub(crate) fields: Fields<'a>,
}

impl<'a> Resource<'a> {
    /// A field.
    pub(crate) fn get(&self, path: &str) -> Seen<'a> {
        self.fields.get(path)
    }

    /// What other resources call this one, for [`Resource::referred`].
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.module, self.short)
    }

    /// The key of the resource that a field refers to, when it is one of the same module.
    pub(crate) fn referred(&self, path: &str) -> Option<String> {
        self.all_referred(path).into_iter().next()
    }

    /// The keys of all resources that a field refers to.
    pub(crate) fn all_referred(&self, path: &str) -> Vec<String> {
        let mut found: Vec<String> = self
            .fields
            .references(path)
            .into_iter()
            .filter_map(|reference| {
                let mut parts = reference.split('.');
                let kind = parts.next()?;
                let name = parts.next()?.split('[').next()?;
                (!matches!(kind, "var" | "local" | "module" | "data" | "each" | "count" | "path" | "self"))
                    .then(|| format!("{}/{kind}.{name}", self.module))
            })
            .collect();
        found.dedup();
        found
    }
}

/// Resources of one document that are read; a plan of more is read to here.
const RESOURCES_MAX: usize = 100_000;

/// The managed resources of a plan or state; nothing for any other document.
pub(crate) fn resources(document: &Document) -> Vec<Resource<'_>> {
    let root = document.root();
    if root.get("terraform_version").is_none() && root.get("format_version").is_none() {
        return Vec::new();
    }
    if let Some(changes) = root.get("resource_changes") {
        return of_changes(root, changes);
    }
    let values = ["planned_values", "values"].into_iter().find_map(|key| root.get(key)?.get("root_module"));
    let mut found = Vec::new();
    match values {
        Some(module) => of_module(module, 0, &mut found),
        None => of_state(root, &mut found),
    }
    found
}

fn of_changes<'a>(root: Node<'a>, changes: Node<'a>) -> Vec<Resource<'a>> {
    let mut expressions = HashMap::new();
    if let Some(module) = root.at("configuration.root_module") {
        configured(module, "", 0, &mut expressions);
    }
    let has_configuration = !expressions.is_empty();
    let mut found = Vec::new();
    for change in changes.items().take(RESOURCES_MAX) {
        let Some(after) = change.at("change.after").filter(|after| after.kind() == Kind::Mapping) else {
            continue;
        };
        let Some(mut resource) = resource(change, after) else { continue };
        let written = expressions.get(&resource.key()).copied().filter(|_| has_configuration);
        resource.fields = Fields::of_plan(after, change.at("change.after_unknown"), written);
        found.push(resource);
    }
    found
}

/// A resource of any of the forms, its fields those of an answer.
fn resource<'a>(node: Node<'a>, values: Node<'a>) -> Option<Resource<'a>> {
    if node.get("mode").is_some_and(|mode| mode.text() != "managed") {
        return None;
    }
    let kind = node.get("type")?.text();
    let name = node.get("name")?.text();
    let address = node.get("address").map_or(name, Node::text);
    let module = node
        .get("module_address")
        .map_or_else(|| address.find(&format!("{kind}.")).map_or("", |at| &address[..at]), Node::text);
    Some(Resource {
        address,
        kind,
        module: module_path(module),
        short: format!("{kind}.{name}"),
        root: node,
        fields: Fields::of_answer(values),
    })
}

/// `module.net["a"].module.inner` as `net/inner`.
fn module_path(address: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut rest = address;
    while let Some(at) = rest.find("module.") {
        rest = &rest[at + "module.".len()..];
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        out.push(&rest[..end]);
        rest = &rest[end..];
    }
    out.join("/")
}

const DEPTH_MAX: u32 = 32;

fn configured<'a>(module: Node<'a>, path: &str, depth: u32, found: &mut HashMap<String, Node<'a>>) {
    if depth > DEPTH_MAX {
        return;
    }
    for resource in module.get("resources").into_iter().flat_map(Node::items) {
        if let (Some(kind), Some(name)) = (resource.get("type"), resource.get("name")) {
            let expressions = resource.get("expressions").unwrap_or(resource);
            found.insert(format!("{path}/{}.{}", kind.text(), name.text()), expressions);
        }
    }
    for (name, call) in module.get("module_calls").into_iter().flat_map(Node::entries) {
        if let Some(inner) = call.get("module") {
            let path =
                if path.is_empty() { name.text().to_owned() } else { format!("{path}/{}", name.text()) };
            configured(inner, &path, depth + 1, found);
        }
    }
}

fn of_module<'a>(module: Node<'a>, depth: u32, found: &mut Vec<Resource<'a>>) {
    if depth > DEPTH_MAX {
        return;
    }
    for node in module.get("resources").into_iter().flat_map(Node::items) {
        if let (Some(values), true) = (node.get("values"), found.len() < RESOURCES_MAX) {
            found.extend(resource(node, values));
        }
    }
    for child in module.get("child_modules").into_iter().flat_map(Node::items) {
        of_module(child, depth + 1, found);
    }
}

fn of_state<'a>(root: Node<'a>, found: &mut Vec<Resource<'a>>) {
    for node in root.get("resources").into_iter().flat_map(Node::items) {
        for instance in node.get("instances").into_iter().flat_map(Node::items) {
            if let (Some(values), true) = (instance.get("attributes"), found.len() < RESOURCES_MAX)
                && let Some(mut one) = resource(node, values)
            {
                one.root = instance;
                one.module = node.get("module").map_or_else(String::new, |module| module_path(module.text()));
                found.push(one);
            }
        }
    }
}
