//! Everything known about one address: its services, their reasons and their history.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use nightlatch_asset::{Certificate, Observation, Proof, Record, Text, Timestamp, Transport};

use crate::page::Page;
use crate::style::{Paint, Style};
use crate::table::{also, product, summary, why};

/// Columns of the labels on the left.
const LABEL: usize = 14;
/// Lines that one value may take.
const LINES_MAX: usize = 4;
/// Alternative names of a certificate that are written.
const NAMES_MAX: usize = 12;
/// Changes of one service that are written, newest first.
const CHANGES_MAX: usize = 20;

/// Writes the host view. `records` are of one address, of the latest view or of its whole history, in
/// any order; with history, each service ends with the timeline of its states.
///
/// # Errors
/// What `out` reports.
pub fn host(records: &[Record], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    let Some(newest) = records.iter().max_by_key(|record| (record.last_seen, record.id)) else {
        return page.text("nothing is known about this address", Paint::Plain);
    };
    let mut services: BTreeMap<(u16, Transport), Vec<&Record>> = BTreeMap::new();
    for record in records {
        let seen = &record.observation;
        services.entry((seen.port, seen.transport)).or_default().push(record);
    }
    for history in services.values_mut() {
        history.sort_by_key(|record| std::cmp::Reverse((record.last_seen, record.id)));
    }
    let current: Vec<Record> =
        services.values().filter_map(|history| history.first()).map(|r| (*r).clone()).collect();
    page.text(&newest.observation.ip.to_string(), Paint::Bold)?;
    about(records, &newest.observation, &mut page)?;
    label("Services", &summary(&current), &mut page)?;
    for history in services.values() {
        page.blank()?;
        service(history, &mut page)?;
    }
    Ok(())
}

fn label(name: &str, text: &str, page: &mut Page<'_>) -> io::Result<()> {
    page.paragraph(0, &format!("{name:LABEL$}"), text, Paint::Plain, LINES_MAX)
}

fn about(records: &[Record], newest: &Observation, page: &mut Page<'_>) -> io::Result<()> {
    let union = |part: fn(&Observation) -> &Vec<Text>| {
        let all: BTreeSet<&str> = records.iter().flat_map(|r| part(&r.observation)).map(Text::raw).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    label("Hostnames", &union(|seen| &seen.hostnames), page)?;
    label("Domains", &union(|seen| &seen.domains), page)?;
    if let Some(place) = &newest.place {
        let parts = [&place.city, &place.region, &place.country_name, &place.country_code];
        label("Place", &joined(&parts), page)?;
    }
    if let Some(network) = &newest.network {
        let asn = network.asn.map(|asn| Text::from(format!("AS{asn}")));
        let isp = network.isp.clone().filter(|isp| Some(isp) != network.org.as_ref());
        label("Network", &joined(&[&asn, &network.org, &isp]), page)?;
    }
    if let Some(cloud) = &newest.cloud {
        label("Cloud", &joined(&[&Some(cloud.provider.clone()), &cloud.region, &cloud.service]), page)?;
    }
    label("Owner", newest.owner.as_ref().map_or("", Text::raw), page)?;
    label("System", newest.os.as_ref().map_or("", Text::raw), page)?;
    let tags: BTreeSet<&str> = records.iter().flat_map(|r| &r.observation.tags).map(Text::raw).collect();
    label("Tags", &tags.into_iter().collect::<Vec<_>>().join(", "), page)?;
    let first = records.iter().map(|r| r.first_seen).min();
    let last = records.iter().map(|r| r.last_seen).max();
    if let (Some(first), Some(last)) = (first, last) {
        label("Seen", &format!("{} to {}", minute(first), minute(last)), page)?;
    }
    Ok(())
}

fn joined(parts: &[&Option<Text>]) -> String {
    parts.iter().filter_map(|part| part.as_ref()).map(Text::raw).collect::<Vec<_>>().join(", ")
}

fn service(history: &[&Record], page: &mut Page<'_>) -> io::Result<()> {
    let Some(record) = history.first() else { return Ok(()) };
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let port = format!("{}/{}", seen.port, seen.transport);
    let version = verdict.version.as_ref().map_or(String::new(), |version| format!(" {}", version.raw()));
    let name_columns = page.style.columns().saturating_sub(9 + 1 + 8 + 1 + 13 + 1);
    let cells = [
        page.cell(&port, 9, Paint::Bold),
        page.cell(verdict.severity.as_str(), 8, verdict.severity.into()),
        page.cell(verdict.exposure.as_str(), 13, verdict.exposure.into()),
        page.cell(&format!("{}{version}", product(seen)), name_columns, Paint::Bold),
    ];
    page.line(0, 1, &cells)?;
    let proven = verdict.proof == Some(Proof::Proven);
    detail("Why", &format!("{}{}", why(seen), if proven { " (proven)" } else { "" }), page)?;
    detail("Fix", verdict.fix.as_ref().map_or("", Text::raw), page)?;
    detail("Also", &also(seen), page)?;
    let facts: Vec<String> =
        verdict.facts.iter().map(|(name, value)| format!("{name}={}", value.raw())).collect();
    detail("Facts", &facts.join(", "), page)?;
    detail("Name", seen.asked_as.as_ref().map_or("", Text::raw), page)?;
    http(seen, page)?;
    tls(seen, page)?;
    for (position, evidence) in verdict.evidence.iter().enumerate() {
        let name = if position == 0 { "Evidence" } else { "" };
        let text = format!("{} -> {}", evidence.asked.raw(), evidence.answered.raw());
        detail(name, &text, page)?;
    }
    let judged: Vec<&str> = [verdict.fingerprint.as_ref().map(Text::raw), Some(verdict.rule.as_str())]
        .into_iter()
        .flatten()
        .filter(|word| !word.is_empty())
        .collect();
    if !judged.is_empty() {
        detail("Judged by", &format!("{}, confidence {}", judged.join(" "), verdict.confidence), page)?;
    }
    detail("Seen", &times(record), page)?;
    timeline(history, page)
}

fn detail(name: &str, text: &str, page: &mut Page<'_>) -> io::Result<()> {
    page.paragraph(2, &format!("{name:0$}", LABEL - 2), text, Paint::Plain, LINES_MAX)
}

fn http(seen: &Observation, page: &mut Page<'_>) -> io::Result<()> {
    let Some(http) = &seen.http else { return Ok(()) };
    // An imported answer may lack it.
    let status = (http.status != 0).then(|| format!("status {}", http.status));
    let words = [("server", &http.server), ("title", &http.title), ("location", &http.location)];
    let named =
        words.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?.raw())));
    detail("HTTP", &status.into_iter().chain(named).collect::<Vec<_>>().join(", "), page)
}

