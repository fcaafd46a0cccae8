//! One view of what runs as a container: a service of a Compose project, or what `docker inspect` tells of one.
//!
//! Source: the Compose specification; Docker Engine API, `GET /containers/{id}/json`.

use nightlatch_manifest::{
    ComposeMountKind, ComposePort, ComposeProject, ComposeService, DocumentKind, Kind, Node,
};

use crate::{Context, Found, Sink, Subject, location::node_of};

/// A service or a container.
pub(super) struct Container<'c, 'a> {
    /// What a finding is about.
    pub(super) subject: Subject<'a>,
    /// Where it stands; what is absent is absent here.
    pub(super) node: Node<'a>,
    /// The service, when it is one.
    pub(super) service: Option<(&'c ComposeProject<'a>, &'c ComposeService<'a>)>,
    context: &'c Context<'a>,
}

/// A path of the host, or a volume, in a container.
pub(super) struct Mount<'a> {
    pub(super) node: Node<'a>,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) read_only: bool,
    pub(super) is_volume: bool,
    /// Mounts made inside appear on the host.
    pub(super) is_shared: bool,
}

/// A published port.
pub(super) struct Port<'a> {
    pub(super) node: Node<'a>,
    /// The host's address; nothing means every address.
    pub(super) host_ip: Option<String>,
    /// First and last port on the host; nothing when Docker chooses.
    pub(super) published: Option<(u16, u16)>,
    /// First and last port in the container.
    pub(super) target: Option<(u16, u16)>,
    /// The service's own form, when it is of one.
    pub(super) written: Option<ComposePort<'a>>,
}

impl Port<'_> {
    /// True unless it is bound to one address.
    pub(super) fn is_on_all_addresses(&self) -> bool {
        self.host_ip.as_deref().is_none_or(|address| matches!(address, "" | "0.0.0.0" | "::" | "[::]" | "*"))
    }

    /// True when only the machine itself reaches it.
    pub(super) fn is_loopback(&self) -> bool {
        self.host_ip.as_deref().is_some_and(|ip| ip.starts_with("127.") || matches!(ip, "::1" | "localhost"))
    }
}

/// A switch.
pub(super) enum Switch<'a> {
    On(Node<'a>),
    Off,
    Unknown,
}

/// Why a value with a variable is unknown.
pub(super) const VARIABLE: &str = "a variable without a default stands in the value";

/// Every service and every inspected container.
pub(super) fn containers<'c, 'a>(context: &'c Context<'a>) -> Vec<Container<'c, 'a>> {
    let services = context.compose.iter().flat_map(|project| {
        project.services.iter().map(move |service| Container {
            subject: Subject::other(service.node, "ComposeService", service.name),
            node: service.node,
            service: Some((project, service)),
            context,
        })
    });
    let inspected = context.documents_of(DocumentKind::DockerInspect).flat_map(|document| {
        let root = document.root();
        let one = (root.kind() == Kind::Mapping).then_some(root);
        root.items().chain(one).filter(|item| item.get("HostConfig").is_some())
    });
    let inspected = inspected.map(|node| {
        let name = node.get("Name").or_else(|| node.get("Id")).map_or("", Node::text).trim_start_matches('/');
        Container { subject: Subject::other(node, "Container", name), node, service: None, context }
    });
    services.chain(inspected).collect()
}

