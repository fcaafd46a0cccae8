//! Redis: open, with a password, with a limited default user, within TLS, and behind client certificates.
//!
//! Protected mode is not here: it refuses only strangers from outside loopback. The recorded exchange covers it.

use nightlatch_asset::Exposure::{AuthRequired, Controllable, Limited, Unknown};

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::{ask, ask_tls},
    pki::Pki,
    server::{Home, Server, command_as},
};

const VERSION: Version = Version::Program("redis-server", "--version");
const PRODUCT: &str = "Redis";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "redis/open",
        requires: Requires::Nothing,
        start: || start("redis/open", Lock::None),
        shows: |server| assert!(line(server, "DBSIZE").starts_with(b":"), "{:?}", line(server, "DBSIZE")),
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
    },
    Variant {
        name: "redis/password",
        requires: Requires::Nothing,
        start: || start("redis/password", Lock::Password),
        shows: |server| assert!(says(&line(server, "PING"), "-NOAUTH"), "{:?}", line(server, "PING")),
        doors: &[Door::new(PRODUCT, Version::NotTold, AuthRequired)],
    },
    Variant {
        name: "redis/limited-user",
        requires: Requires::Nothing,
        start: || start("redis/limited-user", Lock::LimitedUser),
        shows: |server| {
            assert!(says(&line(server, "PING"), "+PONG"), "{:?}", line(server, "PING"));
            assert!(says(&line(server, "DBSIZE"), "-NOPERM"), "{:?}", line(server, "DBSIZE"));
        },
        doors: &[Door::new(PRODUCT, VERSION, Limited)],
    },
    Variant {
        name: "redis/tls",
        requires: Requires::Nothing,
        start: || start("redis/tls", Lock::Tls),
        shows: |server| {
            let answer = ask_tls(server.address, b"PING\r\n", |bytes| bytes.ends_with(b"\n")).unwrap();
            assert!(says(&answer, "+PONG"), "{answer:?}");
        },
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
    },
    Variant {
        name: "redis/client-certificates",
        requires: Requires::Nothing,
        start: || start("redis/client-certificates", Lock::ClientCertificates),
        shows: |server| {
            let answer = ask_tls(server.address, b"PING\r\n", |bytes| bytes.ends_with(b"\n"));
            assert!(answer.as_ref().is_ok_and(Vec::is_empty) || answer.is_err(), "{answer:?}");
        },
        doors: &[Door { exposure: Unknown, ..Door::nobody() }],
    },
];

#[derive(Clone, Copy)]
enum Lock {
    None,
    Password,
    LimitedUser,
    Tls,
    ClientCertificates,
}

fn start(name: &str, lock: Lock) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let accounts = home.write("users.acl", "user default on nopass ~* -@all +ping +info\n");
    Server::start(name, home, |home, port| {
        let port = port.to_string();
        let mut command = command_as(None, "redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(home.path(""));
        match lock {
            Lock::None => command.args(["--port", &port]),
            Lock::Password => command.args(["--port", &port, "--requirepass", "labpass"]),
            Lock::LimitedUser => command.args(["--port", &port, "--aclfile"]).arg(&accounts),
            Lock::Tls => command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]),
            Lock::ClientCertificates => command.args(["--port", "0", "--tls-port", &port]),
        };
        if matches!(lock, Lock::Tls | Lock::ClientCertificates) {
            command.arg("--tls-cert-file").arg(&pki.cert).arg("--tls-key-file").arg(&pki.key);
            command.arg("--tls-ca-cert-file").arg(&pki.ca);
        }
        command
    })
}

fn line(server: &Server, command: &str) -> Vec<u8> {
    ask(server.address, format!("{command}\r\n").as_bytes(), |answer| answer.ends_with(b"\n"))
        .unwrap_or_default()
}
