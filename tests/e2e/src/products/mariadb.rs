//! MariaDB: a login that anybody can reach, one that wants TLS, and a server that refuses this address.

use std::time::Duration;

use nightlatch_asset::Exposure::{AuthRequired, Limited};

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::ask,
    pki::Pki,
    server::{Home, Server, command_as, run_to_end},
};

const VERSION: Version = Version::Program("mariadbd", "--version");
const USER: &str = "mysql";
/// Bytes of a greeting before its text: length, sequence number, protocol version.
const GREETING_BYTES_MIN: usize = 20;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "mariadb/login",
        requires: Requires::Nothing,
        start: || start("mariadb/login", Account::Anywhere, false),
        shows: |server| assert!(says(&greeting(server), "-MariaDB"), "{:?}", greeting(server)),
        doors: &[Door::new("MariaDB", VERSION, Limited)],
    },
    Variant {
        name: "mariadb/tls-login",
        requires: Requires::Nothing,
        start: || start("mariadb/tls-login", Account::Anywhere, true),
        shows: |server| assert!(says(&greeting(server), "-MariaDB"), "{:?}", greeting(server)),
        doors: &[Door::new("MariaDB", VERSION, Limited)],
    },
    Variant {
        name: "mariadb/host-refused",
        requires: Requires::Nothing,
        start: || start("mariadb/host-refused", Account::SocketOnly, false),
        shows: |server| assert!(says(&greeting(server), "not allowed to connect"), "{:?}", greeting(server)),
        doors: &[Door::new("MariaDB", Version::NotTold, AuthRequired)],
    },
];

/// From where accounts may log in.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Account {
    Anywhere,
    SocketOnly,
}

fn start(name: &str, account: Account, tls: bool) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let data = home.dir_for("data", USER);
    let run = home.dir_for("run", USER);
    let mut install = command_as(Some(USER), "mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=socket", "--skip-test-db"]);
    // Two installations at a time would delete each other's temporary tables in a shared folder.
    let temporary = format!("--tmpdir={}", home.dir_for("tmp", USER).display());
    install.arg(format!("--datadir={}", data.display())).arg(&temporary);
    run_to_end(install, Duration::from_secs(120));
    let accounts = home.write("accounts.sql", "CREATE USER lab@'%' IDENTIFIED BY 'labpass';\n");
    let server = Server::start(name, home, |_, port| {
        let mut command = command_as(Some(USER), "mariadbd");
        // Without names, the account root@localhost does not match a TCP connection from 127.0.0.1.
        command.args(["--no-defaults", "--skip-name-resolve", "--bind-address=127.0.0.1", "--skip-log-bin"]);
        command.args([
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=8M",
            "--performance-schema=off",
        ]);
        command.arg(&temporary).arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
        command.arg(format!("--socket={}", run.join("sock").display()));
        command.arg(format!("--pid-file={}", run.join("pid").display()));
        if account == Account::Anywhere {
            command.arg(format!("--init-file={}", accounts.display()));
        }
        if tls {
            command.arg("--require-secure-transport=ON");
            command.arg(format!("--ssl-cert={}", pki.cert.display()));
            command.arg(format!("--ssl-key={}", pki.key.display()));
        }
        command
    });
    server.ready(|server| greeting(server).len() > GREETING_BYTES_MIN)
}

fn greeting(server: &Server) -> Vec<u8> {
    ask(server.address, b"", |bytes| bytes.len() > GREETING_BYTES_MIN).unwrap_or_default()
}
