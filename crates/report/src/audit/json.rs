//! The whole report as one JSON object; its schema is published.

use std::io::{self, Write};

use nightlatch_finding::audit::AuditReport;
use nightlatch_untrusted::json::to_writer;
use serde::Serialize;

/// The version of the shape, so that a reader can tell.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a> {
    schema: u32,
    #[serde(flatten)]
    report: &'a AuditReport,
}

/// Writes the report as one line of JSON.
///
/// # Errors
/// What `out` reports.
pub fn json(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    to_writer(&mut *out, &Versioned { schema: VERSION, report }).map_err(io::Error::from)?;
    writeln!(out)
}
