//! Whether rules cover a rule: the test behind the API server's protection against escalation.

use crate::{Rule, attributes::path_covers};

/// Single rights that one rule is taken apart into; no rule that people write has as many.
const RIGHTS_MAX: usize = 200_000;

/// Whether everything that `wanted` grants is granted by `owned` too.
///
/// The wanted rule is taken apart into single (verb, group, resource, name) and (verb, path) rights. Each must be
/// covered by one owned rule. Of the subresource `*/scale` only `*` and `*/scale` are a cover, and of `*` only `*`.
///
/// Source: Kubernetes documentation, Using RBAC Authorization, Restrictions on role creation or update.
pub fn covers(owned: &[Rule], wanted: &Rule) -> bool {
    missing(owned, wanted, 1).is_empty()
}

/// The single rights of `wanted` that `owned` does not cover, each as a rule of its own, at most `most` of them.
pub fn missing(owned: &[Rule], wanted: &Rule, most: usize) -> Vec<Rule> {
    let mut found = Vec::new();
    let rights =
        wanted.verbs.len().saturating_mul(wanted.groups.len()).saturating_mul(wanted.resources.len());
    if rights > RIGHTS_MAX {
        // Not taken apart: covered only by a rule that says the same or everything.
        let says_as_much = |own: &Rule| own.says_same(wanted) || crate::capability::is_everything(own);
        return if owned.iter().any(says_as_much) { found } else { vec![wanted.clone()] };
    }
    for verb in &wanted.verbs {
        let with_verb: Vec<&Rule> = owned.iter().filter(|own| word(&own.verbs, verb)).collect();
        for path in &wanted.paths {
            // A rule limited to names is no cover for a path, even if it lists the path.
            let mut free = with_verb.iter().filter(|own| own.names.is_empty());
            if !free.any(|own| own.paths.iter().any(|own| path_covers(own, path))) {
                found.push(Rule { verbs: vec![verb.clone()], paths: vec![path.clone()], ..Rule::default() });
            }
        }
        for group in &wanted.groups {
            let with_group: Vec<&Rule> =
                with_verb.iter().copied().filter(|own| word(&own.groups, group)).collect();
            for resource in &wanted.resources {
                if found.len() >= most {
                    found.truncate(most);
                    return found;
                }
                names_missing(&with_group, wanted, (verb, group, resource), &mut found);
            }
        }
    }
    found.truncate(most);
    found
}

fn names_missing(owned: &[&Rule], wanted: &Rule, right: (&String, &String, &String), found: &mut Vec<Rule>) {
    let (verb, group, resource) = right;
    let covers = |own: &&&Rule| own.resources.iter().any(|own| resource_is_covered(own, resource));
    let owned: Vec<&Rule> = owned.iter().filter(covers).copied().collect();
    let names = wanted.names.iter().map(Some).chain(wanted.names.is_empty().then_some(None));
    for name in names {
        let is_covered =
            owned.iter().any(|own| own.names.is_empty() || name.is_some_and(|name| own.names.contains(name)));
        if !is_covered {
            found.push(Rule {
                verbs: vec![verb.clone()],
                groups: vec![group.clone()],
                resources: vec![resource.clone()],
                names: name.cloned().into_iter().collect(),
                ..Rule::default()
            });
        }
    }
}

fn word(owned: &[String], wanted: &str) -> bool {
    owned.iter().any(|own| own == "*" || own == wanted)
}

fn resource_is_covered(own: &str, wanted: &str) -> bool {
    own == "*" || own == wanted || {
        let sub = wanted.split_once('/').map(|(_, sub)| sub);
        sub.is_some() && own.strip_prefix("*/") == sub
    }
}
