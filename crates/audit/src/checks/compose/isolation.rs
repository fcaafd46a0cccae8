//! What a container shares with its host, and protections that it switches off.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Kind, Node};

use super::container::{Container, Switch, VARIABLE, containers};
use crate::{
    Change, Context, Found, Sink,
    checks::pod::capabilities::{dangerous_name, is_same},
};

/// Judges a switch of every container that should be off.
fn off<'a>(
    context: &Context<'a>,
    sink: &mut Sink<'a>,
    seen: impl Fn(&Container<'_, 'a>) -> Switch<'a>,
    message: &'static str,
) {
    for container in containers(context) {
        match seen(&container) {
            Switch::On(node) => {
                let found = Found::new(container.subject, node, message);
                container.fail(
                    sink,
                    if container.service.is_some() { found.change(Change::Remove(node)) } else { found },
                );
            }
            Switch::Off => sink.pass(),
            Switch::Unknown => sink.unknown(VARIABLE),
        }
    }
}

/// `privileged: true`.
pub(super) fn privileged<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    off(
        context,
        sink,
        |own| own.switch("privileged", "HostConfig.Privileged"),
        "the container is privileged",
    );
}

/// `network_mode: host`, or the external network `host`.
pub(super) fn host_network<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    const MESSAGE: &str = "the container shares the network of the host";
    off(context, sink, |own| own.is_one_of("network_mode", "HostConfig.NetworkMode", &["host"]), MESSAGE);
    for container in containers(context) {
        let Some((project, service)) = container.service else { continue };
        for network in service.list("networks") {
            let top = project.top("networks", network.text());
            let is_external = top
                .and_then(|top| top.get("external"))
                .is_some_and(|external| external.as_bool() != Some(false));
            let name = top.and_then(|top| top.get("name")).map_or(network.text(), Node::text);
            if is_external && name == "host" {
                container.fail(sink, Found::new(container.subject, network, MESSAGE));
            }
        }
    }
}

/// `pid: host`.
pub(super) fn host_pid<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    off(
        context,
        sink,
        |own| own.is_one_of("pid", "HostConfig.PidMode", &["host"]),
        "the container shares the processes of the host",
    );
}

/// `ipc: host` or `shareable`, `uts: host`.
pub(super) fn host_ipc<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    off(
        context,
        sink,
        |own| own.is_one_of("ipc", "HostConfig.IpcMode", &["host", "shareable"]),
        "the container shares memory with the host or with whoever asks",
    );
    off(
        context,
        sink,
        |own| own.is_one_of("uts", "HostConfig.UTSMode", &["host"]),
        "the container shares the host name of the host",
    );
}

/// `userns_mode: host`.
pub(super) fn host_user_namespace<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    off(
        context,
        sink,
        |own| own.is_one_of("userns_mode", "HostConfig.UsernsMode", &["host"]),
        "the container opts out of the remapping of users",
    );
}

/// `cgroup: host` and `cgroup_parent`. The host's cgroup namespace is the default of older systems, so that alone says
/// nothing of an inspected container.
pub(super) fn host_cgroup<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let namespace = if container.service.is_some() { container.get("cgroup", "") } else { None };
        let parent = container.get("cgroup_parent", "HostConfig.CgroupParent");
        let namespace = namespace.filter(|node| node.text() == "host");
        if namespace.is_none() && parent.is_none() {
            sink.pass();
        }
        if let Some(node) = namespace {
            container.fail(
                sink,
                Found::new(container.subject, node, "the container sees the cgroups of the host")
                    .change(Change::Remove(node)),
            );
        }
        if let Some(node) = parent {
            container.fail(
                sink,
                Found::new(container.subject, node, "the container says itself under which cgroup it runs"),
            );
        }
    }
}

