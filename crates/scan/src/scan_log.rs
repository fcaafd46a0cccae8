use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use jiff::Timestamp;
use nightlatch_scope::TargetSet;
use serde::Serialize;

use crate::{RunRecord, Tally};

/// The append-only log of all that was ever sent from one data directory: one JSON object a line.
pub const SCAN_LOG: &str = "scan-log.ndjson";

/// Most ranges of targets that one line spells out; the run's own file has them all.
const TARGETS_MAX: usize = 10_000;

/// One line: a run begins, goes on, or ends.
#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    event: &'a str,
    run: &'a str,
    user: &'a str,
    process: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Came<'a>>,
}

/// What is about to be sent, and where.
#[derive(Serialize)]
struct Sent<'a> {
    command: &'a [String],
    targets: Vec<String>,
    targets_more: usize,
    ports: &'a str,
    endpoints: u64,
    scope: Option<&'a Path>,
    scope_digest: &'a str,
    contact: Option<&'a str>,
}

/// What came of it.
#[derive(Serialize)]
struct Came<'a> {
    state: &'a str,
    tally: Tally,
    connections: u64,
    failure: Option<&'a str>,
}

/// Writes that a run begins or goes on. Called before the first packet; when it fails, none is sent.
///
/// # Errors
/// What the system says.
pub(crate) fn begin(
    data: &Path,
    event: &str,
    record: &RunRecord,
    targets: &TargetSet,
    now: Timestamp,
) -> io::Result<()> {
    let ranges = targets.addresses().ranges().map(ToString::to_string);
    let mut list: Vec<String> =
        ranges.chain(targets.endpoints().iter().map(ToString::to_string)).take(TARGETS_MAX).collect();
    list.shrink_to_fit();
    let all = targets.addresses().ranges().len() + targets.endpoints().len();
    let sent = Sent {
        command: &record.command,
        targets_more: all - list.len(),
        targets: list,
        ports: &record.ports,
        endpoints: record.endpoints,
        scope: record.scope_path.as_deref(),
        scope_digest: &record.scope_digest,
        contact: record.contact.as_deref(),
    };
    append(data, &Line { sent: Some(sent), ..line(event, record, now) })
}

/// Writes that a run ends.
///
/// # Errors
/// What the system says.
pub(crate) fn end(data: &Path, record: &RunRecord, connections: u64, now: Timestamp) -> io::Result<()> {
    let failure = record.failure.as_deref();
    let outcome = Came { state: record.state.as_str(), tally: record.tally, connections, failure };
    append(data, &Line { outcome: Some(outcome), ..line("end", record, now) })
}

fn line<'a>(event: &'a str, record: &'a RunRecord, time: Timestamp) -> Line<'a> {
    let process = std::process::id();
    Line { time, event, run: &record.id.0, user: &record.user, process, sent: None, outcome: None }
}

/// One write to a file opened for appending, so that lines of two processes do not mix.
fn append(data: &Path, line: &Line<'_>) -> io::Result<()> {
    let mut text = nightlatch_untrusted::json::to_string(line).map_err(io::Error::other)?;
    text.push('\n');
    let mut file = OpenOptions::new().append(true).create(true).open(data.join(SCAN_LOG))?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}
