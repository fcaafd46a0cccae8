//! Common Event Format, one line for each open service, for log collectors.
//!
//! Source: Micro Focus (ArcSight), "Implementing ArcSight Common Event Format (CEF)", version 25: header fields
//! escape `\` and `|`, extension values `\`, `=` and line breaks. Severities as Shadowserver's loggers map them.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use nightlatch_asset::{Record, Severity, Text};
use nightlatch_untrusted::terminal;

use crate::{open::open_severity, remedy::remedy};

/// Longest value of an extension, in characters of the neutralised text; 1,023 is what most receivers take.
const VALUE_CHARS_MAX: usize = 1_000;

/// Writes one record as one line.
///
/// # Errors
/// What `out` reports.
pub fn cef(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let fingerprint = verdict.fingerprint.as_ref().map_or("unidentified", Text::raw);
    let name = format!("{} is {}", verdict.product.as_ref().map_or("service", Text::raw), verdict.exposure);
    let severity = number(open_severity(record).max(verdict.severity));
    write!(
        out,
        "CEF:0|Nightlatch|nightlatch|{}|{}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        header(&format!("exposure/{fingerprint}")),
        header(&name)
    )?;
    let mut line = Extension { out, first: true };
    line.pair("rt", &record.last_seen.as_millisecond().to_string())?;
    line.pair("start", &record.first_seen.as_millisecond().to_string())?;
    line.pair("end", &record.last_seen.as_millisecond().to_string())?;
    match seen.ip {
        IpAddr::V4(ip) => line.pair("dst", &ip.to_string())?,
        IpAddr::V6(ip) => line.labelled("c6a3", "Destination IPv6 Address", &ip.to_string())?,
    }
    line.pair("dpt", &seen.port.to_string())?;
    line.pair("proto", seen.transport.as_str())?;
    line.pair("app", &seen.protocol)?;
    line.pair("dhost", seen.hostnames.first().map_or("", Text::raw))?;
    line.pair("cat", verdict.exposure.as_str())?;
    line.pair("cnt", &record.times_seen.to_string())?;
    line.pair("externalId", &record.id.to_string())?;
    line.labelled("cs1", "product", verdict.product.as_ref().map_or("", Text::raw))?;
    line.labelled("cs2", "version", verdict.version.as_ref().map_or("", Text::raw))?;
    line.labelled("cs3", "owner", seen.owner.as_ref().map_or("", Text::raw))?;
    let findings: Vec<&str> = verdict.findings.iter().map(|finding| finding.id.as_str()).collect();
    line.labelled("cs4", "findings", &findings.join(" "))?;
    line.labelled("cs5", "fix", remedy(record).summary.raw())?;
    line.labelled("cs6", "severity", open_severity(record).max(verdict.severity).as_str())?;
    line.pair("msg", verdict.why.raw())?;
    out.write_all(b"\n")
}

struct Extension<'w> {
    out: &'w mut dyn Write,
    first: bool,
}

impl Extension<'_> {
    /// Nothing for an empty value.
    fn pair(&mut self, key: &str, value: &str) -> io::Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        let gap = if std::mem::take(&mut self.first) { "" } else { " " };
        write!(self.out, "{gap}{key}={}", extension(value))
    }

    fn labelled(&mut self, key: &str, label: &str, value: &str) -> io::Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        self.pair(key, value)?;
        self.pair(&format!("{key}Label"), label)
    }
}

fn header(text: &str) -> String {
    inert(text).replace('\\', r"\\").replace('|', r"\|")
}

fn extension(text: &str) -> String {
    inert(text).replace('\\', r"\\").replace('=', r"\=")
}

/// One line without anything that a reader obeys, cut.
fn inert(text: &str) -> String {
    terminal(text).chars().take(VALUE_CHARS_MAX).collect()
}

/// As the loggers for Shadowserver's reports map the words.
fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}
