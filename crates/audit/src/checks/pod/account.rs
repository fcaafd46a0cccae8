//! Service accounts and their tokens.

use std::collections::{HashMap, HashSet};

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object, Workload};

use super::spec::is_static;
use crate::{Change, Context, Found, Part, Sink};

/// Who is bound to anything: what decides how much a token is worth.
pub(crate) struct Bound<'a> {
    /// Namespace and name of accounts; the namespace is absent where the binding says none.
    accounts: HashSet<(Option<&'a str>, &'a str)>,
    /// Namespaces all of whose accounts are bound.
    namespaces: HashSet<&'a str>,
    /// True when every account is.
    everybody: bool,
}

impl<'a> Bound<'a> {
    pub(crate) fn new(context: &Context<'a>) -> Self {
        let mut bound = Self { accounts: HashSet::new(), namespaces: HashSet::new(), everybody: false };
        for binding in context.objects_of("RoleBinding").chain(context.objects_of("ClusterRoleBinding")) {
            // What every cluster has out of the box gives tokens nothing worth taking.
            if binding.label("kubernetes.io/bootstrapping") == Some("rbac-defaults") {
                continue;
            }
            for subject in binding.root.get("subjects").into_iter().flat_map(Node::items) {
                bound.add(binding, subject);
            }
        }
        bound
    }

    fn add(&mut self, binding: &Object<'a>, subject: Node<'a>) {
        let name = subject.get("name").map_or("", Node::text);
        match subject.get("kind").map_or("", Node::text) {
            "ServiceAccount" => {
                let namespace = subject.get("namespace").map(Node::text).or(binding.namespace);
                self.accounts.insert((namespace, name));
            }
            "Group" if matches!(name, "system:serviceaccounts" | "system:authenticated") => {
                self.everybody = true
            }
            "Group" => {
                if let Some(namespace) = name.strip_prefix("system:serviceaccounts:") {
                    self.namespaces.insert(namespace);
                }
            }
            "User" => {
                let parts = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
                if let Some((namespace, name)) = parts {
                    self.accounts.insert((Some(namespace), name));
                }
            }
            _ => {}
        }
    }

    /// True when the input gives the account any right. Names must fit; a namespace that is not said fits any.
    fn has(&self, namespace: Option<&'a str>, name: &'a str) -> bool {
        self.everybody
            || namespace.is_some_and(|own| self.namespaces.contains(own))
            || self.accounts.contains(&(namespace, name))
            || match namespace {
                Some(_) => self.accounts.contains(&(None, name)),
                None => self.accounts.iter().any(|(_, own)| *own == name),
            }
    }
}

/// The service accounts of the input, by namespace and name.
pub(crate) struct Accounts<'a>(HashMap<(Option<&'a str>, &'a str), Node<'a>>);

impl<'a> Accounts<'a> {
    pub(crate) fn new(context: &Context<'a>) -> Self {
        Self(context.objects_of("ServiceAccount").map(|own| ((own.namespace, own.name), own.root)).collect())
    }

    /// The account of a pod. A namespace that is not said fits only another that is not said.
    fn get(&self, workload: &Workload<'a>, name: &'a str) -> Option<Node<'a>> {
        self.0.get(&(workload.object.namespace, name)).copied()
    }
}

/// The account that a pod runs as, and where it says so.
fn account<'a>(workload: &Workload<'a>) -> (&'a str, Option<Node<'a>>) {
    let spec = workload.pod_spec;
    let node = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount"));
    match node.filter(|node| !node.text().is_empty()) {
        Some(node) => (node.text(), Some(node)),
        None => ("default", node),
    }
}

/// Whether the pod gets a token, and what decides it: the pod's field, else the account's, else yes.
pub(crate) fn token<'a>(accounts: &Accounts<'a>, workload: &Workload<'a>) -> (bool, Option<Node<'a>>) {
    const FIELD: &str = "automountServiceAccountToken";
    if let Some(node) = workload.pod_spec.get(FIELD) {
        return (node.as_bool() != Some(false), Some(node));
    }
    let (name, _) = account(workload);
    match accounts.get(workload, name).and_then(|account| account.get(FIELD)) {
        Some(node) => (node.as_bool() != Some(false), Some(node)),
        None => (true, None),
    }
}

/// The pod carries a token that nobody asked for. Milder when the input gives its account no right: then the token opens
/// what any authenticated user may see.
pub(super) fn automount<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    const FIELD: &str = "automountServiceAccountToken";
    let (bound, accounts) = (context.bound(), context.accounts());
    for workload in context.workloads.iter().filter(|workload| !is_static(workload)) {
        let (mounted, by) = token(accounts, workload);
        if !mounted {
            sink.pass();
            continue;
        }
        let (name, _) = account(workload);
        let subject = context.workload_subject(workload);
        let own = workload.pod_spec.get(FIELD);
        let message = match (own.is_some(), by.is_some()) {
            (true, _) => "the pod asks for a token for the API server",
            (false, true) => "the pod gets a token for the API server, because its service account says so",
            (false, false) => "the pod gets a token for the API server, because nothing says no",
        };
        let mut found = match own {
            Some(node) => Found::new(subject, node, message).change(Change::Set(node, "false".into())),
            None => Found::missing(subject, workload.pod_spec, FIELD, message).change(Change::SetPath(
                workload.pod_spec,
                FIELD.into(),
                "false".into(),
            )),
        };
        if let (None, Some(node)) = (own, by) {
            found = found.related("the service account", Some(node));
        }
        // Known to have no right: bound to nothing, and either here, or the default, or everything is here.
        let known = name == "default" || context.is_full() || accounts.get(workload, name).is_some();
        if known && !bound.has(workload.object.namespace, name) {
            found = found.severity(Severity::Low);
        }
        sink.fail(found);
    }
}

/// The pod runs as the namespace's default account, with a token, or although that account was given rights.
pub(super) fn default_used<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let (bound, accounts) = (context.bound(), context.accounts());
    for workload in context.workloads.iter().filter(|workload| !is_static(workload)) {
        let (name, node) = account(workload);
        let rights = bound.has(workload.object.namespace, "default");
        if name != "default" || !(rights || token(accounts, workload).0) {
            sink.pass();
            continue;
        }
        let subject = context.workload_subject(workload);
        let message = match rights {
            true => "the pod runs as the namespace's default service account, which was given rights",
            false => "the pod runs as the namespace's default service account",
        };
        let found = match node {
            Some(node) => Found::new(subject, node, message),
            None => Found::missing(subject, workload.pod_spec, "serviceAccountName", message),
        };
        sink.fail(if rights { found.severity(Severity::Medium) } else { found });
    }
}

/// The account that the pod names does not exist. Only a whole cluster shows that.
pub(super) fn missing<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let accounts = context.accounts();
    for workload in context.workloads.iter().filter(|workload| !is_static(workload)) {
        let (name, Some(node)) = account(workload) else { continue };
        if name == "default" || accounts.get(workload, name).is_some() {
            sink.pass();
        } else if context.is_full() {
            sink.fail(Found::new(
                context.workload_subject(workload),
                node,
                format!("there is no service account {} in its namespace", super::spec::shown(name)),
            ));
        } else {
            sink.unknown("the service account may stand in another file");
        }
    }
}
