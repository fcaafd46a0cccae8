//! Volumes that are paths of the node, in pods and as persistent volumes.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Workload};

use super::{
    node_path::{clean, runtime_socket, sensitive},
    spec::{pss, says_true, shown},
    system,
};
use crate::{Change, Context, Found, Part, Sink, Subject};

/// A volume that is a path of the node.
struct HostPath<'a> {
    /// The name that mounts use; of a persistent volume its own.
    name: &'a str,
    /// The path, or what stands in its place.
    node: Node<'a>,
    subject: Subject<'a>,
    /// True when something mounts it and nothing mounts it writable.
    read_only: bool,
    /// True for a `local` volume, which an administrator made for pods.
    local: bool,
}

/// A volume is a path of the node.
pub(super) fn volume<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |found, sink| {
        let path = found.node.text();
        let message = format!("the volume {} is the path {} of the node", shown(found.name), shown(path));
        let own = Found::new(found.subject, found.node, message).cause(format!("volume:{}", found.name));
        if found.local {
            sink(own.severity(Severity::Low));
        } else if found.subject.kind == "PersistentVolume" {
            sink(own.severity(Severity::Medium));
        } else {
            sink(own);
        }
        true
    });
}

/// A volume is a sensitive path of the node.
pub(super) fn sensitive_path<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |found, sink| {
        let path = clean(found.node.text());
        let Some(entry) = sensitive(&path) else { return false };
        let (severity, how) =
            if found.read_only { (entry.read_only, "read-only") } else { (entry.writable, "writable") };
        let message = format!(
            "the volume {} is {} of the node, {how}: {}",
            shown(found.name),
            shown(&path),
            entry.holds
        );
        let own = Found::new(found.subject, found.node, message).cause(format!("volume:{}", found.name));
        sink(own.severity(severity));
        true
    });
}

/// A volume is the socket of a container runtime, or a directory it is in.
pub(super) fn socket<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |found, sink| {
        let path = clean(found.node.text());
        let Some(socket) = runtime_socket(&path) else { return false };
        let what = if socket.starts_with('/') {
            "has the socket of the container runtime in it"
        } else {
            "is the socket of a container runtime"
        };
        let message = format!("the volume {} is {}, which {what}", shown(found.name), shown(&path));
        sink(Found::new(found.subject, found.node, message).cause(format!("volume:{}", found.name)));
        true
    });
}

/// Judges each volume; `judge` says whether it told anything.
fn each<'a>(
    context: &Context<'a>,
    sink: &mut Sink<'a>,
    judge: impl Fn(&HostPath<'a>, &mut dyn FnMut(Found<'a>)) -> bool,
) {
    for workload in &context.workloads {
        for entry in volumes(workload) {
            let told = match entry.get("hostPath") {
                None => false,
                Some(source) => {
                    let found = host_path(context, workload, entry, source);
                    judge(&found, &mut |found| sink.fail(system::judged(found, context, workload)))
                }
            };
            if !told {
                sink.pass();
            }
        }
    }
    if pss(context).is_some() {
        return; // the standards are about pods
    }
    for object in context.objects_of("PersistentVolume").filter(|object| object.group().is_empty()) {
        let spec = object.spec();
        let source = |kind| spec.and_then(|spec: Node<'a>| spec.get(kind));
        let (Some(node), local) =
            (source("hostPath").or_else(|| source("local")), source("hostPath").is_none())
        else {
            continue;
        };
        let found = HostPath {
            name: object.name,
            node: node.get("path").unwrap_or(node),
            subject: Subject::object(object),
            read_only: false,
            local,
        };
        if !judge(&found, &mut |found| sink.fail(found)) {
            sink.pass();
        }
    }
}

fn host_path<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    entry: Node<'a>,
    source: Node<'a>,
) -> HostPath<'a> {
    let name = entry.get("name").map_or("", Node::text);
    let (mut mounted, mut writable) = (false, false);
    for container in workload.containers() {
        for mount in container.node.get("volumeMounts").into_iter().flat_map(Node::items) {
            if mount.get("name").map_or("", Node::text) == name {
                mounted = true;
                writable |= !mount.get("readOnly").is_some_and(says_true);
            }
        }
    }
    HostPath {
        name,
        node: source.get("path").unwrap_or(source),
        subject: context.workload_subject(workload),
        read_only: mounted && !writable,
        local: false,
    }
}

fn volumes<'a>(workload: &Workload<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
    workload.pod_spec.get("volumes").into_iter().flat_map(Node::items)
}

/// A path of the node is mounted writable.
pub(super) fn writable<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        if !volumes(workload).any(|entry| entry.get("hostPath").is_some()) {
            continue;
        }
        for container in workload.containers() {
            for mount in container.node.get("volumeMounts").into_iter().flat_map(Node::items) {
                let Some(name) = mount.get("name") else { continue };
                let of_node = |entry: &Node<'a>| {
                    entry.get("name").is_some_and(|own| own.text() == name.text())
                        && entry.get("hostPath").is_some()
                };
                let Some(source) = volumes(workload).find(of_node) else { continue };
                let read_only = mount.get("readOnly");
                if read_only.is_some_and(says_true) {
                    sink.pass();
                    continue;
                }
                let subject = context.container_subject(workload, &container);
                let path = source.at("hostPath.path").map_or("", Node::text);
                let message = format!("the path {} of the node is mounted writable", shown(path));
                let found = match read_only {
                    Some(node) => Found::new(subject, node, message).change(Change::Set(node, "true".into())),
                    None => Found::missing(subject, mount, "readOnly", message).change(Change::SetPath(
                        mount,
                        "readOnly".into(),
                        "true".into(),
                    )),
                };
                let found =
                    found.cause(format!("volume:{}", name.text())).related("the volume", Some(source));
                sink.fail(system::judged(found, context, workload));
            }
        }
    }
}
