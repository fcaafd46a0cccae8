//! The value of each column. What the product did not say stays empty; a column that readers take for a number holds
//! digits or nothing, since one wrong cell costs the whole row.

use std::net::IpAddr;

use nightlatch_asset::{Certificate, Exposure, Record, Severity, Text};

use super::types::ReportType;
use crate::{
    open::{is_open, open_severity},
    when::{second, span},
};

/// Longest value of a cell, in bytes.
const CELL_BYTES_MAX: usize = 4_000;
/// Longest tag, in bytes, and most tags of a row.
const TAG_BYTES_MAX: usize = 80;
const TAGS_MAX: usize = 40;

/// The value of `column` in a report of type `kind`.
pub(super) fn value(kind: ReportType, column: &str, record: &Record) -> String {
    let text = head(column, record)
        .or_else(|| special(kind, column, record))
        .or_else(|| product(kind, column, record))
        .or_else(|| http(column, record))
        .or_else(|| tls(column, record))
        .unwrap_or_default();
    cut(text)
}

fn cut(mut text: String) -> String {
    if text.len() > CELL_BYTES_MAX {
        let mut end = CELL_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

fn owned(text: Option<&Text>) -> String {
    text.map_or_else(String::new, |text| text.raw().to_owned())
}

/// Digits only, else nothing.
fn digits(text: &str) -> String {
    let number = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if number { text.to_owned() } else { String::new() }
}

fn flag(yes: bool) -> String {
    if yes { "Y".to_owned() } else { "N".to_owned() }
}

/// The columns that all reports begin with.
fn head(column: &str, record: &Record) -> Option<String> {
    let seen = &record.observation;
    let place = seen.place.as_ref();
    Some(match column {
        "timestamp" | "last_seen_time" => second(record.last_seen),
        "first_seen_time" => second(record.first_seen),
        "potential_exposure_time" => span(record.first_seen, record.last_seen),
        "severity" => severity(record).as_str().to_owned(),
        "ip" => match seen.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => ip.to_string(),
        },
        "protocol" => seen.transport.as_str().to_owned(),
        "port" => seen.port.to_string(),
        "hostname" => owned(seen.hostnames.first().or(seen.asked_as.as_ref())),
        "hostname_source" => match (seen.asked_as.as_ref(), seen.hostnames.first()) {
            (Some(asked), Some(name)) if asked == name => "target".to_owned(),
            (_, Some(_)) => "ptr".to_owned(),
            (Some(_), None) => "target".to_owned(),
            (None, None) => String::new(),
        },
        "tag" => tags(record),
        "asn" => seen
            .network
            .as_ref()
            .and_then(|network| network.asn)
            .map_or_else(String::new, |asn| asn.to_string()),
        "geo" => {
            let code = owned(place.and_then(|place| place.country_code.as_ref()));
            let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic());
            if is_code { code.to_uppercase() } else { String::new() }
        }
        "region" => owned(place.and_then(|place| place.region.as_ref())),
        "city" => owned(place.and_then(|place| place.city.as_ref())),
        "naics" | "sector" => String::new(),
        _ => return None,
    })
}

/// By evidence: how bad what is open is; for what is merely reachable, what the fingerprint says of that state.
fn severity(record: &Record) -> Severity {
    if is_open(record) {
        open_severity(record).max(record.observation.verdict.severity)
    } else {
        record.observation.verdict.severity
    }
}

