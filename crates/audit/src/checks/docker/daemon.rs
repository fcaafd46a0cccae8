//! What a Docker daemon is told, by its file and by its flags.
//!
//! Source: reference of `dockerd`: keys of daemon.json are the long flags, lists in the plural; what both set, the daemon
//! refuses.

use nightlatch_manifest::{Component, ComponentKind, Document, DocumentKind, Flag, Kind, Node, option_flags};

use crate::{Context, Found, Subject};

/// One daemon: everything in the input that configures it.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    /// What a finding is about.
    pub(crate) subject: Subject<'a>,
    /// The root of daemon.json.
    pub(crate) file: Option<Node<'a>>,
    /// Flags of its command line.
    flags: Vec<Flag<'a>>,
    /// TCP addresses that systemd opens for it.
    pub(crate) socket_streams: Vec<Node<'a>>,
    /// Flags may come from where the input does not show them.
    is_partly_hidden: bool,
}

/// A setting as the daemon will have it.
#[derive(Clone, Debug)]
pub(crate) enum Setting<'a> {
    /// Its values, each with its place; one for anything but a list.
    Values(Vec<(String, Node<'a>)>),
    /// Nobody sets it.
    Absent,
    /// It may be set where the input does not show it.
    Hidden,
    /// File and flag both set it: the daemon refuses to start.
    Twice(Vec<(String, Node<'a>)>),
}

/// What is said where file and flag both set a key.
pub(crate) const TWICE: &str = "a flag and daemon.json both set this, with which the daemon refuses to start";
const HIDDEN: &str = "the setting may stand in a file that is not part of the input";

impl<'a> Setting<'a> {
    /// The values, whoever sets them.
    pub(crate) fn values(&self) -> &[(String, Node<'a>)] {
        match self {
            Self::Values(values) | Self::Twice(values) => values,
            _ => &[],
        }
    }

    /// Why it cannot be judged, when nothing in it is wrong.
    pub(crate) fn why_unknown(&self) -> Option<&'static str> {
        match self {
            Self::Twice(_) => Some(TWICE),
            Self::Hidden => Some(HIDDEN),
            _ => None,
        }
    }

    /// A single value.
    pub(crate) fn one(&self) -> Option<(&str, Node<'a>)> {
        self.values().last().map(|(text, node)| (text.as_str(), *node))
    }

    /// A single value as true or false.
    pub(crate) fn is_true(&self) -> Option<bool> {
        match self.one()?.0.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" => Some(true),
            "false" | "0" | "f" => Some(false),
            _ => None,
        }
    }
}

impl<'a> Daemon<'a> {
    /// A setting by its key in daemon.json.
    pub(crate) fn get(&self, key: &str) -> Setting<'a> {
        let from_file = self.file.and_then(|file| file.get(key)).map(values_of);
        let from_flags: Vec<(String, Node<'a>)> =
            self.flags.iter().filter_map(|flag| value_of(flag, key)).collect();
        match (from_file, from_flags.is_empty()) {
            (Some(values), true) => Setting::Values(values),
            (Some(values), false) => Setting::Twice(from_flags.into_iter().chain(values).collect()),
            (None, false) => Setting::Values(from_flags),
            (None, true) if self.is_partly_hidden || self.file.is_none() => Setting::Hidden,
            (None, true) => Setting::Absent,
        }
    }

    /// A finding at a value of a setting, or about one that is absent.
    pub(crate) fn found(
        &self,
        key: &'a str,
        setting: &Setting<'a>,
        message: impl Into<crate::Words>,
    ) -> Found<'a> {
        let found = match (setting.one(), self.file) {
            (Some((_, node)), _) => Found::new(self.subject, node, message),
            (None, Some(file)) => Found::missing(self.subject, file, key, message),
            (None, None) => Found::new(self.subject, self.subject.root, message),
        };
        let found = found.cause(format!("setting:{key}"));
        if matches!(setting, Setting::Twice(_)) { found.related(TWICE, None) } else { found }
    }
}

/// The values of a key of daemon.json; options of a mapping as `name=value`, as flags have them.
fn values_of(node: Node<'_>) -> Vec<(String, Node<'_>)> {
    match node.kind() {
        Kind::Sequence => node.items().map(|item| (item.text().to_owned(), item)).collect(),
        Kind::Mapping => {
            node.entries().map(|(name, value)| (format!("{}={}", name.text(), value.text()), value)).collect()
        }
        _ => vec![(node.text().to_owned(), node)],
    }
}

/// The value of a flag, when it is the one for a key.
fn value_of<'a>(flag: &Flag<'a>, key: &str) -> Option<(String, Node<'a>)> {
    let own = match flag.name.as_str() {
        "host" | "H" => "hosts",
        "insecure-registry" => "insecure-registries",
        "authorization-plugin" => "authorization-plugins",
        "default-ulimit" => "default-ulimits",
        "log-opt" => "log-opts",
        "l" => "log-level",
        "s" => "storage-driver",
        // `-Htcp://...`: the value is glued to the flag.
        glued if glued.starts_with('H') && key == "hosts" => return Some((glued[1..].to_owned(), flag.node)),
        other => other,
    };
    (own == key).then(|| (flag.value.clone().unwrap_or_else(|| "true".to_owned()), flag.node))
}

