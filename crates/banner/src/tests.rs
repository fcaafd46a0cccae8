use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::SignedDuration;
use nightlatch_asset::{Exposure, Observation, Record, Text};
use nightlatch_untrusted::{hostile, is_dangerous, json};
use proptest::prelude::*;

use crate::*;

fn line(record: &Record) -> String {
    json::to_string(&to_banner(record)).unwrap()
}

fn value(record: &Record) -> serde_json::Value {
    serde_json::from_str(&line(record)).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

fn read(bytes: &[u8]) -> Vec<Result<Observation, FileError>> {
    Reader::new(bytes).unwrap().collect()
}

const FOREIGN: &str =
    r#"{"ip":3221226050,"ip_str":"192.0.2.66","port":6443,"timestamp":"2021-01-22T08:49:35.190817"}"#;

#[test]
fn a_full_record_has_shodans_words() {
    let banner = value(&samples::full());
    let check =
        |path: &str, expected: serde_json::Value| assert_eq!(banner.pointer(path), Some(&expected), "{path}");
    check("/_shodan/id", "00000000-0000-8000-8000-00000000002a".into());
    check("/_shodan/module", "http".into());
    check("/ip", 3_221_225_991u32.into());
    check("/ip_str", "192.0.2.7".into());
    check("/timestamp", "2026-09-21T10:15:00.123456".into());
    check("/asn", "AS64496".into());
    check("/location/country_code", "DE".into());
    check("/location/dma_code", serde_json::Value::Null);
    check("/location/latitude", 52.52.into());
    check("/hostnames/0", "build.example.com".into());
    check("/cpe/0", "cpe:/a:docker:docker:20.10.24".into());
    check("/http/server", "Docker/20.10.24 (linux)".into());
    check("/http/favicon/hash", (-585_062_213).into());
    check("/ssl/versions/0", "TLSv1.3".into());
    check("/ssl/cipher/bits", 256.into());
    check("/ssl/cert/subject/CN", "build.example.com".into());
    check("/ssl/cert/expires", "20310101000000Z".into());
    check("/ssl/cert/expired", false.into());
    check("/ssl/cert/pubkey/bits", 2048.into());
    check("/opts", serde_json::json!({}));
    check("/nightlatch/exposure", "controllable".into());
    check("/nightlatch/evidence/0/asked", "GET /version".into());
    assert!(line(&samples::full()).contains("\"serial\":4759477275222530853130,"));
    assert!(banner.pointer("/ipv6").is_none());
}

#[test]
fn ipv6_has_its_own_word_and_no_number() {
    let mut record = samples::full();
    record.observation.ip = "2001:db8::1".parse().unwrap();
    let banner = value(&record);
    assert_eq!(banner["ipv6"], "2001:db8::1");
    assert_eq!(banner["ip_str"], "2001:db8::1");
    assert!(banner.get("ip").is_none());
}

#[test]
fn a_bare_observation_has_every_required_word_and_no_null_list() {
    let bare = from_banner(FOREIGN).unwrap();
    let banner = value(&samples::record(bare));
    for word in
        ["data", "domains", "hash", "hostnames", "port", "timestamp", "transport", "tags", "opts", "location"]
    {
        assert!(banner.get(word).is_some_and(|value| !value.is_null()), "{word}");
    }
}

#[test]
fn a_foreign_banner_is_read_as_far_as_it_goes() {
    let seen = from_banner(include_str!("../testdata/shodan-kubernetes.json").trim()).unwrap();
    assert_eq!(seen.endpoint().to_string(), "192.0.2.66:6443/tcp");
    assert_eq!(seen.time.to_string(), "2021-01-22T08:49:35.190817Z");
    assert_eq!(seen.protocol, "kubernetes");
    assert_eq!(seen.verdict.exposure, Exposure::Unknown);
    assert_eq!(seen.verdict.product, Some("Kubernetes".into()));
    assert_eq!(seen.verdict.version, Some("1.18".into()), "numbers are taken as text");
    assert_eq!(seen.verdict.cpe, [Text::from("cpe:2.3:a:kubernetes:kubernetes:1.18:*:*:*:*:*:*:*")]);
    assert_eq!(seen.network.as_ref().unwrap().asn, Some(64496));
    assert_eq!(seen.place.as_ref().unwrap().city, Some("Boardman".into()));
    assert_eq!(seen.asked_as, None);
    assert_eq!(seen.http.as_ref().unwrap().status, 403);
    let tls = seen.tls.as_ref().unwrap();
    assert_eq!(tls.version.raw(), "TLSv1.2");
    assert_eq!(tls.alpn, Some("h2".into()));
    let leaf = &tls.chain[0];
    assert_eq!(leaf.subject.raw(), "O=Example, CN=kube-apiserver");
    assert_eq!(leaf.serial.raw(), "66A2EC1463FAE5D5");
    assert_eq!(leaf.not_after.to_string(), "2022-01-01T00:00:00Z");
    assert!(seen.tags.contains(&Text::from("cloud")));
    assert_eq!(from_banner(&line(&samples::record(seen.clone()))), Ok(seen));
}

/// A file of every schema ever written stays readable.
#[test]
fn every_released_schema_is_still_read() {
    let kept = include_str!("../testdata/schema-1.json").trim();
    assert_eq!(from_banner(kept), Ok(samples::full().observation));
    assert_eq!(kept, line(&samples::full()), "a change of shape needs a new schema or a reason");
}

#[test]
fn what_must_be_there_is_named() {
    let field = |text: &str| match from_banner(text) {
        Err(BannerError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(r#"{"port":1,"timestamp":"2021-01-22T08:49:35"}"#), "ip_str");
    assert_eq!(field(r#"{"ip_str":"x","port":1,"timestamp":"2021-01-22T08:49:35"}"#), "ip_str");
    assert_eq!(field(r#"{"ip_str":"192.0.2.1","port":65536}"#), "port");
    assert_eq!(field(r#"{"ip_str":"192.0.2.1","port":1}"#), "timestamp");
    assert_eq!(field(r#"{"ip_str":"192.0.2.1","port":1,"timestamp":"yesterday"}"#), "timestamp");
    assert_eq!(field(r#"{"ip_str":"192.0.2.1","port":1,"transport":"sctp"}"#), "transport");
    assert!(matches!(from_banner("[]"), Err(BannerError::Json { .. })));
    assert!(matches!(from_banner("{"), Err(BannerError::Json { .. })));
}

#[test]
fn a_newer_schema_is_refused_by_number() {
    let newer = line(&samples::full()).replace("\"schema\":1", "\"schema\":2");
    assert_eq!(from_banner(&newer), Err(BannerError::Newer { found: 2 }));
}

#[test]
fn a_damaged_object_of_ours_is_refused_and_quoted_safely() {
    for text in hostile::CORPUS {
        let word = serde_json::to_string(text).unwrap();
        let damaged =
            line(&samples::full()).replace("\"exposure\":\"controllable\"", &format!("\"exposure\":{word}"));
        let error = from_banner(&damaged).unwrap_err();
        assert!(matches!(error, BannerError::Own { .. }), "{error:?}");
        assert!(!error.to_string().chars().any(is_dangerous), "{error}");
    }
}

#[test]
fn depth_is_bounded_for_words_that_are_read_and_words_that_are_not() {
    for key in ["unknown", "http", "nightlatch"] {
        let deep = format!(r#"{{"{key}":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(from_banner(&deep), Err(BannerError::TooDeep));
    }
    let brackets_in_text =
        FOREIGN.replace("\"ip\"", &format!("\"data\":\"\\\"{}\",\"ip\"", "[".repeat(1000)));
    assert!(from_banner(&brackets_in_text).is_ok());
}

#[test]
fn hostile_text_leaves_as_inert_json_and_comes_back_whole() {
    for text in hostile::CORPUS {
        let mut record = samples::full();
        record.observation.data = Text::from(*text);
        record.observation.verdict.product = Some(Text::from(*text));
        record.observation.hostnames = vec![Text::from(*text)];
        record.observation.verdict.facts.insert((*text).into(), Text::from(*text));
        let written = line(&record);
        assert!(!written.chars().any(is_dangerous), "{written:?}");
        assert_eq!(from_banner(&written), Ok(record.observation));
    }
}

#[test]
fn a_file_goes_out_and_comes_back() {
    let mut writer = Writer::new(Vec::new());
    for port in 1..=300 {
        let mut record = samples::full();
        record.observation.port = port;
        writer.write(&record).unwrap();
    }
    let (bytes, written) = writer.finish().unwrap();
    assert_eq!(written, 300);
    let ports: Vec<u16> = read(&bytes).into_iter().map(|seen| seen.unwrap().port).collect();
    assert!(ports.into_iter().eq(1..=300));
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 300);
}

#[test]
fn appended_members_plain_text_and_empty_files_are_read() {
    let foreign = format!("{FOREIGN}\n");
    let twice = [gzip(foreign.as_bytes()), gzip(FOREIGN.as_bytes())].concat();
    assert_eq!(read(&twice).into_iter().flatten().count(), 2);
    assert_eq!(read(format!("\n{FOREIGN}\r\n\n{FOREIGN}").as_bytes()).into_iter().flatten().count(), 2);
    assert_eq!(read(b"").len(), 0);
    assert_eq!(read(&gzip(b"")).len(), 0);
}

#[test]
fn a_bad_line_is_named_and_does_not_hide_the_good_ones() {
    let text = [FOREIGN.as_bytes(), b"\nnonsense\n\xff\n", FOREIGN.as_bytes(), b"\n"].concat();
    let lines = read(&gzip(&text));
    assert_eq!(lines.len(), 4);
    assert!(lines[0].is_ok() && lines[3].is_ok());
    assert!(matches!(&lines[1], Err(e @ FileError::Line { line: 2, .. }) if !e.is_fatal()));
    assert!(matches!(&lines[2], Err(e @ FileError::NotUtf8 { line: 3, byte: 0 }) if !e.is_fatal()));
}

#[test]
fn a_compressed_bomb_costs_one_line() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(FOREIGN.as_bytes()).unwrap();
    gzip.write_all(b"\n").unwrap();
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..64 {
        gzip.write_all(&zeros).unwrap();
    }
    gzip.write_all(format!("\n{FOREIGN}\n").as_bytes()).unwrap();
    let lines = read(&gzip.finish().unwrap());
    assert_eq!(lines.len(), 3);
    assert!(matches!(&lines[1], Err(FileError::TooLong { line: 2 })));
    assert!(lines[2].is_ok());
}

#[test]
fn a_line_that_is_too_long_does_not_hide_those_after_it() {
    let long = vec![b'x'; LINE_BYTES_MAX + 70_000];
    let text = [FOREIGN.as_bytes(), b"\n", &long, b"\n", FOREIGN.as_bytes()].concat();
    let lines = read(&gzip(&text));
    assert_eq!(lines.len(), 3);
    assert!(matches!(&lines[1], Err(e @ FileError::TooLong { line: 2 }) if !e.is_fatal()));
    assert!(lines[2].is_ok());
}

#[test]
fn what_could_not_be_exported_is_refused_at_the_door() {
    let banner = |data: String| {
        format!(r#"{{"ip_str":"192.0.2.1","port":1,"timestamp":"2021-01-22T08:49:35","data":"{data}"}}"#)
    };
    let many = LINE_BYTES_MAX / 4;
    let lines =
        [banner("\u{202e}".repeat(many)), banner("\u{e9}".repeat(many)), FOREIGN.to_owned()].join("\n");
    let lines = read(lines.as_bytes());
    assert!(matches!(&lines[0], Err(e @ FileError::Unwritable { line: 1 }) if !e.is_fatal()));
    assert!(lines[1].is_ok() && lines[2].is_ok());
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let lines = read(format!("\u{feff}{FOREIGN}\n\u{feff}{FOREIGN}\n").as_bytes());
    assert!(lines[0].is_ok(), "{lines:?}");
    assert!(matches!(&lines[1], Err(FileError::Line { line: 2, .. })));
}

#[test]
fn an_answer_seen_again_comes_back_from_first_to_last() {
    let mut record = samples::full();
    let first = record.observation.time;
    record.last_seen = first.checked_add(SignedDuration::from_hours(5)).unwrap();
    record.times_seen = 3;
    let seen: Vec<_> = read(line(&record).as_bytes()).into_iter().map(Result::unwrap).collect();
    let again = Observation { time: record.last_seen, ..record.observation.clone() };
    assert_eq!(seen, [record.observation, again]);
}

#[test]
fn an_http_block_without_a_status_gets_none() {
    let line = r#"{"ip_str":"192.0.2.1","port":80,"timestamp":"2026-09-01T10:00:00","data":"x","http":{"title":"t"}}"#;
    let observation = read(line.as_bytes()).remove(0).unwrap();
    let record = nightlatch_asset::Record {
        id: 1,
        first_seen: observation.time,
        last_seen: observation.time,
        times_seen: 1,
        latest: true,
        observation,
    };
    let mut values = 0;
    nightlatch_asset::Field::HttpStatus.values(&record, &mut |_| values += 1);
    assert_eq!(values, 0, "no status is not the status 0");
    let written = serde_json::to_value(to_banner(&record)).unwrap();
    assert_eq!((&written["http"]["title"], written["http"].get("status")), (&"t".into(), None));
}

#[test]
fn a_bomb_of_line_feeds_is_given_up() {
    let lines = read(&gzip(&vec![b'\n'; 1 << 20]));
    assert!(matches!(&lines[..], [Err(FileError::Blank { .. })]));
}

#[test]
fn a_cut_or_corrupted_file_is_an_error_with_its_line() {
    let whole = gzip(format!("{FOREIGN}\n").repeat(1000).as_bytes());
    let lines = read(&whole[..whole.len() / 2]);
    assert!(matches!(lines.last(), Some(Err(FileError::Io { .. }))), "{:?}", lines.last());
}

proptest! {
    #[test]
    fn import_gives_back_what_export_was_given(observation in samples::observation()) {
        let record = samples::record(observation);
        let written = line(&record);
        prop_assert!(!written.chars().any(is_dangerous));
        prop_assert_eq!(from_banner(&written), Ok(record.observation));
    }

    #[test]
    fn any_text_is_an_observation_or_an_error(text in any::<String>()) {
        let _: Result<Observation, BannerError> = from_banner(&text);
    }

    #[test]
    fn a_changed_banner_never_panics(at in 0usize..4000, byte in any::<u8>()) {
        let mut bytes = line(&samples::full()).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _: Result<Observation, BannerError> = from_banner(text);
        }
    }

    #[test]
    fn any_bytes_are_a_file_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).len() <= bytes.len());
        let gzipped = [&[0x1f, 0x8b][..], &bytes].concat();
        prop_assert!(read(&gzipped).len() <= 1);
    }
}
