//! etcd: open, with its old interface, with users, for certain host names only, within TLS, and behind client certificates.

use std::process::Command;

use nightlatch_asset::Exposure::{AuthRequired, Controllable, Limited, Unknown};

use super::{Door, Requires, Variant, Version};
use crate::{
    client::{Scheme, ask_tls, get, post},
    pki::Pki,
    server::{Home, Server, command_as, free_port},
};

const VERSION: Version = Version::Program("etcd", "--version");
const CLIENT_CERTIFICATES: &str = "--client-cert-auth";
const HOST_NAMES: &str = "--host-whitelist=etcd.example";
const COUNT_NOTHING: &str = r#"{"key":"AA==","range_end":"AA==","count_only":true,"serializable":true}"#;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "etcd/open",
        requires: Requires::Nothing,
        start: || start("etcd/open", Scheme::Http, &[]),
        shows: |server| assert_eq!(range(Scheme::Http, server), 200),
        doors: &[Door { with_questions: Some(Controllable), ..Door::new("etcd", VERSION, Controllable) }],
    },
    Variant {
        name: "etcd/old-interface",
        requires: Requires::Nothing,
        start: || start("etcd/old-interface", Scheme::Http, &["--enable-v2=true"]),
        shows: |server| assert_eq!(get(Scheme::Http, server.address, "/v2/keys/").unwrap().status, 200),
        doors: &[Door { with_questions: Some(Controllable), ..Door::new("etcd", VERSION, Controllable) }],
    },
    Variant {
        name: "etcd/users",
        requires: Requires::Nothing,
        start: start_with_users,
        shows: |server| assert_eq!(range(Scheme::Http, server), 400),
        doors: &[Door::new("etcd", VERSION, Limited)],
    },
    Variant {
        name: "etcd/host-names",
        requires: Requires::Nothing,
        start: || start("etcd/host-names", Scheme::Http, &[HOST_NAMES]),
        shows: |server| assert_eq!(get(Scheme::Http, server.address, "/version").unwrap().status, 421),
        doors: &[Door::new("etcd", Version::NotTold, AuthRequired)],
    },
    Variant {
        name: "etcd/tls",
        requires: Requires::Nothing,
        start: || start("etcd/tls", Scheme::Https, &[]),
        shows: |server| assert_eq!(range(Scheme::Https, server), 200),
        doors: &[Door { with_questions: Some(Controllable), ..Door::new("etcd", VERSION, Controllable) }],
    },
    Variant {
        name: "etcd/client-certificates",
        requires: Requires::Nothing,
        start: || start("etcd/client-certificates", Scheme::Https, &[CLIENT_CERTIFICATES]),
        shows: |server| {
            let answer = ask_tls(server.address, b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n", |_| false);
            assert!(answer.as_ref().is_ok_and(Vec::is_empty) || answer.is_err(), "{answer:?}");
        },
        doors: &[Door { exposure: Unknown, ..Door::nobody() }],
    },
];

fn start(name: &str, scheme: Scheme, more: &[&str]) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let data = home.dir_for("data", "root");
    let server = Server::start(name, home, |_, port| {
        let peer = format!("http://127.0.0.1:{}", free_port());
        let client = match scheme {
            Scheme::Http => format!("http://127.0.0.1:{port}"),
            Scheme::Https => format!("https://127.0.0.1:{port}"),
        };
        let mut command: Command = command_as(None, "etcd");
        command.args(["--name=lab", "--logger=zap", "--log-outputs=stderr"]);
        command.arg("--data-dir").arg(&data);
        command
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"));
        command
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"));
        command.arg(format!("--initial-cluster=lab={peer}"));
        if scheme == Scheme::Https {
            command.arg("--cert-file").arg(&pki.cert).arg("--key-file").arg(&pki.key);
        }
        if more.contains(&CLIENT_CERTIFICATES) {
            // An authority alone already makes this release ask for certificates.
            command.arg("--trusted-ca-file").arg(&pki.ca);
        }
        command.args(more);
        command
    });
    if more.contains(&CLIENT_CERTIFICATES) {
        return server;
    }
    if more.contains(&HOST_NAMES) {
        return server.ready(|server| get(scheme, server.address, "/version").is_ok());
    }
    // The cluster version is not decided in the first moments.
    server.ready(|server| {
        get(scheme, server.address, "/version").is_ok_and(|answer| !answer.text.contains("not_decided"))
            && get(scheme, server.address, "/health").is_ok_and(|answer| answer.status == 200)
    })
}

fn start_with_users() -> Server {
    let server = start("etcd/users", Scheme::Http, &[]);
    for (path, json) in [
        ("/v3/auth/user/add", r#"{"name":"root","password":"labpass"}"#),
        ("/v3/auth/role/add", r#"{"name":"root"}"#),
        ("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#),
        ("/v3/auth/enable", "{}"),
    ] {
        let answer = post(Scheme::Http, server.address, path, json).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    server
}

fn range(scheme: Scheme, server: &Server) -> u16 {
    post(scheme, server.address, "/v3/kv/range", COUNT_NOTHING).unwrap().status
}
