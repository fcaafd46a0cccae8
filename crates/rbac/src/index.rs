//! The policy arranged by subject, so that a question looks only at rules that may answer it.
//!
//! Everything here grows with the size of the policy and no faster: roles are not copied per binding.

use std::collections::HashMap;

use crate::{Attributes, Policy, RoleKind, SubjectKind, user};

/// Index of a role in [`Policy::roles`].
pub type RoleId = u32;
/// Index of a binding in [`Policy::bindings`].
pub type BindingId = u32;

/// The words that rules use most have a bit each; all others share the last, and are compared as words.
#[derive(Debug, Default)]
struct Words {
    bits: HashMap<String, u32>,
}

const BITS: u32 = 63;

impl Words {
    fn bit(&mut self, word: &str) -> u64 {
        let next = self.bits.len() as u32;
        if let Some(&bit) = self.bits.get(word) {
            return 1 << bit;
        }
        if next < BITS {
            self.bits.insert(word.to_owned(), next);
            return 1 << next;
        }
        1 << BITS
    }

    fn mask(&mut self, words: &[String]) -> u64 {
        if words.iter().any(|word| word == "*") {
            return u64::MAX;
        }
        words.iter().fold(0, |mask, word| mask | self.bit(word))
    }

    /// The bit of a word that is asked for, and whether it stands for several words.
    fn asked(&self, word: &str) -> (u64, bool) {
        self.bits.get(word).map_or((1 << BITS, true), |&bit| (1 << bit, false))
    }
}

/// One rule of a role, by what decides soonest.
#[derive(Clone, Copy, Debug)]
struct Slot {
    role: RoleId,
    rule: u32,
    verbs: u64,
    groups: u64,
}

/// What one subject holds in one scope: roles in order of identifier, each with the first binding that gives it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) roles: Vec<(RoleId, BindingId)>,
}

/// What one user name or group holds.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) cluster: Held,
    pub(crate) namespaces: HashMap<String, Held>,
}

/// The rules that write one resource in one way, and the number of that spelling.
#[derive(Debug, Default)]
struct Written {
    number: u32,
    slots: Vec<Slot>,
}

/// The policy, arranged.
#[derive(Debug, Default)]
pub(crate) struct Index {
    verbs: Words,
    groups: Words,
    /// The rules for each resource as written (`pods`, `*/scale`).
    by_resource: HashMap<String, Written>,
    /// Those for `*`.
    any_resource: Written,
    /// For each role its rules by resource, sorted by the resource's number.
    by_role: Vec<Vec<(u32, Slot)>>,
    /// For each role the rules that have paths.
    paths: Vec<Vec<u32>>,
    pub(crate) users: HashMap<String, Holdings>,
    pub(crate) user_groups: HashMap<String, Holdings>,
    /// Roles of the cluster by name.
    pub(crate) cluster_roles: HashMap<String, RoleId>,
    /// For each role the bindings that refer to it.
    pub(crate) bindings_of: Vec<Vec<BindingId>>,
    /// For each binding the role it refers to; nothing when there is none such.
    pub(crate) role_of: Vec<Option<RoleId>>,
}

/// One allowed rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Hit {
    pub(crate) role: RoleId,
    pub(crate) rule: u32,
}

/// What is asked, looked up once.
pub(crate) struct Asked<'a> {
    attributes: &'a Attributes<'a>,
    verb: (u64, bool),
    group: (u64, bool),
    /// The rules that write the resource as it is, as `*/sub`, and as `*`.
    written: [Option<&'a Written>; 3],
}

impl Index {
    pub(crate) fn new(policy: &Policy) -> Self {
        let mut index = Self::default();
        index.rules(policy);
        index.bindings(policy);
        index
    }

    fn rules(&mut self, policy: &Policy) {
        for (role_id, role) in policy.roles.iter().enumerate() {
            let mut own = Vec::new();
            let mut paths = Vec::new();
            for (rule_id, rule) in role.rules.iter().enumerate() {
                if !rule.paths.is_empty() {
                    paths.push(rule_id as u32);
                }
                let slot = Slot {
                    role: role_id as RoleId,
                    rule: rule_id as u32,
                    verbs: self.verbs.mask(&rule.verbs),
                    groups: self.groups.mask(&rule.groups),
                };
                if slot.verbs == 0 || slot.groups == 0 {
                    continue;
                }
                for resource in &rule.resources {
                    let next = self.by_resource.len() as u32 + 1;
                    // The star has number 0.
                    let written = match resource.as_str() {
                        "*" => &mut self.any_resource,
                        word => match self.by_resource.get_mut(word) {
                            Some(written) => written,
                            None => {
                                let new = Written { number: next, slots: Vec::new() };
                                self.by_resource.entry(word.to_owned()).or_insert(new)
                            }
                        },
                    };
                    written.slots.push(slot);
                    own.push((written.number, slot));
                }
            }
            own.sort_by_key(|(number, slot)| (*number, slot.rule));
            self.by_role.push(own);
            self.paths.push(paths);
        }
    }

