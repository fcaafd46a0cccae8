//! Memcached: open, with a password file, with SASL, and within TLS.

use nightlatch_asset::Exposure::{AuthRequired, Controllable};

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::{ask, ask_tls},
    pki::Pki,
    server::{Home, Server, command_as, give_to},
};

const VERSION: Version = Version::Program("memcached", "-V");
const PRODUCT: &str = "Memcached";
const USER: &str = "memcache";
/// A binary-protocol request for the version.
const BINARY_VERSION: &[u8] = b"\x80\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "memcached/open",
        requires: Requires::Nothing,
        start: || start("memcached/open", Lock::None),
        shows: |server| {
            assert!(says(&line(server, b"version\r\n"), "VERSION "), "{:?}", line(server, b"version\r\n"))
        },
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
    },
    Variant {
        name: "memcached/password",
        requires: Requires::Nothing,
        start: || start("memcached/password", Lock::Password),
        shows: |server| {
            let answer = line(server, b"version\r\n");
            assert!(says(&answer, "CLIENT_ERROR unauthenticated"), "{answer:?}");
        },
        doors: &[Door::new(PRODUCT, Version::NotTold, AuthRequired)],
    },
    Variant {
        name: "memcached/sasl",
        requires: Requires::Nothing,
        start: || start("memcached/sasl", Lock::Sasl),
        shows: |server| {
            let answer = ask(server.address, BINARY_VERSION, |bytes| bytes.len() > 24).unwrap();
            assert_eq!(answer.first(), Some(&0x81), "{answer:?}");
        },
        doors: &[Door::new(PRODUCT, VERSION, AuthRequired)],
    },
    Variant {
        name: "memcached/tls",
        requires: Requires::Nothing,
        start: || start("memcached/tls", Lock::Tls),
        shows: |server| {
            let answer = ask_tls(server.address, b"version\r\n", |bytes| bytes.ends_with(b"\n")).unwrap();
            assert!(says(&answer, "VERSION "), "{answer:?}");
        },
        doors: &[Door::new(PRODUCT, VERSION, Controllable)],
    },
];

#[derive(Clone, Copy)]
enum Lock {
    None,
    Password,
    Sasl,
    Tls,
}

fn start(name: &str, lock: Lock) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let accounts = home.write("accounts", "lab:labpass\n");
    home.write("memcached.conf", "mech_list: plain\n");
    give_to(&pki.key, USER);
    give_to(&accounts, USER);
    Server::start(name, home, |home, port| {
        let mut command = command_as(Some(USER), "memcached");
        command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-m", "16", "-t", "1"]);
        match lock {
            Lock::None => {}
            Lock::Password => {
                command.arg("-Y").arg(&accounts);
            }
            Lock::Sasl => {
                // The folder in which `memcached.conf` is looked for.
                command.arg("-S").env("SASL_CONF_PATH", home.path(""));
            }
            Lock::Tls => {
                command.args(["-Z", "-o"]).arg(format!(
                    "ssl_chain_cert={},ssl_key={}",
                    pki.cert.display(),
                    pki.key.display()
                ));
            }
        }
        command
    })
}

fn line(server: &Server, bytes: &[u8]) -> Vec<u8> {
    ask(server.address, bytes, |answer| answer.ends_with(b"\n")).unwrap_or_default()
}
