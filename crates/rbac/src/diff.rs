//! What changed between two policies, in rights and not in text.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Authorizer, Rule, RuleGrant, Subject, SubjectKind, cover, index::Holdings, merge::merge, user};

/// What one subject gained and lost in one scope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Who.
    pub subject: Subject,
    /// In which namespace; nothing for everywhere.
    pub namespace: Option<String>,
    /// Rights it did not have, merged.
    pub gained: Vec<Rule>,
    /// The first rules of the new policy that give them.
    pub gained_by: Vec<RuleGrant>,
    /// Rights it has no longer, merged.
    pub lost: Vec<Rule>,
    /// The first rules of the old policy that gave them.
    pub lost_by: Vec<RuleGrant>,
}

/// Single rights looked at for one subject and scope; more are cut.
const RIGHTS_MAX: usize = 20_000;
/// Bindings that are named as the reason.
const REASONS_MAX: usize = 3;

/// Compares what every subject may do. A right that the other policy grants in another way (by another binding, a
/// broader rule, or for the whole cluster) is no change.
pub fn diff(old: &Authorizer, new: &Authorizer) -> Vec<Change> {
    let mut changes = Vec::new();
    for (subject, scopes) in scopes(old, new) {
        for namespace in scopes {
            let before = rules_of(old, &subject, namespace.as_deref());
            let after = rules_of(new, &subject, namespace.as_deref());
            let (gained, gained_by) = missing(&before, &after, namespace.as_deref());
            let (lost, lost_by) = missing(&after, &before, namespace.as_deref());
            if !gained.is_empty() || !lost.is_empty() {
                let subject = subject.clone();
                changes.push(Change { subject, namespace, gained, gained_by, lost, lost_by });
            }
        }
    }
    changes
}

type Held<'a> = Vec<(&'a Rule, Option<&'a str>, RuleGrant)>;

/// All subjects with all scopes in which either policy gives them something.
fn scopes(old: &Authorizer, new: &Authorizer) -> BTreeMap<Subject, BTreeSet<Option<String>>> {
    let mut all: BTreeMap<Subject, BTreeSet<Option<String>>> = BTreeMap::new();
    for authorizer in [old, new] {
        let users = authorizer.index.users.iter().map(|(name, held)| (Subject::user(name).normal(), held));
        let groups = authorizer.index.user_groups.iter().map(|(name, held)| (Subject::group(name), held));
        for (subject, held) in users.chain(groups) {
            let scopes = all.entry(subject).or_default();
            if !held.cluster.roles.is_empty() {
                scopes.insert(None);
            }
            scopes.extend(held.namespaces.keys().cloned().map(Some));
        }
    }
    all
}

fn holdings<'a>(authorizer: &'a Authorizer, subject: &Subject) -> Option<&'a Holdings> {
    match subject.kind {
        SubjectKind::Group => authorizer.index.user_groups.get(&subject.name),
        SubjectKind::User => authorizer.index.users.get(&subject.name),
        SubjectKind::ServiceAccount => {
            authorizer.index.users.get(&user::account_name(&subject.namespace, &subject.name))
        }
        SubjectKind::Unknown => None,
    }
}

/// The rules that a subject holds in a scope: those of the cluster hold in every namespace.
fn rules_of<'a>(authorizer: &'a Authorizer, subject: &Subject, namespace: Option<&str>) -> Held<'a> {
    let Some(holdings) = holdings(authorizer, subject) else { return Vec::new() };
    let here = namespace.and_then(|namespace| holdings.namespaces.get_key_value(namespace));
    let cluster = holdings.cluster.roles.iter().map(|&(role, binding)| (None, role, binding));
    let here = here.into_iter().flat_map(|(name, held)| {
        held.roles.iter().map(move |&(role, binding)| (Some(name.as_str()), role, binding))
    });
    let mut found = Vec::new();
    for (scope, role, binding) in cluster.chain(here) {
        let rules = authorizer.policy.roles.get(role as usize).map_or(&[][..], |role| role.rules.as_slice());
        for (rule, number) in rules.iter().zip(0..) {
            found.push((rule, scope, RuleGrant { binding, role, rule: number }));
        }
    }
    found
}

/// What `wanted` gives in this very scope and `owned` does not give there.
fn missing(owned: &Held<'_>, wanted: &Held<'_>, namespace: Option<&str>) -> (Vec<Rule>, Vec<RuleGrant>) {
    let plain: Vec<Rule> = owned.iter().map(|(rule, scope, _)| in_scope(rule, *scope)).collect();
    let mut rights = Vec::new();
    let mut by = Vec::new();
    for (rule, scope, grant) in wanted.iter().filter(|(_, scope, _)| *scope == namespace) {
        let room = RIGHTS_MAX - rights.len();
        let more = cover::missing(&plain, &in_scope(rule, *scope), room);
        let is_named = |own: &RuleGrant| own.binding == grant.binding && own.role == grant.role;
        if !more.is_empty() && by.len() < REASONS_MAX && !by.iter().any(is_named) {
            by.push(*grant);
        }
        rights.extend(more);
    }
    (merge(&rights), by)
}

/// A RoleBinding gives no paths.
fn in_scope(rule: &Rule, scope: Option<&str>) -> Rule {
    let mut rule = Rule { at: None, ..rule.clone() };
    if scope.is_some() {
        rule.paths.clear();
    }
    rule
}
