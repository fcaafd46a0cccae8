//! ZooKeeper: with the four-letter words that are allowed by default, and with all of them.

use nightlatch_asset::Exposure::{Limited, Readable};

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::ask,
    server::{Home, Server, command_as},
};

const VERSION: Version = Version::Package("zookeeper");
const PRODUCT: &str = "ZooKeeper";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "zookeeper/default",
        requires: Requires::Nothing,
        start: || start("zookeeper/default", ""),
        shows: |server| {
            assert!(says(&word(server, "mntr"), "not in the whitelist"), "{:?}", word(server, "mntr"))
        },
        doors: &[Door::new(PRODUCT, VERSION, Limited)],
    },
    Variant {
        name: "zookeeper/all-words",
        requires: Requires::Nothing,
        start: || start("zookeeper/all-words", "4lw.commands.whitelist=*\n"),
        shows: |server| assert!(says(&word(server, "mntr"), "zk_version"), "{:?}", word(server, "mntr")),
        doors: &[Door::new(PRODUCT, VERSION, Readable)],
    },
];

fn start(name: &str, more: &str) -> Server {
    let server = Server::start(name, Home::new(), |home, port| {
        let data = home.dir_for("data", "root");
        let settings = format!(
            "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n{more}",
            data.display(),
        );
        let file = home.write("zoo.cfg", &settings);
        let mut command = command_as(None, "java");
        command.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args([
            "-cp",
            "/usr/share/java/zookeeper.jar",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        ]);
        command.arg(file);
        command
    });
    server.ready(|server| says(&word(server, "srvr"), "Zookeeper version"))
}

fn word(server: &Server, word: &str) -> Vec<u8> {
    ask(server.address, word.as_bytes(), |_| false).unwrap_or_default()
}
