//! PostgreSQL: trusting everybody, with passwords, wanting TLS, and refusing this address.

use std::{fs, path::PathBuf, time::Duration};

use nightlatch_asset::Exposure::Limited;

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::ask,
    pki::Pki,
    server::{Home, Server, command_as, give_to, run_to_end},
};

const USER: &str = "postgres";
/// A start-up message with protocol 255.255: answered by a typed error before anybody is asked who they are.
const UNSUPPORTED: &[u8] = &[0, 0, 0, 8, 0, 255, 0, 255];
/// A request for TLS (PostgreSQL documentation, Message Formats, SSLRequest).
const TLS_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
/// A start-up message for user `postgres`, protocol 3.0. Only this test sends it, never the scanner.
const STARTUP: &[u8] = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0";

const DOORS: &[Door] = &[Door::new("PostgreSQL", Version::NotTold, Limited)];

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "postgresql/trust",
        requires: Requires::Nothing,
        start: || start("postgresql/trust", "host all all 127.0.0.1/32 trust", false),
        shows: |server| {
            assert!(says(&answer(server, STARTUP), "server_version"), "{:?}", answer(server, STARTUP))
        },
        doors: DOORS,
    },
    Variant {
        name: "postgresql/password",
        requires: Requires::Nothing,
        start: || start("postgresql/password", "host all all 127.0.0.1/32 scram-sha-256", false),
        shows: |server| {
            assert!(says(&answer(server, STARTUP), "SCRAM-SHA-256"), "{:?}", answer(server, STARTUP))
        },
        doors: DOORS,
    },
    Variant {
        name: "postgresql/tls",
        requires: Requires::Nothing,
        start: || start("postgresql/tls", "hostssl all all 127.0.0.1/32 scram-sha-256", true),
        shows: |server| assert_eq!(answer(server, TLS_REQUEST), b"S"),
        doors: DOORS,
    },
    Variant {
        name: "postgresql/host-refused",
        requires: Requires::Nothing,
        start: || start("postgresql/host-refused", "local all all reject", false),
        shows: |server| {
            assert!(says(&answer(server, STARTUP), "no pg_hba.conf entry"), "{:?}", answer(server, STARTUP))
        },
        doors: DOORS,
    },
];

fn start(name: &str, rule: &str, tls: bool) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let data = home.dir_for("data", USER);
    let programs = programs();
    let mut init = command_as(Some(USER), &programs.join("initdb").display().to_string());
    init.args(["--no-sync", "--locale=C.UTF-8", "--auth=trust", "--username=postgres", "--pgdata"])
        .arg(&data);
    run_to_end(init, Duration::from_secs(120));
    let rules = home.write("pg_hba.conf", &format!("{rule}\n"));
    // The server refuses a key that others can read.
    give_to(&pki.key, USER);
    let server = Server::start(name, home, |_, port| {
        let mut command = command_as(Some(USER), &programs.join("postgres").display().to_string());
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=16MB",
            &format!("hba_file={}", rules.display()),
        ] {
            command.args(["-c", setting]);
        }
        if tls {
            command.args(["-c", "ssl=on"]);
            command.args(["-c", &format!("ssl_cert_file={}", pki.cert.display())]);
            command.args(["-c", &format!("ssl_key_file={}", pki.key.display())]);
        }
        command
    });
    // While it recovers, the server already has an answer to the first message.
    let starting_up = "57P03";
    server.ready(|server| {
        let startup = answer(server, STARTUP);
        says(&answer(server, UNSUPPORTED), "0A000") && !startup.is_empty() && !says(&startup, starting_up)
    })
}

/// The newest installed release's programs; Debian keeps them out of PATH.
fn programs() -> PathBuf {
    let root = "/usr/lib/postgresql";
    let mut releases: Vec<u32> = fs::read_dir(root)
        .unwrap_or_else(|e| panic!("{root}: {e}; install the package postgresql"))
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    releases.sort_unstable();
    let newest = releases.last().unwrap_or_else(|| panic!("{root} is empty; install the package postgresql"));
    PathBuf::from(format!("{root}/{newest}/bin"))
}

fn answer(server: &Server, bytes: &[u8]) -> Vec<u8> {
    // The server keeps the connection after some answers; what it says first is enough.
    let one_byte = bytes == TLS_REQUEST;
    ask(server.address, bytes, |answer| one_byte || answer.len() > 20).unwrap_or_default()
}
