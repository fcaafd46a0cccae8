//! Users, limits, health checks, restarts and images of containers.

use nightlatch_manifest::{Kind, Node};

use super::container::{Container, Switch, VARIABLE, containers};
use crate::{Change, Context, Found, Sink, checks::exposure::product::tag};

/// Root, or whoever the image says.
pub(super) fn root_user<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let node = container.get("user", "Config.User");
        match node.map(|node| (node, container.text(node))) {
            Some((node, Some(user))) => {
                let name = user.split(':').next().unwrap_or("");
                if matches!(name, "root" | "0" | "+0") {
                    container.fail(sink, Found::new(container.subject, node, "the container runs as root"));
                } else {
                    sink.pass();
                }
            }
            Some((_, None)) => sink.unknown(VARIABLE),
            None if container.service.is_some() => sink.unknown("the image decides about the user"),
            None => {
                let place = container
                    .node
                    .at("Config")
                    .and_then(|config| config.get_raw("User"))
                    .unwrap_or(container.node);
                container.fail(
                    sink,
                    Found::new(
                        container.subject,
                        place,
                        "the container runs as root: neither it nor its image names a user",
                    ),
                );
            }
        }
    }
}

/// `read_only` is not true.
pub(super) fn writable_root<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        match container.switch("read_only", "HostConfig.ReadonlyRootfs") {
            Switch::On(_) => sink.pass(),
            Switch::Unknown => sink.unknown(VARIABLE),
            Switch::Off => {
                let found = lacks(
                    &container,
                    "read_only",
                    "HostConfig.ReadonlyRootfs",
                    "the root file system of the container is writable",
                );
                container.fail(sink, mend(&container, found, "read_only", "true"));
            }
        }
    }
}

/// A finding about a field that is absent or set to nothing.
fn lacks<'a>(
    container: &Container<'_, 'a>,
    compose: &'static str,
    inspect: &str,
    message: &'static str,
) -> Found<'a> {
    match (container.get(compose, inspect), container.service) {
        (Some(node), _) => Found::new(container.subject, node, message),
        (None, Some(_)) => Found::missing(container.subject, container.node, compose, message),
        (None, None) => {
            let (parent, last) = inspect.rsplit_once('.').unwrap_or(("", inspect));
            let place =
                container.node.at(parent).and_then(|parent| parent.get_raw(last)).unwrap_or(container.node);
            Found::new(container.subject, place, message)
        }
    }
}

fn mend<'a>(container: &Container<'_, 'a>, found: Found<'a>, key: &str, value: &str) -> Found<'a> {
    match (container.service, container.get(key, "-")) {
        (Some(_), Some(node)) => found.change(Change::Set(node, value.to_owned().into())),
        (Some(_), None) => {
            found.change(Change::SetPath(container.node, key.to_owned().into(), value.to_owned().into()))
        }
        (None, _) => found,
    }
}

/// A limit: fields of a service, of which one is enough, and numbers of a container.
fn limit<'a>(
    context: &Context<'a>,
    sink: &mut Sink<'a>,
    compose: &[&'static str],
    inspect: &[&str],
    message: &'static str,
) {
    for container in containers(context) {
        let fields = if container.service.is_some() { compose } else { inspect };
        let set: Vec<Node<'a>> = fields
            .iter()
            .filter_map(|field| container.get(field, field))
            .filter(|node| !matches!(node.text(), "0" | "-1" | ""))
            .collect();
        if set.is_empty() {
            container.fail(
                sink,
                lacks(
                    &container,
                    compose.first().copied().unwrap_or(""),
                    inspect.first().copied().unwrap_or(""),
                    message,
                ),
            );
        } else {
            sink.pass();
        }
    }
}

/// No limit of memory.
pub(super) fn memory<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    limit(
        context,
        sink,
        &["mem_limit", "deploy.resources.limits.memory"],
        &["HostConfig.Memory"],
        "the container may use all memory of the host",
    );
}

/// No limit of processors.
pub(super) fn processors<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    limit(
        context,
        sink,
        &["cpus", "cpu_quota", "cpu_count", "cpu_percent", "deploy.resources.limits.cpus"],
        &["HostConfig.NanoCpus", "HostConfig.CpuQuota", "HostConfig.CpuCount", "HostConfig.CpuPercent"],
        "the container may use all processors of the host",
    );
}

/// No limit of processes.
pub(super) fn processes<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    limit(
        context,
        sink,
        &["pids_limit", "deploy.resources.limits.pids"],
        &["HostConfig.PidsLimit"],
        "the container may start any number of processes",
    );
}

/// No health check.
pub(super) fn healthcheck<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let check = container.get("healthcheck", "Config.Healthcheck");
        let is_off = check.is_some_and(|check| {
            let test = check.get("test").or_else(|| check.get("Test"));
            let first = test.map(|test| {
                if test.kind() == Kind::Sequence {
                    test.items().next().map_or("", Node::text)
                } else {
                    test.text()
                }
            });
            check.get("disable").and_then(Node::as_bool) == Some(true) || first == Some("NONE")
        });
        match check {
            Some(check) if is_off => container.fail(
                sink,
                Found::new(container.subject, check, "the health check of the container is switched off"),
            ),
            Some(_) => sink.pass(),
            None => container
                .fail(sink, lacks(&container, "healthcheck", "Config", "the container has no health check")),
        }
    }
}

/// Restarts without end.
pub(super) fn restart<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    const MESSAGE: &str = "the container is not restarted on failure a bounded number of times";
    for container in containers(context) {
        let bounded = match container.service {
            Some((_, service)) => {
                let restart = service.get("restart").map_or("", Node::text);
                let times = restart.strip_prefix("on-failure:").and_then(|times| times.parse::<u32>().ok());
                let policy = service.get("deploy.restart_policy");
                let of_policy =
                    policy.filter(|policy| policy.get("condition").is_some_and(|c| c.text() == "on-failure"));
                times.or_else(|| of_policy?.get("max_attempts")?.text().parse().ok())
            }
            None => {
                let policy = container.node.at("HostConfig.RestartPolicy");
                let own = policy
                    .filter(|policy| policy.get("Name").is_some_and(|name| name.text() == "on-failure"));
                own.and_then(|own| own.get("MaximumRetryCount")?.text().parse().ok())
            }
        };
        match bounded {
            Some(1..=5) => sink.pass(),
            _ => container.fail(sink, lacks(&container, "restart", "HostConfig.RestartPolicy", MESSAGE)),
        }
    }
}

/// An image without a tag, or with `latest`, and without a digest.
pub(super) fn image<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        if container.get("build", "-").is_some() {
            continue;
        }
        let Some((text, node)) = container.image() else { continue };
        match text {
            None => sink.unknown(VARIABLE),
            Some(image) if image.contains('@') || image.starts_with("sha256:") => sink.pass(),
            Some(image) => match tag(&image) {
                Some("latest") | None => {
                    container
                        .fail(sink, Found::new(container.subject, node, "the image has no fixed version"));
                }
                Some(_) => sink.pass(),
            },
        }
    }
}
