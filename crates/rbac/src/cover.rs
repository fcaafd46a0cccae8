//! Whether rules cover a rule: the test behind the API server's protection against escalation.

use crate::{Rule, attributes::path_covers};

/// Whether everything that `wanted` grants is granted by `owned` too.
///
/// The wanted rule is taken apart into single (verb, group, resource, name) and (verb, path) rights. Each must be
/// covered by one owned rule; rights from several owned rules add up only across, never inside, one single right. Of
/// the subresource `*/scale` only `*` and `*/scale` are a cover, and of `*` only `*`.
///
/// Source: Kubernetes documentation, Using RBAC Authorization, Restrictions on role creation or update.
pub fn covers(owned: &[Rule], wanted: &Rule) -> bool {
    uncovered(owned, wanted).is_none()
}

/// The first right of `wanted` that `owned` does not cover, as a rule of its own.
pub fn uncovered(owned: &[Rule], wanted: &Rule) -> Option<Rule> {
    for verb in &wanted.verbs {
        let with_verb: Vec<&Rule> = owned.iter().filter(|own| word(&own.verbs, verb)).collect();
        for path in &wanted.paths {
            // A rule limited to names is no cover for a path, even if it lists the path.
            let mut free = with_verb.iter().filter(|own| own.names.is_empty());
            if !free.any(|own| own.paths.iter().any(|own| path_covers(own, path))) {
                return Some(Rule {
                    verbs: vec![verb.clone()],
                    paths: vec![path.clone()],
                    ..Rule::default()
                });
            }
        }
        for group in &wanted.groups {
            let with_group: Vec<&Rule> =
                with_verb.iter().copied().filter(|own| word(&own.groups, group)).collect();
            for resource in &wanted.resources {
                let with_resource: Vec<&Rule> = with_group
                    .iter()
                    .copied()
                    .filter(|own| own.resources.iter().any(|own| resource_is_covered(own, resource)))
                    .collect();
                let names = || wanted.names.iter().map(Some).chain(wanted.names.is_empty().then_some(None));
                for name in names() {
                    let covered = with_resource.iter().any(|own| match name {
                        _ if own.names.is_empty() => true,
                        Some(name) => own.names.contains(name),
                        None => false,
                    });
                    if !covered {
                        return Some(Rule {
                            verbs: vec![verb.clone()],
                            groups: vec![group.clone()],
                            resources: vec![resource.clone()],
                            names: name.cloned().into_iter().collect(),
                            ..Rule::default()
                        });
                    }
                }
            }
        }
    }
    None
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
