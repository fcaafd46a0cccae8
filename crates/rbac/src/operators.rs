//! Operators that turn an object into actions of an account: who may write the object holds the account.

use crate::{Attributes, Authorizer, BindingId, RoleId, RuleGrant};

/// One kind of object.
pub(crate) struct Operator {
    group: &'static str,
    resources: &'static [&'static str],
    /// Who acts.
    pub(crate) acts: Acts,
    pub(crate) how: &'static str,
}

/// The account that acts on an object.
#[derive(Clone, Copy)]
pub(crate) enum Acts {
    /// One of the object's namespace that the object names.
    Named,
    /// The operator's own, by namespace and name as the project installs it.
    Own(&'static str, &'static str),
    /// The operator's own, and only for objects beside it.
    Beside(&'static str, &'static str),
    /// The operator's own, for objects that are in no namespace: a right in one does not reach them.
    OfCluster(&'static str, &'static str),
}

impl Acts {
    /// True when objects of `namespace` (nothing: of all) are acted on.
    pub(crate) fn on(self, namespace: Option<&str>) -> bool {
        match (self, namespace) {
            (Self::Beside(own, _), Some(namespace)) => own == namespace,
            (Self::OfCluster(..), Some(_)) => false,
            _ => true,
        }
    }

    /// The operator's own account, when that acts.
    pub(crate) fn account(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Named => None,
            Self::Own(namespace, name) | Self::Beside(namespace, name) | Self::OfCluster(namespace, name) => {
                Some((namespace, name))
            }
        }
    }
}

/// The table, as the projects' documentation said in the middle of 2026; each row names what it rests on.
///
/// Left out on purpose, because what they give depends on what else is set up: Crossplane's Compositions and Objects (on
/// the functions and on the credentials of a ProviderConfig), cert-manager's issuers (on who trusts the authority),
/// Tekton's EventListeners (on the rights of the account).
pub(crate) const ALL: &[Operator] = &[
    // Argo Workflows, "Security": pods run as the account of the specification, and any of the namespace may be named.
    Operator {
        group: "argoproj.io",
        resources: &["workflows", "cronworkflows"],
        acts: Acts::Named,
        how: "may start workflows, whose pods run as any service account of the namespace",
    },
    // Argo Rollouts, "Rollout specification" (a pod template), "Experiment CRD" (pod templates), "Job metrics" (a Job).
    Operator {
        group: "argoproj.io",
        resources: &["rollouts", "experiments", "analysisruns"],
        acts: Acts::Named,
        how: "may start rollouts, experiments or jobs of an analysis, whose pods run as any service account of the namespace",
    },
    // Argo CD, "Security: Cluster RBAC" (the role is that of a cluster admin) and "Applications in any namespace" (elsewhere
    // than beside Argo CD nothing counts unless it is switched on).
    Operator {
        group: "argoproj.io",
        resources: &["applications", "applicationsets"],
        acts: Acts::Beside("argocd", "argocd-application-controller"),
        how: "may have Argo CD apply objects of its choice",
    },
    // Tekton Pipelines, "TaskRuns" and "PipelineRuns": `serviceAccountName`.
    Operator {
        group: "tekton.dev",
        resources: &["taskruns", "pipelineruns"],
        acts: Acts::Named,
        how: "may start task runs, whose pods run as any service account of the namespace",
    },
    // Flux, RFC-0001, "Impersonation is optional": without `serviceAccountName` the controller's own account applies.
    Operator {
        group: "kustomize.toolkit.fluxcd.io",
        resources: &["kustomizations"],
        acts: Acts::Own("flux-system", "kustomize-controller"),
        how: "may have Flux apply objects of its choice",
    },
    // Flux, RFC-0001, as above.
    Operator {
        group: "helm.toolkit.fluxcd.io",
        resources: &["helmreleases"],
        acts: Acts::Own("flux-system", "helm-controller"),
        how: "may have Flux install charts of its choice",
    },
    // Kyverno, "Generate rules", and the roles of the background controller in its chart.
    Operator {
        group: "kyverno.io",
        resources: &["clusterpolicies"],
        acts: Acts::OfCluster("kyverno", "kyverno-background-controller"),
        how: "may have Kyverno generate objects of its choice",
    },
    // Kyverno, "GeneratingPolicy" and "MutatingPolicy" (existing objects are changed by the background controller).
    Operator {
        group: "policies.kyverno.io",
        resources: &["generatingpolicies", "mutatingpolicies"],
        acts: Acts::OfCluster("kyverno", "kyverno-background-controller"),
        how: "may have Kyverno generate or change objects of its choice",
    },
    // Knative, "Serving API": a revision's specification is one of pods, `serviceAccountName` included.
    Operator {
        group: "serving.knative.dev",
        resources: &["services", "configurations"],
        acts: Acts::Named,
        how: "may start Knative services, whose pods run as any service account of the namespace",
    },
    // KEDA, "ScaledJob specification": `jobTargetRef.template` is a pod template.
    Operator {
        group: "keda.sh",
        resources: &["scaledjobs"],
        acts: Acts::Named,
        how: "may start jobs by KEDA, whose pods run as any service account of the namespace",
    },
    // KubeVirt, "Disks and volumes: serviceAccount": the account of the pod's namespace that is named.
    Operator {
        group: "kubevirt.io",
        resources: &["virtualmachines", "virtualmachineinstances"],
        acts: Acts::Named,
        how: "may start virtual machines that are given the token of any service account of the namespace",
    },
    // OpenShift, "DeploymentConfig": `spec.template` is a pod template.
    Operator {
        group: "apps.openshift.io",
        resources: &["deploymentconfigs"],
        acts: Acts::Named,
        how: "may start deployments, whose pods run as any service account of the namespace",
    },
    // External Secrets Operator, "Security best practices: RBAC" (it reads and writes the Secrets of all namespaces; whoever
    // writes a ClusterSecretStore may get at them).
    Operator {
        group: "external-secrets.io",
        resources: &["clustersecretstores"],
        acts: Acts::OfCluster("external-secrets", "external-secrets"),
        how: "may have the External Secrets Operator read Secrets of every namespace for it",
    },
    // OKD, "Understanding Operator installation policy": it runs as cluster admin and grants whatever a ClusterServiceVersion
    // asks for, unless the OperatorGroup names an account.
    Operator {
        group: "operators.coreos.com",
        resources: &["clusterserviceversions"],
        acts: Acts::Own("olm", "olm-operator-serviceaccount"),
        how: "may have the Operator Lifecycle Manager grant rights of its choice",
    },
    // As above, where OpenShift keeps it.
    Operator {
        group: "operators.coreos.com",
        resources: &["clusterserviceversions"],
        acts: Acts::Own("openshift-operator-lifecycle-manager", "olm-operator-serviceaccount"),
        how: "may have the Operator Lifecycle Manager grant rights of its choice",
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
