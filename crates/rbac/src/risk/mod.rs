//! What is wrong with a policy: the findings RBA-001 to RBA-040, on what subjects really hold and where.
//!
//! What a cluster ships with is no finding as long as it grants what was shipped; what was added to it is.

mod bindings;
mod chains;
mod grants;
mod roles;

use std::collections::{BTreeMap, HashMap};

use nightlatch_finding::Severity;

use crate::{
    Anchor, Authorizer, Binding, BindingId, Capabilities, Capability, Escalation, Role, RoleCapabilities,
    RoleId, RuleGrant, Subject, Surroundings,
    defaults::{self, Comparison},
};

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Risk {
    /// The rule, such as `RBA-004`.
    pub rule: &'static str,
    /// How bad it is here.
    pub severity: Severity,
    /// Where: the binding, role, rule or workload.
    pub at: Anchor,
    /// Whom it is about; empty when it is about a role that nobody holds.
    pub subjects: Vec<Subject>,
    /// In which namespace it holds; nothing for everywhere.
    pub namespace: Option<String>,
    /// What is wrong, in one sentence. Holds names from the input: escape before showing.
    pub message: String,
    /// What shows it, with places.
    pub evidence: Vec<(String, Option<Anchor>)>,
    /// What tells findings of one rule at one object apart.
    pub cause: String,
}

/// Everything that was found, and how much was looked at.
#[derive(Debug, Default)]
pub struct Assessment {
    /// The findings, by rule and place.
    pub risks: Vec<Risk>,
    /// For each rule how many things it looked at, those it found something about included.
    pub looked_at: BTreeMap<&'static str, u32>,
}

/// Everything that the parts of an assessment share.
struct Assessor<'a> {
    authorizer: &'a Authorizer,
    around: &'a Surroundings,
    escalation: &'a Escalation,
    /// The minor version of Kubernetes 1 that is judged by.
    minor: u32,
    of_role: Vec<RoleCapabilities>,
    /// For each role which rules are not as shipped; nothing when it is no default.
    role_changes: Vec<Option<Vec<usize>>>,
    /// For each subject what it holds freely by all its bindings, by scope.
    held: HashMap<Subject, BTreeMap<Option<String>, Capabilities>>,
    assessment: Assessment,
}

impl Assessment {
    /// Assesses a policy.
    ///
    /// - `minor`: the minor version of Kubernetes 1 to judge by.
    pub fn new(authorizer: &Authorizer, around: &Surroundings, escalation: &Escalation, minor: u32) -> Self {
        let roles = &authorizer.policy().roles;
        let changes = |role: &Role| match role.claims_default().then(|| defaults::compare_role(role)) {
            Some(Comparison::AsShipped) => Some(Vec::new()),
            Some(Comparison::Extended(rules)) => Some(rules),
            Some(Comparison::NotShipped) | None => None,
        };
        let mut assessor = Assessor {
            authorizer,
            around,
            escalation,
            minor,
            of_role: roles.iter().map(RoleCapabilities::of).collect(),
            role_changes: roles.iter().map(changes).collect(),
            held: HashMap::new(),
            assessment: Self::default(),
        };
        assessor.hold();
        bindings::assess(&mut assessor);
        grants::assess(&mut assessor);
        roles::assess(&mut assessor);
        chains::assess(&mut assessor);
        let mut assessment = assessor.assessment;
        assessment.risks.sort_by(|a, b| (a.rule, a.at, &a.cause).cmp(&(b.rule, b.at, &b.cause)));
        assessment
    }
}

impl<'a> Assessor<'a> {
    fn hold(&mut self) {
        for (number, binding) in self.authorizer.policy().bindings.iter().enumerate() {
            let Some(role) = self.authorizer.role_of(number as BindingId) else { continue };
            let Some(own) = self.of_role.get(role as usize) else { continue };
            let own = match &binding.namespace {
                Some(_) => own.free.without(Capabilities::cluster_only()),
                None => own.free,
            };
            for subject in &binding.subjects {
                let scopes = self.held.entry(subject.normal()).or_default();
                let held = scopes.entry(binding.namespace.clone()).or_default();
                *held = held.and(own);
            }
        }
    }

