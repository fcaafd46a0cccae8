//! Operators that turn an object into actions of an account: who may write the object holds the account.

use crate::{Attributes, Authorizer, BindingId, RoleId, RuleGrant};

/// One kind of object.
pub(crate) struct Operator {
    group: &'static str,
    resources: &'static [&'static str],
    /// The account that acts, by namespace and name as the project installs it; nothing when the object itself names
    /// an account of its namespace.
    pub(crate) account: Option<(&'static str, &'static str)>,
    pub(crate) how: &'static str,
}

/// The version of this table: the projects' documentation as of the middle of 2026.
pub(crate) const ALL: &[Operator] = &[
    Operator {
        group: "argoproj.io",
        resources: &["workflows", "cronworkflows"],
        account: None,
        how: "may start workflows, whose pods run as any service account of the namespace",
    },
    Operator {
        group: "argoproj.io",
        resources: &["rollouts"],
        account: None,
        how: "may start rollouts, whose pods run as any service account of the namespace",
    },
    Operator {
        group: "argoproj.io",
        resources: &["applications", "applicationsets"],
        account: Some(("argocd", "argocd-application-controller")),
        how: "may have Argo CD apply objects of its choice",
    },
    Operator {
        group: "tekton.dev",
        resources: &["taskruns", "pipelineruns"],
        account: None,
        how: "may start task runs, whose pods run as any service account of the namespace",
    },
    Operator {
        group: "kustomize.toolkit.fluxcd.io",
        resources: &["kustomizations"],
        account: Some(("flux-system", "kustomize-controller")),
        how: "may have Flux apply objects of its choice",
    },
    Operator {
        group: "helm.toolkit.fluxcd.io",
        resources: &["helmreleases"],
        account: Some(("flux-system", "helm-controller")),
        how: "may have Flux install charts of its choice",
    },
    Operator {
        group: "kyverno.io",
        resources: &["clusterpolicies"],
        account: Some(("kyverno", "kyverno-background-controller")),
        how: "may have Kyverno generate objects of its choice",
    },
    Operator {
        group: "serving.knative.dev",
        resources: &["services", "configurations"],
        account: None,
        how: "may start Knative services, whose pods run as any service account of the namespace",
    },
];

impl Operator {
    /// The rule among held roles that lets the object be made.
    pub(crate) fn held(&self, authorizer: &Authorizer, held: &[(RoleId, BindingId)]) -> Option<RuleGrant> {
        held.iter().find_map(|&(role, binding)| {
            let rules = &authorizer.policy().roles.get(role as usize)?.rules;
            let makes = |resource: &&str| {
                rules
                    .iter()
                    .position(|rule| rule.allows(&Attributes::resource("create", self.group, resource, "")))
            };
            let rule = self.resources.iter().find_map(&makes)? as u32;
            Some(RuleGrant { binding, role, rule })
        })
    }
}
