//! Redis: open, with a password, with a limited default user, with a renamed command, within TLS, with and behind client
//! certificates; and a sentinel.
//!
//! Protected mode is not here: it refuses only strangers from outside loopback. The recorded exchange covers it.

use std::fs;

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
        name: "redis/renamed-info",
        requires: Requires::Nothing,
        start: || start("redis/renamed-info", Lock::RenamedInfo),
        shows: |server| assert!(says(&line(server, "INFO"), "-ERR unknown"), "{:?}", line(server, "INFO")),
        doors: &[Door::new(PRODUCT, Version::NotTold, Controllable)],
    },
    Variant {
        name: "redis/sentinel",
        requires: Requires::Nothing,
        start: || start("redis/sentinel", Lock::Sentinel),
        shows: |server| {
            assert!(says(&line(server, "SENTINEL MASTERS"), "*0"), "{:?}", line(server, "SENTINEL MASTERS"))
        },
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
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
    // Asks for a certificate, does without, and hangs up on a page request: this does not make it a demand.
    Variant {
        name: "redis/optional-certificates",
        requires: Requires::Nothing,
        start: || start("redis/optional-certificates", Lock::OptionalCertificates),
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
    RenamedInfo,
    Sentinel,
    Tls,
    OptionalCertificates,
    ClientCertificates,
}

fn start(name: &str, lock: Lock) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let sentinel = home.dir_for("sentinel", "root").join("sentinel.conf");
    let accounts = home.write("users.acl", "user default on nopass ~* -@all +ping +info\n");
    Server::start(name, home, |home, port| {
        let port = port.to_string();
        let mut command = command_as(None, "redis-server");
        if let Lock::Sentinel = lock {
            // A sentinel keeps what it learns in its settings, so it must be able to write them.
            fs::write(&sentinel, format!("bind 127.0.0.1\nport {port}\n")).unwrap();
            command.arg(&sentinel).arg("--sentinel");
            return command;
        }
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(home.path(""));
        match lock {
            Lock::Sentinel => &mut command,
            Lock::RenamedInfo => command.args(["--port", &port, "--rename-command", "INFO", "hidden"]),
            Lock::None => command.args(["--port", &port]),
            Lock::Password => command.args(["--port", &port, "--requirepass", "labpass"]),
            Lock::LimitedUser => command.args(["--port", &port, "--aclfile"]).arg(&accounts),
            Lock::Tls => command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]),
            Lock::OptionalCertificates => {
                command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "optional"])
            }
            Lock::ClientCertificates => command.args(["--port", "0", "--tls-port", &port]),
        };
        if matches!(lock, Lock::Tls | Lock::OptionalCertificates | Lock::ClientCertificates) {
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
