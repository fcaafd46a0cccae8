//! What is wrong, subject by subject.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    io::{self, Write},
};

use clap::Args;
use nightlatch_finding::Severity;
use nightlatch_manifest::Corpus;
use nightlatch_rbac::{Risk, Subject};
use serde_json::{Value, json};

use super::{
    input::Input,
    page::{Page, anchored},
};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Dangerous rights and ways to the whole cluster, by subject, worst first
///
/// The findings are those of the rules RBA-001 to RBA-040; `nightlatch audit` has the same with settings, exemptions and
/// baselines, and `nightlatch audit --explain RBA-029` tells all about one.
///
/// Examples:
///   nightlatch rbac risky rbac/
///   nightlatch rbac risky --subject system:serviceaccount:web:api rbac/
///   kubectl get -A -o yaml roles,rolebindings,clusterroles,clusterrolebindings,sa,po,ns | nightlatch rbac risky --full -
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Risky {
    /// Only this user, group or service account (system:serviceaccount:NAMESPACE:NAME), and everything it could become
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Leave out what is milder
    #[arg(long, value_name = "SEVERITY", default_value = "low")]
    min_severity: Severity,
    /// Rules too that reasonable people disagree about
    #[arg(long)]
    all: bool,
    /// Exit code 1 when something at or above this severity is found
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: Input,
}

/// Rules that are not in the default profile of the audit either.
const CONTESTED: [&str; 1] = ["RBA-034"];

impl Risky {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let corpus = self.input.read(session)?;
        let authorizer = self.input.authorizer(&corpus, session);
        let (assessment, escalation) = (authorizer.assessment(), authorizer.escalation());
        let wanted = self.subject.as_deref().map(|name| Subject::user(name).normal());
        let is_wanted = |subject: &Subject| {
            wanted.as_ref().is_none_or(|own| {
                subject == own || (subject.name == own.name && subject.namespace == own.namespace)
            })
        };
        let risks: Vec<&Risk> = assessment
            .risks
            .iter()
            .filter(|risk| {
                risk.severity >= self.min_severity && (self.all || !CONTESTED.contains(&risk.rule))
            })
            .filter(|risk| wanted.is_none() || risk.subjects.iter().any(is_wanted))
            .collect();
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            let list: Vec<Value> = risks.iter().map(|risk| risk_json(risk, &corpus)).collect();
            super::super::json_line(&json!({"risks": list}), &mut out)?;
        } else {
            let page = &mut Page::new(&mut out, session.style());
            by_subject(&risks, &is_wanted, &corpus, page)?;
            for subject in
                escalation.subjects().into_iter().filter(|subject| wanted.is_some() && is_wanted(subject))
            {
                let gains = escalation.gains(subject);
                if !gains.is_empty() {
                    page.blank()?;
                    page.head(&format!("What {} could become", subject.describe()))?;
                    for step in &gains {
                        let (from, to) = (step.from.describe(&authorizer), step.to.describe(&authorizer));
                        page.text("  ", &format!("{to}, because {from} {}", step.how), 4)?;
                    }
                }
            }
        }
        out.flush()?;
        let worst = risks.iter().map(|risk| risk.severity).max();
        let fails = self.fail_on.is_some_and(|limit| worst.is_some_and(|worst| worst >= limit));
        Ok(if fails { Exit::Findings } else { Exit::Clean })
    }
}

fn risk_json(risk: &Risk, corpus: &Corpus) -> Value {
    let evidence: Vec<Value> =
        risk.evidence.iter().map(|(text, at)| json!({"text": text, "at": anchored(corpus, *at)})).collect();
    json!({
        "rule": risk.rule,
        "severity": risk.severity,
        "subjects": risk.subjects,
        "namespace": risk.namespace,
        "message": risk.message,
        "at": anchored(corpus, Some(risk.at)),
        "evidence": evidence,
    })
}

fn by_subject(
    risks: &[&Risk],
    is_wanted: &dyn Fn(&Subject) -> bool,
    corpus: &Corpus,
    page: &mut Page<'_>,
) -> io::Result<()> {
    if risks.is_empty() {
        return page.text("", "nothing dangerous is bound to anybody", 0);
    }
    let mut groups: BTreeMap<Option<&Subject>, Vec<&Risk>> = BTreeMap::new();
    for risk in risks {
        for subject in risk.subjects.iter().filter(|subject| is_wanted(subject)) {
            groups.entry(Some(subject)).or_default().push(risk);
        }
        if risk.subjects.is_empty() {
            groups.entry(None).or_default().push(risk);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    let worst = |risks: &[&Risk]| risks.iter().map(|risk| risk.severity).max();
    groups.sort_by_key(|(subject, risks)| (subject.is_none(), Reverse(worst(risks)), *subject));
    let mut is_first = true;
    for (subject, mut risks) in groups {
        if !std::mem::take(&mut is_first) {
            page.blank()?;
        }
        page.head(&subject.map_or_else(|| "Roles that nobody holds".to_owned(), Subject::describe))?;
        risks.sort_by_key(|risk| (Reverse(risk.severity), risk.rule));
        for risk in risks {
            let lead = format!("  {:<8} {} ", risk.severity, risk.rule);
            page.placed(&lead, &risk.message, &anchored(corpus, Some(risk.at)), 11)?;
            for (text, at) in &risk.evidence {
                page.placed("           ", text, &anchored(corpus, *at), 13)?;
            }
        }
    }
    Ok(())
}
