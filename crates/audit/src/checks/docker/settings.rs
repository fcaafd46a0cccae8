//! Settings of the daemon that are on or off, one value or another.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::{
    daemon::{Daemon, Setting, daemons},
    info::{Info, infos},
};
use crate::{Change, Context, Found, Sink};

/// A switch: how it should stand, and how it stands by itself.
struct Switch {
    key: &'static str,
    wanted: bool,
    default: bool,
    message: &'static str,
}

/// Judges a switch of every daemon; `info` reads it from `docker info`, where nothing means not to be seen.
fn switch<'a>(
    context: &Context<'a>,
    sink: &mut Sink<'a>,
    switch: &Switch,
    info: impl Fn(&Info<'a>) -> Seen<'a>,
) {
    for daemon in daemons(context) {
        let setting = daemon.get(switch.key);
        match setting.is_true().or(matches!(setting, Setting::Absent).then_some(switch.default)) {
            Some(value) if value != switch.wanted => {
                sink.fail(mend(&daemon, switch.key, &setting, &switch.wanted.to_string(), switch.message));
            }
            _ => tell(&setting, sink),
        }
    }
    for own in infos(context) {
        match info(&own) {
            Seen::Good => sink.pass(),
            Seen::Bad(node) => sink.fail(Found::new(own.subject, node, switch.message)),
            Seen::No(why) => sink.unknown(why),
        }
    }
}

/// What `docker info` shows.
enum Seen<'a> {
    Good,
    Bad(Node<'a>),
    No(&'static str),
}

const NOT_SHOWN: &str = "`docker info` does not show it";

/// A finding with the change of daemon.json that mends it.
fn mend<'a>(
    daemon: &Daemon<'a>,
    key: &'static str,
    setting: &Setting<'a>,
    to: &str,
    message: &'static str,
) -> Found<'a> {
    let found = daemon.found(key, setting, message);
    match (setting, daemon.file) {
        (Setting::Values(values), Some(file)) => match values.as_slice() {
            [(_, node)] if std::ptr::eq(node.document(), file.document()) => {
                found.change(Change::Set(*node, to.to_owned().into()))
            }
            _ => found,
        },
        (Setting::Absent, Some(file)) => {
            found.change(Change::SetPath(file, key.into(), to.to_owned().into()))
        }
        _ => found,
    }
}

/// Says that nothing wrong was found: passed, unless it cannot be known.
fn tell(setting: &Setting<'_>, sink: &mut Sink<'_>) {
    match setting.why_unknown() {
        Some(why) => sink.unknown(why),
        None => sink.pass(),
    }
}

/// Containers of the default bridge reach each other.
pub(super) fn inter_container<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let own = Switch {
        key: "icc",
        wanted: false,
        default: true,
        message: "containers on the default bridge reach every port of each other",
    };
    switch(context, sink, &own, |_| Seen::No(NOT_SHOWN));
    bridges(context, sink);
}

/// `docker network inspect bridge` shows what holds.
fn bridges<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for document in &context.corpus.documents {
        for network in document
            .root()
            .items()
            .filter(|network| network.get("Driver").is_some_and(|d| d.text() == "bridge"))
        {
            let options = network.get("Options");
            let is_default = options
                .and_then(|options| options.get("com.docker.network.bridge.default_bridge"))
                .is_some_and(|value| value.text() == "true");
            if !is_default {
                continue;
            }
            let icc = options.and_then(|options| options.get("com.docker.network.bridge.enable_icc"));
            match icc {
                Some(icc) if icc.text() == "true" => sink.fail(Found::new(
                    crate::Subject::other(network, "Network", network.get("Name").map_or("", Node::text)),
                    icc,
                    "containers on the default bridge reach every port of each other",
                )),
                Some(_) => sink.pass(),
                None => {}
            }
        }
    }
}

/// Set-user-id programs work by default.
pub(super) fn new_privileges<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let own = Switch {
        key: "no-new-privileges",
        wanted: true,
        default: false,
        message: "containers may gain privileges unless each says otherwise",
    };
    switch(context, sink, &own, |info| match (info.security_option("no-new-privileges"), info.major()) {
        (Some(_), _) => Seen::Good,
        (None, Some(25..)) => Seen::Bad(info.root.get_raw("SecurityOptions").unwrap_or(info.root)),
        _ => Seen::No("`docker info` of this version does not show it"),
    });
}

