//! IntelMQ 3.5.0 turns every row of every file that we write into an event of the right class.
//!
//! Needs IntelMQ from PyPI beside the interpreter in `NIGHTLATCH_PYTHON`; `./test` installs it and runs this with
//! `--ignored`; without it, this fails. The mapping is the schema that Shadowserver publishes; it cannot be
//! redistributed, so the tests write one from its facts (names, classes, which cells must be numbers). Name a copy of
//! the real `intelmq.json` in `NIGHTLATCH_SHADOWSERVER_SCHEMA` to use that instead.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nightlatch_asset::Record;
use nightlatch_report::shadowserver::{ReportType, Shadowserver, Split, header};
use nightlatch_untrusted::hostile;
use serde_json::{Map, Value, json};

const NEEDED: &str =
    "needs IntelMQ: `pip install intelmq==3.5.0`, then name its interpreter in NIGHTLATCH_PYTHON";

/// File part, feed name and `classification.identifier`; taxonomy `vulnerable`, type `vulnerable-system`, except for
/// the two that are for information.
const CLASSES: [(&str, &str, &str); 23] = [
    ("scan_kubernetes", "Accessible-Kubernetes-API", "open-kubernetes"),
    ("scan_docker", "Accessible-Docker", "open-docker"),
    ("scan_elasticsearch", "Open-Elasticsearch", "open-elasticsearch"),
    ("scan6_elasticsearch", "IPv6-Open-Elasticsearch", "open-elasticsearch"),
    ("scan_mysql", "Accessible-MySQL", "open-mysql"),
    ("scan6_mysql", "IPv6-Accessible-MySQL", "open-mysql"),
    ("scan_postgres", "Accessible-PostgreSQL", "open-postgres"),
    ("scan6_postgres", "IPv6-Accessible-PostgreSQL", "open-postgres"),
    ("scan_mongodb", "Open-MongoDB", "open-mongodb"),
    ("scan6_mongodb", "IPv6-Open-MongoDB", "open-mongodb"),
    ("scan_redis", "Open-Redis", "open-redis"),
    ("scan_memcached", "Open-Memcached", "open-memcached"),
    ("scan_couchdb", "Accessible-CouchDB", "open-couchdb"),
    ("scan_hadoop", "Accessible-Hadoop", "accessible-hadoop"),
    ("scan_amqp", "Accessible-AMQP", "accessible-amqp"),
    ("scan_mqtt", "Open-MQTT", "open-mqtt"),
    ("scan_http_vulnerable", "Vulnerable-HTTP", "vulnerable-http"),
    ("scan6_http_vulnerable", "IPv6-Vulnerable-HTTP", "vulnerable-http"),
    ("scan_http", "Accessible-HTTP", "accessible-http"),
    ("scan6_http", "IPv6-Accessible-HTTP", "accessible-http"),
    ("scan_ssl", "Accessible-SSL", "open-ssl"),
    ("scan6_ssl", "IPv6-Accessible-SSL", "open-ssl"),
    ("special", "Special", "special"),
];

/// Columns that the parser turns into something else, and loses the row where it cannot. Where it is not known
/// whether the real mapping does, the stricter is assumed.
const CONVERTED: [(&str, &str); 5] = [
    (
        "convert_int",
        "http_code content_length cert_length ssl_version pid pointer_size uptime curr_connections total_connections \
         response_size process_id connected_clients mysql_protocol_version error_code livenodes total_disk used_disk \
         free_disk channel message_length class method version_major version_minor major minor bits \
         maxbsonobjectsize protocol_error_line startup_error_line",
    ),
    ("convert_float", "amplification"),
    (
        "convert_bool",
        "experimental ok self_signed cert_expired cert_valid browser_trusted anonymous_access client_ssl \
         build_snapshot freak_vulnerable",
    ),
    ("convert_date", "http_date"),
    ("invalidate_zero", "naics"),
];

/// Columns with a field of their own in an event.
const NAMED: [(&str, &str, Option<&str>); 8] = [
    ("severity", "severity", Some("validate_to_none")),
    ("protocol", "protocol.transport", None),
    ("hostname", "source.reverse_dns", None),
    ("asn", "source.asn", Some("invalidate_zero")),
    ("geo", "source.geolocation.cc", None),
    ("region", "source.geolocation.region", None),
    ("city", "source.geolocation.city", None),
    ("status", "status", None),
];

