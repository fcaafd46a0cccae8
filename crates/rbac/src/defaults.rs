//! What every cluster starts with.
//!
//! The data are facts of the bootstrap policy of Kubernetes 1.20, 1.24, 1.28, 1.32 and 1.36, with optional features
//! on and off; `data/defaults.tsv` says how to read them.

use std::{collections::HashMap, sync::OnceLock};

use crate::{Binding, Origin, Policy, Role, RoleKind, Rule, Subject, SubjectKind, cover, labels::Selector};

const DATA: &str = include_str!("../data/defaults.tsv");
/// The minor versions that the data were taken from.
const SAMPLED: [u32; 5] = [20, 24, 28, 32, 36];
/// The newest minor version of Kubernetes 1 that the data know.
pub const NEWEST: u32 = 36;

/// The roles and bindings that a cluster of version 1.`minor` starts with, not yet aggregated. A version between two
/// known ones is taken as the older of them; one older than all as the oldest.
pub fn shipped(minor: u32) -> Policy {
    let at = SAMPLED.iter().rev().find(|&&known| known <= minor).copied().unwrap_or(SAMPLED[0]);
    read(Some(at))
}

/// How an object that claims to be a default compares with what was shipped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// Nothing of that name is shipped.
    NotShipped,
    /// It grants nothing that some version does not ship.
    AsShipped,
    /// It grants more; the indexes of the rules that do.
    Extended(Vec<usize>),
}

/// Compares a role with everything that any known version ships under its name, aggregation included.
pub fn compare_role(role: &Role) -> Comparison {
    static ALL: OnceLock<HashMap<(RoleKind, String, String), Role>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut policy = read(None);
        policy.aggregate();
        let key = |role: &Role| (role.kind, role.namespace.clone(), role.name.clone());
        policy.roles.into_iter().map(|role| (key(&role), role)).collect()
    });
    let Some(shipped) = all.get(&(role.kind, role.namespace.clone(), role.name.clone())) else {
        return Comparison::NotShipped;
    };
    let more: Vec<usize> = (0..role.rules.len())
        .filter(|&at| role.rules.get(at).is_some_and(|rule| !cover::covers(&shipped.rules, rule)))
        .collect();
    if more.is_empty() { Comparison::AsShipped } else { Comparison::Extended(more) }
}

/// Compares a binding: the indexes in `Extended` are of subjects. A binding of a shipped name to another role is
/// extended by all its subjects.
pub fn compare_binding(binding: &Binding) -> Comparison {
    static ALL: OnceLock<Vec<Binding>> = OnceLock::new();
    let all = ALL.get_or_init(|| read(None).bindings);
    let mut same =
        all.iter().filter(|own| own.namespace == binding.namespace && own.name == binding.name).peekable();
    if same.peek().is_none() {
        return Comparison::NotShipped;
    }
    let known: Vec<&Subject> = same
        .filter(|own| own.role_kind == binding.role_kind && own.role_name == binding.role_name)
        .flat_map(|own| &own.subjects)
        .collect();
    let more: Vec<usize> = (0..binding.subjects.len())
        .filter(|&at| binding.subjects.get(at).is_some_and(|own| !known.contains(&own)))
        .collect();
    if more.is_empty() { Comparison::AsShipped } else { Comparison::Extended(more) }
}

impl Policy {
    /// Adds what a cluster of version 1.`minor` starts with and the policy does not have. Something of the same
    /// identity that is there already stays as it is.
    pub fn assume_shipped(&mut self, minor: u32) {
        let shipped = shipped(minor);
        let roles = self.by_identity();
        let roles: Vec<Role> = shipped
            .roles
            .into_iter()
            .filter(|role| !roles.contains_key(&(role.kind, role.namespace.as_str(), role.name.as_str())))
            .collect();
        let bindings: Vec<Binding> = {
            let own: std::collections::HashSet<(Option<&str>, &str)> =
                self.bindings.iter().map(|b| (b.namespace.as_deref(), b.name.as_str())).collect();
            let is_new = |b: &Binding| !own.contains(&(b.namespace.as_deref(), b.name.as_str()));
            shipped.bindings.into_iter().filter(is_new).collect()
        };
        self.roles.extend(roles);
        self.bindings.extend(bindings);
    }