/// Containers stop with the daemon. A swarm cannot have it.
pub(super) fn live_restore<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let own = Switch {
        key: "live-restore",
        wanted: true,
        default: false,
        message: "containers stop whenever the daemon does",
    };
    switch(context, sink, &own, |info| match info.root.get("LiveRestoreEnabled") {
        Some(node) if node.as_bool() == Some(false) && !info.is_in_swarm() => Seen::Bad(node),
        Some(_) => Seen::Good,
        None => Seen::No(NOT_SHOWN),
    });
}

/// One process for each published port.
pub(super) fn userland_proxy<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let own = Switch {
        key: "userland-proxy",
        wanted: false,
        default: true,
        message: "published ports go through a process of their own, in which the client's address is lost",
    };
    switch(context, sink, &own, |_| Seen::No(NOT_SHOWN));
}

/// Features that may change.
pub(super) fn experimental<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let own = Switch {
        key: "experimental",
        wanted: false,
        default: false,
        message: "experimental features of the daemon are on",
    };
    switch(context, sink, &own, |info| match info.root.get("ExperimentalBuild") {
        Some(node) if node.as_bool() == Some(true) => Seen::Bad(node),
        Some(_) => Seen::Good,
        None => Seen::No(NOT_SHOWN),
    });
}

/// No firewall rules of Docker's.
pub(super) fn iptables<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let own = Switch {
        key: "iptables",
        wanted: true,
        default: true,
        message: "the daemon makes no firewall rules, so networks are not kept apart",
    };
    switch(context, sink, &own, |_| Seen::No(NOT_SHOWN));
}

/// Root inside is root outside.
pub(super) fn user_namespace<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    const MESSAGE: &str = "root in a container is root on the host: users are not remapped";
    for daemon in daemons(context) {
        let setting = daemon.get("userns-remap");
        match setting.one() {
            Some((text, _)) if !text.is_empty() && text != "host" => tell(&setting, sink),
            Some(_) => sink.fail(mend(&daemon, "userns-remap", &setting, "\"default\"", MESSAGE)),
            None if matches!(setting, Setting::Absent) => {
                sink.fail(mend(&daemon, "userns-remap", &setting, "\"default\"", MESSAGE));
            }
            None => tell(&setting, sink),
        }
    }
    for info in infos(context) {
        if info.security_option("userns").is_some() || info.security_option("rootless").is_some() {
            sink.pass();
        } else {
            sink.fail(Found::new(
                info.subject,
                info.root.get_raw("SecurityOptions").unwrap_or(info.root),
                MESSAGE,
            ));
        }
    }
}

/// System calls of containers are not filtered.
pub(super) fn seccomp<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    const MESSAGE: &str = "system calls of all containers are unfiltered";
    for daemon in daemons(context) {
        let setting = daemon.get("seccomp-profile");
        match setting.one() {
            None => match setting {
                Setting::Absent => sink.pass(),
                _ => tell(&setting, sink),
            },
            Some(("unconfined", _)) => sink.fail(daemon.found("seccomp-profile", &setting, MESSAGE)),
            Some(("builtin" | "", _)) => tell(&setting, sink),
            Some((path, _)) => match profile(context, path) {
                Some(true) => sink.fail(daemon.found(
                    "seccomp-profile",
                    &setting,
                    "the seccomp profile allows every system call",
                )),
                Some(false) => sink.pass(),
                None => sink.unknown("the seccomp profile that the daemon names is not part of the input"),
            },
        }
    }
    for info in infos(context) {
        let place = info.root.get_raw("SecurityOptions").unwrap_or(info.root);
        match info.security_option("seccomp") {
            Some(option) if option.text().contains("profile=unconfined") => {
                sink.fail(Found::new(info.subject, option, MESSAGE));
            }
            Some(option)
                if option.text().contains("profile=builtin") || option.text().contains("profile=default") =>
            {
                sink.pass()
            }
            Some(_) => sink.unknown("`docker info` names a seccomp profile that is not part of the input"),
            None => sink.fail(Found::new(info.subject, place, MESSAGE)),
        }
    }
}

