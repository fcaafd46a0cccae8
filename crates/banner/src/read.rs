//! From a banner, ours or somebody else's, to an observation.

use std::net::IpAddr;

use jiff::{civil::DateTime, tz::TimeZone};
use nightlatch_asset::{
    Cloud, Favicon, Http, Network, Observation, Place, RunId, Text, Timestamp, Tls, Transport, Verdict,
    murmur3_32,
};
use nightlatch_untrusted::terminal_cut;

use crate::certificate;
use crate::lenient::Object;
use crate::shape::{EmptyPart, Own, SCHEMA};

/// Deepest nesting of objects and lists in a banner.
pub const DEPTH_MAX: usize = 64;

/// Columns of foreign text that an error message repeats.
const QUOTED_COLUMNS_MAX: usize = 160;

/// Why a line is not a banner. Foreign words inside the message are neutralised for a terminal.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BannerError {
    /// Not a JSON object.
    #[error("not a banner, expected one JSON object a line: {what}")]
    Json {
        /// The parser's words.
        what: String,
    },
    /// Objects and lists nested too deeply.
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A word that must be there is missing or wrong.
    #[error("`{field}` is missing or wrong, expected {expected}")]
    Field {
        /// The word.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The `nightlatch` object is not what we write.
    #[error("`nightlatch` is damaged: {what}")]
    Own {
        /// The parser's words.
        what: String,
    },
    /// The `nightlatch` object was written by a newer version.
    #[error(
        "`nightlatch` has schema {found}, this version reads schemas up to {SCHEMA}; use a newer nightlatch"
    )]
    Newer {
        /// The schema found.
        found: u32,
    },
}

/// Reads one banner.
///
/// Ours gives back the observation it was made of, equal in every field. Of somebody else's, words that
/// we do not know or that have an unexpected type are passed over, and the exposure is `unknown`.
///
/// # Errors
/// [`BannerError`], when there is no address, port or time, or when our own object is damaged.
pub fn from_banner(line: &str) -> Result<Observation, BannerError> {
    read(line).map(|(observation, _)| observation)
}

/// As [`from_banner`], and when the same answer was last seen, where that was later.
pub(crate) fn read(line: &str) -> Result<(Observation, Option<Timestamp>), BannerError> {
    if nested_deeper_than(line, DEPTH_MAX) {
        return Err(BannerError::TooDeep);
    }
    let banner = Object::parse(line).map_err(|e| BannerError::Json { what: quoted(&e) })?;
    let own = own(&banner)?;
    let shodan = banner.object("_shodan").unwrap_or_default();
    let options = shodan.object("options").unwrap_or_default();
    let empty = own.as_ref().map(|own| own.empty.clone()).unwrap_or_default();
    let mut seen = Observation {
        ip: address(&banner)?,
        port: banner
            .number("port")
            .ok_or(BannerError::Field { field: "port", expected: "a number from 0 to 65535" })?,
        transport: transport(&banner)?,
        protocol: shodan.text("module").map(|t| t.raw().to_owned()).unwrap_or_else(|| "tcp".to_owned()),
        time: match &own {
            Some(own) => own.time,
            None => time(&banner)?,
        },
        run: RunId::default(),
        asked_as: options.text("hostname").filter(|name| !name.is_empty()),
        verdict: Verdict {
            product: banner.text("product"),
            version: banner.text("version"),
            cpe: cpe(&banner),
            ..Verdict::default()
        },
        data: banner.text("data").unwrap_or_default(),
        http: banner.object("http").map(|http| http_part(&http)),
        tls: banner.object("ssl").map(|ssl| tls_part(&ssl, own.is_none())),
        hostnames: banner.texts("hostnames"),
        domains: banner.texts("domains"),
        place: place(&banner, empty.contains(&EmptyPart::Place)),
        network: network(&banner, empty.contains(&EmptyPart::Network)),
        cloud: banner.object("cloud").and_then(|cloud| cloud_part(&cloud)),
        owner: None,
        os: banner.text("os"),
        tags: banner.texts("tags").into_iter().collect(),
    };
    let mut last_seen = None;
    if let Some(own) = own {
        last_seen = Some(own.last_seen).filter(|last| *last > own.time);
        restore(&mut seen, own);
    }
    Ok((seen, last_seen))
}

fn own(banner: &Object<'_>) -> Result<Option<Own>, BannerError> {
    let Some(raw) = banner.raw("nightlatch") else { return Ok(None) };
    let schema = Object::parse(raw).ok().and_then(|own| own.number("schema"));
    if let Some(found) = schema.filter(|schema| *schema > SCHEMA) {
        return Err(BannerError::Newer { found });
    }
    serde_json::from_str(raw).map(Some).map_err(|e| BannerError::Own { what: quoted(&e) })
}

/// Puts what only we know where it came from.
fn restore(seen: &mut Observation, own: Own) {
    seen.run = own.run;
    seen.protocol = own.protocol;
    seen.asked_as = own.asked_as;
    seen.owner = own.owner;
    let told = std::mem::take(&mut seen.verdict);
    seen.verdict = Verdict {
        product: told.product,
        version: told.version,
        cpe: told.cpe,
        fingerprint: own.fingerprint,
        exposure: own.exposure,
        proof: own.proof,
        severity: own.severity,
        confidence: own.confidence,
        why: own.why,
        rule: own.rule,
        fix: own.fix,
        findings: own.findings,
        facts: own.facts,
        evidence: own.evidence,
    };
    if let (Some(http), Some(kept)) = (&mut seen.http, own.http) {
        http.body_bytes = kept.body_bytes;
    }
    if let (Some(tls), Some(kept)) = (&mut seen.tls, own.tls) {
        tls.client_certificate = kept.client_certificate;
        tls.failure = kept.failure;
        tls.chain = kept.chain;
    }
}

