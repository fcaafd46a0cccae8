//! What a report is about: the doors that stand open.

use nightlatch_asset::{Exposure, Record, Severity};

/// Whether something is open: the state is `readable` or worse, or a finding is more than worth knowing.
pub fn is_open(record: &Record) -> bool {
    let verdict = &record.observation.verdict;
    verdict.exposure >= Exposure::Readable
        || verdict.findings.iter().any(|finding| finding.severity > Severity::Info)
}

/// How bad what is open is: the state's severity where the state is open, or that of the worst finding.
pub fn open_severity(record: &Record) -> Severity {
    let verdict = &record.observation.verdict;
    let state = if verdict.exposure >= Exposure::Readable { verdict.severity } else { Severity::Info };
    verdict.findings.iter().map(|finding| finding.severity).fold(state, Severity::max)
}
