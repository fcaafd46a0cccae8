use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use nightlatch_control::Role;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::house::{House, exchange, settings, until};
use crate::Settings;

struct Files {
    _dir: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
    der: CertificateDer<'static>,
}

fn files(change: impl FnOnce(&mut CertificateParams)) -> Files {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let der = write(&certificate, &key, change);
    Files { _dir: dir, certificate, key, der }
}

fn write(
    certificate: &PathBuf,
    key: &PathBuf,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateDer<'static> {
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["door.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    change(&mut params);
    let made = params.self_signed(&pair).unwrap();
    fs::write(certificate, made.pem()).unwrap();
    fs::write(key, pair.serialize_pem()).unwrap();
    made.der().clone()
}

fn with(files: &Files) -> Settings {
    Settings {
        tls_certificate: Some(files.certificate.clone()),
        tls_key: Some(files.key.clone()),
        ..settings()
    }
}

async fn connect(
    house: &House,
    root: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("door.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, house.connect().await).await
}

#[tokio::test]
async fn under_tls_everything_is_secure() {
    let files = files(|_| {});
    let house = House::open(with(&files)).await;
    let key = house.key_text(Role::Viewer);
    let form = ["Host: door.example", "Content-Type: application/x-www-form-urlencoded"];
    let stream = connect(&house, &files.der).await.unwrap();
    let inside = exchange(stream, "POST", "/login", &form, &format!("key={key}")).await;
    let cookie = inside.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-nightlatch=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(inside.header("strict-transport-security"), Some("max-age=31536000"));
    let stream = connect(&house, &files.der).await.unwrap();
    let page = exchange(stream, "GET", "/", &["Host: door.example", &inside.cookie()], "").await;
    assert_eq!((page.status, page.body.as_str()), (200, "home"));

    let plain = house.get("/healthz", &[]).await;
    assert_eq!((plain.status, plain.body.contains("speaks https")), (400, true), "{plain:?}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let files = files(|_| {});
    let mut house = House::open(Settings { head_seconds: 1, ..with(&files) }).await;
    let mut silent = house.connect().await;
    let mut noisy = house.connect().await;
    noisy.write_all(b"\x16\x03\x01\x00\x05nonsense").await.unwrap();
    for stream in [&mut silent, &mut noisy] {
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "still open");
    }
    until("both are counted", || house.metric("nightlatch_tls_failed_total") == 2.0).await;
    connect(&house, &files.der).await.unwrap();
    let _late = house.connect().await;
    house.stop();
    tokio::time::timeout(Duration::from_secs(3), &mut house.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let files = files(|_| {});
    let house = House::open(with(&files)).await;
    connect(&house, &files.der).await.unwrap();
    let hang_up =
        || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
    let new = write(&files.certificate, &files.key, |_| {});
    hang_up();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(connect(&house, &files.der).await.is_err(), "the old one is gone");
    connect(&house, &new).await.unwrap();
    fs::write(&files.certificate, "no certificate").unwrap();
    hang_up();
    tokio::time::sleep(Duration::from_millis(500)).await;
    connect(&house, &new).await.unwrap();
    // Without a signal it is noticed within a quarter of a minute.
    let newest = write(&files.certificate, &files.key, |_| {});
    let mut tries = 0;
    while connect(&house, &newest).await.is_err() {
        tries += 1;
        assert!(tries < 30, "the new certificate was not noticed");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn what_cannot_be_obeyed_is_named() {
    let good = files(|_| {});
    let other = files(|_| {});
    let old = files(|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let future = files(|params| params.not_before = rcgen::date_time_ymd(2089, 1, 1));
    let with_both = |certificate: &PathBuf, key: &PathBuf| Settings {
        tls_certificate: Some(certificate.clone()),
        tls_key: Some(key.clone()),
        ..settings()
    };
    let everywhere = || "0.0.0.0:8420".parse().unwrap();
    let empty = good._dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let missing = good._dir.path().join("missing.pem");
    let folder = good._dir.path().to_owned();
    for (settings, setting, word) in [
        (Settings { listen: everywhere(), ..settings() }, "listen", "behind_proxy = true"),
        (Settings { listen: "[::]:1".parse().unwrap(), ..settings() }, "listen", "tls_certificate"),
        (Settings { tls_certificate: Some(good.certificate.clone()), ..settings() }, "tls_key", "missing"),
        (Settings { tls_key: Some(good.key.clone()), ..settings() }, "tls_certificate", "missing"),
        (with_both(&missing, &good.key), "tls_certificate", "cannot read"),
        (with_both(&good.certificate, &missing), "tls_key", "cannot read"),
        (with_both(&folder, &good.key), "tls_certificate", "cannot read"),
        (with_both(&empty, &good.key), "tls_certificate", "no certificate"),
        (with_both(&good.certificate, &empty), "tls_key", "no private key"),
        (with_both(&good.certificate, &good.certificate), "tls_key", "no private key"),
        (with_both(&good.certificate, &other.key), "tls_key", "is not the key of the certificate"),
        (with_both(&old.certificate, &old.key), "tls_certificate", "expired on 2021-01-01"),
        (with_both(&future.certificate, &future.key), "tls_certificate", "valid from 2089-01-01"),
        (
            Settings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..settings() },
            "trusted_proxies",
            "behind_proxy",
        ),
        (Settings { metrics_open: true, behind_proxy: true, ..settings() }, "metrics_open", "key"),
        (Settings { public_url: Some("nightlatch".into()), ..settings() }, "public_url", "https://"),
        (Settings { hosts: vec!["a:80".into()], ..settings() }, "hosts", "without port"),
        (Settings { requests_per_minute: 0, ..settings() }, "requests_per_minute", "at least 1"),
        (Settings { head_bytes_max: 1, ..settings() }, "head_bytes_max", "at least"),
    ] {
        let error = settings.check().unwrap_err().to_string();
        assert!(
            error.contains(&format!("`server.{setting}`")) && error.contains(word),
            "{setting} {word}: {error}"
        );
    }
    for fine in [
        with(&good),
        Settings { listen: everywhere(), ..with(&good) },
        Settings { listen: everywhere(), behind_proxy: true, ..settings() },
        Settings { listen: "127.9.9.9:1".parse().unwrap(), ..settings() },
        Settings { listen: "[::1]:1".parse().unwrap(), ..settings() },
    ] {
        fine.check().unwrap();
    }
    // Root may read everything: nothing to be shown then.
    fs::set_permissions(&good.key, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&good.key).is_err() {
        let error = with(&good).check().unwrap_err().to_string();
        assert!(error.contains("tls_key"), "{error}");
    }
}

#[test]
fn the_file_is_read_as_it_is_written() {
    let text = "listen = \"0.0.0.0:443\"\nbehind_proxy = true\ntrusted_proxies = [\"10.0.0.0/8\"]\nproxy_header = \"forwarded\"\n";
    let settings: Settings = toml::from_str(text).unwrap();
    assert_eq!((settings.listen.port(), settings.behind_proxy), (443, true));
    assert!(settings.is_trusted_proxy("10.1.2.3".parse().unwrap()));
    assert!(!settings.is_trusted_proxy("127.0.0.1".parse().unwrap()), "a list replaces the default");
    for (text, word) in [
        ("lisen = 1", "unknown field"),
        ("listen = \"nowhere\"", "address"),
        ("trusted_proxies = [\"10.0.0.0/99\"]", "no network"),
        ("proxy_header = \"x\"", "unknown variant"),
    ] {
        let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
