//! Modes and owners of sockets, configuration and certificates of Docker, from a dump of file metadata.

use nightlatch_manifest::{DocumentKind, NodeFile, node_files};

use crate::{Context, Found, Sink, Subject};

/// What a file should be like.
struct Wanted {
    mode_max: u32,
    /// The group docker may own it.
    allows_docker_group: bool,
}

impl Wanted {
    fn complaint(&self, entry: &NodeFile<'_>) -> Option<String> {
        let mode = entry.mode.unwrap_or(0);
        let extra = mode & 0o777 & !self.mode_max;
        let is_root = |id: Option<i64>, name: Option<&str>| id.map_or(name == Some("root"), |id| id == 0);
        let is_docker = self.allows_docker_group && entry.group == Some("docker");
        let is_owned = is_root(entry.uid, entry.owner) && (is_docker || is_root(entry.gid, entry.group));
        match (extra != 0, is_owned) {
            (false, true) => None,
            (true, true) => {
                Some(format!("its mode is {:o}, should be {:o} or stricter", mode, self.mode_max))
            }
            (false, false) => Some("it does not belong to root".to_owned()),
            (true, false) => Some(format!(
                "its mode is {:o}, should be {:o} or stricter, and it does not belong to root",
                mode, self.mode_max
            )),
        }
    }
}

fn socket(path: &str) -> Option<Wanted> {
    let base = path.rsplit('/').next()?;
    let is_docker = base == "docker.sock";
    let is_other = matches!(base, "containerd.sock" | "crio.sock" | "cri-dockerd.sock" | "podman.sock");
    let is_own = (is_docker || is_other) && !path.contains("/run/user/");
    is_own.then_some(Wanted { mode_max: 0o660, allows_docker_group: is_docker })
}

/// Sockets that others than root and its group write to.
pub(super) fn socket_mode<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for entry in node_files(context.corpus) {
        let Some(wanted) = socket(entry.path) else { continue };
        if entry.mode.is_none() {
            sink.unknown("the mode of the file is not readable");
            continue;
        }
        match wanted.complaint(&entry) {
            Some(complaint) => {
                let mut found = Found::new(
                    Subject::other(entry.node, "File", entry.path),
                    entry.node,
                    format!("{complaint}; whoever writes to this socket is root"),
                );
                if let Some(members) = docker_group(context) {
                    found = found.related(format!("members of the group docker: {members}"), None);
                }
                sink.fail(found);
            }
            None => sink.pass(),
        }
    }
}

/// The members of the group docker, from `/etc/group` in the input.
fn docker_group(context: &Context<'_>) -> Option<String> {
    context
        .corpus
        .sources
        .iter()
        .filter(|source| source.name.raw().rsplit('/').next() == Some("group"))
        .find_map(|source| {
            let line = source.text.lines().find(|line| line.starts_with("docker:"))?;
            let members: String = line.rsplit(':').next()?.chars().take(MEMBERS_MAX).collect();
            (!members.is_empty()).then_some(members)
        })
}

/// Characters of the list of members that are shown.
const MEMBERS_MAX: usize = 300;

fn configuration(context: &Context<'_>, path: &str) -> Option<Wanted> {
    let base = path.rsplit('/').next()?;
    let mode_max = if is_named_by_daemon(context, path, &["tlskey"]) {
        0o600
    } else if is_named_by_daemon(context, path, &["tlscert", "tlscacert"]) {
        0o644
    } else if path.contains("/etc/docker/") {
        match base {
            "daemon.json" => 0o644,
            _ if base.ends_with(".key") || base.contains("key.pem") || base.ends_with("-key.pem") => 0o600,
            _ if base.ends_with(".crt") || base.ends_with(".cert") || base.ends_with(".pem") => 0o644,
            _ => return None,
        }
    } else if path.ends_with("/etc/docker") || path.ends_with("/etc/docker/certs.d") {
        0o755
    } else if path.contains("/systemd/")
        && (base.starts_with("docker.")
            || base.starts_with("containerd.service")
            || path.contains("/docker.service.d/"))
        || matches!(path, "/etc/default/docker" | "/etc/sysconfig/docker" | "/etc/containerd/config.toml")
    {
        if path.ends_with(".d") { 0o755 } else { 0o644 }
    } else {
        return None;
    };
    Some(Wanted { mode_max, allows_docker_group: false })
}

fn is_named_by_daemon(context: &Context<'_>, path: &str, keys: &[&str]) -> bool {
    context.documents_of(DocumentKind::DockerDaemon).any(|document| {
        keys.iter().any(|key| document.root().get(key).is_some_and(|named| named.text() == path))
    })
}

/// Configuration that others write, keys that others read.
pub(super) fn file_mode<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for entry in node_files(context.corpus) {
        let Some(wanted) = configuration(context, entry.path) else { continue };
        if entry.mode.is_none() {
            sink.unknown("the mode of the file is not readable");
            continue;
        }
        match wanted.complaint(&entry) {
            Some(complaint) => {
                sink.fail(Found::new(Subject::other(entry.node, "File", entry.path), entry.node, complaint));
            }
            None => sink.pass(),
        }
    }
}