fn tls(seen: &Observation, page: &mut Page<'_>) -> io::Result<()> {
    let Some(tls) = &seen.tls else { return Ok(()) };
    let mut parts = vec![tls.version.raw().to_owned()];
    parts.extend([&tls.cipher, &tls.alpn].into_iter().flatten().map(|text| text.raw().to_owned()));
    parts.push(format!("client certificate {}", tls.client_certificate.as_str()));
    parts.extend(tls.failure.as_ref().map(|why| format!("failed: {}", why.raw())));
    parts.retain(|part| !part.is_empty());
    detail("TLS", &parts.join(", "), page)?;
    match tls.chain.first() {
        Some(leaf) => certificate(leaf, tls.chain.len(), seen.time, page),
        None => Ok(()),
    }
}

fn certificate(leaf: &Certificate, sent: usize, seen: Timestamp, page: &mut Page<'_>) -> io::Result<()> {
    detail("Certificate", leaf.subject.raw(), page)?;
    let by = if leaf.self_signed { "itself" } else { leaf.issuer.raw() };
    detail("", &format!("issued by {by} ({sent} sent)"), page)?;
    let end = if leaf.not_after < seen { ", expired when seen" } else { "" };
    detail("", &format!("valid {} to {}{end}", day(leaf.not_before), day(leaf.not_after)), page)?;
    let mut names: Vec<&str> = leaf.sans.iter().take(NAMES_MAX).map(Text::raw).collect();
    let more = format!("{} more", leaf.sans.len().saturating_sub(NAMES_MAX));
    if leaf.sans.len() > NAMES_MAX {
        names.push(&more);
    }
    if !names.is_empty() {
        detail("", &format!("for {}", names.join(", ")), page)?;
    }
    detail(
        "",
        &format!("{} {} bits, {}", leaf.key_type.raw(), leaf.key_bits, leaf.signature_algorithm.raw()),
        page,
    )?;
    detail("", &format!("sha256 {}", leaf.sha256.raw()), page)
}

fn times(record: &Record) -> String {
    let times =
        if record.times_seen == 1 { "once".to_owned() } else { format!("{} times", record.times_seen) };
    format!("{times}, last {}; port first seen {}", minute(record.last_seen), minute(record.first_seen))
}

/// One line for each stretch of time in which the service answered alike, newest first.
fn timeline(history: &[&Record], page: &mut Page<'_>) -> io::Result<()> {
    if history.len() < 2 {
        return Ok(());
    }
    for (position, record) in history.iter().take(CHANGES_MAX).enumerate() {
        let verdict = &record.observation.verdict;
        let from = minute(record.observation.time);
        let version = verdict.version.as_ref().map_or(String::new(), |v| format!(" {}", v.raw()));
        let text = format!(
            "{from} to {}: {}, {}, {}{version}",
            minute(record.last_seen),
            verdict.exposure,
            verdict.severity,
            product(&record.observation)
        );
        detail(if position == 0 { "History" } else { "" }, &text, page)?;
    }
    if history.len() > CHANGES_MAX {
        detail("", &format!("and {} earlier", history.len() - CHANGES_MAX), page)?;
    }
    Ok(())
}

/// `2026-09-21 10:15`, UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.to_string().get(..16).map(|text| text.replace('T', " ")).unwrap_or_else(|| time.to_string())
}

/// `2026-09-21`, UTC.
fn day(time: Timestamp) -> String {
    time.to_string().get(..10).map_or_else(|| time.to_string(), str::to_owned)
}