/// The daemons of the input: files of one machine belong together.
pub(super) fn daemons<'a>(context: &Context<'a>) -> Vec<Daemon<'a>> {
    let mut machines: Vec<Machine<'a>> = Vec::new();
    for document in context.documents_of(DocumentKind::DockerDaemon) {
        let machine = machine(&mut machines, context, document);
        machine.file = machine.file.or(Some(document));
    }
    for component in context.components.iter().filter(|component| component.kind == ComponentKind::Docker) {
        machine(&mut machines, context, component.document()).components.push(component.clone());
    }
    for document in context.documents_of(DocumentKind::SystemdUnit) {
        let name = context.corpus.source(document.source).name.raw();
        let is_docker = name.rsplit('/').next() == Some("docker.socket") || name.contains("docker.socket.d/");
        if let Some(streams) = document.root().at("Socket.ListenStream").filter(|_| is_docker) {
            let streams = each(streams).into_iter().filter(|node| is_tcp_stream(node.text()));
            machine(&mut machines, context, document).streams.extend(streams);
        }
    }
    for document in context.documents_of(DocumentKind::Environment) {
        if let Some(options) = document.root().get("DOCKER_OPTS") {
            machine(&mut machines, context, document).options = Some(options);
        }
    }
    machines.into_iter().flat_map(Machine::daemons).collect()
}

/// What configures the daemon of one machine.
struct Machine<'a> {
    root: String,
    file: Option<&'a Document>,
    components: Vec<Component<'a>>,
    streams: Vec<Node<'a>>,
    /// `DOCKER_OPTS` of an environment file, for init scripts.
    options: Option<Node<'a>>,
}

fn machine<'m, 'a>(
    machines: &'m mut Vec<Machine<'a>>,
    context: &Context<'a>,
    document: &Document,
) -> &'m mut Machine<'a> {
    let root = root_of(context.corpus.source(document.source).name.raw());
    let at = machines.iter().position(|machine| machine.root == root).unwrap_or_else(|| {
        machines.push(Machine {
            root,
            file: None,
            components: Vec::new(),
            streams: Vec::new(),
            options: None,
        });
        machines.len() - 1
    });
    &mut machines[at]
}

/// What stands before the usual directories in the name of a file: the same for all files of one machine.
fn root_of(name: &str) -> String {
    let name = format!("/{name}");
    let usual =
        ["/etc/", "/usr/", "/lib/", "/run/"].iter().filter_map(|directory| name.find(directory)).min();
    let folder = &name[..name.rfind('/').unwrap_or(0)];
    let own = || {
        folder.strip_suffix("/docker.service.d").or(folder.strip_suffix("/docker.socket.d")).unwrap_or(folder)
    };
    usual.map_or_else(|| own().to_owned(), |at| name[..at].to_owned())
}

impl<'a> Machine<'a> {
    /// One daemon for each command line, at least one when anything else configures it.
    fn daemons(self) -> Vec<Daemon<'a>> {
        let file = self.file.map(Document::root);
        let of = |subject, flags, is_partly_hidden| Daemon {
            subject,
            file,
            flags,
            socket_streams: self.streams.clone(),
            is_partly_hidden,
        };
        let named = |document: &'a Document, name| Subject::document(document, "DockerDaemon", name);
        if !self.components.is_empty() {
            return self
                .components
                .iter()
                .map(|component| {
                    let subject = self.file.map_or_else(
                        || named(component.document(), "dockerd"),
                        |file| named(file, "daemon.json"),
                    );
                    of(subject, component.flags.clone(), !component.is_whole)
                })
                .collect();
        }
        let flags = self.options.map(|options| option_flags(options.text(), options)).unwrap_or_default();
        let subject = match (self.file, self.options, self.streams.first()) {
            (Some(file), _, _) => named(file, "daemon.json"),
            (None, Some(options), _) => named(options.document(), "docker"),
            (None, None, Some(stream)) => named(stream.document(), "docker.socket"),
            (None, None, None) => return Vec::new(),
        };
        vec![of(subject, flags, false)]
    }
}

/// The values of a key of a unit: of one that is given several times all of them.
pub(super) fn each(node: Node<'_>) -> Vec<Node<'_>> {
    if node.kind() == Kind::Sequence { node.items().collect() } else { vec![node] }
}

/// True for `2375` and `ADDRESS:2375`, not for paths (systemd.socket(5)).
pub(super) fn is_tcp_stream(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['/', '@', '%']) && !text.starts_with("vsock:")
}
