//! JSON in the shape of the Elastic Common Schema, one document a line.
//!
//! Source: Elastic Common Schema 8.17, field sets base, event, server, network, service, rule, vulnerability, tls, x509,
//! as, geo, cloud, observer, related. What it has no word for is under `nightlatch`.

use std::io::{self, Write};

use nightlatch_asset::{Record, Severity, Text};
use nightlatch_untrusted::json;
use serde_json::{Value, json};

use crate::{
    open::{is_open, open_severity},
    remedy::remedy,
};

/// The version whose field names are used.
const ECS_VERSION: &str = "8.17.0";

/// Writes one record as one document on a line of its own: an `alert` when it is open, else a `state`.
///
/// # Errors
/// What `out` reports.
pub fn ecs(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    json::to_writer(&mut *out, &document(record)).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

fn document(record: &Record) -> Value {
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let open = is_open(record);
    let severity = open_severity(record).max(verdict.severity);
    let text = |text: Option<&Text>| text.map(|text| text.raw().to_owned());
    let place = seen.place.as_ref();
    let network = seen.network.as_ref();
    let remedy = remedy(record);
    let name = verdict.product.as_ref().map_or("service", Text::raw);
    let position = place.and_then(|place| Some(json!({"lat": place.latitude?, "lon": place.longitude?})));
    let urls: Vec<&str> = remedy.references.iter().filter_map(|reference| reference.url).collect();
    let hosts: Vec<&Text> = seen.hostnames.iter().chain(&seen.asked_as).collect();
    let value = json!({
        "@timestamp": record.last_seen,
        "ecs": {"version": ECS_VERSION},
        "message": format!("{name} on {} is {}: {}", seen.endpoint(), verdict.exposure, verdict.why.raw()),
        "tags": seen.tags,
        "labels": {"owner": seen.owner},
        "event": {
            "id": record.id.to_string(),
            "kind": if open { "alert" } else { "state" },
            "category": if open { ["vulnerability", "network"].as_slice() } else { ["network"].as_slice() },
            "type": ["info"],
            "module": "nightlatch",
            "dataset": "nightlatch.observation",
            "action": format!("exposure-{}", verdict.exposure),
            "severity": number(severity),
            "start": record.first_seen,
            "end": record.last_seen,
            "reason": verdict.why,
        },
        "observer": {"vendor": "Nightlatch", "product": "nightlatch", "type": "scanner",
            "version": env!("CARGO_PKG_VERSION")},
        "server": {
            "ip": seen.ip,
            "port": seen.port,
            "address": seen.asked_as.as_ref().map_or_else(|| seen.ip.to_string(), |name| name.raw().to_owned()),
            "domain": text(seen.hostnames.first()),
            "as": {"number": network.and_then(|network| network.asn),
                "organization": {"name": text(network.and_then(|network| network.org.as_ref()))}},
            "geo": {
                "country_iso_code": text(place.and_then(|place| place.country_code.as_ref())),
                "country_name": text(place.and_then(|place| place.country_name.as_ref())),
                "region_name": text(place.and_then(|place| place.region.as_ref())),
                "city_name": text(place.and_then(|place| place.city.as_ref())),
                "postal_code": text(place.and_then(|place| place.postal.as_ref())),
                "location": position,
            },
        },
        "network": {
            "transport": seen.transport,
            "protocol": seen.protocol,
            "type": if seen.ip.is_ipv4() { "ipv4" } else { "ipv6" },
        },
        "service": {"type": verdict.fingerprint, "name": verdict.product, "version": verdict.version},
        "host": {"os": {"full": seen.os}},
        "http": {"response": {"status_code": seen.http.as_ref().map(|http| http.status).filter(|code| *code != 0)}},
        "tls": tls(record),
        "cloud": seen.cloud.as_ref().map(|cloud| json!({
            "provider": cloud.provider,
            "region": cloud.region,
            "service": {"name": cloud.service},
        })),
        "rule": {
            "id": verdict.fingerprint.as_ref().map(|id| format!("{}/{}", id.raw(), verdict.rule)),
            "name": verdict.fingerprint,
            "ruleset": "nightlatch",
            "reference": urls.first(),
        },
        "vulnerability": open.then(|| json!({
            "classification": "exposure",
            "category": ["exposure"],
            "severity": severity,
            "description": verdict.why,
            "reference": urls.first(),
            "scanner": {"vendor": "Nightlatch"},
        })),
        "related": {"ip": [seen.ip], "hosts": hosts},
        "nightlatch": {
            "exposure": verdict.exposure,
            "proof": verdict.proof,
            "confidence": verdict.confidence,
            "severity": severity,
            "run": seen.run,
            "times_seen": record.times_seen,
            "facts": verdict.facts,
            "findings": verdict.findings,
            "evidence": verdict.evidence,
            "fix": remedy.summary,
            "steps": remedy.steps,
        },
    });
    without_empty(value)
}

fn tls(record: &Record) -> Option<Value> {
    let tls = record.observation.tls.as_ref()?;
    let leaf = tls.chain.first();
    // `TLSv1.3` is protocol `tls` and version `1.3`.
    let version = tls.version.raw().trim_start_matches("TLSv").trim_start_matches("SSLv");
    let protocol = if tls.version.raw().starts_with("SSL") { "ssl" } else { "tls" };
    Some(json!({
        "established": tls.failure.is_none(),
        "version": version,
        "version_protocol": protocol,
        "cipher": tls.cipher,
        "next_protocol": tls.alpn,
        "server": leaf.map(|leaf| json!({
            "subject": leaf.subject,
            "issuer": leaf.issuer,
            "not_before": leaf.not_before,
            "not_after": leaf.not_after,
            "hash": {"sha1": leaf.sha1.raw().to_uppercase(), "sha256": leaf.sha256.raw().to_uppercase()},
            "x509": {
                "serial_number": leaf.serial,
                "alternative_names": leaf.sans,
                "signature_algorithm": leaf.signature_algorithm,
                "public_key_algorithm": leaf.key_type,
                "public_key_size": Some(leaf.key_bits).filter(|bits| *bits > 0),
                "subject": {"common_name": leaf.subject_cn},
                "issuer": {"common_name": leaf.issuer_cn},
            },
        })),
    }))
}

/// Without nulls, empty texts, empty lists and empty objects: a document says only what is known.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, without_empty(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect(),
        ),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The risk scores that Elastic gives the four words.
fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_untrusted::{hostile, is_dangerous};

    use super::*;
    use crate::{
        samples::{bare, docker, kubernetes, poisoned},
        tests::written,
    };

    fn read(record: &Record) -> Value {
        let line = written(|out| ecs(record, out));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.trim_end_matches('\n').contains(is_dangerous), "{line:?}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn fields_are_where_the_schema_has_them() {
        let docker = read(&docker());
        for (pointer, expected) in [
            ("/@timestamp", json!("2026-09-21T10:15:00Z")),
            ("/ecs/version", json!(ECS_VERSION)),
            ("/event/kind", json!("alert")),
            ("/event/severity", json!(99)),
            ("/server/ip", json!("192.0.2.7")),
            ("/server/port", json!(2375)),
            ("/server/as/number", json!(64496)),
            ("/network/type", json!("ipv4")),
            ("/service/type", json!("docker-engine")),
            ("/vulnerability/severity", json!("critical")),
            ("/labels/owner", json!("platform team")),
            ("/related/hosts/0", json!("build.example.com")),
            ("/nightlatch/exposure", json!("controllable")),
        ] {
            assert_eq!(docker.pointer(pointer), Some(&expected), "{pointer}");
        }
        let tls = read(&kubernetes());
        assert_eq!(tls.pointer("/tls/version"), Some(&json!("1.3")));
        assert_eq!(tls.pointer("/tls/server/x509/public_key_size"), Some(&json!(2048)));
        let bare = read(&bare("192.0.2.1", 80));
        assert_eq!(bare.pointer("/event/kind"), Some(&json!("state")));
        assert_eq!(bare.get("vulnerability"), None);
        assert_eq!(bare.get("tls"), None);
    }

    #[test]
    fn hostile_text_comes_back_as_it_was() {
        for text in hostile::CORPUS {
            let read = read(&poisoned(text));
            assert_eq!(read.pointer("/event/reason"), Some(&json!(text)), "{text:?}");
            assert_eq!(read.pointer("/service/name"), Some(&json!(text)), "{text:?}");
        }
    }
}
