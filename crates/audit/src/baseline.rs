//! What was there before: only what is new counts.

use std::collections::BTreeMap;

use nightlatch_finding::audit::{AuditReport, SuppressedBy, Suppression};
use nightlatch_untrusted::Text;
use serde::{Deserialize, Serialize};

/// How often each finding was there, by its fingerprint.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Version of the format: 1.
    pub version: u32,
    /// Findings by fingerprint.
    pub findings: BTreeMap<String, BaselineEntry>,
}

/// One finding of a baseline. All but the count is for people who read the file.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineEntry {
    /// Identifier of the rule.
    pub rule: String,
    /// Object and container.
    pub subject: Text,
    /// How often; an object may stand in several files.
    pub count: u32,
}

/// Why a baseline was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The text does not have the shape of a baseline.
    #[error("this is no baseline written by `nightlatch audit --write-baseline`")]
    Shape(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("the baseline has version {0}, this program knows version 1")]
    Version(u32),
}

impl Baseline {
    /// The baseline of a report: what counts in it, and what an older baseline exempted from it.
    pub fn of(report: &AuditReport) -> Self {
        let mut findings: BTreeMap<String, BaselineEntry> = BTreeMap::new();
        for finding in &report.findings {
            if finding.suppressed.as_ref().is_some_and(|suppression| suppression.by != SuppressedBy::Baseline)
            {
                continue;
            }
            let subject = &finding.subject;
            let namespace = subject.namespace.as_ref().map_or("", Text::raw);
            let container =
                subject.container.as_ref().map_or(String::new(), |name| format!(" [{}]", name.raw()));
            let entry = findings.entry(finding.fingerprint.clone()).or_insert_with(|| BaselineEntry {
                rule: finding.rule.clone().into_owned(),
                subject: Text::new(format!(
                    "{} {namespace}/{}{container}",
                    subject.kind.raw(),
                    subject.name.raw()
                )),
                count: 0,
            });
            entry.count = entry.count.saturating_add(1);
        }
        Self { version: 1, findings }
    }

    /// Reads a baseline.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text)?;
        if baseline.version != 1 {
            return Err(BaselineError::Version(baseline.version));
        }
        Ok(baseline)
    }

    /// Exempts what the baseline has from `report` and corrects its counts. Gives how many entries are mended: were in the
    /// baseline and are no more.
    pub fn apply(&self, report: &mut AuditReport) -> u64 {
        let mut left: BTreeMap<&str, u32> =
            self.findings.iter().map(|(fingerprint, entry)| (fingerprint.as_str(), entry.count)).collect();
        for finding in report.findings.iter_mut().filter(|finding| finding.suppressed.is_none()) {
            let Some(count) = left.get_mut(finding.fingerprint.as_str()).filter(|count| **count > 0) else {
                continue;
            };
            *count -= 1;
            finding.suppressed = Some(Suppression {
                by: SuppressedBy::Baseline,
                reason: Text::from("in the baseline"),
                until: None,
            });
            if let Some(outcome) = report.rules.iter_mut().find(|outcome| outcome.rule == finding.rule) {
                outcome.failed = outcome.failed.saturating_sub(1);
                outcome.suppressed = outcome.suppressed.saturating_add(1);
                outcome.verdict = crate::engine::verdict(outcome);
            }
        }
        left.values().filter(|count| **count > 0).count() as u64
    }
}
