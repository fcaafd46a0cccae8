//! What one subject holds in one scope, by capability.

use crate::{
    Authorizer, BindingId, Capabilities, Capability, RoleCapabilities, RoleId, Rule, RuleGrant,
    capability::Held,
};

/// What one subject, or a role bound for the whole cluster, holds in one scope.
pub(super) struct Holder<'a> {
    pub(super) authorizer: &'a Authorizer,
    pub(super) of_role: &'a [RoleCapabilities],
    pub(super) cluster: &'a [(RoleId, BindingId)],
    /// In the namespace; empty for the whole cluster.
    pub(super) namespace: &'a [(RoleId, BindingId)],
    pub(super) is_cluster: bool,
}

impl<'a> Holder<'a> {
    /// The rule that gives a capability for all names, and whether it was bound in the namespace.
    pub(super) fn free(&self, capability: Capability) -> Option<RuleGrant> {
        let has = |role: RoleId| self.of_role.get(role as usize).is_some_and(|own| own.free.has(capability));
        self.roles(capability).filter(|(role, _)| has(*role)).find_map(|(role, binding)| {
            let rules = self.rules(role);
            let at = rules.iter().position(|rule| capability.in_rule(rule) == Held::Freely)?;
            Some(RuleGrant { binding, role, rule: at as u32 })
        })
    }

    /// The rules that give a capability for certain names.
    pub(super) fn named(&self, capability: Capability) -> Vec<(RuleGrant, &'a [String])> {
        let has = |role: RoleId| self.of_role.get(role as usize).is_some_and(|own| own.named.has(capability));
        let mut found = Vec::new();
        for (role, binding) in self.roles(capability).filter(|(role, _)| has(*role)) {
            for (at, rule) in self.rules(role).iter().enumerate() {
                if capability.in_rule(rule) == Held::ForNames {
                    found.push((RuleGrant { binding, role, rule: at as u32 }, rule.names.as_slice()));
                }
            }
        }
        found
    }

    /// The rule of three stars.
    pub(super) fn everything(&self) -> Option<RuleGrant> {
        let own = if self.is_cluster { self.cluster } else { self.namespace };
        own.iter().find_map(|&(role, binding)| {
            let at = self.rules(role).iter().position(crate::capability::is_everything)?;
            Some(RuleGrant { binding, role, rule: at as u32 })
        })
    }

    /// Whether a capability is held in the namespace itself, or anywhere when the scope is the cluster.
    pub(super) fn is_own(&self, capabilities: &[Capability]) -> bool {
        if self.is_cluster {
            return true;
        }
        let all = self.namespace.iter().filter_map(|(role, _)| self.of_role.get(*role as usize));
        let all = all.fold(Capabilities::default(), |set, own| set.and(own.free).and(own.named));
        capabilities.iter().any(|&capability| all.has(capability))
    }

    fn roles(&self, capability: Capability) -> impl Iterator<Item = (RoleId, BindingId)> + use<'a> {
        let namespace = if capability.is_cluster_only() { &[] } else { self.namespace };
        namespace.iter().chain(self.cluster).copied()
    }

    fn rules(&self, role: RoleId) -> &'a [Rule] {
        self.authorizer.policy().roles.get(role as usize).map_or(&[], |role| role.rules.as_slice())
    }
}
