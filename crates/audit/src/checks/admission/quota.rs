//! Bounds of what a namespace may use.

use std::collections::BTreeSet;

use super::is_system;
use crate::{Context, Found, Sink, Subject};

pub(super) fn missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let with_workloads: BTreeSet<&str> =
        context.workloads.iter().filter_map(|workload| workload.object.namespace).collect();
    for namespace in context.objects_of("Namespace").filter(|object| !is_system(object.name)) {
        if !with_workloads.contains(namespace.name) {
            continue;
        }
        let has =
            |kind: &str| context.objects_of(kind).any(|object| object.namespace == Some(namespace.name));
        let lacking: Vec<&str> =
            ["ResourceQuota", "LimitRange"].into_iter().filter(|kind| !has(kind)).collect();
        if lacking.is_empty() {
            sink.pass();
        } else if context.is_full() {
            let message = format!("namespace {} has no {}", namespace.name, lacking.join(" and no "));
            sink.fail(Found::new(Subject::object(namespace), namespace.root, message));
        } else {
            sink.unknown("a quota or limit may stand outside the input");
        }
    }
}
