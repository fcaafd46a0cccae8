//! Single rights put together into rules that people can read.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rule;

/// Merges rules that are each one right: verbs of the same target, then resources (and paths) of the same verbs, then
/// names of the same verbs and resources. What is granted stays the same.
pub fn merge(rights: &[Rule]) -> Vec<Rule> {
    let mut verbs: BTreeMap<(&[String], &[String], &[String], &[String]), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        let target = (
            right.groups.as_slice(),
            right.resources.as_slice(),
            right.names.as_slice(),
            right.paths.as_slice(),
        );
        verbs.entry(target).or_default().extend(right.verbs.iter().map(String::as_str));
    }
    type Same<'a> = (Vec<&'a str>, &'a [String], &'a [String], bool);
    let mut names: BTreeMap<(Vec<&str>, &[String], &[String], &[String], bool), BTreeSet<&String>> =
        BTreeMap::new();
    for ((groups, resources, own, paths), verbs) in verbs {
        let key = (verbs.into_iter().collect(), groups, resources, paths, own.is_empty());
        names.entry(key).or_default().extend(own);
    }
    let mut resources: BTreeMap<(Same<'_>, Vec<&String>), (BTreeSet<&String>, BTreeSet<&String>)> =
        BTreeMap::new();
    for ((verbs, groups, own, paths, free), names) in names {
        let same: Same<'_> = (verbs, groups, &[], free);
        let (all, all_paths) = resources.entry((same, names.into_iter().collect())).or_default();
        all.extend(own);
        all_paths.extend(paths);
    }
    let strings = |words: BTreeSet<&String>| words.into_iter().cloned().collect::<Vec<_>>();
    let rule = |(((verbs, groups, _, _), names), (resources, paths)): (
        (Same<'_>, Vec<&String>),
        (BTreeSet<&String>, BTreeSet<&String>),
    )| Rule {
        verbs: verbs.into_iter().map(str::to_owned).collect(),
        groups: groups.to_vec(),
        resources: strings(resources),
        names: names.into_iter().cloned().collect(),
        paths: strings(paths),
        at: None,
    };
    resources.into_iter().map(rule).collect()
}