impl<'c, 'a> Container<'c, 'a> {
    /// A field of the service, by its dotted path, or of the container, by its own. An empty text is absent.
    pub(super) fn get(&self, compose: &str, inspect: &str) -> Option<Node<'a>> {
        match self.service {
            Some((_, service)) => service.get(compose),
            None => {
                self.node.at(inspect).filter(|node| node.kind() != Kind::String || !node.text().is_empty())
            }
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self, compose: &str, inspect: &str) -> Vec<Node<'a>> {
        match self.service {
            Some((_, service)) => service.list(compose),
            None => self.node.at(inspect).into_iter().flat_map(Node::items).collect(),
        }
    }

    /// The text of a scalar, its variables replaced; nothing when one has no value and no default.
    pub(super) fn text(&self, node: Node<'a>) -> Option<String> {
        match self.service {
            Some((project, _)) => project.text(node),
            None => Some(node.text().to_owned()),
        }
    }

    /// A switch that is off when absent.
    pub(super) fn switch(&self, compose: &str, inspect: &str) -> Switch<'a> {
        let Some(node) = self.get(compose, inspect) else { return Switch::Off };
        match node.as_bool() {
            Some(true) => Switch::On(node),
            Some(false) => Switch::Off,
            None => match self.text(node).as_deref() {
                Some("true" | "yes" | "on" | "1") => Switch::On(node),
                Some(_) => Switch::Off,
                None => Switch::Unknown,
            },
        }
    }

    /// The field, when its text is one of some words.
    pub(super) fn is_one_of(&self, compose: &str, inspect: &str, words: &[&str]) -> Switch<'a> {
        let Some(node) = self.get(compose, inspect) else { return Switch::Off };
        match self.text(node) {
            Some(text) if words.contains(&text.as_str()) => Switch::On(node),
            Some(_) => Switch::Off,
            None => Switch::Unknown,
        }
    }

    /// The image, variables replaced.
    pub(super) fn image(&self) -> Option<(Option<String>, Node<'a>)> {
        let node = self.get("image", "Config.Image")?;
        Some((self.text(node), node))
    }

    /// How it is connected: `host`, `none`, `service:...`, or nothing for networks.
    pub(super) fn network_mode(&self) -> Option<String> {
        self.text(self.get("network_mode", "HostConfig.NetworkMode")?)
    }

    /// What is mounted. Of a service without what a variable hides.
    pub(super) fn mounts(&self) -> Vec<Mount<'a>> {
        match self.service {
            Some((project, service)) => service
                .mounts(project)
                .into_iter()
                .filter_map(|mount| {
                    let is_volume = match mount.kind {
                        ComposeMountKind::Bind => false,
                        ComposeMountKind::Volume => true,
                        ComposeMountKind::Other if mount.source.is_some() => false,
                        _ => return None,
                    };
                    let options = mount.node.text().rsplit(':').next().unwrap_or("");
                    let is_short_shared =
                        options.split(',').any(|option| matches!(option, "shared" | "rshared"));
                    let propagation = mount.node.at("bind.propagation").map(Node::text);
                    Some(Mount {
                        node: mount.node,
                        source: mount.source?,
                        target: mount.target,
                        read_only: mount.read_only,
                        is_volume,
                        is_shared: is_short_shared || matches!(propagation, Some("shared" | "rshared")),
                    })
                })
                .collect(),
            None => self
                .node
                .get("Mounts")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(inspected_mount)
                .collect(),
        }
    }

    /// The published ports; none where the network has no ports of its own.
    pub(super) fn ports(&self) -> Vec<Port<'a>> {
        let mode = self.network_mode().unwrap_or_default();
        if matches!(mode.as_str(), "host" | "none")
            || mode.starts_with("container:")
            || mode.starts_with("service:")
        {
            return Vec::new();
        }
        match self.service {
            Some((project, service)) => service.ports(project).into_iter().map(written_port).collect(),
            None => {
                let bindings = self.node.at("HostConfig.PortBindings").into_iter().flat_map(Node::entries);
                bindings
                    .flat_map(|(key, list)| list.items().map(move |node| inspected_port(key, node)))
                    .collect()
            }
        }
    }

    /// The variables of the environment: name, value as it is written, and place. Values that come from outside are left out.
    pub(super) fn environment(&self) -> Vec<(&'a str, String, Node<'a>)> {
        match self.service {
            Some((project, service)) => service
                .environment(project)
                .into_iter()
                .filter_map(|variable| {
                    let text = variable.node.text();
                    let written = text
                        .strip_prefix(variable.name)
                        .and_then(|rest| rest.strip_prefix('='))
                        .unwrap_or(text);
                    variable.value.as_ref()?;
                    Some((variable.name, project.literal(written)?, variable.node))
                })
                .collect(),
            None => {
                let list = self.node.at("Config.Env").into_iter().flat_map(Node::items);
                list.filter_map(|node| {
                    let (name, value) = node.text().split_once('=')?;
                    Some((name, value.to_owned(), node))
                })
                .collect()
            }
        }
    }

    /// The words of the command, entry point and health check, each with the place of its field.
    pub(super) fn commands(&self) -> Vec<(Vec<String>, Node<'a>)> {
        let fields = [
            ("command", "Config.Cmd"),
            ("entrypoint", "Config.Entrypoint"),
            ("healthcheck.test", "Config.Healthcheck.Test"),
        ];
        fields
            .into_iter()
            .filter_map(|(compose, inspect)| {
                let node = self.get(compose, inspect)?;
                let words = match self.service {
                    Some((_, service)) => service.words(compose),
                    None => node.items().map(|word| word.text().to_owned()).collect(),
                };
                Some((words, node))
            })
            .collect()
    }

    /// Says that it breaks a rule; not where another project of the folder says the same of the same lines: services of
    /// `docker-compose.prod.yml` stand on those of `docker-compose.yml`.
    pub(super) fn fail(&self, sink: &mut Sink<'a>, found: Found<'a>) {
        if let Some((project, service)) = self.service {
            let is_missing = matches!(found.at, crate::At::Missing(..));
            let at = node_of(found.at);
            let place = if is_missing { service.layers.first().copied().unwrap_or(at) } else { at };
            let is_own = |project: &ComposeProject<'a>| {
                project.documents.iter().any(|document| std::ptr::eq(*document, place.document()))
            };
            if !is_own(project) && self.context.compose.iter().any(is_own) {
                return;
            }
        }
        self.add(sink, found);
    }

    /// Adds a finding; where several services take one line from an anchor or a service that they extend, the line is found
    /// once, and the finding names the others.
    fn add(&self, sink: &mut Sink<'a>, found: Found<'a>) {
        if let (crate::At::Value(node), Some((_, service))) = (found.at, self.service) {
            let is_same = |known: &&mut Found<'a>| {
                matches!(known.at, crate::At::Value(other) if other == node)
                    && known.subject.name != service.name
            };
            if let Some(known) = sink.found.iter_mut().rev().take(LOOKED_BACK).find(is_same) {
                known.add_related(format!("the same line counts for {}", service.name), Some(service.key));
                return;
            }
        }
        sink.fail(found);
    }
}