/// Dangerous capabilities that are added, and the default ones that are not dropped.
pub(super) fn capabilities<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let added = container.list("cap_add", "HostConfig.CapAdd");
        let dropped = container.list("cap_drop", "HostConfig.CapDrop");
        let is_dropped = |name: &str| dropped.iter().any(|node| is_same(node.text(), name));
        let mut is_fine = true;
        for node in added {
            let Some(name) = dangerous_name(node.text()).filter(|name| !is_dropped(name)) else { continue };
            is_fine = false;
            let found =
                Found::new(container.subject, node, format!("the container is given the capability {name}"))
                    .cause(format!("capability:{name}"));
            container.fail(
                sink,
                if container.service.is_some() { found.change(Change::Remove(node)) } else { found },
            );
        }
        if !is_dropped("ALL") {
            is_fine = false;
            container.fail(sink, keeps_default(&container, dropped.first().and_then(|node| node.parent())));
        }
        if is_fine {
            sink.pass();
        }
    }
}

fn keeps_default<'a>(container: &Container<'_, 'a>, list: Option<Node<'a>>) -> Found<'a> {
    const MESSAGE: &str = "the container keeps the default set of capabilities";
    let found = match (container.service, list) {
        (Some(_), Some(list)) => {
            Found::new(container.subject, list, MESSAGE).change(Change::Append(list, "ALL".into()))
        }
        (Some(_), None) => Found::missing(container.subject, container.node, "cap_drop", MESSAGE)
            .change(Change::SetPath(container.node, "cap_drop".into(), "[ALL]".into())),
        (None, _) => {
            let place = container
                .node
                .at("HostConfig")
                .and_then(|host| host.get_raw("CapDrop"))
                .unwrap_or(container.node);
            Found::new(container.subject, place, MESSAGE)
        }
    };
    found.severity(Severity::Low)
}

/// The options of `security_opt` as name and value: both `name:value` and `name=value` are taken.
fn security_options<'a>(container: &Container<'_, 'a>) -> Vec<(&'a str, &'a str, Node<'a>)> {
    container
        .list("security_opt", "HostConfig.SecurityOpt")
        .into_iter()
        .map(|node| {
            let text = node.text();
            let (name, value) = text.split_once([':', '=']).unwrap_or((text, ""));
            (name.trim(), value.trim(), node)
        })
        .collect()
}

/// `no-new-privileges` is missing or false.
pub(super) fn new_privileges<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    const MESSAGE: &str = "the container may gain privileges";
    for container in containers(context) {
        let options = security_options(&container);
        let own = options.iter().rev().find(|(name, _, _)| *name == "no-new-privileges");
        let found = match own {
            Some((_, "" | "true" | "1", _)) => {
                sink.pass();
                continue;
            }
            Some((_, _, node)) => {
                let found = Found::new(container.subject, *node, MESSAGE);
                if container.service.is_some() {
                    found.change(Change::Set(*node, "\"no-new-privileges:true\"".into()))
                } else {
                    found
                }
            }
            None if container.service.is_none() => {
                let place = container.node.at("HostConfig").and_then(|host| host.get_raw("SecurityOpt"));
                Found::new(container.subject, place.unwrap_or(container.node), MESSAGE)
            }
            None => {
                let found = Found::missing(container.subject, container.node, "security_opt", MESSAGE);
                let list = container.get("security_opt", "").filter(|list| list.kind() == Kind::Sequence);
                found.change(match list {
                    Some(list) => Change::Append(list, "\"no-new-privileges:true\"".into()),
                    None => Change::SetPath(
                        container.node,
                        "security_opt".into(),
                        "[\"no-new-privileges:true\"]".into(),
                    ),
                })
            }
        };
        container.fail(sink, found);
    }
}

