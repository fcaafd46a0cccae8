//! Requests and limits.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Workload};

use super::spec::{is_ephemeral, is_init, keeps_running};
use crate::{Change, Context, Found, Part, Sink};

/// Default limits and requests that a namespace gives to containers.
pub(crate) struct Defaults<'a> {
    ranges: Vec<(Option<&'a str>, Node<'a>)>,
}

impl<'a> Defaults<'a> {
    pub(crate) fn new(context: &Context<'a>) -> Self {
        let mut ranges = Vec::new();
        for object in context.objects_of("LimitRange") {
            for limit in object.spec().and_then(|spec| spec.get("limits")).into_iter().flat_map(Node::items) {
                if limit.get("type").map_or("", Node::text) == "Container" {
                    ranges.push((object.namespace, limit));
                }
            }
        }
        Self { ranges }
    }

    /// True when the namespace of the workload has a default; `max` alone makes one too.
    fn has(&self, workload: &Workload<'a>, fields: &[&str], resource: &str) -> bool {
        self.ranges.iter().any(|(namespace, limit)| {
            *namespace == workload.object.namespace
                && fields
                    .iter()
                    .any(|field| limit.get(field).and_then(|values| values.get(resource)).is_some())
        })
    }
}

/// The value of a request or limit that means something: zero is no limit.
fn quantity<'a>(of: Node<'a>, which: &str, resource: &str) -> Option<Node<'a>> {
    of.get("resources")?.get(which)?.get(resource).filter(|node| !is_zero(node.text()))
}

fn is_zero(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// True when container, pod or namespace limit the resource.
fn limited<'a>(
    defaults: &Defaults<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    resource: &str,
) -> bool {
    quantity(container.node, "limits", resource).is_some()
        || quantity(workload.pod_spec, "limits", resource).is_some()
        // An explicit zero is kept; only what is absent is filled in.
        || (container.node.at("resources.limits").and_then(|limits| limits.get(resource)).is_none()
            && defaults.has(workload, &["default", "max"], resource))
}

/// True when container, pod or namespace ask for the resource. A limit counts as a request.
fn requested<'a>(
    defaults: &Defaults<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    resource: &str,
) -> bool {
    quantity(container.node, "requests", resource).is_some()
        || quantity(workload.pod_spec, "requests", resource).is_some()
        || limited(defaults, workload, container, resource)
        || defaults.has(workload, &["defaultRequest", "min"], resource)
}

/// No CPU limit.
pub(super) fn cpu_limit<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    limit(context, sink, "cpu", "resources.limits.cpu", "it has no CPU limit");
}

/// No memory limit. An init container without one is gone before long.
pub(super) fn memory_limit<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    limit(context, sink, "memory", "resources.limits.memory", "it has no memory limit");
}

fn limit<'a>(
    context: &Part<'_, 'a>,
    sink: &mut Sink<'a>,
    resource: &str,
    path: &'static str,
    message: &'static str,
) {
    let defaults = context.container_defaults();
    for workload in context.workloads {
        for container in workload.containers().filter(|container| !is_ephemeral(container)) {
            if limited(defaults, workload, &container, resource) {
                sink.pass();
                continue;
            }
            let found = found(context, workload, &container, path, message);
            sink.fail(if is_init(&container) && resource == "memory" {
                found.severity(Severity::Low)
            } else {
                found
            });
        }
    }
}

/// No CPU request.
pub(super) fn cpu_request<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    request(context, sink, "cpu", "resources.requests.cpu", "it asks for no CPU");
}

/// No memory request.
pub(super) fn memory_request<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    request(context, sink, "memory", "resources.requests.memory", "it asks for no memory");
}

fn request<'a>(
    context: &Part<'_, 'a>,
    sink: &mut Sink<'a>,
    resource: &str,
    path: &'static str,
    message: &'static str,
) {
    let defaults = context.container_defaults();
    for workload in context.workloads {
        // Init containers are over before the pod's own requests count.
        for container in workload.containers().filter(|own| keeps_running(own) && !is_ephemeral(own)) {
            if requested(defaults, workload, &container, resource) {
                sink.pass();
            } else {
                sink.fail(found(context, workload, &container, path, message));
            }
        }
    }
}

/// A value that is there and means nothing is pointed at; no value is proposed, because nobody but the owner knows it.
fn found<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    path: &'static str,
    message: &'static str,
) -> Found<'a> {
    let subject = context.container_subject(workload, container);
    match container.node.at(path) {
        Some(node) => Found::new(subject, node, format!("{message}: zero means none")),
        None => Found::missing(subject, container.node, path, message),
    }
}

/// A container may fill the node's disk.
pub(super) fn storage_limit<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let defaults = context.container_defaults();
    for workload in context.workloads {
        for container in workload.containers().filter(|container| !is_ephemeral(container)) {
            if limited(defaults, workload, &container, "ephemeral-storage") {
                sink.pass();
            } else {
                let path = "resources.limits.ephemeral-storage";
                sink.fail(found(context, workload, &container, path, "it has no limit for the node's disk"));
            }
        }
        for volume in workload.pod_spec.get("volumes").into_iter().flat_map(Node::items) {
            let Some(empty) = volume.get("emptyDir") else { continue };
            if empty.get("sizeLimit").is_some() {
                sink.pass();
                continue;
            }
            let subject = context.workload_subject(workload);
            sink.fail(
                Found::missing(subject, empty, "sizeLimit", "the emptyDir has no limit")
                    .change(Change::SetPath(empty, "sizeLimit".into(), "1Gi".into())),
            );
        }
    }
}
