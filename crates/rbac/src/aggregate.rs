//! Aggregated ClusterRoles: what the cluster's controller would write into them.

use std::collections::{HashMap, HashSet};

use crate::{Policy, RoleKind, Rule};

/// Most rules that aggregation may add in one policy; more is cut, and said.
const RULES_MAX: usize = 1_000_000;
/// Most rules that are looked at for it; only roles that select each other by the thousand need more.
const STEPS_MAX: usize = 20_000_000;
/// Most pairs of an aggregated role and a role that it may select.
const PAIRS_MAX: usize = 20_000_000;

/// A rule of a role before aggregation, and the number of what it says.
#[derive(Clone, Copy)]
struct Part {
    says: u32,
    role: usize,
    rule: usize,
}

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
        let mut parts = self.parts(&targets, &sources);
        let mut has: Vec<HashSet<u32>> =
            targets.iter().map(|&target| parts[target].iter().map(|part| part.says).collect()).collect();
        let own: Vec<usize> = targets.iter().map(|&target| parts[target].len()).collect();
        let is_whole = spread(&mut parts, &mut has, &targets, &sources);
        let added: Vec<Vec<(Rule, String)>> = targets
            .iter()
            .zip(&own)
            .map(|(&target, &own)| {
                let more = parts[target].iter().skip(own);
                more.map(|part| {
                    (self.roles[part.role].rules[part.rule].clone(), self.roles[part.role].name.clone())
                })
                .collect()
            })
            .collect();
        for (&target, added) in targets.iter().zip(added) {
            let role = &mut self.roles[target];
            role.from = vec![role.name.clone(); role.rules.len()];
            for (rule, from) in added {
                role.rules.push(rule);
                role.from.push(from);
            }
        }
        is_whole
    }

    /// The rules of the roles that take part, each distinct one under one number.
    fn parts(&self, targets: &[usize], sources: &[Vec<usize>]) -> Vec<Vec<Part>> {
        let taking_part: HashSet<usize> = targets.iter().chain(sources.iter().flatten()).copied().collect();
        let mut numbers: HashMap<Rule, u32> = HashMap::new();
        let mut parts = vec![Vec::new(); self.roles.len()];
        for (role, list) in parts.iter_mut().enumerate().filter(|(role, _)| taking_part.contains(role)) {
            for (rule, own) in self.roles[role].rules.iter().enumerate() {
                let next = numbers.len() as u32;
                let says = *numbers.entry(Rule { at: None, ..own.clone() }).or_insert(next);
                list.push(Part { says, role, rule });
            }
        }
        parts
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

/// Carries rules from role to role, in each round only those that are new, until nothing is.
fn spread(
    parts: &mut [Vec<Part>],
    has: &mut [HashSet<u32>],
    targets: &[usize],
    sources: &[Vec<usize>],
) -> bool {
    let (mut rules, mut steps) = (RULES_MAX, STEPS_MAX);
    let mut done: Vec<usize> = vec![0; parts.len()];
    loop {
        let ends: Vec<usize> = parts.iter().map(Vec::len).collect();
        let mut changed = false;
        for ((&target, sources), has) in targets.iter().zip(sources).zip(has.iter_mut()) {
            for &source in sources {
                let fresh = done[source]..ends[source];
                if steps < fresh.len() + 1 || rules < fresh.len() {
                    return false;
                }
                steps -= fresh.len() + 1;
                for at in fresh {
                    let part = parts[source][at];
                    if has.insert(part.says) {
                        rules -= 1;
                        changed = true;
                        parts[target].push(part);
                    }
                }
            }
        }
        if !changed {
            return true;
        }
        done = ends;
    }
}
