//! Dangerous rights, binding by binding.

use nightlatch_finding::Severity;

use super::{Assessor, Risk, lower, show_scope, show_subjects};
use crate::{
    Binding, BindingId, Capability as C, Role, RoleId, RoleKind, Rule, RuleGrant, Subject,
    capability::{self, Held},
};
use Severity::{Critical, High, Info, Low, Medium};

/// A rule that is about capabilities alone.
struct Simple {
    rule: &'static str,
    any: &'static [C],
    /// When bound for the whole cluster; nothing when another rule is about that.
    cluster: Option<Severity>,
    /// When bound in a namespace.
    namespace: Option<Severity>,
    /// Of rules that list names: judged one step milder, or not at all.
    judges_names: bool,
    may: &'static str,
}

const fn simple(
    rule: &'static str,
    any: &'static [C],
    severities: (Option<Severity>, Option<Severity>),
    judges_names: bool,
    may: &'static str,
) -> Simple {
    Simple { rule, any, cluster: severities.0, namespace: severities.1, judges_names, may }
}

const SIMPLE: &[Simple] = &[
    simple("RBA-004", &[C::ReadSecrets], (Some(High), None), false, "may read every secret"),
    simple("RBA-005", &[C::ReadSecrets], (None, Some(Medium)), false, "may read every secret"),
    simple(
        "RBA-006",
        &[C::CreateWorkloads],
        (Some(High), Some(Medium)),
        false,
        "may start pods, as any service account there",
    ),
    simple("RBA-007", &[C::ModifyWorkloads], (Some(High), Some(High)), true, "may change what pods run"),
    simple("RBA-008", &[C::Exec], (Some(High), Some(High)), true, "may run commands in containers"),
    simple(
        "RBA-009",
        &[C::EphemeralContainers],
        (Some(High), Some(High)),
        true,
        "may put a container into a running pod",
    ),
    simple(
        "RBA-010",
        &[C::PortForward],
        (Some(Medium), Some(Medium)),
        true,
        "may reach any port of pods or services, past network policies",
    ),
    simple(
        "RBA-011",
        &[C::EscalateRoles, C::EscalateClusterRoles],
        (Some(Critical), Some(High)),
        true,
        "may write rules that it does not hold into roles",
    ),
    simple(
        "RBA-015",
        &[C::NodesProxy],
        (Some(Critical), None),
        true,
        "may reach the kubelet's whole interface and run commands in every container",
    ),
    simple(
        "RBA-017",
        &[C::WriteWebhooks],
        (Some(High), None),
        true,
        "may change what admission lets through",
    ),
    simple(
        "RBA-023",
        &[C::CreateTokens],
        (Some(Critical), Some(High)),
        true,
        "may make tokens of service accounts",
    ),
    simple(
        "RBA-024",
        &[C::CreateVolumes],
        (Some(High), None),
        false,
        "may make volumes, which can be paths of a node",
    ),
    simple("RBA-031", &[C::WriteNodes], (Some(High), None), true, "may change or delete nodes"),
    simple(
        "RBA-034",
        &[C::DeleteBroadly],
        (Some(Medium), Some(Medium)),
        false,
        "may delete workloads, secrets, claims or namespaces",
    ),
    simple("RBA-035", &[C::DeleteEvents], (Some(Low), Some(Low)), false, "may delete events"),
    simple(
        "RBA-036",
        &[C::WriteNetwork],
        (Some(Medium), Some(Medium)),
        false,
        "may change where traffic goes",
    ),
    simple(
        "RBA-037",
        &[C::ServiceStatus],
        (Some(Medium), Some(Medium)),
        true,
        "may set the address that a service claims",
    ),
    simple(
        "RBA-039",
        &[C::WriteDefinitions],
        (Some(Medium), None),
        true,
        "may change definitions, served interfaces or policies",
    ),
];

/// Rules of this file that are about more than one capability, for counting.
const COMBINED: [&str; 8] =
    ["RBA-001", "RBA-012", "RBA-013", "RBA-014", "RBA-016", "RBA-025", "RBA-032", "RBA-038"];

/// ConfigMaps of kube-system that decide about traffic or identity.
const SYSTEM_MAPS: [&str; 6] = [
    "aws-auth",
    "coredns",
    "extension-apiserver-authentication",
    "kube-proxy",
    "kubeadm-config",
    "kubelet-config",
];

