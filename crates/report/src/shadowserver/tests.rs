use std::collections::BTreeSet;

use nightlatch_asset::{Exposure, Finding, Http, Record, Severity};
use nightlatch_untrusted::{hostile, is_dangerous};

use super::*;
use crate::samples::{bare, certificate, docker, kubernetes, poisoned, time};

fn reports(split: Split) -> Shadowserver {
    Shadowserver::new(time("2026-09-21T23:59:59Z"), "example", split)
}

/// One row as column and value.
fn cells(row: &Row) -> Vec<(&'static str, String)> {
    let values = crate::tests::read_csv(&row.line);
    assert_eq!(values.len(), 1, "{}", row.line);
    let columns = row.kind.columns();
    assert_eq!(values[0].len(), columns.len(), "{}", row.line);
    columns.into_iter().zip(values[0].clone()).collect()
}

fn cell(row: &Row, column: &str) -> String {
    cells(row).into_iter().find(|(name, _)| *name == column).unwrap().1
}

fn of(fingerprint: &str, exposure: Exposure) -> Record {
    let mut record = bare("192.0.2.1", 80);
    record.observation.verdict.fingerprint = Some(fingerprint.into());
    record.observation.verdict.exposure = exposure;
    record
}

/// The numbers of columns as the public schema has them.
#[test]
fn every_type_has_its_columns_each_once() {
    for (kind, count) in [
        (ReportType::Docker, 31),
        (ReportType::Kubernetes, 77),
        (ReportType::Elasticsearch, 24),
        (ReportType::Mysql, 92),
        (ReportType::Postgres, 78),
        (ReportType::Mongodb, 24),
        (ReportType::Redis, 27),
        (ReportType::Memcached, 23),
        (ReportType::Couchdb, 23),
        (ReportType::Hadoop, 23),
        (ReportType::Amqp, 27),
        (ReportType::Mqtt, 56),
        (ReportType::HttpVulnerable, 29),
        (ReportType::Http, 26),
        (ReportType::Ssl, 76),
        (ReportType::Special, 22),
    ] {
        let columns = kind.columns();
        assert_eq!(columns.len(), count, "{kind:?}");
        assert_eq!(columns.iter().collect::<BTreeSet<_>>().len(), count, "{kind:?} has a column twice");
        assert!(kind == ReportType::Special || header(kind).starts_with("timestamp,severity,ip,protocol,port,hostname,tag,asn,geo,region,city,naics,hostname_source,"), "{kind:?}");
    }
    assert!(ReportType::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
    assert_eq!(ReportType::ALL.iter().map(|kind| kind.file()).collect::<BTreeSet<_>>().len(), 16);
    assert!(
        header(ReportType::Special)
            .starts_with("timestamp,ip,port,protocol,asn,geo,region,city,hostname,naics,")
    );
}

#[test]
fn a_docker_engine_in_full() {
    let mut record = docker();
    record.observation.data =
        "HTTP/1.1 200 OK\r\nDate: Mon, 21 Sep 2026 05:15:30 GMT\r\nContent-Type: text/plain\r\n".into();
    record.observation.verdict.facts.insert("api".into(), "1.41".into());
    let rows = reports(Split::None).rows(&record);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].file, "2026-09-21-scan_docker-example.csv");
    assert_eq!(
        rows[0].line,
        "2026-09-21 10:15:00,critical,192.0.2.7,tcp,2375,build.example.com,\
         \"docker-engine;unauthenticated;controllable;plaintext\",64496,,,,,ptr,,20.10.24,HTTP/1.1,200,OK,text/plain,\
         Docker/20.10.24 (linux),2026-09-21 05:15:30,,1.41,,,,,,,,\n"
    );
}

#[test]
fn the_family_and_the_product_choose_the_type() {
    let file = |record: &Record| {
        let rows = reports(Split::None).rows(record);
        rows.first().map(|row| row.file.trim_start_matches("2026-09-21-").to_owned())
    };
    let six = |fingerprint: &str| {
        let mut record = of(fingerprint, Exposure::Readable);
        record.observation.ip = "2001:db8::1".parse().unwrap();
        record
    };
    let mut console = of("portainer", Exposure::Readable);
    console.observation.http = Some(Http::default());
    for (record, expected) in [
        (six("elasticsearch"), Some("scan6_elasticsearch-example.csv")),
        (six("docker-engine"), Some("scan_docker-example.csv")),
        (of("mariadb", Exposure::Limited), Some("scan_mysql-example.csv")),
        (of("mariadb", Exposure::AuthRequired), None),
        (of("etcd", Exposure::Controllable), Some("special-example.csv")),
        (of("etcd", Exposure::Limited), None),
        (of("kubernetes-apiserver", Exposure::Limited), Some("scan_kubernetes-example.csv")),
        (console, Some("scan_http_vulnerable-example.csv")),
        (bare("192.0.2.1", 80), None),
    ] {
        assert_eq!(file(&record).as_deref(), expected, "{:?}", record.observation.verdict);
    }
    let mut finding = of("etcd", Exposure::AuthRequired);
    finding.observation.verdict.findings =
        vec![Finding { id: "end-of-life".into(), severity: Severity::Low, title: "Old".into() }];
    assert_eq!(file(&finding).as_deref(), Some("special-example.csv"));
}

