//! Aggregated ClusterRoles: what the cluster's controller would write into them.

use std::collections::{HashMap, HashSet};

use crate::{Policy, Role, RoleKind, Rule};

/// Most rules that aggregation may add in one policy; more is cut, and said.
const RULES_MAX: usize = 2_000_000;
/// Most pairs of an aggregated role and a role that it may select.
const PAIRS_MAX: usize = 50_000_000;

impl Policy {
    /// Fills aggregated ClusterRoles with the rules of the roles that they select: selectors are alternatives, roles
    /// come sorted by name, a role does not select itself, and a rule that is there already is not added. Chains
    /// (view into edit into admin) and circles are followed until nothing changes.
    ///
    /// Returns false when the policy was so large that some rules were left out.
    ///
    /// Source: Kubernetes documentation, Using RBAC Authorization, Aggregated ClusterRoles.
    pub fn aggregate(&mut self) -> bool {
        let Some((targets, sources)) = self.selected() else { return false };
        let mut budget = RULES_MAX;
        let mut seen: Vec<HashSet<Rule>> = targets.iter().map(|&at| plain(&self.roles[at])).collect();
        for &target in &targets {
            let role = &mut self.roles[target];
            role.from = vec![role.name.clone(); role.rules.len()];
        }
        loop {
            let mut changed = false;
            for (slot, &target) in targets.iter().enumerate() {
                let mut added: Vec<(Rule, String)> = Vec::new();
                for &source in &sources[slot] {
                    let source = &self.roles[source];
                    for (index, rule) in source.rules.iter().enumerate() {
                        if budget == 0 {
                            return false;
                        }
                        if seen[slot].insert(Rule { at: None, ..rule.clone() }) {
                            budget -= 1;
                            let from = source.from.get(index).unwrap_or(&source.name);
                            added.push((rule.clone(), from.clone()));
                        }
                    }
                }
                changed |= !added.is_empty();
                let role = &mut self.roles[target];
                for (rule, from) in added {
                    role.rules.push(rule);
                    role.from.push(from);
                }
            }
            if !changed {
                return true;
            }
        }
    }

    /// The aggregated roles, and which roles each selects, both in order of name.
    fn selected(&self) -> Option<(Vec<usize>, Vec<Vec<usize>>)> {
        let mut cluster: Vec<usize> =
            (0..self.roles.len()).filter(|&at| self.roles[at].kind == RoleKind::ClusterRole).collect();
        cluster.sort_by(|&a, &b| self.roles[a].name.cmp(&self.roles[b].name));
        let labelled: Vec<usize> =
            cluster.iter().copied().filter(|&at| !self.roles[at].labels.is_empty()).collect();
        let targets: Vec<usize> =
            cluster.iter().copied().filter(|&at| self.roles[at].aggregation.is_some()).collect();
        if targets.len().saturating_mul(cluster.len()) > PAIRS_MAX {
            return None;
        }
        let sources = targets.iter().map(|&target| {
            let selectors = self.roles[target].aggregation.as_deref().unwrap_or_default();
            let unlabelled = selectors.iter().any(|selector| selector.selects(&[]));
            let among = if unlabelled { &cluster } else { &labelled };
            let selects = |&at: &usize| {
                at != target && selectors.iter().any(|selector| selector.selects(&self.roles[at].labels))
            };
            among.iter().copied().filter(selects).collect()
        });
        let sources = sources.collect();
        Some((targets, sources))
    }

    /// The roles by identity.
    pub(crate) fn by_identity(&self) -> HashMap<(RoleKind, &str, &str), usize> {
        self.roles
            .iter()
            .enumerate()
            .map(|(at, role)| ((role.kind, role.namespace.as_str(), role.name.as_str()), at))
            .collect()
    }
}

/// The rules without their places.
fn plain(role: &Role) -> HashSet<Rule> {
    role.rules.iter().map(|rule| Rule { at: None, ..rule.clone() }).collect()
}
