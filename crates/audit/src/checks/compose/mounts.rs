//! What containers mount.

use std::collections::HashMap;

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::container::{Container, Mount, containers};
use crate::{
    Context, Found, Sink,
    checks::pod::node_path::{clean, runtime_socket, sensitive},
};

/// Paths of the host, not volumes and not relative ones.
fn host_paths<'a>(container: &Container<'_, 'a>) -> impl Iterator<Item = Mount<'a>> + use<'a> {
    let is_absolute = |path: &str| path.starts_with(['/', '\\']);
    container.mounts().into_iter().filter(move |mount| !mount.is_volume && is_absolute(&mount.source))
}

fn cause(mount: &Mount<'_>) -> String {
    format!("volume:{}", mount.target)
}

/// The socket of a container runtime, or a directory it is in; read-only does not help.
pub(super) fn socket<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let mut is_fine = true;
        for mount in host_paths(&container) {
            let path = clean(&mount.source).into_owned();
            let Some(socket) = runtime_socket(&path) else { continue };
            is_fine = false;
            let what = if socket.starts_with('/') { "a directory with the socket" } else { "the socket" };
            let note = if mount.read_only { "; read-only does not protect it" } else { "" };
            let message = format!("the container has {what} of a container runtime: {}{note}", mount.source);
            container.fail(sink, Found::new(container.subject, mount.node, message).cause(cause(&mount)));
        }
        if is_fine {
            sink.pass();
        }
    }
}

/// System directories of the host.
pub(super) fn sensitive_path<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let mut is_fine = true;
        for mount in host_paths(&container) {
            let path = clean(&mount.source).into_owned();
            let Some(entry) = sensitive(&path) else { continue };
            is_fine = false;
            let severity = if mount.read_only { entry.read_only } else { entry.writable }.min(Severity::High);
            let how = if mount.read_only { "read-only" } else { "writable" };
            let message = format!("the container mounts {path} of the host {how}: {}", entry.holds);
            container.fail(
                sink,
                Found::new(container.subject, mount.node, message).severity(severity).cause(cause(&mount)),
            );
        }
        if is_fine {
            sink.pass();
        }
    }
}

/// A named volume that several containers write, and mounts that reach the host.
pub(super) fn shared<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut writers: HashMap<(usize, String), (&'a str, Node<'a>)> = HashMap::new();
    for container in containers(context) {
        let mut is_fine = true;
        let project = container.service.map_or(0, |(project, _)| std::ptr::from_ref(project) as usize);
        for mount in container.mounts() {
            if mount.is_shared {
                is_fine = false;
                let message = "mounts that are made inside appear on the host: propagation is shared";
                container.fail(sink, Found::new(container.subject, mount.node, message).cause(cause(&mount)));
            }
            if !mount.is_volume || mount.read_only {
                continue;
            }
            match writers.get(&(project, mount.source.clone())) {
                Some((other, at)) if *other != container.subject.name => {
                    is_fine = false;
                    let message = format!("the volume {} is writable here and in {other}", mount.source);
                    let found = Found::new(container.subject, mount.node, message)
                        .related("the other one", Some(*at));
                    container.fail(sink, found.cause(cause(&mount)));
                }
                Some(_) => {}
                None => {
                    writers.insert((project, mount.source), (container.subject.name, mount.node));
                }
            }
        }
        if is_fine {
            sink.pass();
        }
    }
}