    /// True when the policy holds objects that the API server makes itself, as dumps of a cluster do.
    pub fn holds_defaults(&self) -> bool {
        self.roles.iter().any(Role::claims_default)
            || self.bindings.iter().any(|binding| binding.claims_default)
    }
}

/// - `minor`: one of the sampled versions, or nothing for all together.
fn read(minor: Option<u32>) -> Policy {
    let mut policy = Policy::default();
    let mut wanted = false;
    for line in DATA.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["R", namespace, name, first, last, labels, selectors] => {
                wanted = within(minor, first, last);
                if wanted {
                    policy.roles.push(role(namespace, name, labels, selectors));
                }
            }
            ["r", first, last, verbs, groups, resources, names, paths] => {
                if let (true, true, Some(role)) =
                    (wanted, within(minor, first, last), policy.roles.last_mut())
                {
                    role.rules.push(rule([verbs, groups, resources, names, paths]));
                }
            }
            ["B", namespace, name, first, last, kind, role, subjects] if within(minor, first, last) => {
                policy.bindings.push(binding(namespace, name, (kind, role), subjects));
            }
            _ => {}
        }
    }
    policy
}

fn within(minor: Option<u32>, first: &str, last: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().unwrap_or_default();
    minor.is_none_or(|minor| (number(first)..=number(last)).contains(&minor))
}

fn list(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').filter(|word| *word != "-")
}

fn role(namespace: &str, name: &str, labels: &str, selectors: &str) -> Role {
    let (kind, namespace) =
        if namespace == "*" { (RoleKind::ClusterRole, "") } else { (RoleKind::Role, namespace) };
    let prefixed = |word: &str| format!("rbac.authorization.k8s.io/{word}");
    let selectors: Vec<Selector> =
        list(selectors).map(|word| Selector::label(&prefixed(word), "true")).collect();
    let mut role = Role::new(kind, namespace, name, Vec::new());
    role.labels = list(labels).map(|word| (prefixed(word), "true".to_owned())).collect();
    role.labels.push((crate::policy::BOOTSTRAPPING.to_owned(), "rbac-defaults".to_owned()));
    role.aggregation = (!selectors.is_empty()).then_some(selectors);
    role.origin = Origin::Shipped;
    role
}

fn rule([verbs, groups, resources, names, paths]: [&str; 5]) -> Rule {
    let words = |field| list(field).map(str::to_owned).collect();
    let group = |word: &str| if word == "core" { String::new() } else { word.to_owned() };
    Rule {
        verbs: words(verbs),
        groups: list(groups).map(group).collect(),
        resources: words(resources),
        names: words(names),
        paths: words(paths),
        at: None,
    }
}

fn binding(namespace: &str, name: &str, role: (&str, &str), subjects: &str) -> Binding {
    let subject = |text: &str| {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (kind, namespace, name) = (next(), next(), next().replace('/', ":"));
        match kind {
            "User" => Subject::user(&name),
            "Group" => Subject::group(&name),
            "ServiceAccount" => Subject::service_account(namespace, &name),
            _ => Subject { kind: SubjectKind::Unknown, namespace: String::new(), name },
        }
    };
    let kind = if role.0 == "Role" { RoleKind::Role } else { RoleKind::ClusterRole };
    let subjects = subjects.split(';').filter(|text| *text != "-").map(subject).collect();
    let mut binding = Binding::new((namespace != "*").then_some(namespace), name, (kind, role.1), subjects);
    binding.origin = Origin::Shipped;
    binding.claims_default = true;
    binding
}
