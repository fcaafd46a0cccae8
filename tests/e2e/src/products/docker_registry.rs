//! Docker Registry: open, with a password file, and within TLS.

use nightlatch_asset::Exposure::{AuthRequired, Readable};

use super::{BCRYPT_HASH, Door, Requires, Variant, Version};
use crate::{
    client::{Scheme, get},
    pki::Pki,
    server::{Home, Server, command_as},
};

const PRODUCT: &str = "Docker Registry";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "docker-registry/open",
        requires: Requires::Nothing,
        start: || start("docker-registry/open", Scheme::Http, false),
        shows: |server| assert_eq!(catalog(Scheme::Http, server), 200),
        doors: &[Door::new(PRODUCT, Version::NotTold, Readable)],
    },
    Variant {
        name: "docker-registry/password",
        requires: Requires::Nothing,
        start: || start("docker-registry/password", Scheme::Http, true),
        shows: |server| assert_eq!(catalog(Scheme::Http, server), 401),
        doors: &[Door::new(PRODUCT, Version::NotTold, AuthRequired)],
    },
    Variant {
        name: "docker-registry/tls",
        requires: Requires::Nothing,
        start: || start("docker-registry/tls", Scheme::Https, false),
        shows: |server| assert_eq!(catalog(Scheme::Https, server), 200),
        doors: &[Door::new(PRODUCT, Version::NotTold, Readable)],
    },
];

fn start(name: &str, scheme: Scheme, password: bool) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    let accounts = home.write("htpasswd", &format!("lab:{BCRYPT_HASH}\n"));
    let server = Server::start(name, home, |home, port| {
        let mut config = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            home.path("images").display(),
        );
        if scheme == Scheme::Https {
            config +=
                &format!("  tls:\n    certificate: {}\n    key: {}\n", pki.cert.display(), pki.key.display());
        }
        if password {
            config += &format!("auth:\n  htpasswd:\n    realm: lab\n    path: {}\n", accounts.display());
        }
        let file = home.write("registry.yml", &config);
        let mut command = command_as(None, "docker-registry");
        command.arg("serve").arg(file);
        command
    });
    server.ready(|server| get(scheme, server.address, "/v2/").is_ok())
}

fn catalog(scheme: Scheme, server: &Server) -> u16 {
    get(scheme, server.address, "/v2/_catalog").unwrap().status
}