/// seccomp, AppArmor, SELinux or masked paths are switched off.
pub(super) fn confinement_off<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        // Docker adds this by itself where the container shares so much that labels would not work.
        let adds_label_itself = container.service.is_none()
            && (matches!(container.switch("", "HostConfig.Privileged"), Switch::On(_))
                || matches!(container.is_one_of("", "HostConfig.PidMode", &["host"]), Switch::On(_))
                || matches!(container.is_one_of("", "HostConfig.IpcMode", &["host"]), Switch::On(_)));
        let mut is_fine = true;
        for (name, value, node) in security_options(&container) {
            let what = match (name, value) {
                ("seccomp", "unconfined") => "the filter of system calls is off",
                ("apparmor", "unconfined") => "AppArmor is off",
                ("label", "disable") if !adds_label_itself => "SELinux labels are off",
                ("systempaths", "unconfined") => "paths of the kernel that are usually masked are open",
                _ => continue,
            };
            is_fine = false;
            let found = Found::new(container.subject, node, format!("{what} for the container"));
            container.fail(
                sink,
                if container.service.is_some() { found.change(Change::Remove(node)) } else { found },
            );
        }
        if is_fine {
            sink.pass();
        }
    }
}

/// Rules of devices: everything, or every block device.
fn opens_all_devices(rule: &str) -> bool {
    let mut words = rule.split_whitespace();
    let (kind, numbers, access) = (words.next(), words.next(), words.next());
    matches!(kind, Some("a" | "b"))
        && numbers.is_some_and(|numbers| numbers.ends_with(":*") && (kind == Some("a") || numbers == "*:*"))
        && access.is_none_or(|access| access.contains(['r', 'w']))
}

/// Disks, memory and the kernel's log among devices.
fn is_dangerous_device(path: &str) -> bool {
    let path = crate::checks::pod::node_path::clean(path);
    let is_more = ["/dev/kmsg", "/dev/loop", "/dev/sg", "/dev/md", "/dev/zd", "/dev/mmcblk"];
    path == "/dev"
        || crate::checks::pod::node_path::is_raw_device(&path)
        || is_more.iter().any(|device| path.starts_with(device))
}

/// Block devices, memory, the kernel's log, or all devices.
pub(super) fn host_device<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let mut is_fine = true;
        let mut fail = |node: Node<'a>, message: String, sink: &mut Sink<'a>| {
            is_fine = false;
            let found = Found::new(container.subject, node, message);
            container.fail(
                sink,
                if container.service.is_some() { found.change(Change::Remove(node)) } else { found },
            );
        };
        for node in container.list("devices", "HostConfig.Devices") {
            let whole = node.get("source").or_else(|| node.get("PathOnHost")).unwrap_or(node);
            match container.text(whole) {
                Some(text) => {
                    let path = text.split(':').next().unwrap_or(&text);
                    if is_dangerous_device(path) {
                        fail(node, format!("the container has the device {path} of the host"), sink);
                    }
                }
                None => sink.unknown(VARIABLE),
            }
        }
        for node in container.list("device_cgroup_rules", "HostConfig.DeviceCgroupRules") {
            if opens_all_devices(node.text()) {
                fail(node, "the container may use every device of a kind".to_owned(), sink);
            }
        }
        if is_fine {
            sink.pass();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_disks_or_memory() {
        for (path, expected) in [
            ("/dev/sda", true),
            ("/dev/nvme0n1", true),
            ("/dev/mem", true),
            ("/dev/kmsg", true),
            ("/dev", true),
            ("/dev/dri", false),
            ("/dev/ttyUSB0", false),
            ("/dev/snd", false),
            ("/dev/fuse", false),
            ("/dev/kvm", false),
            ("/dev/net/tun", false),
            ("nvidia.com/gpu=all", false),
        ] {
            assert_eq!(is_dangerous_device(path), expected, "{path}");
        }
        for (rule, expected) in [
            ("a *:* rwm", true),
            ("b *:* r", true),
            ("c 1:3 rwm", false),
            ("b 8:0 r", false),
            ("a *:* m", false),
        ] {
            assert_eq!(opens_all_devices(rule), expected, "{rule}");
        }
    }
}
