//! Ways that lead nowhere.

use std::collections::HashSet;

use nightlatch_finding::Severity;

use super::way::backend;
use crate::{Context, Found, Sink, Subject};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let ways = context.ways();
    // In a part of a cluster the other end may stand elsewhere: worth knowing, no more.
    let severity = if context.is_full() { Severity::Low } else { Severity::Info };
    let mut seen = HashSet::new();
    for (entry, namespace, service) in &ways.dangling {
        if !seen.insert((std::ptr::from_ref(entry.document()), entry.root.id(), namespace, service)) {
            continue;
        }
        let at = backend(entry.root, service).unwrap_or(entry.root);
        let message = format!(
            "{} `{}` leads to Service `{service}`, which is not in the input",
            entry.kind, entry.name
        );
        sink.fail(
            Found::new(Subject::object(entry), at, message)
                .severity(severity)
                .cause(format!("service:{service}")),
        );
    }
    let populated: HashSet<&str> =
        context.workloads.iter().map(|workload| workload.object.namespace.unwrap_or("")).collect();
    for service in &ways.services {
        if !service.has_selector || !service.workloads.is_empty() {
            sink.pass();
            continue;
        }
        if !context.is_full() && !populated.contains(service.object.namespace.unwrap_or("")) {
            sink.unknown("whether the pods of a Service are elsewhere");
            continue;
        }
        let Some(selector) = service.object.root.at("spec.selector") else { continue };
        let message = format!("Service `{}` selects no pod of the input", service.object.name);
        sink.fail(Found::new(Subject::object(&service.object), selector, message).severity(severity));
    }
}