    /// What a subject holds freely in a scope, by any of its bindings.
    fn held(&self, subject: &Subject, namespace: Option<&str>) -> Capabilities {
        let Some(scopes) = self.held.get(&subject.normal()) else { return Capabilities::default() };
        let everywhere = scopes.get(&None).copied().unwrap_or_default();
        let here = namespace.and_then(|namespace| scopes.get(&Some(namespace.to_owned())).copied());
        everywhere.and(here.unwrap_or_default())
    }

    fn binding(&self, id: BindingId) -> Option<&'a Binding> {
        self.authorizer.policy().bindings.get(id as usize)
    }

    fn role(&self, id: RoleId) -> Option<&'a Role> {
        self.authorizer.policy().roles.get(id as usize)
    }

    /// The subjects of a binding that it is to be judged for: of a default binding those that were added, unless the
    /// role itself was changed.
    fn judged(&self, binding: &'a Binding) -> Vec<&'a Subject> {
        if !binding.claims_default {
            return binding.subjects.iter().collect();
        }
        match defaults::compare_binding(binding) {
            Comparison::AsShipped => Vec::new(),
            Comparison::Extended(added) => added.iter().filter_map(|&at| binding.subjects.get(at)).collect(),
            Comparison::NotShipped => binding.subjects.iter().collect(),
        }
    }

    fn looked(&mut self, rule: &'static str) {
        *self.assessment.looked_at.entry(rule).or_default() += 1;
    }

    fn found(&mut self, risk: Risk) {
        self.assessment.risks.push(risk);
    }

    /// The evidence that a rule of a role is; of a long rule the part that is about `about`.
    fn evidence(&self, grant: RuleGrant, about: &[Capability]) -> (String, Option<Anchor>) {
        let Some(role) = self.role(grant.role) else { return (String::new(), None) };
        let rule = role.rules.get(grant.rule as usize);
        let part = |rule: &crate::Rule| {
            about.iter().map(|own| own.part_of(rule)).find(|part| !part.verbs.is_empty())
        };
        let shown = rule
            .map(|rule| part(rule).map_or_else(|| show_rule(rule), |part| show_rule(&part)))
            .unwrap_or_default();
        let via = role.from.get(grant.rule as usize).filter(|from| **from != role.name);
        let via = via.map(|from| format!(", aggregated from {from}")).unwrap_or_default();
        let text = format!("{}, rule {}{via}: {shown}", show_role(role), grant.rule + 1);
        (text, rule.and_then(|rule| rule.at).or(role.at))
    }
}

/// A role in words.
pub fn show_role(role: &Role) -> String {
    let place = if role.namespace.is_empty() { String::new() } else { format!("{}/", role.namespace) };
    let shipped = if role.origin == crate::Origin::Shipped { " (shipped with Kubernetes)" } else { "" };
    format!("{} {place}{}{shipped}", role.kind.as_str(), role.name)
}

/// Words of a list that are shown before it is cut.
const WORDS_SHOWN: usize = 8;

/// A rule in words: `get, list on secrets (core)`.
pub fn show_rule(rule: &crate::Rule) -> String {
    let cut = |list: &[String]| -> String {
        let mut text = list.iter().take(WORDS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if list.len() > WORDS_SHOWN {
            text.push_str(&format!(" and {} more", list.len() - WORDS_SHOWN));
        }
        text
    };
    let groups: Vec<String> = rule
        .groups
        .iter()
        .map(|group| if group.is_empty() { "core".to_owned() } else { group.clone() })
        .collect();
    let mut text = format!(
        "{} on {}",
        cut(&rule.verbs),
        cut(if rule.paths.is_empty() { &rule.resources } else { &rule.paths })
    );
    if rule.paths.is_empty() {
        text.push_str(&format!(" ({})", cut(&groups)));
    }
    if !rule.names.is_empty() {
        text.push_str(&format!(" named {}", cut(&rule.names)));
    }
    text
}

/// Subjects in words: the first three.
fn show_subjects(subjects: &[&Subject]) -> String {
    let mut text = subjects.iter().take(3).map(|own| own.describe()).collect::<Vec<_>>().join(", ");
    if subjects.len() > 3 {
        text.push_str(&format!(" and {} more", subjects.len() - 3));
    }
    text
}

/// A scope in words that follow a verb: `in every namespace`, `in namespace web`.
fn show_scope(namespace: Option<&str>) -> String {
    match namespace {
        None => "in the whole cluster".to_owned(),
        Some("") => "in its namespace".to_owned(),
        Some(namespace) => format!("in namespace {namespace}"),
    }
}

/// One step milder.
fn lower(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}
