//! The whole report as one JSON object; its schema is published.

use std::io::{self, BufWriter, Write};

use nightlatch_finding::audit::{InputSummary, Notice, Reported, RuleOutcome};
use nightlatch_untrusted::json::to_writer;
use serde::{Serialize, Serializer};

/// The version of the shape, so that a reader can tell.
const VERSION: u32 = 1;

/// Bytes that are handed on at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The fields of `AuditReport`, in its order, behind the version.
#[derive(Serialize)]
struct Versioned<'a> {
    schema: u32,
    profile: &'a str,
    findings: OneByOne<'a>,
    rules: &'a [RuleOutcome],
    notices: &'a [Notice],
    input: &'a InputSummary,
}

/// Findings that are gone as soon as they are written.
struct OneByOne<'a>(Reported<'a>);

impl Serialize for OneByOne<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.findings())
    }
}

/// Writes the report as one line of JSON.
///
/// # Errors
/// What `out` reports.
pub fn json<'r>(report: impl Into<Reported<'r>>, out: &mut dyn Write) -> io::Result<()> {
    let reported = report.into();
    let report = reported.report;
    let whole = Versioned {
        schema: VERSION,
        profile: &report.profile,
        findings: OneByOne(reported),
        rules: &report.rules,
        notices: &report.notices,
        input: &report.input,
    };
    // Of its own: what is written in pieces of some bytes is not handed on piece by piece.
    let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, out);
    to_writer(&mut buffered, &whole).map_err(io::Error::from)?;
    writeln!(buffered)?;
    buffered.flush()
}
