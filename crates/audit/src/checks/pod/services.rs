//! Several services in one container, and SSH servers. A program that listens on a second port for metrics or its
//! peers is one service; sidecars are containers of their own.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Object, Workload};

use super::{
    command::{Program, programs},
    image::Image,
    spec::{is_init, runs_windows},
};
use crate::{Change, Context, Found, Part, Sink, Subject};

/// What a container is found guilty of: how bad, in a sentence, and why.
type Verdict<'a> = (Severity, String, Vec<(String, Option<Node<'a>>)>);

/// Programs whose purpose is to run several others.
const MANAGERS: [&str; 17] = [
    "supervisord",
    "s6-svscan",
    "s6-rc",
    "runsvdir",
    "runsvdir-start",
    "runit",
    "runit-init",
    "my_init",
    "systemd",
    "monit",
    "circusd",
    "foreman",
    "honcho",
    "goreman",
    "overmind",
    "hivemind",
    "multirun",
];

/// Programs that serve: name, and what they are. Two names of one service count once.
const DAEMONS: [(&str, &str); 62] = [
    ("apache2", "apache"),
    ("apache2-foreground", "apache"),
    ("apache2ctl", "apache"),
    ("apachectl", "apache"),
    ("asterisk", "asterisk"),
    ("beanstalkd", "beanstalkd"),
    ("caddy", "caddy"),
    ("clamd", "clamd"),
    ("containerd", "containerd"),
    ("cron", "cron"),
    ("crond", "cron"),
    ("cupsd", "cups"),
    ("dnsmasq", "dnsmasq"),
    ("dockerd", "docker"),
    ("docker", "docker"),
    ("dovecot", "dovecot"),
    ("elasticsearch", "elasticsearch"),
    ("envoy", "envoy"),
    ("etcd", "etcd"),
    ("exim4", "exim"),
    ("fluentd", "fluentd"),
    ("gunicorn", "gunicorn"),
    ("haproxy", "haproxy"),
    ("httpd", "apache"),
    ("httpd-foreground", "apache"),
    ("influxd", "influxdb"),
    ("lighttpd", "lighttpd"),
    ("mariadb", "mysql"),
    ("mariadbd", "mysql"),
    ("mariadbd-safe", "mysql"),
    ("memcached", "memcached"),
    ("mongod", "mongodb"),
    ("mosquitto", "mosquitto"),
    ("mysql", "mysql"),
    ("mysqld", "mysql"),
    ("mysqld_safe", "mysql"),
    ("named", "named"),
    ("nginx", "nginx"),
    ("openvpn", "openvpn"),
    ("php-fpm", "php-fpm"),
    ("postfix", "postfix"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("proftpd", "proftpd"),
    ("pure-ftpd", "pure-ftpd"),
    ("rabbitmq-server", "rabbitmq"),
    ("redis", "redis"),
    ("redis-server", "redis"),
    ("rsyslogd", "syslog"),
    ("slapd", "slapd"),
    ("smbd", "samba"),
    ("snmpd", "snmpd"),
    ("squid", "squid"),
    ("ssh", "ssh"),
    ("sshd", "ssh"),
    ("syslogd", "syslog"),
    ("tomcat", "tomcat"),
    ("uwsgi", "uwsgi"),
    ("varnishd", "varnish"),
    ("vsftpd", "vsftpd"),
    ("xinetd", "xinetd"),
    ("zookeeper", "zookeeper"),
];

/// Names in [`DAEMONS`] that only `service NAME start` means; as a program they are clients.
const CLIENTS: [&str; 5] = ["docker", "mariadb", "mysql", "redis", "ssh"];

/// Programs that run whatever they are given; beside a daemon started before them, that is a service too.
const INTERPRETERS: [&str; 9] = ["java", "node", "npm", "yarn", "php", "python", "python3", "ruby", "bundle"];

/// Well-known ports, and the family of protocols they belong to. HTTP is left out: almost everything has some.
const PORTS: [(i64, &str); 40] = [
    (20, "FTP"),
    (21, "FTP"),
    (22, "SSH"),
    (23, "Telnet"),
    (25, "mail"),
    (53, "DNS"),
    (80, "HTTP"),
    (110, "mail"),
    (143, "mail"),
    (389, "LDAP"),
    (443, "HTTP"),
    (445, "SMB"),
    (465, "mail"),
    (587, "mail"),
    (636, "LDAP"),
    (873, "rsync"),
    (993, "mail"),
    (995, "mail"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (1883, "MQTT"),
    (2049, "NFS"),
    (2181, "ZooKeeper"),
    (2375, "Docker"),
    (2376, "Docker"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (5432, "PostgreSQL"),
    (5672, "AMQP"),
    (5900, "VNC"),
    (6379, "Redis"),
    (8080, "HTTP"),
    (8443, "HTTP"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
    (61616, "OpenWire"),
];

/// Words of image names that say what is inside.
const STACKS: [&str; 7] = ["lamp", "lemp", "lampp", "xampp", "wamp", "mamp", "lapp"];

/// Words that may, but may also name one program in one process.
const ALL_IN_ONE: [&str; 3] = ["all-in-one", "allinone", "aio"];

/// Words of image names of servers for Git, whose users come by SSH.
const GIT_SERVERS: [&str; 12] = [
    "gitea",
    "gogs",
    "forgejo",
    "gitlab",
    "gitlab-ce",
    "gitlab-ee",
    "gitlab-shell",
    "bitbucket",
    "gerrit",
    "soft-serve",
    "gitbucket",
    "onedev",
];

/// What speaks for several services in a container.
#[derive(Default)]
struct Signals<'a> {
    manager: Option<Program<'a>>,
    /// `/init` or `/sbin/init`, which is a manager in some images and a plain script in others.
    init: Option<Program<'a>>,
    daemons: Vec<(&'static str, Node<'a>)>,
    /// An interpreter that was started beside a daemon.
    application: Option<Program<'a>>,
    ports: Vec<(&'static str, Node<'a>)>,
    stack: Option<&'static str>,
    all_in_one: bool,
}

impl<'a> Signals<'a> {
    fn of(container: &Container<'a>) -> Self {
        let mut signals = Self::default();
        programs(container, |program| signals.program(program));
        for node in container_ports(container) {
            let known = node.as_int().and_then(|port| PORTS.iter().find(|(own, _)| *own == port));
            if let Some((_, family)) = known
                && !signals.ports.iter().any(|(own, _)| own == family)
            {
                signals.ports.push((family, node));
            }
        }
        let name = Image::parse(container.image).path;
        signals.stack = STACKS.iter().find(|word| has_word(name, word)).copied();
        signals.all_in_one = ALL_IN_ONE.iter().any(|word| has_word(name, word));
        signals
    }

    fn program(&mut self, program: Program<'a>) {
        if MANAGERS.contains(&program.name) {
            self.manager.get_or_insert(program);
        } else if matches!(program.path, "/init" | "/sbin/init" | "/usr/sbin/init") {
            self.init.get_or_insert(program);
        } else if let Some(service) = daemon(&program) {
            if !self.daemons.iter().any(|(own, _)| *own == service) {
                self.daemons.push((service, program.node));
            }
        } else if INTERPRETERS.contains(&program.name) && (program.background || !self.daemons.is_empty()) {
            self.application.get_or_insert(program);
        }
    }

    /// What is to be said, and how sure it is: two things that agree, or one that can hardly mean anything else.
    fn verdict(&self, container: &Container<'a>) -> Option<Verdict<'a>> {
        let mut evidence: Vec<(String, Option<Node<'a>>)> = Vec::new();
        let mut weight = 0;
        let mut add = |own: u32, text: String, node: Option<Node<'a>>| {
            weight += own;
            evidence.push((text, node));
        };
        if let Some(manager) = &self.manager {
            add(2, format!("{} starts and watches several programs", manager.name), Some(manager.node));
        }
        if let Some(init) = &self.init {
            add(1, format!("{} may start several programs", init.path), Some(init.node));
        }
        let started = self.daemons.len() + usize::from(self.application.is_some());
        if started > 1 {
            let mut names: Vec<&str> = self.daemons.iter().map(|(name, _)| *name).collect();
            names.extend(self.application.map(|own| own.name));
            add(
                4,
                format!("its command starts {}", names.join(" and ")),
                self.daemons.first().map(|(_, node)| *node),
            );
        }
        if let Some(word) = self.stack {
            add(2, format!("its image is named {word}"), container.node.get("image"));
        }
        if self.all_in_one {
            add(1, "its image is named all-in-one".to_owned(), container.node.get("image"));
        }
        // Ports alone are weak: many a database speaks HTTP as well.
        if self.ports.len() > 1 {
            let names: Vec<&str> = self.ports.iter().map(|(name, _)| *name).collect();
            add(
                1,
                format!("its ports are those of {}", names.join(" and ")),
                self.ports.first().map(|(_, node)| *node),
            );
        }
        if self.has_ssh() && !is_git_server(container) && self.serves_beside_ssh() {
            add(3, "it runs an SSH server beside its service".to_owned(), None);
        }
        let severity = match weight {
            0 | 1 => return None,
            2 if evidence.len() == 1 => Severity::Low,
            _ => Severity::Medium,
        };
        let first = evidence.first().map_or_else(String::new, |(text, _)| text.clone());
        Some((severity, first, evidence))
    }

    fn has_ssh(&self) -> bool {
        self.ports.iter().any(|(family, _)| *family == "SSH")
            || self.daemons.iter().any(|(name, _)| *name == "ssh")
    }

    fn serves_beside_ssh(&self) -> bool {
        self.ports.iter().any(|(family, _)| *family != "SSH")
            || self.daemons.iter().any(|(name, _)| *name != "ssh")
            || self.application.is_some()
    }
}

/// The service that a program is: itself, or what `service NAME start` and its like start.
fn daemon(program: &Program<'_>) -> Option<&'static str> {
    let known = |name: &str| DAEMONS.iter().find(|(own, _)| *own == name).map(|(_, service)| *service);
    if program.name == "service" {
        return known(program.next?);
    }
    if program.path.starts_with("/etc/init.d/") {
        return known(program.name);
    }
    if program.name.starts_with("php-fpm") {
        return Some("php-fpm");
    }
    // Asking a server for its version or to read its configuration again is not starting it.
    if matches!(program.next, Some("-t" | "-T" | "-v" | "-V" | "-s" | "--version" | "--help")) {
        return None;
    }
    if CLIENTS.contains(&program.name) { None } else { known(program.name) }
}

fn container_ports<'a>(container: &Container<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let ports = container.node.get("ports").into_iter().flat_map(Node::items);
    ports.filter_map(|entry| entry.get("containerPort"))
}

/// True when `word` stands in the name by itself, between `/`, `-`, `_` and `.`.
fn has_word(name: &str, word: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    name.match_indices(word).any(|(at, _)| {
        edge(at.checked_sub(1).and_then(|before| name.as_bytes().get(before)))
            && edge(name.as_bytes().get(at + word.len()))
    })
}

fn is_git_server(container: &Container<'_>) -> bool {
    let name = Image::parse(container.image).path;
    GIT_SERVERS.iter().any(|word| has_word(name, word))
}

/// Several services run in one container.
pub(super) fn several<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers().filter(|container| !is_init(container)) {
            let Some((severity, first, evidence)) = Signals::of(&container).verdict(&container) else {
                sink.pass();
                continue;
            };
            let subject = context.container_subject(workload, &container);
            let place = evidence.iter().find_map(|(_, node)| *node).or_else(|| container.node.get("image"));
            let message = format!("it seems to run several services: {first}");
            let mut found = Found::new(subject, place.unwrap_or(container.node), message).severity(severity);
            for (text, node) in evidence.into_iter().skip(1) {
                found = found.related(text, node);
            }
            sink.fail(found);
        }
    }
}

/// A container runs an SSH server, or a Service leads to one.
pub(super) fn ssh<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    // Pods with an SSH server that was told, or that is a Git server's.
    let mut told: Vec<&Workload<'a>> = Vec::new();
    for workload in &context.workloads {
        for container in workload.containers().filter(|container| !is_init(container)) {
            let Some(node) = ssh_of(&container) else {
                sink.pass();
                continue;
            };
            told.push(workload);
            if is_git_server(&container) {
                sink.pass();
                continue;
            }
            let subject = context.container_subject(workload, &container);
            let message = match node.as_int() {
                Some(_) => "it listens on port 22, as SSH servers do",
                None => "it starts an SSH server",
            };
            sink.fail(Found::new(subject, node, message));
        }
    }
    for object in context.objects_of("Service").filter(|object| object.group().is_empty()) {
        for entry in object.spec().and_then(|spec| spec.get("ports")).into_iter().flat_map(Node::items) {
            let Some(node) =
                entry.get("targetPort").or_else(|| entry.get("port")).filter(|node| node.text() == "22")
            else {
                continue;
            };
            let known = GIT_SERVERS.iter().any(|word| has_word(object.name, word))
                || told.iter().any(|workload| selects(object, workload));
            if known {
                sink.pass();
            } else {
                sink.fail(Found::new(
                    Subject::object(object),
                    node,
                    "the service leads to port 22, as SSH servers have",
                ));
            }
        }
    }
}

fn ssh_of<'a>(container: &Container<'a>) -> Option<Node<'a>> {
    let mut found = None;
    programs(container, |program| {
        if daemon(&program) == Some("ssh") || program.name == "dropbear" {
            found.get_or_insert(program.node);
        }
    });
    found.or_else(|| container_ports(container).find(|port| port.as_int() == Some(22)))
}

fn selects(service: &Object<'_>, workload: &Workload<'_>) -> bool {
    let Some(selector) =
        service.spec().and_then(|spec| spec.get("selector")).filter(|selector| !selector.is_empty())
    else {
        return false;
    };
    service.namespace == workload.object.namespace
        && selector.entries().all(|(key, value)| {
            workload.pod_labels().any(|(own, label)| own == key.text() && label == value.text())
        })
}

/// A command or hook calls `sudo` or `su`.
pub(super) fn sudo<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        if runs_windows(workload) {
            continue;
        }
        for container in workload.containers() {
            let mut found = None;
            programs(&container, |program| {
                if matches!(program.name, "sudo" | "su" | "doas") {
                    found.get_or_insert(program);
                }
            });
            let Some(program) = found else {
                sink.pass();
                continue;
            };
            let subject = context.container_subject(workload, &container);
            let mut finding =
                Found::new(subject, program.node, format!("it starts a program by {}", program.name));
            // A word of its own can go as it is; what follows it is the command.
            if program.node.text() == program.path
                && program.name == "sudo"
                && program.next.is_some_and(|next| !next.starts_with('-'))
            {
                finding = finding.change(Change::Remove(program.node));
            }
            sink.fail(finding);
        }
    }
}
