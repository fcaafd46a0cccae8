//! Reports in the shape that Shadowserver sends to network owners, so that what reads those reads ours: one CSV file
//! for each type and day, named `YYYY-MM-DD-<type>-<identifier>.csv`, times UTC.
//!
//! IntelMQ reads them with the mapping that Shadowserver publishes. Types are never invented: a file of an unknown type
//! is refused whole. Products without a type go into `special`, each with a tag of its own.

mod types;
mod value;

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use nightlatch_asset::{Exposure, Record, Timestamp};
use nightlatch_untrusted::csv_field;

pub use types::ReportType;

use crate::{open::is_open, when::day};

/// How files are divided beside type and address family.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Split {
    /// Not at all.
    #[default]
    None,
    /// By networks of this many leading bits, IPv4 (at most 32) and IPv6 (at most 128).
    Prefix(u8, u8),
    /// By these blocks, the longest that holds an address; what is in none goes without a suffix.
    Blocks(Vec<(IpAddr, u8)>),
}

/// What goes into which file. Holds no rows: a row is made at a time, for the caller to append to its file.
#[derive(Clone, Debug)]
pub struct Shadowserver {
    day: String,
    identifier: String,
    split: Split,
    information: bool,
    /// The columns of each type, in the order of [`ReportType::ALL`]: a row is made of them a million times.
    columns: Vec<Vec<&'static str>>,
}

/// One line of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Name of the file, such as `2026-09-21-scan_docker-nightlatch.csv`.
    pub file: String,
    /// The type, for its header.
    pub kind: ReportType,
    /// The line, with its line feed.
    pub line: String,
}

impl Shadowserver {
    /// A set of reports.
    ///
    /// - `time`: its day, UTC, begins every name.
    /// - `identifier`: whose networks these are; what cannot be in a name becomes `_`.
    pub fn new(time: Timestamp, identifier: &str, split: Split) -> Self {
        let columns = ReportType::ALL.into_iter().map(ReportType::columns).collect();
        Self { day: day(time), identifier: name_part(identifier), split, information: false, columns }
    }

    /// Also `scan_http` and `scan_ssl` (and their `scan6_`): everything that answers, for information.
    #[must_use]
    pub fn with_information(mut self, information: bool) -> Self {
        self.information = information;
        self
    }

    /// The rows of a record: none when it is in no report, and several when it is in the informational ones, too.
    pub fn rows(&self, record: &Record) -> Vec<Row> {
        self.kinds(record).into_iter().map(|kind| self.row(kind, record)).collect()
    }

    fn kinds(&self, record: &Record) -> Vec<ReportType> {
        let seen = &record.observation;
        let mut kinds = Vec::new();
        // Without a product: only findings can make it worth a line.
        let kind = ReportType::of(seen).unwrap_or(ReportType::Special);
        let kind = if kind == ReportType::HttpVulnerable && seen.verdict.exposure < Exposure::Readable {
            ReportType::Special
        } else {
            kind
        };
        if seen.verdict.exposure >= kind.least() || is_open(record) {
            kinds.push(kind);
        }
        if self.information {
            kinds.extend(seen.http.is_some().then_some(ReportType::Http));
            kinds.extend(
                seen.tls.as_ref().is_some_and(|tls| tls.failure.is_none()).then_some(ReportType::Ssl),
            );
        }
        kinds
    }

    fn row(&self, kind: ReportType, record: &Record) -> Row {
        let seen = &record.observation;
        let mut line = String::with_capacity(512);
        let columns = self.columns.get(kind as usize).map(Vec::as_slice).unwrap_or_default();
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                line.push(',');
            }
            let informational = *column == "severity" && matches!(kind, ReportType::Http | ReportType::Ssl);
            let value = if informational { "info".to_owned() } else { value::value(kind, column, record) };
            line.push_str(&csv_field(&value));
        }
        line.push('\n');
        let part = if seen.ip.is_ipv6() { kind.file6().unwrap_or(kind.file()) } else { kind.file() };
        let mut file = format!("{}-{part}-{}", self.day, self.identifier);
        if let Some((network, bits)) = self.network(seen.ip) {
            let _ = write!(file, "-{}_{bits}", name_part(&network.to_string()));
        }
        file.push_str(".csv");
        Row { file, kind, line }
    }

    fn network(&self, ip: IpAddr) -> Option<(IpAddr, u8)> {
        match &self.split {
            Split::None => None,
            Split::Prefix(four, six) => {
                let bits = if ip.is_ipv4() { (*four).min(32) } else { (*six).min(128) };
                Some((masked(ip, bits), bits))
            }
            Split::Blocks(blocks) => {
                let holds = |(network, bits): &&(IpAddr, u8)| {
                    network.is_ipv4() == ip.is_ipv4() && masked(*network, *bits) == masked(ip, *bits)
                };
                let (network, bits) = blocks.iter().filter(holds).max_by_key(|(_, bits)| *bits)?;
                Some((masked(*network, *bits), *bits))
            }
        }
    }
}

/// The first line of a file of this type, with its line feed.
pub fn header(kind: ReportType) -> String {
    format!("{}\n", kind.columns().join(","))
}

/// The address with all but its leading `bits` cleared.
fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::from((u32::from(ip) & mask).to_be_bytes())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) & mask))
        }
    }
}

/// Longest part of a file name that comes from outside, in bytes.
const NAME_BYTES_MAX: usize = 60;

/// Letters, digits and underscores: what IntelMQ takes between the hyphens of a name.
fn name_part(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = text.chars().take(NAME_BYTES_MAX).map(plain).collect();
    if name.is_empty() { "nightlatch".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
