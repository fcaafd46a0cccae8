//! Generated policies: few words, so that they meet often, the odd ones among them.

use nightlatch_rbac::{Binding, Policy, Role, RoleKind, Rule, Subject, SubjectKind};
use proptest::{prelude::*, sample::select};

pub(crate) const VERBS: [&str; 7] = ["get", "list", "create", "escalate", "*", "", "odd"];
pub(crate) const GROUPS: [&str; 5] = ["", "apps", "*", "rbac.authorization.k8s.io", "v1"];
pub(crate) const RESOURCES: [&str; 11] = [
    "pods",
    "pods/exec",
    "pods/*",
    "*/exec",
    "*",
    "*/*",
    "deployments",
    "deployments/scale",
    "*/scale",
    "namespaces",
    "",
];
pub(crate) const NAMES: [&str; 4] = ["a", "b", "", "*"];
pub(crate) const PATHS: [&str; 7] = ["/healthz", "/healthz*", "/healthz/*", "*", "/api**", "/a*b", "/"];
pub(crate) const NAMESPACES: [&str; 4] = ["web", "db", "kube-system", ""];
pub(crate) const USERS: [&str; 6] = [
    "jane",
    "system:serviceaccount:web:api",
    "system:serviceaccount:db:api",
    "system:anonymous",
    "system:serviceaccount::api",
    "",
];
pub(crate) const USER_GROUPS: [&str; 5] = [
    "dev",
    "system:authenticated",
    "system:serviceaccounts:web",
    "system:unauthenticated",
    "system:serviceaccounts",
];

pub(crate) fn words(from: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(from).prop_map(str::to_owned), 0..=most)
}

fn rule() -> impl Strategy<Value = Rule> {
    let names = prop_oneof![3 => Just(Vec::new()), 1 => words(&NAMES, 2)];
    let paths = prop_oneof![3 => Just(Vec::new()), 1 => words(&PATHS, 2)];
    (words(&VERBS, 2), words(&GROUPS, 2), words(&RESOURCES, 3), names, paths).prop_map(
        |(verbs, groups, resources, names, paths)| Rule { verbs, groups, resources, names, paths, at: None },
    )
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    let rules = || prop::collection::vec(rule(), 0..4);
    let cluster = prop::collection::vec(rules(), 3).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(at, rules)| Role::new(RoleKind::ClusterRole, "", &format!("r{at}"), rules))
            .collect()
    });
    let spaced = prop::collection::vec((select(&NAMESPACES[..]), rules()), 4).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(at, (namespace, rules))| {
                Role::new(RoleKind::Role, namespace, &format!("r{}", at % 2), rules)
            })
            .collect()
    });
    (cluster, spaced).prop_map(|(mut all, more): (Vec<Role>, Vec<Role>)| {
        for role in more {
            // An identity is there once.
            if !all
                .iter()
                .any(|own| own.kind == role.kind && own.namespace == role.namespace && own.name == role.name)
            {
                all.push(role);
            }
        }
        all
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        select(&USERS[..]).prop_map(Subject::user),
        select(&USER_GROUPS[..]).prop_map(Subject::group),
        select(&NAMESPACES[..]).prop_map(|namespace| Subject::service_account(namespace, "api")),
        Just(Subject { kind: SubjectKind::Unknown, namespace: String::new(), name: "jane".to_owned() }),
    ]
}

fn binding() -> impl Strategy<Value = Binding> {
    let namespace = prop::option::of(select(&NAMESPACES[..]));
    let role = (select(&["Role", "ClusterRole", "Other"][..]), 0..4u32);
    (namespace, role, prop::collection::vec(subject(), 0..3)).prop_map(
        |(namespace, (kind, number), subjects)| {
            // As reading a manifest does: an account without a namespace is of the binding's.
            let subjects = subjects.into_iter().map(|mut subject| {
                if subject.kind == SubjectKind::ServiceAccount && subject.namespace.is_empty() {
                    subject.namespace = namespace.unwrap_or_default().to_owned();
                }
                subject
            });
            let mut binding =
                Binding::new(namespace, "b", (RoleKind::Role, &format!("r{number}")), subjects.collect());
            binding.role_kind = kind.to_owned();
            binding
        },
    )
}

pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    (roles(), prop::collection::vec(binding(), 0..8)).prop_map(|(roles, bindings)| Policy { roles, bindings })
}
