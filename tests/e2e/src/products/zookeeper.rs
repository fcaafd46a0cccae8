//! ZooKeeper: with the four-letter words that are allowed by default, with all of them, and with its AdminServer, which is on
//! unless it is switched off.

use std::net::SocketAddr;

use nightlatch_asset::Exposure::{Limited, Readable};

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::{Scheme, ask, get},
    server::{Home, Server, command_as, free_port},
};

const VERSION: Version = Version::Package("zookeeper");
const PRODUCT: &str = "ZooKeeper";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "zookeeper/default",
        requires: Requires::Nothing,
        start: || start("zookeeper/default", NO_ADMIN),
        shows: |server| {
            assert!(says(&word(server, "mntr"), "not in the whitelist"), "{:?}", word(server, "mntr"))
        },
        doors: &[Door::new(PRODUCT, VERSION, Limited)],
    },
    Variant {
        name: "zookeeper/all-words",
        requires: Requires::Nothing,
        start: || start("zookeeper/all-words", &format!("{NO_ADMIN}4lw.commands.whitelist=*\n")),
        shows: |server| assert!(says(&word(server, "mntr"), "zk_version"), "{:?}", word(server, "mntr")),
        doors: &[Door::new(PRODUCT, VERSION, Readable)],
    },
    Variant {
        name: "zookeeper/admin-server",
        requires: Requires::Nothing,
        start: start_with_admin,
        shows: |server| assert_eq!(get(Scheme::Http, admin(server), "/commands/srvr").unwrap().status, 200),
        doors: &[
            Door::new(PRODUCT, VERSION, Limited),
            Door { at: admin, ..Door::new(PRODUCT, VERSION, Readable) },
        ],
    },
];

const NO_ADMIN: &str = "admin.enableServer=false\n";
/// The server itself, and what its AdminServer needs; Debian's archive of the former does not name the latter.
const ARCHIVES: [&str; 12] = [
    "zookeeper",
    "jetty9-server",
    "jetty9-servlet",
    "jetty9-http",
    "jetty9-io",
    "jetty9-security",
    "jetty9-util",
    "jetty9-util-ajax",
    "servlet-api",
    "jackson-core",
    "jackson-databind",
    "jackson-annotations",
];

fn start_with_admin() -> Server {
    let port = free_port();
    let mut server =
        start("zookeeper/admin-server", &format!("admin.serverAddress=127.0.0.1\nadmin.serverPort={port}\n"));
    server.more_ports.push(port);
    server.ready(|server| get(Scheme::Http, admin(server), "/commands/srvr").is_ok())
}

fn admin(server: &Server) -> SocketAddr {
    server.at_port(server.more_ports.first().copied().unwrap_or_default())
}

fn start(name: &str, more: &str) -> Server {
    let server = Server::start(name, Home::new(), |home, port| {
        let data = home.dir_for("data", "root");
        let settings = format!(
            "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n{more}",
            data.display(),
        );
        let file = home.write("zoo.cfg", &settings);
        let mut command = command_as(None, "java");
        command.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        let archives = ARCHIVES.map(|name| format!("/usr/share/java/{name}.jar")).join(":");
        command.args(["-cp", &archives, "org.apache.zookeeper.server.quorum.QuorumPeerMain"]);
        command.arg(file);
        command
    });
    server.ready(|server| says(&word(server, "srvr"), "Zookeeper version"))
}

fn word(server: &Server, word: &str) -> Vec<u8> {
    ask(server.address, word.as_bytes(), |_| false).unwrap_or_default()
}