fn address(banner: &Object<'_>) -> Result<IpAddr, BannerError> {
    let written = banner.text("ipv6").or_else(|| banner.text("ip_str"));
    let parsed = match written {
        Some(text) => text.raw().parse::<IpAddr>().ok(),
        None => banner.number::<u32>("ip").map(|ip| IpAddr::V4(ip.into())),
    };
    parsed
        .map(|ip| ip.to_canonical())
        .ok_or(BannerError::Field { field: "ip_str", expected: "an IPv4 or IPv6 address" })
}

fn transport(banner: &Object<'_>) -> Result<Transport, BannerError> {
    match banner.text("transport") {
        None => Ok(Transport::Tcp),
        Some(word) => {
            word.raw().parse().map_err(|_| BannerError::Field { field: "transport", expected: "tcp or udp" })
        }
    }
}

/// Without a zone it is UTC; with one, what the zone says.
fn time(banner: &Object<'_>) -> Result<Timestamp, BannerError> {
    let wrong =
        BannerError::Field { field: "timestamp", expected: "a time such as 2026-09-21T10:15:00.000000" };
    let Some(text) = banner.text("timestamp") else { return Err(wrong) };
    if let Ok(time) = text.raw().parse::<Timestamp>() {
        return Ok(time);
    }
    let civil = text.raw().parse::<DateTime>().ok();
    civil.and_then(|civil| TimeZone::UTC.to_timestamp(civil).ok()).ok_or(wrong)
}

fn cpe(banner: &Object<'_>) -> Vec<Text> {
    match banner.raw("cpe23") {
        Some(_) => banner.texts("cpe23"),
        None => banner.texts("cpe").iter().filter_map(|name| cpe23(name.raw())).collect(),
    }
}

/// `cpe:/a:docker:docker:20.10` as a CPE 2.3 name of eleven parts; none for another shape.
fn cpe23(name: &str) -> Option<Text> {
    const PARTS: usize = 11;
    if name.starts_with("cpe:2.3:") {
        return Some(name.into());
    }
    let told = name.strip_prefix("cpe:/")?;
    let mut parts: Vec<&str> = told.split(':').map(|part| if part.is_empty() { "*" } else { part }).collect();
    if parts.len() > PARTS || told.contains(['%', '~', '\\']) {
        return None;
    }
    parts.resize(PARTS, "*");
    Some(format!("cpe:2.3:{}", parts.join(":")).into())
}

fn http_part(http: &Object<'_>) -> Http {
    let html = http.text("html");
    let html_hash = http.number("html_hash");
    Http {
        status: http.number("status").unwrap_or_default(),
        title: http.text("title"),
        server: http.text("server"),
        location: http.text("location"),
        host: http.text("host").unwrap_or_default(),
        body_bytes: html.as_ref().map_or(0, |html| html.raw().len() as u64),
        html_hash: html_hash
            .unwrap_or_else(|| html.as_ref().map_or(0, |html| murmur3_32(html.raw().as_bytes()))),
        headers_hash: http.number("headers_hash").unwrap_or_default(),
        favicon: http.object("favicon").and_then(|icon| {
            Some(Favicon { hash: icon.number("hash")?, path: icon.text("location").unwrap_or_default() })
        }),
    }
}

fn tls_part(ssl: &Object<'_>, foreign: bool) -> Tls {
    let cipher = ssl.object("cipher").unwrap_or_default();
    let cert = if foreign { ssl.object("cert") } else { None };
    Tls {
        version: cipher.text("version").unwrap_or_default(),
        cipher: cipher.text("name"),
        alpn: ssl.texts("alpn").into_iter().next(),
        chain: cert.and_then(|cert| certificate::from_cert(&cert)).into_iter().collect(),
        ..Tls::default()
    }
}

fn place(banner: &Object<'_>, keep_empty: bool) -> Option<Place> {
    let location = banner.object("location").unwrap_or_default();
    let place = Place {
        country_code: location.text("country_code"),
        country_name: location.text("country_name"),
        region: location.text("region_code"),
        city: location.text("city"),
        postal: location.text("postal_code"),
        latitude: location.number("latitude"),
        longitude: location.number("longitude"),
    };
    (keep_empty || place != Place::default()).then_some(place)
}

fn network(banner: &Object<'_>, keep_empty: bool) -> Option<Network> {
    let asn = banner.text("asn");
    let number = asn.and_then(|asn| asn.raw().trim_start_matches(['A', 'S', 'a', 's']).parse().ok());
    let network = Network { asn: number, org: banner.text("org"), isp: banner.text("isp") };
    (keep_empty || network != Network::default()).then_some(network)
}

fn cloud_part(cloud: &Object<'_>) -> Option<Cloud> {
    Some(Cloud {
        provider: cloud.text("provider")?,
        region: cloud.text("region"),
        service: cloud.text("service"),
    })
}

fn quoted(error: &serde_json::Error) -> String {
    terminal_cut(&error.to_string(), QUOTED_COLUMNS_MAX)
}

/// One pass over the text, so that no parser below has to be trusted with depth.
fn nested_deeper_than(text: &str, max: usize) -> bool {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
