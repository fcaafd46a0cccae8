//! The whole report as one JSON object; its schema is published.

mod finding;

use std::io::{self, BufWriter, Write};

use nightlatch_finding::audit::Reported;
use nightlatch_untrusted::json::to_writer;
use serde::Serialize;

/// The version of the shape, so that a reader can tell.
const VERSION: u32 = 1;

/// Bytes that are handed on at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Writes the report as one line of JSON: the fields of `AuditReport`, in its order, behind the version.
///
/// # Errors
/// What `out` reports.
pub fn json<'r>(report: impl Into<Reported<'r>>, out: &mut dyn Write) -> io::Result<()> {
    let reported = report.into();
    let report = reported.report;
    // Of its own: what is written in pieces of some bytes is not handed on piece by piece.
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    write!(out, "{{\"schema\":{VERSION}")?;
    field(&mut out, "profile", &report.profile)?;
    out.write_all(b",\"findings\":[")?;
    // Each is gone as soon as it is written.
    let mut written = Vec::with_capacity(2048);
    for (index, finding) in reported.findings().enumerate() {
        if index > 0 {
            written.push(b',');
        }
        finding::write(&finding, &mut written);
        out.write_all(&written)?;
        written.clear();
    }
    out.write_all(b"]")?;
    field(&mut out, "rules", &report.rules)?;
    field(&mut out, "notices", &report.notices)?;
    field(&mut out, "input", &report.input)?;
    out.write_all(b"}\n")?;
    out.flush()
}

fn field(out: &mut impl Write, name: &str, value: &impl Serialize) -> io::Result<()> {
    write!(out, ",\"{name}\":")?;
    to_writer(out, value).map_err(io::Error::from)
}
