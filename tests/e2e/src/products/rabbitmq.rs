//! RabbitMQ as shipped: the broker's port, and the management interface.

use std::net::SocketAddr;

use nightlatch_asset::Exposure::Limited;

use super::{Door, Requires, Variant, Version, says};
use crate::{
    client::{Scheme, ask, get},
    server::{Home, Server, command_as, free_port},
};

const VERSION: Version = Version::Package("rabbitmq-server");
const USER: &str = "rabbitmq";
/// The AMQP 0-9-1 protocol header.
const AMQP: &[u8] = b"AMQP\0\0\x09\x01";

pub(super) const VARIANTS: &[Variant] = &[Variant {
    name: "rabbitmq/default",
    requires: Requires::Nothing,
    start,
    shows: |server| {
        assert!(says(&greeting(server), "RabbitMQ"), "{:?}", greeting(server));
        assert_eq!(get(Scheme::Http, management(server), "/api/overview").unwrap().status, 401);
    },
    doors: &[
        Door::new("RabbitMQ", VERSION, Limited),
        Door { at: management, ..Door::new("RabbitMQ", Version::NotTold, Limited) },
    ],
}];

fn start() -> Server {
    // The name service of Erlang detaches when the broker starts it, and would outlive the test.
    let names = Server::start("rabbitmq/names", Home::new(), |_, port| {
        let mut command = command_as(Some(USER), "epmd");
        command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        command
    });
    let names_port = names.address.port();
    let mut management_port = 0;
    let mut server = Server::start("rabbitmq/default", Home::new(), |home, port| {
        management_port = free_port();
        let work = home.dir_for("work", USER);
        let settings = format!(
            "listeners.tcp.default = 127.0.0.1:{port}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management_port}\n\
             vm_memory_high_watermark.relative = 0.6\ndisk_free_limit.absolute = 1MB\n",
        );
        let plugins = home.write("enabled_plugins", "[rabbitmq_management].\n");
        let settings = home.write("rabbitmq.conf", &settings);
        let mut command = command_as(Some(USER), "/usr/lib/rabbitmq/bin/rabbitmq-server");
        command.env("HOME", &work).env("ERL_EPMD_PORT", names_port.to_string());
        command.env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODENAME", format!("lab{port}@localhost"));
        command.env("RABBITMQ_DIST_PORT", free_port().to_string());
        command.env("RABBITMQ_CONFIG_FILE", settings).env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins);
        command.env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_MNESIA_BASE", work.join("mnesia")).env("RABBITMQ_LOG_BASE", work.join("log"));
        command.env("RABBITMQ_PID_FILE", work.join("pid"));
        command
    });
    server.more_ports.push(management_port);
    server.companions.push(names);
    server.ready(|server| {
        says(&greeting(server), "RabbitMQ")
            && get(Scheme::Http, management(server), "/api/overview").is_ok_and(|answer| answer.status == 401)
    })
}

fn management(server: &Server) -> SocketAddr {
    server.at_port(server.more_ports.first().copied().unwrap_or_default())
}

fn greeting(server: &Server) -> Vec<u8> {
    ask(server.address, AMQP, |answer| answer.ends_with(b"\xce")).unwrap_or_default()
}
