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

#[cfg(test)]
mod tests {
    use nightlatch_untrusted::{hostile, is_dangerous};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        samples::{docker, kubernetes, poisoned},
        tests::written,
    };

    /// Header fields and extension of a line, unescaped, as a receiver reads it.
    fn read(line: &str) -> (Vec<String>, Vec<(String, String)>) {
        let (mut fields, mut field, mut escaped) = (Vec::new(), String::new(), false);
        let mut rest = line.char_indices();
        for (_, c) in rest.by_ref() {
            match c {
                _ if std::mem::take(&mut escaped) => field.push(c),
                '\\' => escaped = true,
                '|' => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
            if fields.len() == 7 {
                break;
            }
        }
        let at = rest.next().map_or(line.len(), |(at, _)| at);
        // A value ends where the last blank before the next unescaped `=` is.
        let mut pairs: Vec<(String, String)> = Vec::new();
        let (mut value, mut escaped) = (String::new(), false);
        for c in line[at..].trim_end_matches('\n').chars() {
            match c {
                _ if std::mem::take(&mut escaped) => value.push(c),
                '\\' => escaped = true,
                '=' => {
                    let key = value.rsplit(' ').next().unwrap_or_default().to_owned();
                    value.truncate(value.len() - key.len());
                    if let Some(last) = pairs.last_mut() {
                        last.1 = value.trim_end_matches(' ').to_owned();
                    }
                    pairs.push((key, String::new()));
                    value.clear();
                }
                c => value.push(c),
            }
        }
        if let Some(last) = pairs.last_mut() {
            last.1 = value;
        }
        (fields, pairs)
    }

    fn line(record: &Record) -> String {
        written(|out| cef(record, out))
    }

    fn value(record: &Record, key: &str) -> String {
        read(&line(record)).1.into_iter().find(|(k, _)| k == key).map(|(_, v)| v).unwrap_or_default()
    }

    #[test]
    fn a_docker_engine_and_an_ipv6_address() {
        let shown = line(&docker());
        let version = env!("CARGO_PKG_VERSION");
        let head = format!(
            "CEF:0|Nightlatch|nightlatch|{version}|exposure/docker-engine|Docker is controllable|10|rt=1790071"
        );
        let head = head.trim_end_matches("1790071");
        assert!(shown.starts_with(head), "{shown}");
        for (key, expected) in [
            ("dst", "192.0.2.7"),
            ("dpt", "2375"),
            ("proto", "tcp"),
            ("dhost", "build.example.com"),
            ("cs3", "platform team"),
            ("cs3Label", "owner"),
            ("cs6", "critical"),
        ] {
            assert_eq!(value(&docker(), key), expected, "{key}");
        }
        assert_eq!(value(&kubernetes(), "dst"), "");
        assert_eq!(value(&kubernetes(), "c6a3"), "2001:db8:1234:5678:9abc:def0:1234:5678");
    }

    #[test]
    fn hostile_text_adds_no_field_and_no_line() {
        let plain: Vec<String> = read(&line(&poisoned("x"))).1.into_iter().map(|(key, _)| key).collect();
        for text in hostile::CORPUS {
            let shown = line(&poisoned(text));
            assert_eq!(shown.matches('\n').count(), 1, "{text:?}");
            assert!(!shown.trim_end_matches('\n').contains(is_dangerous), "{text:?}");
            let (fields, pairs) = read(&shown);
            assert_eq!(fields.len(), 7, "{text:?}");
            let keys: Vec<String> = pairs.into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, plain, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_receiver_reads_back_what_was_written(why in "[ -~]{1,80}") {
            let mut record = docker();
            record.observation.verdict.why = Text::from(why.as_str());
            prop_assert_eq!(value(&record, "msg"), why);
        }
    }
}
