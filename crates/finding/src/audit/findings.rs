//! Findings that are made when somebody reads them: an estate has tens of thousands, of which a page shows a few and a
//! stream needs one at a time.

use std::borrow::Cow;

use super::{AuditFinding, AuditReport};
use crate::Severity;

/// What can be told of a finding without making it: enough to count, to group and to choose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark<'f> {
    /// Identifier of its rule.
    pub rule: &'f str,
    /// How bad it is here.
    pub severity: Severity,
    /// Whether it is exempt, and so not counted.
    pub is_exempt: bool,
}

/// The findings of one audit in the order of its report: worst first, then by place.
pub trait Findings {
    /// How many there are, the exempt ones included.
    fn count(&self) -> usize;
    /// What one of them is, without making it. `index` is below [`Findings::count`].
    fn mark(&self, index: usize) -> Mark<'_>;
    /// One of them, whole. `index` is below [`Findings::count`].
    fn finding(&self, index: usize) -> Cow<'_, AuditFinding>;
}

impl Findings for Vec<AuditFinding> {
    fn count(&self) -> usize {
        self.len()
    }

    fn mark(&self, index: usize) -> Mark<'_> {
        let finding = &self[index];
        Mark { rule: &finding.rule, severity: finding.severity, is_exempt: finding.suppressed.is_some() }
    }

    fn finding(&self, index: usize) -> Cow<'_, AuditFinding> {
        Cow::Borrowed(&self[index])
    }
}

/// A report, and its findings wherever they are.
#[derive(Clone, Copy)]
pub struct Reported<'r> {
    /// Everything but the findings; its own list of them is not looked at.
    pub report: &'r AuditReport,
    /// The findings.
    pub findings: &'r dyn Findings,
}

impl<'r> From<&'r AuditReport> for Reported<'r> {
    fn from(report: &'r AuditReport) -> Self {
        Self { report, findings: &report.findings }
    }
}

impl<'r> Reported<'r> {
    /// The marks of all findings, in order.
    pub fn marks(self) -> impl Iterator<Item = Mark<'r>> {
        (0..self.findings.count()).map(move |index| self.findings.mark(index))
    }

    /// All findings, in order, each made when it is its turn.
    pub fn findings(self) -> impl Iterator<Item = Cow<'r, AuditFinding>> {
        (0..self.findings.count()).map(move |index| self.findings.finding(index))
    }

    /// The report with all its findings in it, for what needs them at once.
    pub fn whole(self) -> Cow<'r, AuditReport> {
        if self.report.findings.len() == self.findings.count() {
            return Cow::Borrowed(self.report);
        }
        let findings = self.findings().map(Cow::into_owned).collect();
        Cow::Owned(AuditReport { findings, ..self.report.clone() })
    }
}
