use std::io::{self, Write};

use nightlatch_asset::Text;
use nightlatch_untrusted::csv_field;

use super::{Item, OwnerReport};
use crate::{remedy::Tool, when::second};

const COLUMNS: [&str; 22] = [
    "owner",
    "severity",
    "exposure",
    "proof",
    "confidence",
    "ip",
    "port",
    "transport",
    "hostnames",
    "product",
    "version",
    "first_seen",
    "since",
    "last_seen",
    "days",
    "why",
    "findings",
    "evidence",
    "fix",
    "steps",
    "firewall",
    "references",
];

/// Longest value of one cell, in bytes; spreadsheets take 32,767 characters.
const CELL_BYTES_MAX: usize = 32_000;

/// Writes what is open as CSV: a header, then one line for each service. Several values of a cell are separated by
/// ` | `. An owner without anything open has no line.
///
/// # Errors
/// What `out` reports.
pub fn csv(reports: &[OwnerReport], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for report in reports {
        for item in &report.items {
            let cells = cells(report, item).map(|cell| csv_field(cut(&cell)));
            writeln!(out, "{}", cells.join(","))?;
        }
    }
    Ok(())
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(CELL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn cells(report: &OwnerReport, item: &Item) -> [String; 22] {
    let record = &item.record;
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let remedy = item.remedy();
    let word = |text: Option<&Text>| text.map_or_else(String::new, |text| text.raw().to_owned());
    let several = |texts: Vec<String>| texts.join(" | ");
    [
        report.owner.as_ref().map_or_else(String::new, |owner| owner.raw().to_owned()),
        item.severity.as_str().to_owned(),
        verdict.exposure.as_str().to_owned(),
        verdict.proof.map_or("", |proof| proof.as_str()).to_owned(),
        verdict.confidence.as_str().to_owned(),
        seen.ip.to_string(),
        seen.port.to_string(),
        seen.transport.as_str().to_owned(),
        several(seen.hostnames.iter().map(|name| name.raw().to_owned()).collect()),
        word(verdict.product.as_ref()),
        word(verdict.version.as_ref()),
        second(record.first_seen),
        second(seen.time),
        second(record.last_seen),
        item.days().to_string(),
        verdict.why.raw().to_owned(),
        several(
            verdict.findings.iter().map(|finding| format!("{} ({})", finding.id, finding.severity)).collect(),
        ),
        several(
            verdict
                .evidence
                .iter()
                .map(|piece| format!("{} -> {}", piece.asked.raw(), piece.answered.raw()))
                .collect(),
        ),
        remedy.summary.raw().to_owned(),
        several(remedy.steps.iter().map(|step| step.raw().to_owned()).collect()),
        remedy
            .network
            .iter()
            .find(|rule| rule.tool == Tool::Iptables)
            .map_or_else(String::new, |rule| rule.text.trim_end().to_owned()),
        several(remedy.references.iter().map(|reference| reference.title.to_owned()).collect()),
    ]
}
