//! The formats in which providers publish their ranges, told apart by what they hold.

use std::net::IpAddr;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use nightlatch_untrusted::terminal_cut;
use serde::Deserialize;

use super::{Block, Label, RANGES_MAX};

/// What Amazon calls all of its ranges; every block of a service is listed under this word as well.
pub(super) const AWS_EVERYTHING: &str = "AMAZON";

/// Longest region or service taken over, in bytes.
const WORD_BYTES_MAX: usize = 100;

/// Columns of foreign text that an error message repeats.
const QUOTED_COLUMNS_MAX: usize = 120;

const EXPECTED: &str = "expected the ranges of AWS, Azure, Cloudflare, Fastly, Google, Oracle, Vultr (JSON), or one block a line";

/// Why a range file was refused. Words of the file are neutralised for a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// JSON that cannot be read, or of another shape than the format has.
    #[error("line {line}, column {column}: {what}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        what: String,
    },
    /// JSON of no known provider.
    #[error("{EXPECTED}")]
    Unknown,
    /// A line or a word that is no block of addresses.
    #[error("{}`{word}` is no block of addresses such as 192.0.2.0/24", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Block {
        /// Line, from 1; absent for JSON.
        line: Option<usize>,
        /// The word.
        word: String,
    },
    /// Not UTF-8.
    #[error("line {line}: not UTF-8")]
    NotUtf8 {
        /// Line, from 1.
        line: usize,
    },
    /// No block at all: a file cut short, or the wrong one.
    #[error("it holds no block of addresses; {EXPECTED}")]
    Empty,
    /// Too many blocks or files.
    #[error("it holds more than {RANGES_MAX} blocks")]
    TooMany,
}

/// One file, read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) format: &'static str,
    pub(super) built: Option<Timestamp>,
    pub(super) blocks: Vec<Block>,
}

/// Reads a file of any known format.
pub(super) fn read(bytes: &[u8], file: u16) -> Result<Read, RangeError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| RangeError::NotUtf8 { line: line_of(bytes, e.valid_up_to()) })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let sink = Sink { file, blocks: Vec::new() };
    let read = if text.trim_start().starts_with(['{', '[']) { json(text, sink)? } else { lines(text, sink)? };
    if read.blocks.is_empty() { Err(RangeError::Empty) } else { Ok(read) }
}

struct Sink {
    file: u16,
    blocks: Vec<Block>,
}

impl Sink {
    fn push(&mut self, block: &str, region: Option<&str>, service: Option<&str>) -> Result<(), RangeError> {
        if self.blocks.len() == RANGES_MAX {
            return Err(RangeError::TooMany);
        }
        let (ip, length) =
            parse_block(block).ok_or_else(|| RangeError::Block { line: None, word: quoted(block) })?;
        let label = Label { file: self.file, region: region.and_then(word), service: service.and_then(word) };
        self.blocks.push(Block { ip, length, label });
        Ok(())
    }

    fn done(self, format: &'static str, built: Option<Timestamp>) -> Read {
        Read { format, built, blocks: self.blocks }
    }
}

/// Absent when empty; cut at a character when too long.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let cut = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= WORD_BYTES_MAX)
        .last()?;
    Some(text[..cut].to_owned())
}

/// An address with a prefix length, or alone; bits beyond the length are passed over.
fn parse_block(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = match text.trim().split_once('/') {
        Some((ip, length)) => (ip, Some(length)),
        None => (text.trim(), None),
    };
    let ip: IpAddr = ip.parse().ok()?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => length.parse().ok()?,
        Some(_) => return None,
        None => bits,
    };
    (length <= bits).then_some((ip, length))
}

fn quoted(text: &str) -> String {
    terminal_cut(text, QUOTED_COLUMNS_MAX)
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// One block a line (Cloudflare), with further cells: country, region, city (DigitalOcean, RFC 8805).
fn lines(text: &str, mut sink: Sink) -> Result<Read, RangeError> {
    let mut format = "list";
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let mut cells = line.split(',').map(|cell| cell.trim().trim_matches('"'));
        let block = cells.next().unwrap_or_default();
        let region = cells.nth(1);
        if region.is_some() {
            format = "geofeed";
        }
        sink.push(block, region, None).map_err(|error| match error {
            RangeError::Block { word, .. } => RangeError::Block { line: Some(number + 1), word },
            other => other,
        })?;
    }
    Ok(sink.done(format, None))
}

/// Just enough to tell whose file it is.
#[derive(Deserialize)]
struct Shape {
    prefixes: Option<Vec<Prefix>>,
    #[serde(default)]
    ipv6_prefixes: Vec<Prefix>,
    values: Option<Vec<AzureTag>>,
    regions: Option<Vec<OracleRegion>>,
    addresses: Option<Vec<String>>,
    #[serde(default)]
    ipv6_addresses: Vec<String>,
    result: Option<CloudflareResult>,
    subnets: Option<Vec<VultrSubnet>>,
    updated: Option<String>,
    #[serde(rename = "createDate")]
    create_date: Option<String>,
    #[serde(rename = "creationTime")]
    creation_time: Option<String>,
    last_updated_timestamp: Option<String>,
    #[serde(rename = "syncToken")]
    sync_token: Option<String>,
}

