//! Prometheus: open, open with its interface for changes, with a password, and behind client certificates.

use nightlatch_asset::Exposure::{Controllable, Readable, Unknown};

use super::{BCRYPT_HASH, Door, Requires, Variant, Version};
use crate::{
    client::{Scheme, ask_tls, get},
    pki::Pki,
    server::{Home, Server, command_as},
};

const VERSION: Version = Version::Program("prometheus", "--version");
const PRODUCT: &str = "Prometheus";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "prometheus/open",
        requires: Requires::Nothing,
        start: || start("prometheus/open", Lock::None, &[]),
        shows: |server| {
            assert_eq!(get(Scheme::Http, server.address, "/api/v1/status/flags").unwrap().status, 200)
        },
        doors: &[Door::new(PRODUCT, VERSION, Readable)],
    },
    Variant {
        name: "prometheus/admin",
        requires: Requires::Nothing,
        start: || start("prometheus/admin", Lock::None, &["--web.enable-admin-api"]),
        shows: |server| {
            let flags = get(Scheme::Http, server.address, "/api/v1/status/flags").unwrap();
            assert!(flags.text.contains("\"web.enable-admin-api\":\"true\""), "{}", flags.text);
        },
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
    },
    Variant {
        name: "prometheus/reload",
        requires: Requires::Nothing,
        start: || start("prometheus/reload", Lock::None, &["--web.enable-lifecycle"]),
        shows: |server| {
            let flags = get(Scheme::Http, server.address, "/api/v1/status/flags").unwrap();
            assert!(flags.text.contains("\"web.enable-lifecycle\":\"true\""), "{}", flags.text);
        },
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
    },
    Variant {
        name: "prometheus/password",
        requires: Requires::Nothing,
        start: || start("prometheus/password", Lock::Password, &[]),
        shows: |server| assert_eq!(get(Scheme::Http, server.address, "/-/healthy").unwrap().status, 401),
        // Every path answers alike, in words that a whole family of servers shares: nobody can tell.
        doors: &[Door { exposure: Unknown, ..Door::nobody() }],
    },
    Variant {
        name: "prometheus/client-certificates",
        requires: Requires::Nothing,
        start: || start("prometheus/client-certificates", Lock::ClientCertificates, &[]),
        shows: |server| {
            let answer = ask_tls(server.address, b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n", |_| false);
            assert!(answer.as_ref().is_ok_and(Vec::is_empty) || answer.is_err(), "{answer:?}");
        },
        doors: &[Door { exposure: Unknown, ..Door::nobody() }],
    },
];

#[derive(Clone, Copy)]
enum Lock {
    None,
    Password,
    ClientCertificates,
}

fn start(name: &str, lock: Lock, more: &[&str]) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let settings = home.write("prometheus.yml", "global:\n  scrape_interval: 60s\n");
    let web = match lock {
        Lock::None => String::new(),
        Lock::Password => format!("basic_auth_users:\n  lab: {BCRYPT_HASH}\n"),
        Lock::ClientCertificates => format!(
            "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  client_auth_type: RequireAndVerifyClientCert\n",
            pki.cert.display(),
            pki.key.display(),
            pki.ca.display(),
        ),
    };
    let web = home.write("web.yml", &web);
    let server = Server::start(name, home, |home, port| {
        let mut command = command_as(None, "prometheus");
        command.arg(format!("--config.file={}", settings.display()));
        command.arg(format!("--web.config.file={}", web.display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.arg(format!("--storage.tsdb.path={}", home.path("data").display()));
        command.args(more);
        command
    });
    match lock {
        Lock::None => {
            server.ready(|s| get(Scheme::Http, s.address, "/-/ready").is_ok_and(|a| a.status == 200))
        }
        Lock::Password => server.ready(|s| get(Scheme::Http, s.address, "/-/ready").is_ok()),
        Lock::ClientCertificates => server,
    }
}
