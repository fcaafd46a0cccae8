//! Docker Engine: without a lock, within TLS that asks nobody for a certificate, and behind client certificates.

use nightlatch_asset::Exposure::{Controllable, Unknown};

use super::{Door, Requires, Variant, Version};
use crate::{
    client::{Scheme, ask_tls, get},
    pki::Pki,
    server::{Home, Server, command_as},
};

const VERSION: Version = Version::Program("dockerd", "--version");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "docker/open",
        requires: Requires::Containers,
        start: || start("docker/open", Lock::None),
        shows: |server| shows_containers(Scheme::Http, server),
        doors: &[Door::new("Docker", VERSION, Controllable)],
    },
    Variant {
        name: "docker/tls-without-verification",
        requires: Requires::Containers,
        start: || start("docker/tls-without-verification", Lock::Tls),
        shows: |server| shows_containers(Scheme::Https, server),
        doors: &[Door::new("Docker", VERSION, Controllable)],
    },
    Variant {
        name: "docker/client-certificates",
        requires: Requires::Containers,
        start: || start("docker/client-certificates", Lock::ClientCertificates),
        shows: |server| {
            let answer = ask_tls(server.address, b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n", |_| false);
            assert!(answer.as_ref().is_ok_and(Vec::is_empty) || answer.is_err(), "{answer:?}");
        },
        // A port that wants a certificate shows no mark of the product.
        doors: &[Door { exposure: Unknown, ..Door::nobody() }],
    },
];

#[derive(Clone, Copy, Eq, PartialEq)]
enum Lock {
    None,
    Tls,
    ClientCertificates,
}

fn start(name: &str, lock: Lock) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let settings = home.write("daemon.json", "{}");
    let server = Server::start(name, home, |home, port| {
        let mut command = command_as(None, "dockerd");
        command.env("HOME", home.path("")).arg("--config-file").arg(&settings);
        command.arg(format!("--host=tcp://127.0.0.1:{port}"));
        command.args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]);
        command.arg("--data-root").arg(home.path("data"));
        command.arg("--exec-root").arg(home.path("exec"));
        command.arg("--pidfile").arg(home.path("pid"));
        if lock != Lock::None {
            command.arg("--tlscert").arg(&pki.cert).arg("--tlskey").arg(&pki.key);
        }
        match lock {
            Lock::None => {}
            Lock::Tls => {
                command.args(["--tls", "--tlsverify=false"]);
            }
            Lock::ClientCertificates => {
                command.arg("--tlsverify").arg("--tlscacert").arg(&pki.ca);
            }
        }
        command
    });
    match lock {
        Lock::None => server.ready(|server| is_up(Scheme::Http, server)),
        Lock::Tls => server.ready(|server| is_up(Scheme::Https, server)),
        Lock::ClientCertificates => server,
    }
}

fn is_up(scheme: Scheme, server: &Server) -> bool {
    get(scheme, server.address, "/_ping").is_ok_and(|answer| answer.status == 200)
}

fn shows_containers(scheme: Scheme, server: &Server) {
    let answer = get(scheme, server.address, "/containers/json").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
}