/// Whether the profile of a path allows everything; nothing when it is not in the input.
fn profile(context: &Context<'_>, path: &str) -> Option<bool> {
    let base = path.rsplit('/').next().unwrap_or(path);
    context.corpus.documents.iter().find_map(|document| {
        let name = context.corpus.source(document.source).name.raw();
        let root = document.root();
        let action = root.get("defaultAction")?;
        if name.rsplit('/').next() != Some(base) {
            return None;
        }
        let denies = root.get("syscalls").into_iter().flat_map(Node::items).any(|rule| {
            rule.get("action").is_some_and(|action| {
                matches!(
                    action.text(),
                    "SCMP_ACT_ERRNO" | "SCMP_ACT_KILL" | "SCMP_ACT_KILL_PROCESS" | "SCMP_ACT_TRAP"
                )
            })
        });
        Some(matches!(action.text(), "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG") && !denies)
    })
}

/// Logs that are lost or grow without end.
pub(super) fn logging<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for daemon in daemons(context) {
        log_level(&daemon, sink);
        log_driver(&daemon, sink);
    }
    for info in infos(context) {
        match info.root.get("LoggingDriver") {
            Some(driver) if driver.text() == "none" => {
                sink.fail(Found::new(info.subject, driver, "logs of containers are thrown away"));
            }
            Some(driver) if driver.text() == "json-file" => {
                sink.unknown("`docker info` does not show whether json-file rotates")
            }
            _ => sink.pass(),
        }
    }
}

fn log_level<'a>(daemon: &Daemon<'a>, sink: &mut Sink<'a>) {
    let level = daemon.get("log-level");
    match level.one() {
        Some(("warn" | "error" | "fatal", _)) => {
            sink.fail(mend(
                daemon,
                "log-level",
                &level,
                "\"info\"",
                "the daemon does not log what it does, only what goes wrong",
            ));
        }
        _ => sink.pass(),
    }
}

fn log_driver<'a>(daemon: &Daemon<'a>, sink: &mut Sink<'a>) {
    let driver = daemon.get("log-driver");
    let options = daemon.get("log-opts");
    match driver.one().map_or("json-file", |(text, _)| text) {
        "none" => sink.fail(daemon.found("log-driver", &driver, "logs of containers are thrown away")),
        "json-file" if matches!(driver, Setting::Hidden) || matches!(options, Setting::Hidden) => {
            tell(&Setting::Hidden, sink)
        }
        "json-file" if !options.values().iter().any(|(option, _)| option.starts_with("max-size=")) => {
            sink.fail(daemon.found(
                "log-opts",
                &options,
                "logs of containers grow without end: json-file has no max-size",
            ));
        }
        _ => tell(&driver, sink),
    }
}

/// Drivers that newer daemons no longer have.
pub(super) fn storage_driver<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let is_legacy = |driver: &str| matches!(driver, "aufs" | "devicemapper" | "overlay");
    for daemon in daemons(context) {
        let setting = daemon.get("storage-driver");
        match setting.one() {
            Some((driver, _)) if is_legacy(driver) => {
                sink.fail(daemon.found(
                    "storage-driver",
                    &setting,
                    "this storage driver is no longer maintained",
                ));
            }
            _ => tell(&setting, sink),
        }
    }
    for info in infos(context) {
        match info.root.get("Driver") {
            Some(driver) if is_legacy(driver.text()) => {
                let on_loop = info
                    .root
                    .get("DriverStatus")
                    .into_iter()
                    .flat_map(Node::items)
                    .any(|pair| pair.items().next().is_some_and(|name| name.text() == "Data loop file"));
                let message = if on_loop {
                    "this storage driver is no longer maintained, and it stands on a loop device, which loses data"
                } else {
                    "this storage driver is no longer maintained"
                };
                sink.fail(Found::new(info.subject, driver, message));
            }
            _ => sink.pass(),
        }
    }
}

/// Default limits, and the parent of all cgroups.
pub(super) fn default_limits<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for daemon in daemons(context) {
        let parent = daemon.get("cgroup-parent");
        if parent.one().is_some_and(|(text, _)| !text.is_empty()) {
            let message =
                "containers run under a cgroup of one's own, where the limits of the usual one do not hold";
            sink.fail(daemon.found("cgroup-parent", &parent, message));
        }
        let limits = daemon.get("default-ulimits");
        match &limits {
            Setting::Absent => {
                let message = "containers start with the limits of the daemon: no default is set";
                sink.fail(daemon.found("default-ulimits", &limits, message).severity(Severity::Info));
            }
            other => tell(other, sink),
        }
    }
}
