//! `privileged` and `allowPrivilegeEscalation`.

use nightlatch_manifest::{Container, Workload};

use super::{
    capabilities::adds,
    spec::{own, own_true, pss, says_true, windows_exempt_since_25, with_misplaced},
    system,
};
use crate::{Change, Context, Found, Part, Sink};

/// A container is privileged.
pub(super) fn privileged<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers() {
            match own(&container, "privileged").filter(|node| says_true(*node)) {
                Some(node) => {
                    let subject = context.container_subject(workload, &container);
                    let found = Found::new(subject, node, "the container is privileged")
                        .change(Change::Set(node, "false".into()));
                    sink.fail(system::judged(found, context, workload));
                }
                None => sink.pass(),
            }
        }
    }
}

/// `allowPrivilegeEscalation` is not false.
pub(super) fn escalation<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    if pss(context).is_some_and(|version| !version.is_at_least(8)) {
        return;
    }
    for workload in context.workloads {
        if windows_exempt_since_25(context, workload) {
            continue;
        }
        for container in workload.containers() {
            match escalation_of(context, workload, &container) {
                Some(found) => sink.fail(found),
                None => sink.pass(),
            }
        }
    }
}

fn escalation_of<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
) -> Option<Found<'a>> {
    const FIELD: &str = "securityContext.allowPrivilegeEscalation";
    let Some(node) = own(container, "allowPrivilegeEscalation") else {
        let subject = context.container_subject(workload, container);
        let message = "allowPrivilegeEscalation is not set, so processes may gain privileges";
        let found = Found::missing(subject, container.node, FIELD, message).change(Change::SetPath(
            container.node,
            FIELD.into(),
            "false".into(),
        ));
        return Some(with_misplaced(found, workload, "allowPrivilegeEscalation"));
    };
    let subject = context.container_subject(workload, container);
    if node.as_bool() != Some(false) {
        let message = "allowPrivilegeEscalation is not false, so processes may gain privileges";
        return Some(Found::new(subject, node, message).change(Change::Set(node, "false".into())));
    }
    if pss(context).is_some() {
        return None;
    }
    let other = if own_true(container, "privileged") {
        "privileged: true"
    } else if adds(container, "SYS_ADMIN") {
        "the capability SYS_ADMIN"
    } else {
        return None;
    };
    Some(Found::new(
        subject,
        node,
        format!(
            "allowPrivilegeEscalation: false has no force beside {other}; the API server refuses the pair"
        ),
    ))
}
