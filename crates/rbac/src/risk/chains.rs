//! Chains to the whole cluster, and workloads that stand at the start of one.

use std::collections::{BTreeMap, BTreeSet};

use nightlatch_finding::Severity;

use super::{Assessor, Risk};
use crate::{Anchor, Step, Subject, SubjectKind, Vertex, Workload, defaults};

/// Accounts of the cluster's own controllers, which need what they have.
const SYSTEM_NAMESPACE: &str = "kube-system";

pub(super) fn assess(assessor: &mut Assessor<'_>) {
    let mut at_start: BTreeMap<Subject, String> = BTreeMap::new();
    let subjects: Vec<Subject> = assessor.escalation.subjects().into_iter().cloned().collect();
    for subject in subjects {
        assessor.looked("RBA-029");
        let Some(chain) = assessor.escalation.chain(&subject) else { continue };
        let Some(first) = chain.first() else { continue };
        let Some(grant) = first.grant else { continue };
        let Some(binding) = assessor.binding(grant.binding) else { continue };
        let Some(at) = binding.role_at.or(binding.at) else { continue };
        if is_shipped(binding) {
            continue;
        }
        let steps: Vec<_> = chain.iter().map(|step| show_step(assessor, step)).collect();
        let is_direct = first.to == Vertex::ClusterAdmin
            && chain.len() == 1
            && first.how.starts_with("may do everything");
        at_start.insert(subject.clone(), "can become the whole cluster's administrator".to_owned());
        // Who simply is the administrator is the business of RBA-001 and RBA-002.
        if is_direct {
            continue;
        }
        let way: Vec<String> = chain.iter().map(|step| step.to.describe(assessor.authorizer)).collect();
        assessor.found(Risk {
            rule: "RBA-029",
            severity: Severity::Critical,
            at,
            subjects: vec![subject.clone()],
            namespace: binding.namespace.clone(),
            message: format!(
                "{} can become the whole cluster's administrator: {}",
                subject.describe(),
                way.join(", then ")
            ),
            evidence: steps,
            cause: format!("subject:{}", subject.describe()),
        });
    }
    critical_accounts(assessor, &mut at_start);
    workloads(assessor, &at_start);
}

fn is_shipped(binding: &crate::Binding) -> bool {
    binding.claims_default && defaults::compare_binding(binding) == defaults::Comparison::AsShipped
}

fn show_step(assessor: &Assessor<'_>, step: &Step) -> (String, Option<Anchor>) {
    let from = step.from.describe(assessor.authorizer);
    match step.grant {
        Some(grant) => {
            let (rule, at) = assessor.evidence(grant, &step.about);
            let binding = assessor.binding(grant.binding);
            let through =
                binding.map(|binding| format!(" through {}", binding.describe())).unwrap_or_default();
            (format!("{from} {}: {rule}{through}", step.how), at.or(binding.and_then(|binding| binding.at)))
        }
        None => (format!("{from} {} {}", step.how, step.to.describe(assessor.authorizer)), None),
    }
}

/// Accounts about which something critical was found.
fn critical_accounts(assessor: &Assessor<'_>, at_start: &mut BTreeMap<Subject, String>) {
    for risk in &assessor.assessment.risks {
        if risk.severity == Severity::Critical && risk.rule != "RBA-029" {
            for subject in risk.subjects.iter().filter(|subject| subject.kind == SubjectKind::ServiceAccount)
            {
                at_start
                    .entry(subject.clone())
                    .or_insert_with(|| format!("holds what {} is about", risk.rule));
            }
        }
    }
}

/// RBA-030: whoever takes over such a workload has its account.
fn workloads(assessor: &mut Assessor<'_>, at_start: &BTreeMap<Subject, String>) {
    let mut seen: BTreeSet<(String, String, String)> = BTreeSet::new();
    let workloads: &[Workload] = &assessor.around.workloads;
    for workload in workloads {
        assessor.looked("RBA-030");
        let account = Subject::service_account(&workload.namespace, &workload.account);
        let (Some(why), Some(at)) = (at_start.get(&account), workload.account_at.or(workload.at)) else {
            continue;
        };
        let identity = (workload.kind.clone(), workload.namespace.clone(), workload.name.clone());
        if !workload.mounts_token || workload.namespace == SYSTEM_NAMESPACE || !seen.insert(identity) {
            continue;
        }
        let chain = assessor.escalation.chain(&account).unwrap_or_default();
        let evidence = chain.iter().map(|step| show_step(assessor, step)).collect();
        assessor.found(Risk {
            rule: "RBA-030",
            severity: Severity::High,
            at,
            subjects: vec![account.clone()],
            namespace: Some(workload.namespace.clone()),
            message: format!(
                "{} {} runs as {}, which {why}: whoever takes over one of its pods does",
                workload.kind,
                workload.name,
                account.describe()
            ),
            evidence,
            cause: String::new(),
        });
    }
}
