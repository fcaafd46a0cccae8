//! What roles say, used or not.

use std::collections::BTreeSet;

use nightlatch_finding::Severity;

use super::{Assessor, Risk, show_role, show_rule};
use crate::{
    Anchor, Capability as C, Resources, Role, RoleId, RoleKind, Rule, Selector, Subject, capability,
};
use Severity::{Critical, High, Info, Medium};

/// Selectors of aggregated roles that are looked at; a cluster has a dozen.
const SELECTORS_MAX: usize = 1_000;
/// Capabilities that make an unused role worth a word.
const RISKY: [C; 14] = [
    C::ReadSecrets,
    C::CreateWorkloads,
    C::ModifyWorkloads,
    C::Exec,
    C::EphemeralContainers,
    C::EscalateClusterRoles,
    C::BindClusterRoles,
    C::ImpersonateUsers,
    C::ImpersonateGroups,
    C::ImpersonateAccounts,
    C::NodesProxy,
    C::WriteWebhooks,
    C::CreateTokens,
    C::CreateVolumes,
];
/// What nobody expects in each of the roles that people are given.
const UNEXPECTED: [(&str, &[C]); 3] = [
    (
        "view",
        &[
            C::ReadSecrets,
            C::CreateWorkloads,
            C::ModifyWorkloads,
            C::Exec,
            C::EphemeralContainers,
            C::PortForward,
            C::WriteRoles,
            C::WriteBindings,
            C::ImpersonateAccounts,
            C::CreateTokens,
            C::EscalateRoles,
            C::BindRoles,
        ],
    ),
    (
        "edit",
        &[
            C::WriteRoles,
            C::WriteBindings,
            C::EscalateRoles,
            C::BindRoles,
            C::EscalateClusterRoles,
            C::BindClusterRoles,
        ],
    ),
    ("admin", &[C::EscalateRoles, C::BindRoles, C::EscalateClusterRoles, C::BindClusterRoles]),
];

pub(super) fn assess(assessor: &mut Assessor<'_>) {
    let resources = Resources::built_in();
    let groups: BTreeSet<&str> = resources.iter().map(|own| own.group.as_str()).collect();
    let mut seen: BTreeSet<Anchor> = BTreeSet::new();
    let policy = assessor.authorizer.policy();
    let selectors = policy.roles.iter().filter_map(|role| role.aggregation.as_ref()).flatten();
    let selectors: Vec<&Selector> = selectors.take(SELECTORS_MAX).collect();
    for number in 0..assessor.authorizer.policy().roles.len() as RoleId {
        let Some(role) = assessor.role(number) else { continue };
        let is_bound = !assessor.authorizer.bindings_of(number).is_empty();
        if is_bound {
            wildcards(assessor, number, role, &groups, &mut seen);
        }
        let Some(at) = role.at else { continue };
        assessor.looked("RBA-027");
        assessor.looked("RBA-028");
        let feeds: Vec<&str> = fed(role).collect();
        if !is_bound && feeds.is_empty() && !role.claims_default() && !is_selected(&selectors, role) {
            unused(assessor, number, role, at);
        }
        if !role.claims_default() {
            injected(assessor, number, role, at, &feeds);
        }
    }
}

/// Which of the roles that people are given takes the rules of this one.
fn fed(role: &Role) -> impl Iterator<Item = &'static str> + use<'_> {
    UNEXPECTED.iter().map(|(name, _)| *name).filter(|name| {
        role.kind == RoleKind::ClusterRole
            && role.label(&format!("rbac.authorization.k8s.io/aggregate-to-{name}")) == Some("true")
    })
}

fn is_selected(selectors: &[&Selector], role: &Role) -> bool {
    role.kind == RoleKind::ClusterRole
        && !role.labels.is_empty()
        && selectors.iter().any(|selector| selector.selects(&role.labels))
}