/// Findings among which one of the same line is looked for.
const LOOKED_BACK: usize = 1_000;

fn inspected_mount(node: Node<'_>) -> Option<Mount<'_>> {
    let text = |key: &str| node.get(key).map_or("", Node::text);
    let is_volume = text("Type") == "volume";
    Some(Mount {
        node,
        source: if is_volume { text("Name") } else { text("Source") }.to_owned(),
        target: text("Destination").to_owned(),
        read_only: node.get("RW").and_then(Node::as_bool) == Some(false),
        is_volume,
        is_shared: matches!(text("Propagation"), "shared" | "rshared"),
    })
    .filter(|mount| !mount.source.is_empty())
}

fn written_port(port: ComposePort<'_>) -> Port<'_> {
    Port {
        node: port.node,
        host_ip: port.host_ip.clone(),
        published: port.published_range(),
        target: port.targets(),
        written: Some(port),
    }
}

/// One binding of `8080/tcp`.
fn inspected_port<'a>(key: Node<'a>, node: Node<'a>) -> Port<'a> {
    let target = key.text().split('/').next().and_then(|port| port.parse().ok());
    let published = node.get("HostPort").and_then(|port| port.text().parse().ok());
    Port {
        node: node.get("HostPort").unwrap_or(node),
        host_ip: node.get("HostIp").map(|address| address.text().to_owned()),
        published: published.map(|port| (port, port)),
        target: target.map(|port| (port, port)),
        written: None,
    }
}
