//! The official `shodan` command line reads what we export, and we read what it writes.
//!
//! Needs the client (from PyPI: `shodan`, and a `setuptools` that still has `pkg_resources`), found by the
//! environment variable `SHODAN`, beside the interpreter in `NIGHTLATCH_PYTHON`, or on the path. Run by
//! `./test` with `--ignored`; without the client it fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use nightlatch_asset::{Observation, Record, Text};
use nightlatch_banner::{Reader, Writer, from_banner};
use nightlatch_untrusted::hostile;

const NEEDED: &str = "needs the official client: `pip install shodan==1.31.0 'setuptools<81'`, \
                      then put it on the path or name it in SHODAN";

fn record(observation: Observation) -> Record {
    let time = observation.time;
    Record { id: 7, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
}

/// One ordinary IPv4 record, one IPv6 record, and one for each hostile text.
fn observations() -> Vec<Observation> {
    let ordinary = from_banner(include_str!("../testdata/schema-1.json").trim()).unwrap();
    let mut other = ordinary.clone();
    other.ip = "2001:db8::7".parse().unwrap();
    other.verdict.product = Some("etcd".into());
    let mut all = vec![ordinary.clone(), other];
    for text in hostile::CORPUS {
        let mut poisoned = ordinary.clone();
        poisoned.ip = "198.51.100.1".parse().unwrap();
        poisoned.data = Text::from(*text);
        poisoned.verdict.product = Some(Text::from(*text));
        all.push(poisoned);
    }
    all
}

fn export(path: &Path) -> Vec<Observation> {
    let all = observations();
    let mut writer = Writer::new(File::create(path).unwrap());
    for observation in &all {
        writer.write(&record(observation.clone())).unwrap();
    }
    let (mut file, written) = writer.finish().unwrap();
    file.flush().unwrap();
    assert_eq!(written, all.len() as u64);
    all
}

fn client() -> String {
    if let Ok(client) = std::env::var("SHODAN") {
        return client;
    }
    match std::env::var("NIGHTLATCH_PYTHON") {
        Ok(python) => Path::new(&python).with_file_name("shodan").to_string_lossy().into_owned(),
        Err(_) => "shodan".to_owned(),
    }
}

/// Runs the client with a home of its own, so that it finds no key and leaves nothing behind.
fn shodan(home: &Path, arguments: &[&str]) -> String {
    let client = client();
    let output = Command::new(&client)
        .args(arguments)
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .current_dir(home)
        .output()
        .unwrap_or_else(|error| panic!("cannot run `{client}` ({error}); {NEEDED}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "shodan {arguments:?}: {complaint}\n{NEEDED}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs the shodan command line; ./test installs it and runs this"]
fn parse_shows_our_fields_and_filters_by_them() {
    let home = tempfile::tempdir().unwrap();
    let all = export(&home.path().join("e.json.gz"));
    let fields = "ip_str,port,product,location.country_code,hostnames,nightlatch.exposure";
    let shown =
        shodan(home.path(), &["parse", "--no-color", "--separator", "|", "--fields", fields, "e.json.gz"]);
    assert_eq!(shown.lines().next(), Some("192.0.2.7|2375|Docker|DE|build.example.com|controllable"));
    assert_eq!(shown.lines().nth(1), Some("2001:db8::7|2375|etcd|DE|build.example.com|controllable"));
    let found = |filter: &str| {
        let shown =
            shodan(home.path(), &["parse", "--no-color", "--fields", "port", "-f", filter, "e.json.gz"]);
        shown.lines().count()
    };
    assert_eq!(found("product:etcd"), 1);
    assert_eq!(found("net:192.0.2.0/24"), 1);
    assert_eq!(found("net:198.51.100.0/24"), all.len() - 2);
    assert_eq!(found("tags:plaintext"), all.len());
}

#[test]
#[ignore = "needs the shodan command line; ./test installs it and runs this"]
fn convert_makes_csv_and_xlsx_of_every_banner() {
    let home = tempfile::tempdir().unwrap();
    let all = export(&home.path().join("e.json.gz"));
    shodan(home.path(), &["convert", "e.json.gz", "csv"]);
    let sheet = fs::read_to_string(home.path().join("e.csv")).unwrap();
    assert!(sheet.starts_with("data,hostnames,ip,ip_str"), "{sheet}");
    assert_eq!(sheet.matches("2026-09-21T10:15:00.123456").count(), all.len());
    shodan(home.path(), &["convert", "e.json.gz", "xlsx"]);
    let book = fs::read(home.path().join("e.xlsx")).unwrap();
    assert!(book.starts_with(b"PK"), "not a workbook");
}

#[test]
#[ignore = "needs the shodan command line; ./test installs it and runs this"]
fn what_the_client_writes_again_is_read_back_whole() {
    let home = tempfile::tempdir().unwrap();
    let all = export(&home.path().join("e.json.gz"));
    shodan(
        home.path(),
        &["parse", "--no-color", "--fields", "port", "-f", "port:2375", "-O", "again", "e.json.gz"],
    );
    let again = Reader::new(File::open(home.path().join("again.json.gz")).unwrap()).unwrap();
    let back: Vec<Observation> = again.map(|seen| seen.unwrap()).collect();
    assert_eq!(back, all);
}