fn schema() -> Value {
    let mut schema = Map::new();
    schema.insert("_meta".into(), json!({"date_created": "2026-03-24T00:00:00Z", "change_log": []}));
    for (file, feed, identifier) in CLASSES {
        let kind = kind(file);
        let mut optional = vec![];
        for column in
            kind.columns().into_iter().filter(|column| !["timestamp", "ip", "port"].contains(column))
        {
            if let Some((_, key, conversion)) = NAMED.iter().find(|(name, ..)| *name == column) {
                optional.push(conversion.map_or_else(|| json!([key, column]), |by| json!([key, column, by])));
                continue;
            }
            if column == "detail" {
                optional.push(json!(["event_description.text", column]));
                continue;
            }
            // `method` is text in one report and a number in another.
            let is_text = kind == ReportType::Special;
            let converted = CONVERTED
                .iter()
                .find(|(_, columns)| columns.split_ascii_whitespace().any(|name| name == column));
            let by = converted.filter(|_| !is_text).map_or("validate_to_none", |(by, _)| by);
            optional.push(json!(["extra.", column, by]));
            if column == "tag" {
                optional.push(json!(["product.vulnerabilities", column, "extract_cve_from_tag"]));
            }
        }
        let (taxonomy, class) = class_of(file);
        schema.insert(
            file.into(),
            json!({
                "feed_name": feed,
                "file_name": file,
                "constant_fields": {
                    "classification.identifier": identifier,
                    "classification.taxonomy": taxonomy,
                    "classification.type": class,
                },
                "required_fields": [
                    ["time.source", "timestamp", "add_UTC_to_timestamp"],
                    ["source.ip", "ip", "validate_ip"],
                    ["source.port", "port", "convert_int"],
                ],
                "optional_fields": optional,
            }),
        );
    }
    Value::Object(schema)
}

fn class_of(file: &str) -> (&'static str, &'static str) {
    match file {
        "scan_http" | "scan6_http" | "scan_ssl" | "scan6_ssl" => ("other", "other"),
        _ => ("vulnerable", "vulnerable-system"),
    }
}

fn kind(file: &str) -> ReportType {
    ReportType::ALL.into_iter().find(|kind| kind.file() == file || kind.file6() == Some(file)).unwrap()
}

/// A record with something in every place that a report shows.
fn record(fingerprint: &str, ip: &str, exposure: &str, foreign: &str) -> Record {
    serde_json::from_value(json!({
        "id": 7, "first_seen": "2026-08-01T00:00:00Z", "last_seen": "2026-09-21T10:15:00.5Z", "times_seen": 9, "latest": true,
        "observation": {
            "ip": ip, "port": 8443, "protocol": "https", "time": "2026-09-20T00:00:00Z", "run": "20260921T101500Z-7f3a",
            "verdict": {
                "fingerprint": fingerprint, "product": foreign, "version": "1.31.4", "exposure": exposure,
                "severity": "critical", "confidence": "high", "why": foreign,
                "findings": [{"id": "end-of-life", "severity": "low", "title": foreign}],
                "facts": {"api": foreign, "cluster": foreign, "refusal": foreign, "protocols": foreign, "mode": foreign,
                    "uptime": foreign, "nodes": foreign, "platform": foreign, "result": foreign},
                "evidence": [{"request": "version", "class": "T1", "asked": "GET /version", "answered": foreign}],
            },
            "data": format!("HTTP/1.1 200 {foreign}\r\nDate: Mon, 21 Sep 2026 05:15:30 GMT\r\nContent-Type: {foreign}\r\n\
                Content-Length: {foreign}\r\nSet-Cookie: {foreign}\r\n"),
            "http": {"status": 200, "server": foreign, "location": foreign},
            "tls": {"version": "TLSv1.3", "cipher": foreign, "chain": [{
                "subject": format!("O={foreign}, CN=x"), "subject_cn": foreign, "issuer": "CN=y", "issuer_cn": "y",
                "serial": "03E8", "not_before": "2025-01-01T00:00:00Z", "not_after": "2026-01-01T00:00:00Z",
                "signature_algorithm": "sha256WithRSAEncryption", "key_type": "rsa", "key_bits": 2048,
                "sha256": "9f".repeat(32), "sha1": "ab".repeat(20), "self_signed": false}]},
            "hostnames": [foreign], "domains": [foreign],
            "place": {"country_code": "de", "region": foreign, "city": foreign},
            "network": {"asn": 64496, "org": foreign}, "os": foreign,
            "tags": ["CVE-2019-5736", foreign],
        },
    }))
    .unwrap()
}

const PRODUCTS: [&str; 15] = [
    "docker-engine",
    "kubernetes-apiserver",
    "elasticsearch",
    "mysql",
    "mariadb",
    "postgresql",
    "mongodb",
    "redis",
    "memcached",
    "couchdb",
    "hadoop-yarn",
    "rabbitmq",
    "mqtt",
    "portainer",
    "etcd",
];