pub(super) fn assess(assessor: &mut Assessor<'_>) {
    for number in 0..assessor.authorizer.policy().bindings.len() as BindingId {
        let (Some(binding), Some(role_id)) = (assessor.binding(number), assessor.authorizer.role_of(number))
        else {
            continue;
        };
        let (Some(role), Some(at)) = (assessor.role(role_id), binding.role_at.or(binding.at)) else {
            continue;
        };
        let mut judged = assessor.judged(binding);
        // A default binding as shipped is judged for what was added to its role.
        let changed = assessor.role_changes.get(role_id as usize).cloned().flatten();
        let only = match (judged.is_empty() && binding.claims_default, changed) {
            (true, Some(rules)) if !rules.is_empty() => Some(rules),
            _ => None,
        };
        if only.is_some() {
            judged = binding.subjects.iter().collect();
        }
        judged.retain(|subject| assessor.authorizer.can_match(number, subject));
        for rule in SIMPLE.iter().map(|own| own.rule).chain(COMBINED) {
            assessor.looked(rule);
        }
        if judged.is_empty() {
            continue;
        }
        let one = One { number, binding, role_id, role, at, judged, only };
        if !one.admin(assessor) {
            one.simple(assessor);
            one.combined(assessor);
        }
    }
}

/// The capabilities that a rule is about: evidence shows that part of a long rule.
fn about(rule: &str) -> &'static [C] {
    match rule {
        "RBA-007" => &[C::ModifyWorkloads, C::ScaleWorkloads],
        "RBA-008" => &[C::Exec, C::ExecByGet],
        "RBA-012" => &[C::BindClusterRoles, C::BindRoles],
        "RBA-013" => &[C::WriteRoles, C::WriteBindings, C::WriteClusterRoles, C::WriteClusterBindings],
        "RBA-014" => {
            &[C::ImpersonateUsers, C::ImpersonateGroups, C::ImpersonateAccounts, C::ImpersonateExtras]
        }
        "RBA-016" => &[C::ApproveSigners, C::SignSigners],
        "RBA-025" => &[C::WriteConfigMaps],
        "RBA-032" => &[C::RemovePods],
        "RBA-038" => &[C::CreateSecrets],
        _ => SIMPLE.iter().find(|own| own.rule == rule).map_or(&[], |own| own.any),
    }
}

/// One binding with its role.
struct One<'a> {
    number: BindingId,
    binding: &'a Binding,
    role_id: RoleId,
    role: &'a Role,
    at: crate::Anchor,
    judged: Vec<&'a Subject>,
    /// Only these rules are looked at, when it is a default that was changed.
    only: Option<Vec<usize>>,
}

