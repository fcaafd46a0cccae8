//! Whom bindings name, and what they refer to.

use nightlatch_finding::Severity;
use nightlatch_manifest::View;

use super::{Assessor, Risk, show_role, show_scope};
use crate::{
    Anchor, Binding, BindingId, Capabilities, Capability as C, Role, Subject, SubjectKind,
    user::{ACCOUNTS, ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED},
};
use Severity::{Critical, High, Info, Low, Medium};

/// Roles that every caller may hold.
const FOR_ALL: [&str; 4] = [
    "system:basic-user",
    "system:discovery",
    "system:public-info-viewer",
    "system:service-account-issuer-discovery",
];
const RULES: [&str; 8] =
    ["RBA-018", "RBA-019", "RBA-020", "RBA-021", "RBA-022", "RBA-026", "RBA-033", "RBA-040"];
/// Namespaces whose accounts GitOps controllers use elsewhere by design are not known; these are the cluster's own.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

pub(super) fn assess(assessor: &mut Assessor<'_>) {
    for number in 0..assessor.authorizer.policy().bindings.len() as BindingId {
        let Some(binding) = assessor.binding(number) else { continue };
        let Some(at) = binding.at else { continue };
        for rule in RULES {
            assessor.looked(rule);
        }
        let role = assessor.authorizer.role_of(number).and_then(|role| assessor.role(role));
        // Whoever holds a default that was changed holds something else.
        let changes =
            assessor.authorizer.role_of(number).and_then(|role| assessor.role_changes.get(role as usize));
        let is_changed = changes.and_then(Option::as_ref).is_some_and(|rules| !rules.is_empty());
        let judged = if is_changed { binding.subjects.iter().collect() } else { assessor.judged(binding) };
        let one = One { number, binding, role, at, is_changed };
        one.dangling_role(assessor);
        for (index, subject) in binding.subjects.iter().enumerate() {
            if judged.contains(&subject) {
                one.subject(assessor, index, subject);
            }
        }
    }
}

/// One binding.
struct One<'a> {
    number: BindingId,
    binding: &'a Binding,
    role: Option<&'a Role>,
    at: Anchor,
    /// The role is a default, and grants more than was shipped.
    is_changed: bool,
}

