use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::IpAddr,
};

use nightlatch_asset::{
    Confidence, Evidence, Exposure, Finding, Proof, Severity, Text, Timestamp, Transport,
};
use nightlatch_untrusted::json as inert;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{About, Item, OwnerReport};
use crate::remedy::Remedy;

#[derive(Serialize)]
struct Document<'a> {
    report: &'static str,
    generated: Timestamp,
    query: &'a Text,
    #[serde(serialize_with = "each_owner")]
    owners: &'a [OwnerReport],
}

#[derive(Serialize)]
struct Owner<'a> {
    /// Null where the scope names nobody.
    owner: Option<&'a Text>,
    summary: String,
    services: u64,
    open: u64,
    open_by_severity: BTreeMap<&'static str, u64>,
    services_by_exposure: BTreeMap<&'static str, u64>,
    last_seen_oldest: Option<Timestamp>,
    last_seen_newest: Option<Timestamp>,
    run: &'a str,
    /// Open services that are not among the items.
    left_out: u64,
    #[serde(serialize_with = "each_item")]
    items: &'a [Item],
}

#[derive(Serialize)]
struct Service<'a> {
    ip: IpAddr,
    port: u16,
    transport: Transport,
    protocol: &'a str,
    hostnames: &'a [Text],
    fingerprint: Option<&'a Text>,
    product: Option<&'a Text>,
    version: Option<&'a Text>,
    severity: Severity,
    exposure: Exposure,
    proof: Option<Proof>,
    confidence: Confidence,
    why: &'a Text,
    facts: &'a BTreeMap<String, Text>,
    first_seen: Timestamp,
    /// Since when this very answer is known.
    since: Timestamp,
    last_seen: Timestamp,
    times_seen: u32,
    days: u64,
    findings: &'a [Finding],
    evidence: &'a [Evidence],
    remedy: Remedy,
}

/// Writes the reports as one JSON document with a line feed at the end.
///
/// # Errors
/// What `out` reports.
pub fn json(reports: &[OwnerReport], about: &About, out: &mut dyn Write) -> io::Result<()> {
    let document =
        Document { report: "owner", generated: about.generated, query: &about.query, owners: reports };
    inert::to_writer(&mut *out, &document).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

fn each_owner<S: Serializer>(reports: &[OwnerReport], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(reports.len()))?;
    for report in reports {
        let severities = Severity::ALL.iter().map(|severity| severity.as_str());
        let states = Exposure::ALL.iter().map(|state| state.as_str());
        list.serialize_element(&Owner {
            owner: report.owner.as_ref(),
            summary: report.summary(),
            services: report.services,
            open: report.open,
            open_by_severity: severities.zip(report.open_by_severity).collect(),
            services_by_exposure: states.zip(report.services_by_exposure).collect(),
            last_seen_oldest: report.last_seen.map(|(oldest, _)| oldest),
            last_seen_newest: report.last_seen.map(|(_, newest)| newest),
            run: &report.run.0,
            left_out: report.left_out(),
            items: &report.items,
        })?;
    }
    list.end()
}

fn each_item<S: Serializer>(items: &[Item], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(items.len()))?;
    for item in items {
        let record = &item.record;
        let seen = &record.observation;
        let verdict = &seen.verdict;
        list.serialize_element(&Service {
            ip: seen.ip,
            port: seen.port,
            transport: seen.transport,
            protocol: &seen.protocol,
            hostnames: &seen.hostnames,
            fingerprint: verdict.fingerprint.as_ref(),
            product: verdict.product.as_ref(),
            version: verdict.version.as_ref(),
            severity: item.severity,
            exposure: verdict.exposure,
            proof: verdict.proof,
            confidence: verdict.confidence,
            why: &verdict.why,
            facts: &verdict.facts,
            first_seen: record.first_seen,
            since: seen.time,
            last_seen: record.last_seen,
            times_seen: record.times_seen,
            days: item.days(),
            findings: &verdict.findings,
            evidence: &verdict.evidence,
            remedy: item.remedy(),
        })?;
    }
    list.end()
}