/// Lower case, separated by semicolons: product, what a stranger may do, findings, tags of the observation.
fn tags(record: &Record) -> String {
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let open = (verdict.exposure >= Exposure::Readable).then_some("unauthenticated");
    let words = verdict.fingerprint.iter().map(Text::raw).chain(open).chain([verdict.exposure.as_str()]);
    let findings = verdict.findings.iter().map(|finding| finding.id.as_str());
    let mut tags: Vec<String> = Vec::new();
    for word in words.chain(findings).chain(seen.tags.iter().map(Text::raw)).take(TAGS_MAX) {
        let tag: String = word
            .chars()
            .take(TAG_BYTES_MAX)
            .map(|c| c.to_ascii_lowercase())
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
            .collect();
        let tag = tag.trim_matches('-').to_owned();
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags.join(";")
}

/// What `special` has, and `detail` of the consoles; `method` is something else in the report on AMQP.
fn special(kind: ReportType, column: &str, record: &Record) -> Option<String> {
    if kind != ReportType::Special && (kind, column) != (ReportType::HttpVulnerable, "detail") {
        return None;
    }
    let verdict = &record.observation.verdict;
    Some(match column {
        "public_source" => "nightlatch".to_owned(),
        "status" => verdict.exposure.as_str().to_owned(),
        "detail" => {
            let version =
                verdict.version.as_ref().map_or_else(String::new, |version| format!(" {}", version.raw()));
            let name = verdict.product.as_ref().map_or("unidentified", Text::raw);
            let findings: Vec<&str> = verdict
                .findings
                .iter()
                .map(|finding| if finding.title.is_empty() { &finding.id } else { &finding.title })
                .map(String::as_str)
                .collect();
            let findings =
                if findings.is_empty() { String::new() } else { format!("; {}", findings.join("; ")) };
            format!("{name}{version}: {}{findings}", verdict.why.raw())
        }
        "method" => {
            verdict.evidence.last().map_or_else(String::new, |evidence| evidence.asked.raw().to_owned())
        }
        "device_vendor" => owned(verdict.product.as_ref()),
        _ => return None,
    })
}

/// What only one product's report has.
fn product(kind: ReportType, column: &str, record: &Record) -> Option<String> {
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let fact = |name: &str| owned(verdict.facts.get(name));
    let version = || owned(verdict.version.as_ref());
    Some(match (kind, column) {
        (ReportType::Special, _) => return None,
        (_, "version") => version(),
        (ReportType::Docker, "api_version") => fact("api"),
        (ReportType::Docker, "experimental") => header(record, "docker-experimental"),
        (_, "os") => owned(seen.os.as_ref()),
        (ReportType::Kubernetes, "git_version") => version(),
        (ReportType::Kubernetes, "major") => numbers(&version()).0,
        (ReportType::Kubernetes, "minor") => numbers(&version()).1,
        (ReportType::Elasticsearch, "cluster_name") => fact("cluster"),
        (ReportType::Mysql, "server_version") => version(),
        (ReportType::Mysql, "error_message") => fact("refusal"),
        (ReportType::Mysql | ReportType::Postgres, "client_ssl") => flag(seen.tls.is_some()),
        (ReportType::Postgres, "supported_protocols") => fact("protocols"),
        (ReportType::Redis, "mode") => fact("mode"),
        (ReportType::Redis, "uptime") => digits(&fact("uptime")),
        (ReportType::Couchdb, "server_version") => {
            owned(seen.http.as_ref().and_then(|http| http.server.as_ref()))
        }
        (ReportType::Couchdb, "couchdb_version") => version(),
        (ReportType::Hadoop, "livenodes") => digits(&fact("nodes")),
        (ReportType::Amqp, "product") => owned(verdict.product.as_ref()),
        (ReportType::Amqp, "product_version") => version(),
        (ReportType::Amqp, "platform") => fact("platform"),
        (ReportType::Mqtt, "anonymous_access") => flag(verdict.exposure >= Exposure::Readable),
        (ReportType::Mqtt, "code") => fact("result"),
        _ => return None,
    })
}

/// The first two numbers of a version.
fn numbers(version: &str) -> (String, String) {
    let mut parts = version.trim_start_matches('v').split('.').map(digits);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// The first header of that name (lower case) in the kept head of the response.
fn header(record: &Record, name: &str) -> String {
    let data = record.observation.data.raw();
    if !data.starts_with("HTTP/") {
        return String::new();
    }
    let lines = data.lines().skip(1).take_while(|line| !line.is_empty());
    let found =
        lines.filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// `HTTP/1.1` and `OK` of the status line.
fn status_line(record: &Record) -> (String, String) {
    let line = record.observation.data.raw().lines().next().unwrap_or_default();
    if !line.starts_with("HTTP/") {
        return Default::default();
    }
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default().to_owned();
    (version, parts.nth(1).unwrap_or_default().to_owned())
}

fn http(column: &str, record: &Record) -> Option<String> {
    let http = record.observation.http.as_ref()?;
    Some(match column {
        "http" | "http_response_type" => status_line(record).0,
        "http_code" if http.status != 0 => http.status.to_string(),
        "http_reason" => status_line(record).1,
        "content_type" => header(record, "content-type"),
        "connection" | "http_connection" => header(record, "connection"),
        "www_authenticate" => header(record, "www-authenticate"),
        // The name only: the value may be a session.
        "set_cookie" => header(record, "set-cookie").split('=').next().unwrap_or_default().to_owned(),
        "server" | "server_type" => owned(http.server.as_ref()),
        "content_length" => digits(&header(record, "content-length")),
        "transfer_encoding" => header(record, "transfer-encoding"),
        "date" | "http_date" => jiff::fmt::rfc2822::parse(&header(record, "date"))
            .map_or_else(|_| String::new(), |date| second(date.timestamp())),
        _ => return None,
    })
}

fn tls(column: &str, record: &Record) -> Option<String> {
    let tls = record.observation.tls.as_ref()?;
    match column {
        "handshake" => return Some(tls.version.raw().to_owned()),
        "cipher_suite" => return Some(owned(tls.cipher.as_ref())),
        "tlsv13_support" => {
            return Some(if tls.version.raw() == "TLSv1.3" { "Y".to_owned() } else { String::new() });
        }
        "tlsv13_cipher" if tls.version.raw() == "TLSv1.3" => return Some(owned(tls.cipher.as_ref())),
        _ => {}
    }
    let leaf = tls.chain.first()?;
    Some(match column {
        "cert_length" if leaf.key_bits > 0 => leaf.key_bits.to_string(),
        "subject_common_name" => owned(leaf.subject_cn.as_ref()),
        "issuer_common_name" => owned(leaf.issuer_cn.as_ref()),
        "cert_issue_date" => second(leaf.not_before),
        "cert_expiration_date" => second(leaf.not_after),
        "sha1_fingerprint" => colons(leaf.sha1.raw()),
        "sha256_fingerprint" => colons(leaf.sha256.raw()),
        "cert_serial_number" => leaf.serial.raw().to_owned(),
        "signature_algorithm" => leaf.signature_algorithm.raw().to_owned(),
        "key_algorithm" => key_algorithm(leaf),
        "self_signed" => flag(leaf.self_signed),
        "cert_expired" => flag(leaf.not_after < record.last_seen),
        _ => return name_part(column, leaf),
    })
}

fn key_algorithm(leaf: &Certificate) -> String {
    let word = match leaf.key_type.raw() {
        "rsa" => "rsaEncryption",
        "ec" => "id-ecPublicKey",
        other => other,
    };
    word.to_owned()
}

/// `AB:CD:..` of hexadecimal digits; anything else as it is.
fn colons(hex: &str) -> String {
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return hex.to_owned();
    }
    let upper = hex.to_uppercase();
    let mut out = String::with_capacity(upper.len() * 3 / 2);
    for (position, digit) in upper.chars().enumerate() {
        if position > 0 && position % 2 == 0 {
            out.push(':');
        }
        out.push(digit);
    }
    out
}

/// A part of the subject or issuer, such as `subject_organization_name`.
fn name_part(column: &str, leaf: &Certificate) -> Option<String> {
    let (part, name) = match column.split_once('_')? {
        ("subject", part) => (part, &leaf.subject),
        ("issuer", part) => (part, &leaf.issuer),
        _ => return None,
    };
    let keys: &[&str] = match part {
        "organization_name" => &["O"],
        "organization_unit_name" => &["OU"],
        "country" => &["C"],
        "state_or_province_name" => &["ST", "S"],
        "locality_name" => &["L"],
        "street_address" => &["STREET", "street"],
        "postal_code" => &["postalCode"],
        "surname" => &["SN"],
        "given_name" => &["GN", "givenName"],
        "email_address" => &["emailAddress", "E"],
        "business_category" => &["businessCategory"],
        "serial_number" => &["serialNumber"],
        _ => return None,
    };
    Some(attribute(name.raw(), keys))
}

/// The first attribute of a distinguished name (`O=k3s, CN=k3s`) under one of `keys`.
fn attribute(name: &str, keys: &[&str]) -> String {
    let mut rest = name;
    while !rest.is_empty() {
        let end = unescaped_comma(rest);
        let (part, after) = rest.split_at(end);
        if let Some((key, value)) = part.trim().split_once('=')
            && keys.contains(&key)
        {
            return value.replace('\\', "");
        }
        rest = after.strip_prefix(',').unwrap_or_default();
    }
    String::new()
}

/// Where the first comma without a backslash before it is; the end without one.
fn unescaped_comma(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' if !escaped => return at,
            b'\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names_and_numbers() {
        let name = r"C=DE, O=Example\, Inc., OU=a=b, CN=x";
        for (keys, expected) in [
            (&["O"][..], "Example, Inc."),
            (&["C"], "DE"),
            (&["OU"], "a=b"),
            (&["L"], ""),
            (&["x", "CN"], "x"),
        ] {
            assert_eq!(attribute(name, keys), expected);
        }
        assert_eq!(numbers("v1.31.4+k3s1"), ("1".into(), "31".into()));
        assert_eq!(numbers("1.2x"), ("1".into(), String::new()));
        assert_eq!(colons("0aff"), "0A:FF");
        assert_eq!(colons("x1"), "x1");
        assert_eq!(digits("12"), "12");
        assert_eq!(digits("1e3"), "");
    }
}
