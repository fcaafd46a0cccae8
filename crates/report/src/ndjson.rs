//! NDJSON: one observation a line, with its place in the history of its endpoint where it has one.

use std::io::{self, Write};

use nightlatch_asset::{Observation, Record, Timestamp};
use nightlatch_untrusted::json;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    observation: &'a Observation,
    #[serde(flatten)]
    history: Option<History>,
}

#[derive(Serialize)]
struct History {
    id: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    times_seen: u32,
    latest: bool,
}

/// Writes one line a record: the words of the observation, and `id`, `first_seen`, `last_seen`,
/// `times_seen` and `latest`. Dangerous characters are escaped (`\u001b`), so the file can be shown
/// on a terminal and still means the same to a parser.
///
/// # Errors
/// What `out` reports.
pub fn ndjson<'a>(records: impl IntoIterator<Item = &'a Record>, out: &mut dyn Write) -> io::Result<()> {
    for record in records {
        let history = History {
            id: record.id,
            first_seen: record.first_seen,
            last_seen: record.last_seen,
            times_seen: record.times_seen,
            latest: record.latest,
        };
        write_line(&Line { observation: &record.observation, history: Some(history) }, out)?;
    }
    Ok(())
}

/// Writes one observation that is not in a store (yet) as one line.
///
/// # Errors
/// What `out` reports.
pub fn ndjson_line(observation: &Observation, out: &mut dyn Write) -> io::Result<()> {
    write_line(&Line { observation, history: None }, out)
}

fn write_line(line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
    json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    out.write_all(b"\n")
}