/// AWS and Google both have `prefixes`.
#[derive(Deserialize)]
struct Prefix {
    #[serde(alias = "ipv6_prefix")]
    ip_prefix: Option<String>,
    #[serde(rename = "ipv4Prefix", alias = "ipv6Prefix")]
    google_prefix: Option<String>,
    region: Option<String>,
    service: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct AzureTag {
    properties: AzureProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureProperties {
    region: Option<String>,
    system_service: Option<String>,
    address_prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct OracleRegion {
    region: String,
    cidrs: Vec<OracleBlock>,
}

#[derive(Deserialize)]
struct OracleBlock {
    cidr: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct CloudflareResult {
    ipv4_cidrs: Vec<String>,
    #[serde(default)]
    ipv6_cidrs: Vec<String>,
}

#[derive(Deserialize)]
struct VultrSubnet {
    ip_prefix: String,
    region: Option<String>,
}

fn json(text: &str, sink: Sink) -> Result<Read, RangeError> {
    let shape: Shape = serde_json::from_str(text).map_err(|e| RangeError::Json {
        line: e.line(),
        column: e.column(),
        what: quoted(e.to_string().split(" at line ").next().unwrap_or_default()),
    })?;
    let built = built(&shape);
    if let Some(tags) = shape.values {
        return azure(tags, sink);
    }
    if let Some(regions) = shape.regions {
        return oracle(regions, built, sink);
    }
    if let Some(v4) = shape.addresses {
        return plain("fastly", v4.iter().chain(&shape.ipv6_addresses), sink);
    }
    if let Some(CloudflareResult { ipv4_cidrs, ipv6_cidrs }) = shape.result {
        return plain("cloudflare", ipv4_cidrs.iter().chain(&ipv6_cidrs), sink);
    }
    if let Some(subnets) = shape.subnets {
        return vultr(subnets, built, sink);
    }
    match shape.prefixes {
        Some(prefixes) if prefixes.iter().any(|prefix| prefix.google_prefix.is_some()) => {
            google(prefixes, built, sink)
        }
        Some(prefixes) => aws(prefixes.into_iter().chain(shape.ipv6_prefixes), built, sink),
        None => Err(RangeError::Unknown),
    }
}

/// Source: AWS, "AWS IP address ranges". `GLOBAL` is no region.
fn aws(
    prefixes: impl Iterator<Item = Prefix>,
    built: Option<Timestamp>,
    mut sink: Sink,
) -> Result<Read, RangeError> {
    for prefix in prefixes {
        let region = prefix.region.as_deref().filter(|region| *region != "GLOBAL");
        if let Some(block) = &prefix.ip_prefix {
            sink.push(block, region, prefix.service.as_deref())?;
        }
    }
    Ok(sink.done("aws", built))
}

/// Source: Google, "Obtain Google IP address ranges": `cloud.json` has scope and service, `goog.json` not.
fn google(prefixes: Vec<Prefix>, built: Option<Timestamp>, mut sink: Sink) -> Result<Read, RangeError> {
    for prefix in prefixes {
        let region = prefix.scope.as_deref().filter(|scope| *scope != "global");
        if let Some(block) = &prefix.google_prefix {
            sink.push(block, region, prefix.service.as_deref())?;
        }
    }
    Ok(sink.done("google", built))
}

/// Source: Microsoft, "Azure IP ranges and service tags". The date is in the file's name only.
fn azure(tags: Vec<AzureTag>, mut sink: Sink) -> Result<Read, RangeError> {
    for AzureTag { properties } in tags {
        for block in &properties.address_prefixes {
            sink.push(block, properties.region.as_deref(), properties.system_service.as_deref())?;
        }
    }
    Ok(sink.done("azure", None))
}

/// Source: Oracle, "IP address ranges". The tags are `OCI`, `OSN`, `OBJECT_STORAGE`.
fn oracle(regions: Vec<OracleRegion>, built: Option<Timestamp>, mut sink: Sink) -> Result<Read, RangeError> {
    for OracleRegion { region, cidrs } in regions {
        for OracleBlock { cidr, tags } in cidrs {
            sink.push(&cidr, Some(&region), tags.first().map(String::as_str))?;
        }
    }
    Ok(sink.done("oracle", built))
}

/// Sources: Fastly, "Public IP list"; Cloudflare, "Cloudflare IP Details" of its API. Neither has places or a date.
fn plain<'b>(
    format: &'static str,
    blocks: impl Iterator<Item = &'b String>,
    mut sink: Sink,
) -> Result<Read, RangeError> {
    for block in blocks {
        sink.push(block, None, None)?;
    }
    Ok(sink.done(format, None))
}

/// Source: Vultr, its geofeed as JSON.
fn vultr(subnets: Vec<VultrSubnet>, built: Option<Timestamp>, mut sink: Sink) -> Result<Read, RangeError> {
    for VultrSubnet { ip_prefix, region } in subnets {
        sink.push(&ip_prefix, region.as_deref(), None)?;
    }
    Ok(sink.done("vultr", built))
}

fn built(shape: &Shape) -> Option<Timestamp> {
    let dates = [&shape.creation_time, &shape.last_updated_timestamp, &shape.create_date, &shape.updated];
    dates.into_iter().flatten().find_map(|text| date(text)).or_else(|| {
        let seconds = shape.sync_token.as_ref()?.parse().ok()?;
        Timestamp::from_second(seconds).ok()
    })
}

/// With a zone, without one, or as `2026-09-21-10-15-00`; all UTC.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let civil = text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y-%m-%d-%H-%M-%S", text)).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}