/// Everything that we write, and how many rows of each file.
fn write_all(dir: &Path) -> BTreeMap<String, usize> {
    let time = "2026-09-21T23:00:00Z".parse().unwrap();
    let hostile: Vec<&str> = ["plain text"].into_iter().chain(hostile::CORPUS.iter().copied()).collect();
    let mut files: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for (split, identifier, texts) in
        [(Split::None, "example", &hostile[..]), (Split::Prefix(24, 48), "Example Corp./..", &hostile[..1])]
    {
        let reports = Shadowserver::new(time, identifier, split).with_information(true);
        for fingerprint in PRODUCTS {
            for ip in ["198.51.100.7", "2001:db8::7"] {
                for exposure in ["limited", "controllable"] {
                    for text in texts {
                        for row in reports.rows(&record(fingerprint, ip, exposure, text)) {
                            let file = files.entry(row.file).or_insert_with(|| (header(row.kind), 0));
                            file.0.push_str(&row.line);
                            file.1 += 1;
                        }
                    }
                }
            }
        }
    }
    for (name, (text, _)) in &files {
        fs::write(dir.join(name), text).unwrap();
    }
    files.into_iter().map(|(name, (_, rows))| (name, rows)).collect()
}

/// What IntelMQ made of the files.
fn parsed(dir: &Path, names: impl Iterator<Item = String>) -> Map<String, Value> {
    let state = dir.join("root/var/lib/bots");
    fs::create_dir_all(&state).unwrap();
    let mapping = match std::env::var_os("NIGHTLATCH_SHADOWSERVER_SCHEMA") {
        Some(real) => fs::read_to_string(real).unwrap(),
        None => schema().to_string(),
    };
    fs::write(state.join("shadowserver-schema.json"), mapping).unwrap();
    let python = std::env::var("NIGHTLATCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/feed_intelmq.py");
    let files: Vec<PathBuf> = names.map(|name| dir.join(name)).collect();
    let output = Command::new(&python)
        .arg(script)
        .arg(dir.join("root"))
        .arg(dir.join("answer.json"))
        .args(files)
        .env("HOME", dir)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("cannot run `{python}` ({error}); {NEEDED}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    let tail: String = complaint.chars().rev().take(3_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(output.status.success(), "{tail}\n{NEEDED}");
    let answer = fs::read_to_string(dir.join("answer.json")).unwrap();
    serde_json::from_str::<Value>(&answer).unwrap().as_object().unwrap().clone()
}

#[test]
#[ignore = "needs IntelMQ; ./test installs it and runs this"]
fn every_row_becomes_an_event_of_its_class() {
    let dir = tempfile::tempdir().unwrap();
    let rows = write_all(dir.path());
    let parsed = parsed(dir.path(), rows.keys().cloned());
    let mut met = std::collections::BTreeSet::new();
    for (name, count) in &rows {
        let part = name.trim_start_matches("2026-09-21-").split('-').next().unwrap();
        let (file, feed, identifier) = CLASSES.iter().find(|(file, ..)| *file == part).unwrap();
        met.insert(*file);
        let answer = &parsed[name];
        assert_eq!(answer["refused"], 0, "{name}");
        let events = answer["events"].as_array().unwrap();
        assert_eq!(events.len(), *count, "{name}");
        let (taxonomy, class) = class_of(part);
        for event in events {
            for (field, expected) in [
                ("classification.identifier", json!(identifier)),
                ("classification.taxonomy", json!(taxonomy)),
                ("classification.type", json!(class)),
                ("feed.name", json!(feed)),
                ("time.source", json!("2026-09-21T10:15:00+00:00")),
                ("source.port", json!(8443)),
                ("source.asn", json!(64496)),
                ("source.geolocation.cc", json!("DE")),
                ("protocol.transport", json!("tcp")),
            ] {
                assert_eq!(event.get(field), Some(&expected), "{name} {field}: {event}");
            }
        }
        let tag = if class == "other" { "info" } else { "critical" };
        if std::env::var_os("NIGHTLATCH_SHADOWSERVER_SCHEMA").is_none() {
            assert!(events.iter().all(|event| event["severity"] == tag), "{name}: {}", events[0]);
            assert!(events.iter().all(|event| event["product.vulnerabilities"] == "cve-2019-5736"), "{name}");
        }
    }
    assert_eq!(met.len(), CLASSES.len(), "{met:?}");
}

/// The check above can fail: the same parser refuses what is wrong.
#[test]
#[ignore = "needs IntelMQ; ./test installs it and runs this"]
fn a_wrong_row_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let time = "2026-09-21T23:00:00Z".parse().unwrap();
    let row = Shadowserver::new(time, "example", Split::None)
        .rows(&record("docker-engine", "198.51.100.7", "readable", "x"))
        .remove(0);
    let wrong = row.line.replace(",64496,", ",AS64496,");
    assert_ne!(wrong, row.line);
    let text = format!("{}{}{wrong}", header(row.kind), row.line);
    fs::write(dir.path().join(&row.file), text).unwrap();
    let parsed = parsed(dir.path(), std::iter::once(row.file.clone()));
    assert_eq!(parsed[&row.file]["refused"], 1);
    assert_eq!(parsed[&row.file]["events"].as_array().unwrap().len(), 1);
}