impl One<'_> {
    fn namespace(&self) -> Option<&str> {
        self.binding.namespace.as_deref()
    }

    /// The first rule that gives a capability, freely or for names.
    fn rule(&self, wanted: C, how: Held) -> Option<(RuleGrant, &Rule)> {
        if self.namespace().is_some() && wanted.is_cluster_only() {
            return None;
        }
        let looked_at = |at: &usize| self.only.as_ref().is_none_or(|only| only.contains(at));
        let mut rules = self.role.rules.iter().enumerate().filter(|(at, _)| looked_at(at));
        rules
            .find(|(_, rule)| wanted.in_rule(rule) == how)
            .map(|(at, rule)| (RuleGrant { binding: self.number, role: self.role_id, rule: at as u32 }, rule))
    }

    fn free(&self, wanted: &[C]) -> Option<RuleGrant> {
        wanted.iter().find_map(|&own| self.rule(own, Held::Freely)).map(|(grant, _)| grant)
    }

    fn found(
        &self,
        assessor: &mut Assessor<'_>,
        rule: &'static str,
        severity: Severity,
        may: &str,
        grants: &[RuleGrant],
    ) {
        let message = format!("{} {may} {}", show_subjects(&self.judged), show_scope(self.namespace()));
        let mut evidence: Vec<_> =
            grants.iter().map(|&grant| assessor.evidence(grant, about(rule))).collect();
        if self.only.is_some() {
            evidence.push((
                "the role is shipped with Kubernetes, and this rule was added to it".to_owned(),
                None,
            ));
        }
        assessor.found(Risk {
            rule,
            severity,
            at: self.at,
            subjects: self.judged.iter().map(|subject| subject.normal()).collect(),
            namespace: self.binding.namespace.clone(),
            message,
            evidence,
            cause: String::new(),
        });
    }

    /// RBA-001, and true when it, or a rule of three stars, makes every other finding about the binding superfluous.
    fn admin(&self, assessor: &mut Assessor<'_>) -> bool {
        let is_everything = |rule: &&Rule| capability::is_everything(rule);
        let stars = self.role.rules.iter().any(|rule| is_everything(&rule));
        let paths = Rule { verbs: vec!["*".to_owned()], paths: vec!["*".to_owned()], ..Rule::default() };
        let is_admin = self.role.kind == RoleKind::ClusterRole && self.role.name == "cluster-admin"
            || stars && crate::cover::covers(&self.role.rules, &paths);
        if !is_admin {
            return stars;
        }
        // Group system:masters in a binding is the business of RBA-020.
        let others: Vec<&Subject> =
            self.judged.iter().copied().filter(|own| **own != Subject::group(crate::user::MASTERS)).collect();
        if others.is_empty() {
            return true;
        }
        let kubeadm = others.iter().all(|own| **own == Subject::group("kubeadm:cluster-admins"));
        let severity = match self.namespace() {
            None if kubeadm => Info,
            None => High,
            Some("kube-system") => High,
            Some(_) => Medium,
        };
        let may = format!("may do everything through {},", super::show_role(self.role));
        let grant = RuleGrant { binding: self.number, role: self.role_id, rule: 0 };
        let one = One { judged: others, only: None, ..*self };
        one.found(assessor, "RBA-001", severity, &may, &[grant]);
        true
    }

    fn simple(&self, assessor: &mut Assessor<'_>) {
        for own in SIMPLE {
            let base = if self.namespace().is_none() { own.cluster } else { own.namespace };
            let Some(severity) = base else { continue };
            let named = || own.any.iter().find_map(|&wanted| self.rule(wanted, Held::ForNames));
            if let Some(grant) = self.free(own.any) {
                let restricted = own.rule == "RBA-006"
                    && self.namespace().is_some_and(|namespace| assessor.around.is_restricted(namespace));
                let severity = if restricted { lower(severity) } else { severity };
                self.found(assessor, own.rule, severity, own.may, &[grant]);
            } else if let Some((grant, _)) = named().filter(|_| own.judges_names) {
                let may = format!("{}, of certain names,", own.may);
                self.found(assessor, own.rule, lower(severity), &may, &[grant]);
            } else {
                self.weaker(assessor, own);
            }
        }
    }

    /// Forms that are weaker than the rule's own.
    fn weaker(&self, assessor: &mut Assessor<'_>, own: &Simple) {
        let (wanted, severity, may) = match own.rule {
            "RBA-007" => {
                (C::ScaleWorkloads, Info, "may change how many pods there are, or what is reported of them")
            }
            "RBA-008" if assessor.minor < 35 => {
                (C::ExecByGet, High, "may run commands in containers by a websocket GET")
            }
            "RBA-008" => {
                (C::ExecByGet, Low, "may run commands in containers where the API server is older than 1.35")
            }
            _ => return,
        };
        if let Some(grant) = self.free(&[wanted]) {
            self.found(assessor, own.rule, severity, may, &[grant]);
        }
    }

    fn combined(&self, assessor: &mut Assessor<'_>) {
        self.bind(assessor);
        self.manage(assessor);
        self.impersonate(assessor);
        self.certificates(assessor);
        self.config_maps(assessor);
        self.token_secrets(assessor);
        self.steal_pods(assessor);
    }

    /// What all judged subjects together hold here by any binding of theirs.
    fn held(&self, assessor: &Assessor<'_>, wanted: &[C]) -> bool {
        self.judged.iter().any(|subject| {
            let held = assessor.held(subject, self.namespace());
            wanted.iter().any(|&own| held.has(own))
        })
    }

    fn bind(&self, assessor: &mut Assessor<'_>) {
        let makes = |assessor: &Assessor<'_>| match self.namespace() {
            None => self.held(assessor, &[C::MakeClusterBindings, C::MakeBindings]),
            Some(_) => self.held(assessor, &[C::MakeBindings]),
        };
        if !makes(assessor) {
            return;
        }
        if let Some(grant) = self.free(&[C::BindClusterRoles, C::BindRoles]) {
            let severity = if self.namespace().is_none() { Critical } else { High };
            return self.found(assessor, "RBA-012", severity, "may bind any role to itself", &[grant]);
        }
        // Names on bind are the recommended form: it depends on what those roles give.
        let Some((grant, rule)) = self.rule(C::BindClusterRoles, Held::ForNames) else { return };
        let gives_all = |name: &String| {
            let role = assessor.authorizer.role_named(RoleKind::ClusterRole, "", name);
            role.and_then(|role| assessor.of_role.get(role as usize)).is_some_and(|own| own.everything)
        };
        if let Some(name) = rule.names.iter().find(|name| gives_all(name)) {
            let may = format!("may bind role {name}, which gives everything, to itself");
            let severity = if self.namespace().is_none() { Critical } else { High };
            self.found(assessor, "RBA-012", severity, &may, &[grant]);
        }
    }

    fn manage(&self, assessor: &mut Assessor<'_>) {
        const WRITES: [C; 4] =
            [C::WriteRoles, C::WriteBindings, C::WriteClusterRoles, C::WriteClusterBindings];
        let Some(grant) = self.free(&WRITES) else { return };
        // Who may bind or escalate by this very role is told so already.
        if self
            .free(&[C::EscalateRoles, C::EscalateClusterRoles, C::BindRoles, C::BindClusterRoles])
            .is_some()
        {
            return;
        }
        let raises = [C::EscalateRoles, C::EscalateClusterRoles, C::BindRoles, C::BindClusterRoles];
        let severity = if self.held(assessor, &raises) { High } else { Medium };
        self.found(assessor, "RBA-013", severity, "may write roles or bindings", &[grant]);
    }

    fn impersonate(&self, assessor: &mut Assessor<'_>) {
        if let Some(grant) = self.free(&[C::ImpersonateUsers, C::ImpersonateGroups]) {
            return self.found(assessor, "RBA-014", Critical, "may act as other users or groups", &[grant]);
        }
        if let Some(grant) = self.free(&[C::ImpersonateAccounts]) {
            let severity = if self.namespace().is_none() { Critical } else { Medium };
            return self.found(assessor, "RBA-014", severity, "may act as any service account", &[grant]);
        }
        let named = [C::ImpersonateGroups, C::ImpersonateUsers, C::ImpersonateAccounts];
        if let Some((grant, rule)) = named.iter().find_map(|&own| self.rule(own, Held::ForNames)) {
            let is_masters = rule.names.iter().any(|name| name == crate::user::MASTERS);
            let severity = if is_masters { Critical } else { Medium };
            return self.found(
                assessor,
                "RBA-014",
                severity,
                "may act as others, of certain names,",
                &[grant],
            );
        }
        if let Some(grant) = self.free(&[C::ImpersonateExtras]) {
            self.found(assessor, "RBA-014", High, "may claim any extra value of a user", &[grant]);
        }
    }

    fn certificates(&self, assessor: &mut Assessor<'_>) {
        let signer = |wanted| {
            let is_client = |rule: &Rule| {
                rule.names
                    .iter()
                    .any(|name| name == "kubernetes.io/kube-apiserver-client" || name == "kubernetes.io/*")
            };
            self.rule(wanted, Held::Freely)
                .or_else(|| self.rule(wanted, Held::ForNames).filter(|(_, rule)| is_client(rule)))
        };
        for (signer, request, may) in [
            (signer(C::ApproveSigners), C::ApproveRequests, "may approve certificates in any name"),
            (signer(C::SignSigners), C::WriteRequestStatus, "may sign certificates in any name"),
        ] {
            if let Some((grant, _)) = signer.filter(|_| self.held(assessor, &[request])) {
                return self.found(assessor, "RBA-016", Critical, may, &[grant]);
            }
        }
    }

    fn config_maps(&self, assessor: &mut Assessor<'_>) {
        if !matches!(self.namespace(), None | Some("kube-system")) {
            return;
        }
        let may = "may change configuration that system components read";
        if let Some(grant) = self.free(&[C::WriteConfigMaps]) {
            return self.found(assessor, "RBA-025", High, may, &[grant]);
        }
        let is_system = |rule: &Rule| rule.names.iter().any(|name| SYSTEM_MAPS.contains(&name.as_str()));
        if let Some((grant, _)) =
            self.rule(C::WriteConfigMaps, Held::ForNames).filter(|(_, rule)| is_system(rule))
        {
            self.found(assessor, "RBA-025", High, may, &[grant]);
        }
    }

    fn token_secrets(&self, assessor: &mut Assessor<'_>) {
        let Some(grant) = self.free(&[C::CreateSecrets]) else { return };
        if self.held(assessor, &[C::ReadSecrets]) {
            let severity = if self.namespace().is_none() { Critical } else { High };
            let may = "may make secrets that hold the token of any service account, and read them,";
            self.found(assessor, "RBA-038", severity, may, &[grant]);
        }
    }

    fn steal_pods(&self, assessor: &mut Assessor<'_>) {
        if self.namespace().is_some() {
            return;
        }
        let Some(grant) = self.free(&[C::RemovePods]) else { return };
        if self.held(assessor, &[C::ChangeNodes]) {
            let may = "may evict pods and keep them off other nodes";
            self.found(assessor, "RBA-032", High, may, &[grant]);
        }
    }
}
