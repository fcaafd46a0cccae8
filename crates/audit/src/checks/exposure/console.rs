//! Consoles: published, or there at all.

use std::collections::HashSet;

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Workload};
use nightlatch_netpol::Verdict;

use super::{
    guard::is_guarded,
    product::{self, Evidence, Sort},
    published_port::{cause, subject},
    way::WayKind,
};
use crate::{Context, Found, Part, Sink, Subject};

/// Consoles that can be reached from outside.
pub(super) fn published<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut seen = HashSet::new();
    for way in &context.ways().list {
        let Some(workload) = way.workload.and_then(|index| context.workloads.get(index)) else { continue };
        let Some((product, evidence)) = product::of_workload(workload) else {
            sink.pass();
            continue;
        };
        let port = way.target.or(way.port).unwrap_or(0);
        // A port that the console does not listen on is something else of the same pod: metrics, a health check.
        let is_its_port =
            way.target.is_none_or(|target| product.ports.contains(&target)) || way.kind == WayKind::Entry;
        let is_console = product.sort == Sort::Console || matches!(product.id, "vault" | "consul");
        let is_quiet = way.kind == WayKind::HostNetwork && evidence == Evidence::Label;
        if !is_console || !is_its_port || is_quiet || (way.kind == WayKind::Entry && is_guarded(&way.object))
        {
            sink.pass();
            continue;
        }
        if !seen.insert((std::ptr::from_ref(way.at.document()), way.at.id(), product.id)) {
            continue;
        }
        let message = format!("{} is published by {}", product.name, way.words());
        let said = format!(
            "{} `{}`, known by its {}",
            workload.object.kind,
            workload.object.name,
            known_by(evidence)
        );
        let is_stopped = way.verdict == Verdict::Denied;
        let found = Found::new(subject(context, way), way.at, message)
            .severity(if is_stopped { Severity::Low } else { Severity::High })
            .related(said, Some(workload.object.root))
            .cause(cause(way, port));
        sink.fail(if is_stopped {
            found.related("a network policy stops it, as long as the network plugin enforces policies", None)
        } else {
            found
        });
    }
}

fn known_by(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Image => "image",
        Evidence::Label => "labels",
    }
}

/// Flags that take a lock off the Kubernetes dashboard.
const DASHBOARD_FLAGS: [(&str, &str); 4] = [
    ("--enable-skip-login", "the login can be skipped"),
    ("--disable-settings-authorizer", "anybody may change its settings"),
    ("--enable-insecure-login", "logins over HTTP are taken"),
    ("--insecure-bind-address", "it listens without TLS on more than the pod"),
];

/// The Kubernetes dashboard. From 2.0 on it wants a token by itself: then it is only worth knowing.
pub(super) fn dashboard<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers() {
            let by_image =
                product::of_container(&container).is_some_and(|product| product.id == "kubernetes-dashboard");
            if !by_image {
                continue;
            }
            let subject = context.container_subject(workload, &container);
            if let Some((node, what)) = unsafe_flag(&container) {
                sink.fail(Found::new(
                    subject,
                    node,
                    format!("the Kubernetes dashboard is deployed and {what}"),
                ));
                continue;
            }
            let image = container.node.get("image").unwrap_or(container.node);
            let (severity, said) = match product::tag(container.image).and_then(major) {
                Some(version) if version >= 2 => {
                    (Severity::Low, "the Kubernetes dashboard is deployed; it asks for a token")
                }
                Some(_) => (
                    Severity::High,
                    "the Kubernetes dashboard is deployed in a version that lets the login be skipped",
                ),
                None => (Severity::Medium, "the Kubernetes dashboard is deployed in an unknown version"),
            };
            sink.fail(Found::new(subject, image, said).severity(severity));
        }
    }
}

/// The first number of a tag such as `v2.7.0`.
fn major(tag: &str) -> Option<u64> {
    let digits = tag.trim_start_matches('v');
    digits.split('.').next()?.parse().ok()
}

fn unsafe_flag<'a>(container: &Container<'a>) -> Option<(Node<'a>, &'static str)> {
    let words =
        ["command", "args"].into_iter().filter_map(|key| container.node.get(key)).flat_map(Node::items);
    for word in words {
        let (flag, value) = word.text().split_once('=').unwrap_or((word.text(), "true"));
        let Some((_, what)) = DASHBOARD_FLAGS.iter().find(|(known, _)| *known == flag) else { continue };
        let harmless = matches!(value, "false" | "127.0.0.1" | "::1" | "localhost");
        if !harmless {
            return Some((word, what));
        }
    }
    None
}

/// Helm 2's server, which does whatever it is told by whoever reaches it.
pub(super) fn tiller<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for workload in &context.workloads {
        let Some(container) = workload.containers().find(is_tiller) else {
            sink.pass();
            continue;
        };
        let image = container.node.get("image").unwrap_or(container.node);
        sink.fail(Found::new(
            context.container_subject(workload, &container),
            image,
            "Tiller, the server of Helm 2, is deployed",
        ));
    }
    for service in &context.ways().services {
        let object = &service.object;
        let is_known = object.name == "tiller-deploy" && !has_tiller(context, &service.workloads);
        if is_known && let Some(name) = object.root.at("metadata.name") {
            sink.fail(Found::new(
                Subject::object(object),
                name,
                "a Service of Tiller, the server of Helm 2, is deployed",
            ));
        }
    }
}

fn is_tiller(container: &Container<'_>) -> bool {
    product::of_container(container).is_some_and(|product| product.id == "tiller")
}

fn has_tiller(context: &Context<'_>, workloads: &[usize]) -> bool {
    let mut known = workloads.iter().filter_map(|index| context.workloads.get(*index));
    known.any(|workload: &Workload<'_>| workload.containers().any(|container| is_tiller(&container)))
}
