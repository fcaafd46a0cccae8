//! Everything that one caller may do, merged.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Authorizer, RuleGrant, User, user::MASTERS};

/// One line of a caller's rights: verbs on a resource of a group, for names or all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Right {
    /// In which namespace; nothing for everywhere.
    pub namespace: Option<String>,
    /// What.
    pub target: Target,
    /// The verbs, sorted; `*` alone when that is one of them.
    pub verbs: Vec<String>,
    /// Through which rules.
    pub through: Vec<RuleGrant>,
}

/// What a right is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// A resource of a group.
    Resource {
        /// The resource as rules write it.
        resource: String,
        /// The API group; empty is core, `*` any.
        group: String,
        /// Names; empty is all.
        names: Vec<String>,
    },
    /// A path.
    Path(String),
}

/// Most single rights (one verb on one target) that are merged for one caller; more are cut, and the caller of the function
/// learns it.
const RIGHTS_MAX: usize = 1_000_000;

/// A scope and target, and the verbs and rules that were gathered for it.
type Merged<'a> = BTreeMap<(Option<&'a str>, Target), (BTreeSet<&'a str>, BTreeSet<RuleGrant>)>;

impl Authorizer {
    /// The rules that a caller holds, with the namespace they hold in (nothing for everywhere), those of the
    /// cluster first. Members of `system:masters` need none.
    pub fn held_by(&self, user: &User) -> Vec<(Option<&str>, RuleGrant)> {
        let own = self.index.users.get(&user.name);
        let groups = user.groups.iter().filter_map(|group| self.index.user_groups.get(group));
        let holdings: Vec<_> = own.into_iter().chain(groups).collect();
        let mut held: Vec<(Option<&str>, u32, u32)> = Vec::new();
        for holding in holdings {
            held.extend(holding.cluster.roles.iter().map(|&(role, binding)| (None, role, binding)));
            for (namespace, of) in &holding.namespaces {
                held.extend(
                    of.roles.iter().map(|&(role, binding)| (Some(namespace.as_str()), role, binding)),
                );
            }
        }
        held.sort_unstable();
        held.dedup_by_key(|(namespace, role, _)| (*namespace, *role));
        let rules =
            |role: u32| self.policy.roles.get(role as usize).map_or(0, |role| role.rules.len() as u32);
        held.into_iter()
            .flat_map(|(namespace, role, binding)| {
                (0..rules(role)).map(move |rule| (namespace, RuleGrant { binding, role, rule }))
            })
            .collect()
    }

    /// All rights of a caller, merged by scope and target, in order. The flag is false when some were left out
    /// because there were too many.
    pub fn rights_of(&self, user: &User) -> (Vec<Right>, bool) {
        let mut merged: Merged<'_> = BTreeMap::new();
        let mut is_whole = true;
        let mut left = RIGHTS_MAX;
        for (namespace, grant) in self.held_by(user) {
            let role = self.policy.roles.get(grant.role as usize);
            let Some(rule) = role.and_then(|role| role.rules.get(grant.rule as usize)) else { continue };
            let resources = rule.resources.iter().flat_map(|resource| {
                rule.groups.iter().map(move |group| Target::Resource {
                    resource: resource.clone(),
                    group: group.clone(),
                    names: rule.names.clone(),
                })
            });
            let paths = rule.paths.iter().filter(|_| namespace.is_none()).cloned().map(Target::Path);
            for target in resources.chain(paths) {
                let Some(less) = left.checked_sub(rule.verbs.len().max(1)) else {
                    is_whole = false;
                    break;
                };
                left = less;
                let (verbs, through) = merged.entry((namespace, target)).or_default();
                verbs.extend(rule.verbs.iter().map(String::as_str));
                through.insert(grant);
            }
        }
        let mut rights = Vec::with_capacity(merged.len());
        for ((namespace, target), (verbs, through)) in
            merged.into_iter().filter(|(_, (verbs, _))| !verbs.is_empty())
        {
            let verbs = match verbs.contains("*") {
                true => vec!["*".to_owned()],
                false => verbs.into_iter().map(str::to_owned).collect(),
            };
            let namespace = namespace.map(str::to_owned);
            rights.push(Right { namespace, target, verbs, through: through.into_iter().collect() });
        }
        (rights, is_whole)
    }

    /// Whether a caller is above all rules.
    pub fn is_superuser(user: &User) -> bool {
        user.has_group(MASTERS)
    }
}
