//! Users and groups that containers run as.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Workload};

use super::spec::{
    bad_settings, has_user_namespace, own, pod_security, pss, runs_windows, says_true, shown, windows_exempt,
};
use crate::{Change, Context, Found, Part, Profile, Sink};

/// Ids up to here are likely to exist on a node.
const SYSTEM_ID_MAX: i64 = 10_000;

/// A container runs as user 0.
pub(super) fn zero<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let standard = pss(context);
    if standard.is_some_and(|version| !version.is_at_least(23)) {
        return;
    }
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        if has_user_namespace(context, workload) {
            sink.pass();
            continue;
        }
        let is_zero = |node: Node<'_>| node.as_int() == Some(0);
        bad_settings(context, workload, "runAsUser", standard.is_some(), is_zero, sink, |subject, node| {
            Found::new(subject, node, "runs as user 0").cause("user").change(Change::Set(node, "1000".into()))
        });
    }
}

/// Nothing keeps a container from running as root.
pub(super) fn non_root_missing<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let standard = pss(context).is_some();
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        if has_user_namespace(context, workload) {
            sink.pass();
            continue;
        }
        let of_pod = pod_security(workload).and_then(|security| security.get("runAsNonRoot"));
        let pod_says_no = of_pod.filter(|node| node.as_bool() == Some(false));
        let mut inherited = standard && pod_says_no.is_some();
        for container in workload.containers() {
            match non_root(context, workload, &container, of_pod) {
                NonRoot::Held => sink.pass(),
                NonRoot::ByPod => inherited = true,
                NonRoot::Broken(found) => sink.fail(*found),
            }
        }
        if let (Some(node), true) = (pod_says_no, inherited) {
            let message = "runAsNonRoot is false for the pod, so the image decides whether it runs as root";
            sink.fail(
                Found::new(context.workload_subject(workload), node, message)
                    .cause("user")
                    .change(Change::Set(node, "true".into())),
            );
        }
    }
}

enum NonRoot<'a> {
    Held,
    /// The pod's own `false` is the cause.
    ByPod,
    Broken(Box<Found<'a>>),
}

fn non_root<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    of_pod: Option<Node<'a>>,
) -> NonRoot<'a> {
    const FIELD: &str = "securityContext.runAsNonRoot";
    let own = own(container, "runAsNonRoot");
    if own.or(of_pod).and_then(Node::as_bool) == Some(true) {
        return NonRoot::Held;
    }
    let user = workload.effective(container, "runAsUser").and_then(Node::as_int);
    if pss(context).is_none() && user.is_some_and(|user| user > 0) {
        return NonRoot::Held;
    }
    let subject = context.container_subject(workload, container);
    let found = match own {
        Some(node) => {
            let message = "runAsNonRoot is false, so the image decides whether it runs as root";
            Found::new(subject, node, message).change(Change::Set(node, "true".into()))
        }
        None if of_pod.is_some() => return NonRoot::ByPod,
        None => {
            let message =
                "neither runAsNonRoot nor a user is set, so the image decides whether it runs as root";
            Found::missing(subject, container.node, FIELD, message).change(Change::SetPath(
                container.node,
                FIELD.into(),
                "true".into(),
            ))
        }
    };
    NonRoot::Broken(Box::new(found.cause("user")))
}

/// A container runs as a user that is likely to exist on the node.
pub(super) fn low<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads.iter().filter(|workload| !runs_windows(workload)) {
        let is_low = |node: Node<'_>| node.as_int().is_some_and(|user| (1..=SYSTEM_ID_MAX).contains(&user));
        bad_settings(context, workload, "runAsUser", false, is_low, sink, |subject, node| {
            Found::new(subject, node, format!("runs as user {}", shown(node.text())))
        });
    }
}

/// A container runs with group 0, or (where everything is asked for) with one that is likely to exist on the node.
pub(super) fn group<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let max = if matches!(context.settings.profile, Profile::All) { SYSTEM_ID_MAX } else { 0 };
    let is_low = move |node: Node<'_>| node.as_int().is_some_and(|group| (0..=max).contains(&group));
    for workload in context.workloads.iter().filter(|workload| !runs_windows(workload)) {
        bad_settings(context, workload, "runAsGroup", false, is_low, sink, |subject, node| {
            judged(Found::new(subject, node, format!("runs with group {}", shown(node.text()))), node)
        });
        let Some(security) = pod_security(workload) else { continue };
        let groups = security.get("supplementalGroups").into_iter().flat_map(Node::items);
        for node in security.get("fsGroup").into_iter().chain(groups).filter(|node| is_low(*node)) {
            let subject = context.workload_subject(workload);
            let message = format!("its containers have the group {} as well", shown(node.text()));
            sink.fail(judged(Found::new(subject, node, message), node));
        }
    }
}

fn judged<'a>(found: Found<'a>, node: Node<'a>) -> Found<'a> {
    if node.as_int() == Some(0) { found } else { found.severity(Severity::Info) }
}

/// Root in a container would be root on the node, and a user namespace could prevent it.
pub(super) fn no_namespace<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    /// The first version in which user namespaces are on without a feature gate.
    const ON_SINCE: u16 = 33;
    if !context.kubernetes().is_at_least(ON_SINCE) {
        return;
    }
    for workload in context.workloads.iter().filter(|workload| !runs_windows(workload)) {
        let spec = workload.pod_spec;
        // The API server refuses `hostUsers: false` beside these.
        if ["hostNetwork", "hostPID", "hostIPC"]
            .into_iter()
            .any(|field| spec.get(field).is_some_and(says_true))
        {
            continue;
        }
        let may_be_root = |container: &Container<'a>| {
            let user = workload.effective(container, "runAsUser").and_then(Node::as_int);
            let non_root = workload.effective(container, "runAsNonRoot").and_then(Node::as_bool);
            non_root != Some(true) && user.is_none_or(|user| user == 0)
        };
        let set = spec.get("hostUsers");
        if set.and_then(Node::as_bool) == Some(false) || !workload.containers().any(|own| may_be_root(&own)) {
            sink.pass();
            continue;
        }
        let subject = context.workload_subject(workload);
        let message = "a container may run as root, which is root for the node too";
        sink.fail(match set {
            Some(node) => Found::new(subject, node, message).change(Change::Set(node, "false".into())),
            None => Found::missing(subject, spec, "hostUsers", message).change(Change::SetPath(
                spec,
                "hostUsers".into(),
                "false".into(),
            )),
        });
    }
}