/// RBA-002 and RBA-003, once for each rule as it stands in a file, whichever role holds it.
fn wildcards(
    assessor: &mut Assessor<'_>,
    number: RoleId,
    role: &Role,
    groups: &BTreeSet<&str>,
    seen: &mut BTreeSet<Anchor>,
) {
    let shipped = assessor.role_changes.get(number as usize).cloned().flatten();
    for (index, rule) in role.rules.iter().enumerate() {
        let is_shipped = shipped.as_ref().is_some_and(|changed| !changed.contains(&index));
        let Some(at) = rule.at.filter(|at| !is_shipped && seen.insert(*at)) else { continue };
        assessor.looked("RBA-002");
        assessor.looked("RBA-003");
        let star = |list: &[String]| list.iter().any(|word| word == "*");
        let say = |rule_id, severity, message: String| Risk {
            rule: rule_id,
            severity,
            at,
            subjects: holders(assessor, number),
            namespace: scope(assessor, number),
            message,
            evidence: Vec::new(),
            cause: String::new(),
        };
        let verbs_and_resources = star(&rule.verbs) && star(&rule.resources);
        let is_all = verbs_and_resources
            && rule.names.is_empty()
            && (star(&rule.groups) || rule.groups.iter().any(String::is_empty));
        let shown = format!("{} grants {}", show_role(role), show_rule(rule));
        if is_all {
            let risk = say("RBA-002", Critical, format!("{shown}: every verb on every resource"));
            assessor.found(risk);
        } else if star(&rule.verbs) || star(&rule.resources) || star(&rule.groups) {
            let is_own = rule.paths.is_empty()
                && !rule.groups.is_empty()
                && rule.groups.iter().all(|group| group != "*" && !groups.contains(group.as_str()));
            let what = [("verbs", &rule.verbs), ("resources", &rule.resources), ("apiGroups", &rule.groups)];
            let what: Vec<&str> = what.iter().filter(|(_, list)| star(list)).map(|(name, _)| *name).collect();
            let severity = if is_own { Info } else { Medium };
            let risk = say("RBA-003", severity, format!("{shown}: a star in {}", what.join(" and ")));
            assessor.found(risk);
        }
    }
}

fn holders(assessor: &Assessor<'_>, role: RoleId) -> Vec<Subject> {
    let bindings =
        assessor.authorizer.bindings_of(role).iter().filter_map(|&binding| assessor.binding(binding));
    let all: BTreeSet<Subject> =
        bindings.flat_map(|binding| binding.subjects.iter().map(Subject::normal)).collect();
    all.into_iter().collect()
}

/// The one namespace that a role is bound in; nothing when there are several, or the whole cluster.
fn scope(assessor: &Assessor<'_>, role: RoleId) -> Option<String> {
    let bindings =
        assessor.authorizer.bindings_of(role).iter().filter_map(|&binding| assessor.binding(binding));
    let scopes: BTreeSet<Option<&String>> = bindings.map(|binding| binding.namespace.as_ref()).collect();
    match scopes.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => one.cloned(),
        _ => None,
    }
}

fn unused(assessor: &mut Assessor<'_>, number: RoleId, role: &Role, at: Anchor) {
    let Some(own) = assessor.of_role.get(number as usize).copied() else { return };
    let first = RISKY.iter().find(|&&capability| own.free.has(capability)).copied();
    if first.is_none() && !own.everything {
        return;
    }
    let gives = |rule: &&Rule| {
        first.map_or_else(
            || capability::is_everything(rule),
            |wanted| wanted.in_rule(rule) == capability::Held::Freely,
        )
    };
    let evidence = role.rules.iter().find(gives).map(|rule| (show_rule(rule), rule.at));
    assessor.found(Risk {
        rule: "RBA-027",
        severity: Info,
        at,
        subjects: Vec::new(),
        namespace: (role.kind == RoleKind::Role).then(|| role.namespace.clone()),
        message: format!("{} gives dangerous rights and nothing here binds it", show_role(role)),
        evidence: evidence.into_iter().collect(),
        cause: String::new(),
    });
}

fn injected(assessor: &mut Assessor<'_>, number: RoleId, role: &Role, at: Anchor, feeds: &[&str]) {
    let Some(own) = assessor.of_role.get(number as usize).copied() else { return };
    for (target, unexpected) in UNEXPECTED.iter().filter(|(name, _)| feeds.contains(name)) {
        let Some(wanted) = unexpected.iter().find(|&&capability| own.free.has(capability)).copied() else {
            continue;
        };
        let evidence = role.rules.iter().find(|rule| wanted.in_rule(rule) == capability::Held::Freely);
        assessor.found(Risk {
            rule: "RBA-028",
            severity: High,
            at,
            subjects: Vec::new(),
            namespace: None,
            message: format!("{} adds rights to {target} that nobody expects there", show_role(role)),
            evidence: evidence.map(|rule| (show_rule(rule), rule.at)).into_iter().collect(),
            cause: format!("into:{target}"),
        });
    }
}
