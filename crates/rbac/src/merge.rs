//! Single rights put together into rules that people can read.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rule;

/// Words that are the same for all members of a group, and the words that are gathered from them.
type Groups<K, V> = BTreeMap<K, BTreeSet<V>>;

/// Merges rules that are each one right: verbs of the same target, then names of the same verbs and target, then
/// resources (and paths) of the same verbs and names. What is granted stays the same.
pub fn merge(rights: &[Rule]) -> Vec<Rule> {
    let by_target = gather(rights, |rule| &mut rule.verbs);
    // A right to all names must not be lost among rights to some.
    let (free, named): (Vec<Rule>, Vec<Rule>) = by_target.into_iter().partition(|rule| rule.names.is_empty());
    let mut all = gather(&named, |rule| &mut rule.names);
    all.extend(free);
    let (paths, resources): (Vec<Rule>, Vec<Rule>) =
        all.into_iter().partition(|rule| rule.resources.is_empty());
    let mut merged = gather(&resources, |rule| &mut rule.resources);
    merged.extend(gather(&paths, |rule| &mut rule.paths));
    merged.sort();
    merged
}

/// Puts together the rules that differ in one list only.
fn gather(rules: &[Rule], list: fn(&mut Rule) -> &mut Vec<String>) -> Vec<Rule> {
    let mut groups: Groups<Rule, String> = BTreeMap::new();
    for rule in rules {
        let mut key = Rule { at: None, ..rule.clone() };
        let words = std::mem::take(list(&mut key));
        groups.entry(key).or_default().extend(words);
    }
    let whole = |(mut rule, words): (Rule, BTreeSet<String>)| {
        *list(&mut rule) = words.into_iter().collect();
        rule
    };
    groups.into_iter().map(whole).collect()
}