#[test]
fn special_says_what_since_when_and_how_bad() {
    let mut record = of("etcd", Exposure::Controllable);
    record.first_seen = time("2026-09-01T00:00:00Z");
    record.observation.verdict.severity = Severity::Critical;
    record.observation.verdict.product = Some("etcd".into());
    record.observation.verdict.why = "no user was ever made".into();
    let row = reports(Split::None).rows(&record).remove(0);
    for (column, expected) in [
        ("tag", "etcd;unauthenticated;controllable"),
        ("severity", "critical"),
        ("status", "controllable"),
        ("detail", "etcd: no user was ever made"),
        ("first_seen_time", "2026-09-01 00:00:00"),
        ("last_seen_time", "2026-09-21 10:15:00"),
        ("potential_exposure_time", "20 days"),
    ] {
        assert_eq!(cell(&row, column), expected, "{column}");
    }
}

#[test]
fn information_is_asked_for_and_never_alarms() {
    let mut record = kubernetes();
    record.observation.http = Some(Http { status: 403, ..Http::default() });
    record.observation.tls.as_mut().unwrap().chain = vec![certificate()];
    assert_eq!(reports(Split::None).rows(&record).len(), 0, "no fingerprint, nothing open");
    let rows = reports(Split::None).with_information(true).rows(&record);
    let files: Vec<_> = rows.iter().map(|row| row.kind.file6().unwrap()).collect();
    assert_eq!(files, ["scan6_http", "scan6_ssl"]);
    assert!(rows.iter().all(|row| cell(row, "severity") == "info"));
    let ssl = &rows[1];
    for (column, expected) in [
        ("handshake", "TLSv1.3"),
        ("cert_length", "2048"),
        ("ssl_version", ""),
        ("key_algorithm", "rsaEncryption"),
        ("cert_expired", "Y"),
        ("self_signed", "N"),
        ("cert_expiration_date", "2026-01-01 00:00:00"),
        ("subject_common_name", "kube-apiserver"),
    ] {
        assert_eq!(cell(ssl, column), expected, "{column}");
    }
    assert!(cell(ssl, "sha1_fingerprint").starts_with("AB:AB:"));
}

#[test]
fn files_are_split_by_network() {
    let name = |ip: &str, split: Split| {
        let mut record = docker();
        record.observation.ip = ip.parse().unwrap();
        reports(split).rows(&record).remove(0).file
    };
    let blocks = || {
        let block = |ip: &str, bits| (ip.parse().unwrap(), bits);
        Split::Blocks(vec![block("198.51.0.0", 16), block("198.51.100.0", 24), block("2001:db8::", 32)])
    };
    for (ip, split, expected) in [
        ("198.51.100.7", Split::Prefix(24, 48), "-198_51_100_0_24"),
        ("2001:db8:1:2::3", Split::Prefix(24, 48), "-2001_db8_1___48"),
        ("198.51.100.7", Split::Prefix(0, 0), "-0_0_0_0_0"),
        ("198.51.100.7", Split::Prefix(99, 200), "-198_51_100_7_32"),
        ("198.51.100.7", blocks(), "-198_51_100_0_24"),
        ("198.51.7.7", blocks(), "-198_51_0_0_16"),
        ("203.0.113.1", blocks(), ""),
        ("2001:db8:9::", blocks(), "-2001_db8___32"),
    ] {
        assert_eq!(name(ip, split), format!("2026-09-21-scan_docker-example{expected}.csv"), "{ip}");
    }
    assert_eq!(name_part("../a b.c"), "___a_b_c");
    assert_eq!(name_part(""), "nightlatch");
}

#[test]
fn hostile_text_stays_in_its_cell_and_numbers_are_numbers() {
    for text in hostile::CORPUS {
        for fingerprint in [None, Some("docker-engine"), Some("redis"), Some("postgresql"), Some("mqtt")] {
            let mut record = poisoned(text);
            if let Some(fingerprint) = fingerprint {
                record.observation.verdict.fingerprint = Some(fingerprint.into());
            }
            record.observation.data =
                format!("HTTP/1.1 200 {text}\r\nServer: {text}\r\nContent-Length: {text}\r\n").into();
            for row in reports(Split::None).with_information(true).rows(&record) {
                assert!(!row.line.trim_end_matches('\n').contains(is_dangerous), "{:?}", row.line);
                for (column, value) in cells(&row) {
                    let formula = value.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']);
                    assert!(!formula, "{column}: {value:?}");
                    if ["http_code", "content_length", "cert_length", "uptime", "asn", "port"]
                        .contains(&column)
                    {
                        assert!(value.bytes().all(|b| b.is_ascii_digit()), "{column}: {value:?}");
                    }
                    if column == "tag" {
                        assert!(
                            value.bytes().all(|b| b.is_ascii_lowercase()
                                || b.is_ascii_digit()
                                || b"._-;".contains(&b)),
                            "{value}"
                        );
                    }
                }
            }
        }
    }
}
