//! Credentials written into commands, and into the headers and commands of probes and hooks.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::credential::{Said, in_arguments, in_value};
use crate::{Found, Part, Sink};

/// Where a container has commands and requests beside its own.
const HANDLERS: [&str; 5] =
    ["lifecycle.postStart", "lifecycle.preStop", "livenessProbe", "readinessProbe", "startupProbe"];

pub(super) fn check<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers() {
            let subject = context.container_subject(workload, &container);
            let mut found = words(&[container.node.get("command"), container.node.get("args")]);
            let mut looked =
                !found.is_empty() || container.node.get("command").or(container.node.get("args")).is_some();
            for handler in HANDLERS.iter().filter_map(|path| container.node.at(path)) {
                looked = true;
                found.extend(words(&[handler.at("exec.command")]));
                found.extend(headers(handler));
            }
            if looked && found.is_empty() {
                sink.pass();
            }
            for (node, said) in found {
                let place = place(node);
                sink.fail(
                    Found::new(subject, node, format!("{place} holds a credential: {}", said.what))
                        .severity(said.severity(Severity::High))
                        .cause(node.pointer_from(workload.object.root)),
                );
            }
        }
    }
}

fn words<'a>(lists: &[Option<Node<'a>>]) -> Vec<(Node<'a>, Said)> {
    let words: Vec<Node<'a>> = lists.iter().flatten().flat_map(|list| list.items()).collect();
    in_arguments(&words)
}

/// Headers of a probe's or hook's request.
fn headers(handler: Node<'_>) -> Vec<(Node<'_>, Said)> {
    let headers = handler.at("httpGet.httpHeaders").into_iter().flat_map(Node::items);
    let pairs = headers.filter_map(|header| Some((header.get("name")?.text(), header.get("value")?)));
    pairs.filter_map(|(name, value)| Some((value, in_value(Some(name), value.text())?))).collect()
}

/// What the value is, in words.
fn place(node: Node<'_>) -> &'static str {
    match node.parent().and_then(Node::key).map(Node::text) {
        Some("args") => "an argument",
        Some("command") => "the command",
        _ => "a header of a request",
    }
}