    fn bindings(&mut self, policy: &Policy) {
        let roles = policy.by_identity();
        let cluster = roles.iter().filter(|((kind, ..), _)| *kind == RoleKind::ClusterRole);
        self.cluster_roles =
            cluster.map(|((.., name), &role)| ((*name).to_owned(), role as RoleId)).collect();
        self.bindings_of = vec![Vec::new(); policy.roles.len()];
        for (binding_id, binding) in policy.bindings.iter().enumerate() {
            let role = match (binding.role_kind.as_str(), &binding.namespace) {
                ("ClusterRole", _) => roles.get(&(RoleKind::ClusterRole, "", binding.role_name.as_str())),
                ("Role", Some(namespace)) => {
                    roles.get(&(RoleKind::Role, namespace.as_str(), binding.role_name.as_str()))
                }
                _ => None,
            };
            self.role_of.push(role.map(|&role| role as RoleId));
            let Some(&role) = role else { continue };
            if let Some(of) = self.bindings_of.get_mut(role) {
                of.push(binding_id as BindingId);
            }
            for subject in &binding.subjects {
                let holdings = match subject.kind {
                    SubjectKind::User => self.users.entry(subject.name.clone()).or_default(),
                    SubjectKind::Group => self.user_groups.entry(subject.name.clone()).or_default(),
                    SubjectKind::ServiceAccount
                        if subject.namespace.is_empty() && binding.namespace.is_none() =>
                    {
                        continue;
                    }
                    SubjectKind::ServiceAccount => {
                        self.users.entry(user::account_name(&subject.namespace, &subject.name)).or_default()
                    }
                    SubjectKind::Unknown => continue,
                };
                let held = match &binding.namespace {
                    None => &mut holdings.cluster,
                    Some(namespace) => holdings.namespaces.entry(namespace.clone()).or_default(),
                };
                held.roles.push((role as RoleId, binding_id as BindingId));
            }
        }
        let all = self.users.values_mut().chain(self.user_groups.values_mut());
        for held in all.flat_map(|h| std::iter::once(&mut h.cluster).chain(h.namespaces.values_mut())) {
            held.roles.sort_unstable();
            held.roles.dedup_by_key(|(role, _)| *role);
            held.roles.shrink_to_fit();
        }
    }

    /// Looks up the words of a question.
    pub(crate) fn asked<'a>(&'a self, attributes: &'a Attributes<'a>) -> Asked<'a> {
        let written = match (attributes.path, attributes.subresource) {
            (Some(_), _) => [None, None, None],
            (None, "") => [self.by_resource.get(attributes.resource), None, Some(&self.any_resource)],
            (None, sub) => {
                let exact = format!("{}/{sub}", attributes.resource);
                let any = format!("*/{sub}");
                [self.by_resource.get(&exact), self.by_resource.get(&any), Some(&self.any_resource)]
            }
        };
        Asked {
            attributes,
            verb: self.verbs.asked(attributes.verb),
            group: self.groups.asked(attributes.group),
            written,
        }
    }

    /// The first of the held roles' rules that allows what is asked.
    pub(crate) fn first(&self, policy: &Policy, held: &Held, asked: &Asked<'_>) -> Option<(Hit, BindingId)> {
        if asked.attributes.path.is_some() {
            return held
                .roles
                .iter()
                .find_map(|&(role, binding)| Some((self.path_in(policy, role, asked)?, binding)));
        }
        let written: usize = asked.written.iter().flatten().map(|written| written.slots.len()).sum();
        if held.roles.len() * 8 <= written {
            return held
                .roles
                .iter()
                .find_map(|&(role, binding)| Some((self.in_role(policy, role, asked)?, binding)));
        }
        asked.written.iter().flatten().flat_map(|written| written.slots.iter()).find_map(|slot| {
            let at = held.roles.binary_search_by_key(&slot.role, |(role, _)| *role).ok()?;
            let hit = allowed(policy, slot, asked)?;
            Some((hit, held.roles.get(at)?.1))
        })
    }

    /// The first rule of one role that allows what is asked.
    pub(crate) fn in_role(&self, policy: &Policy, role: RoleId, asked: &Asked<'_>) -> Option<Hit> {
        if asked.attributes.path.is_some() {
            return self.path_in(policy, role, asked);
        }
        let own = self.by_role.get(role as usize)?;
        asked.written.iter().flatten().find_map(|written| {
            let number = &written.number;
            let start = own.partition_point(|(own, _)| own < number);
            let same = own.get(start..)?.iter().take_while(|(own, _)| own == number);
            same.into_iter().find_map(|(_, slot)| allowed(policy, slot, asked))
        })
    }

    /// Every role with a rule that allows what is asked, with the first such rule.
    pub(crate) fn roles(&self, policy: &Policy, asked: &Asked<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = match asked.attributes.path {
            Some(_) => {
                (0..policy.roles.len() as u32).filter_map(|role| self.path_in(policy, role, asked)).collect()
            }
            None => {
                let slots = asked.written.iter().flatten().flat_map(|written| written.slots.iter());
                slots.filter_map(|slot| allowed(policy, slot, asked)).collect()
            }
        };
        hits.sort_unstable_by_key(|hit| (hit.role, hit.rule));
        hits.dedup_by_key(|hit| hit.role);
        hits
    }

    fn path_in(&self, policy: &Policy, role: RoleId, asked: &Asked<'_>) -> Option<Hit> {
        let rules = &policy.roles.get(role as usize)?.rules;
        self.paths.get(role as usize)?.iter().find_map(|&rule| {
            rules.get(rule as usize)?.allows(asked.attributes).then_some(Hit { role, rule })
        })
    }
}

/// The masks decide nearly always; shared bits and names are compared as words.
fn allowed(policy: &Policy, slot: &Slot, asked: &Asked<'_>) -> Option<Hit> {
    if slot.verbs & asked.verb.0 == 0 || slot.groups & asked.group.0 == 0 {
        return None;
    }
    let rule = policy.roles.get(slot.role as usize)?.rules.get(slot.rule as usize)?;
    let attributes = asked.attributes;
    let is_allowed = (!(asked.verb.1 || asked.group.1) || rule.allows_any_name(attributes))
        && rule.allows_name(attributes.name);
    is_allowed.then_some(Hit { role: slot.role, rule: slot.rule })
}
