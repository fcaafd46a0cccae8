//! CSV: one record a line, every searchable column that fits a cell, and the reasons.

use std::io::{self, Write};

use nightlatch_asset::{Field, Observation, Record};
use nightlatch_untrusted::csv_field;

use crate::fields::field_text;

/// Columns that are searchable fields, in order; `why` and `fix` follow `confidence`.
const BEFORE: [Field; 14] = [
    Field::Time,
    Field::Ip,
    Field::Port,
    Field::Transport,
    Field::Protocol,
    Field::Severity,
    Field::Exposure,
    Field::Proof,
    Field::Confidence,
    Field::Fingerprint,
    Field::Product,
    Field::Version,
    Field::Cpe,
    Field::Os,
];
const AFTER: [Field; 36] = [
    Field::Finding,
    Field::Fact,
    Field::Owner,
    Field::Tag,
    Field::Hostname,
    Field::Domain,
    Field::Asn,
    Field::Org,
    Field::Isp,
    Field::Country,
    Field::CountryName,
    Field::Region,
    Field::City,
    Field::Postal,
    Field::Geo,
    Field::CloudProvider,
    Field::CloudRegion,
    Field::CloudService,
    Field::HttpStatus,
    Field::HttpTitle,
    Field::HttpServer,
    Field::HttpLocation,
    Field::HttpFaviconHash,
    Field::SslVersion,
    Field::SslCipher,
    Field::SslAlpn,
    Field::SslClientCertificate,
    Field::SslSubjectCn,
    Field::SslIssuerCn,
    Field::SslSan,
    Field::SslSerial,
    Field::SslFingerprint,
    Field::SslNotAfter,
    Field::FirstSeen,
    Field::LastSeen,
    Field::Run,
];

/// Longest value of one cell, in bytes; spreadsheets take 32,767 characters.
const CELL_BYTES_MAX: usize = 32_000;

/// Writes chosen fields as CSV, with a header; cells are neutralised as in [`Csv::write`].
///
/// # Errors
/// What `out` reports.
pub fn csv_of<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    fields: &[Field],
    out: &mut dyn Write,
) -> io::Result<()> {
    let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    writeln!(out, "{}", names.join(","))?;
    for record in records {
        let mut csv = Csv::continued(&mut *out);
        for (position, field) in fields.iter().enumerate() {
            let end = if position + 1 == fields.len() { "\n" } else { "," };
            csv.cell(&field_text(record, *field), end)?;
        }
    }
    Ok(())
}

/// Writes records as CSV: a header, then one line a record, RFC 4180 quoting, line feeds.
pub struct Csv<'w> {
    out: &'w mut dyn Write,
}

impl<'w> Csv<'w> {
    /// Writes the header.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn new(out: &'w mut dyn Write) -> io::Result<Self> {
        let names =
            BEFORE.iter().map(|f| f.name()).chain(["why", "fix"]).chain(AFTER.iter().map(|f| f.name()));
        writeln!(out, "{}", names.collect::<Vec<_>>().join(","))?;
        Ok(Self { out })
    }

    /// Goes on with output that has its header already.
    pub fn continued(out: &'w mut dyn Write) -> Self {
        Self { out }
    }

    /// Writes one record. Every cell is neutralised: no formula, no control character, no override.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        let verdict = &record.observation.verdict;
        for field in BEFORE {
            self.cell(&field_text(record, field), ",")?;
        }
        self.cell(verdict.why.raw(), ",")?;
        self.cell(verdict.fix.as_ref().map_or("", |fix| fix.raw()), ",")?;
        for (position, field) in AFTER.into_iter().enumerate() {
            let end = if position + 1 == AFTER.len() { "\n" } else { "," };
            self.cell(&field_text(record, field), end)?;
        }
        Ok(())
    }

    /// Writes one observation that is not in a store (yet): seen first and last at its own time.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn write_observation(&mut self, observation: &Observation) -> io::Result<()> {
        let time = observation.time;
        let observation = observation.clone();
        self.write(&Record {
            id: 0,
            first_seen: time,
            last_seen: time,
            times_seen: 1,
            latest: true,
            observation,
        })
    }

    fn cell(&mut self, text: &str, end: &str) -> io::Result<()> {
        let mut cut = text.len().min(CELL_BYTES_MAX);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        write!(self.out, "{}{end}", csv_field(&text[..cut]))
    }
}

/// Writes all `records` as CSV.
///
/// # Errors
/// What `out` reports.
pub fn csv<'a>(records: impl IntoIterator<Item = &'a Record>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = Csv::new(out)?;
    records.into_iter().try_for_each(|record| csv.write(record))
}