impl One<'_> {
    fn subject(&self, assessor: &mut Assessor<'_>, index: usize, subject: &Subject) {
        let at = self.binding.subjects_at.get(index).copied().unwrap_or(self.at);
        let say = |rule, severity, message: String| Risk {
            rule,
            severity,
            at,
            subjects: vec![subject.normal()],
            namespace: self.binding.namespace.clone(),
            message,
            evidence: self.role.map(|role| (show_role(role), role.at)).into_iter().collect(),
            cause: format!("subject:{}", subject.describe()),
        };
        let who = subject.describe();
        let role = self.role_name();
        let scope = show_scope(self.binding.namespace.as_deref());
        let group = |name: &str| subject.kind == SubjectKind::Group && subject.name == name;
        let user = |name: &str| subject.kind == SubjectKind::User && subject.name == name;
        if (group(UNAUTHENTICATED) || user(ANONYMOUS))
            && let Some(severity) = self.anonymous(assessor)
        {
            assessor.found(say(
                "RBA-018",
                severity,
                format!("{who}, which needs no credentials, holds {role} {scope}"),
            ));
        }
        if (group(AUTHENTICATED) || group(ACCOUNTS)) && !self.is_for_all() {
            let severity = if self.grants_nothing() { Info } else { High };
            assessor.found(say(
                "RBA-019",
                severity,
                format!("{who}, which is everybody with credentials of that sort, holds {role} {scope}"),
            ));
        }
        if group(MASTERS) && !self.binding.claims_default {
            assessor.found(say(
                "RBA-020",
                High,
                format!("{who}, which is above all rules anyway, is named by {}", self.binding.describe()),
            ));
        }
        if subject.kind == SubjectKind::Group
            && subject.name.strip_prefix(ACCOUNTS).is_some_and(|rest| rest.starts_with(':'))
        {
            assessor.found(say(
                "RBA-022",
                Medium,
                format!("{who}, which is every account of a namespace, holds {role} {scope}"),
            ));
        }
        let Some(account) = Some(subject.normal()).filter(|own| own.kind == SubjectKind::ServiceAccount)
        else {
            return;
        };
        if account.name == "default" {
            let severity = if self.grants_nothing() { Info } else { Medium };
            assessor.found(say(
                "RBA-021",
                severity,
                format!("{who}, which every pod gets that names no account, holds {role} {scope}"),
            ));
        }
        if self.is_missing(assessor, &account) {
            let severity = full(assessor, Low);
            assessor.found(say(
                "RBA-026",
                severity,
                format!("{who} does not exist; whoever makes it gets {role} {scope}"),
            ));
        }
        let elsewhere =
            self.binding.namespace.as_deref().is_some_and(|own| !own.is_empty() && own != account.namespace);
        if elsewhere
            && !account.namespace.is_empty()
            && !SYSTEM_NAMESPACES.contains(&account.namespace.as_str())
        {
            assessor.found(say("RBA-033", Low, format!("{who} of another namespace holds {role} {scope}")));
        }
        let is_dashboard = account.name.contains("dashboard") || account.namespace == "kubernetes-dashboard";
        if is_dashboard && self.is_more_than_minimal(assessor) {
            assessor.found(say(
                "RBA-040",
                High,
                format!("{who} of a dashboard holds {role} {scope}, more than a dashboard needs"),
            ));
        }
    }

    fn role_name(&self) -> String {
        match self.role {
            Some(role) => show_role(role),
            None => format!("{} {}", self.binding.role_kind, self.binding.role_name),
        }
    }

    fn is_for_all(&self) -> bool {
        !self.is_changed
            && self.binding.role_kind == "ClusterRole"
            && FOR_ALL.contains(&self.binding.role_name.as_str())
    }

    fn grants_nothing(&self) -> bool {
        self.role.is_some_and(|role| role.rules.iter().all(|rule| rule.verbs.is_empty()))
    }

    /// How bad it is that somebody without credentials holds the role; nothing when that is meant to be so.
    fn anonymous(&self, assessor: &Assessor<'_>) -> Option<Severity> {
        let severity = match (self.binding.role_kind.as_str(), self.binding.role_name.as_str()) {
            _ if self.is_changed => Critical,
            ("ClusterRole", "system:public-info-viewer") => return None,
            ("ClusterRole", "system:discovery" | "system:basic-user") => Info,
            ("Role", "kubeadm:bootstrap-signer-clusterinfo") => Low,
            _ if self.grants_nothing() => Info,
            _ => Critical,
        };
        // With anonymous requests off the grant is asleep, not gone.
        Some(if assessor.authorizer.chain().anonymous { severity } else { super::lower(severity) })
    }

    fn is_missing(&self, assessor: &Assessor<'_>, account: &Subject) -> bool {
        let is_bound_for_real = assessor.authorizer.role_of(self.number).is_some();
        is_bound_for_real
            && !account.namespace.is_empty()
            && assessor.around.lacks_account(&account.namespace, &account.name)
    }

    fn is_more_than_minimal(&self, assessor: &Assessor<'_>) -> bool {
        let Some(role) = assessor.authorizer.role_of(self.number) else { return false };
        let Some(own) = assessor.of_role.get(role as usize) else { return false };
        let free = if self.binding.namespace.is_some() {
            own.free.without(Capabilities::cluster_only())
        } else {
            own.free
        };
        let broad = [
            C::ReadSecrets,
            C::CreateWorkloads,
            C::ModifyWorkloads,
            C::Exec,
            C::DeleteBroadly,
            C::WriteRoles,
            C::ImpersonateAccounts,
        ];
        let is_standard =
            ["cluster-admin", "admin", "edit", "view"].contains(&self.binding.role_name.as_str());
        own.everything || is_standard || broad.iter().any(|&capability| free.has(capability))
    }

    fn dangling_role(&self, assessor: &mut Assessor<'_>) {
        if self.role.is_some() {
            return;
        }
        let wrong = match (self.binding.role_kind.as_str(), &self.binding.namespace) {
            ("Role", None) => "a ClusterRoleBinding cannot give a Role; it grants nothing",
            ("Role" | "ClusterRole", _) => {
                "the role does not exist; whoever makes it decides what the binding gives"
            }
            _ => "the role is of no known kind; the binding grants nothing",
        };
        let is_certain = !matches!(
            (self.binding.role_kind.as_str(), &self.binding.namespace),
            ("ClusterRole", _) | ("Role", Some(_))
        );
        let severity = if is_certain { Low } else { full(assessor, Low) };
        assessor.found(Risk {
            rule: "RBA-026",
            severity,
            at: self.binding.role_at.unwrap_or(self.at),
            subjects: self.binding.subjects.iter().map(Subject::normal).collect(),
            namespace: self.binding.namespace.clone(),
            message: format!(
                "{} refers to {} {}: {wrong}",
                self.binding.describe(),
                self.binding.role_kind,
                self.binding.role_name
            ),
            evidence: Vec::new(),
            cause: "role".to_owned(),
        });
    }
}

/// What is not in the input may stand elsewhere, unless the input is everything.
fn full(assessor: &Assessor<'_>, severity: Severity) -> Severity {
    if assessor.around.view == View::Full { severity } else { Info }
}
