//! What the checks of pods share: security contexts, the standards' versions, and settings that a container inherits.

use nightlatch_manifest::{Container, ContainerList, Node, Workload};

use crate::{Context, Found, KubernetesVersion, Sink, Subject};

/// The pod's own `securityContext`.
pub(super) fn pod_security<'a>(workload: &Workload<'a>) -> Option<Node<'a>> {
    workload.security
}

/// A field of the container's own `securityContext`.
pub(super) fn own<'a>(container: &Container<'a>, field: &str) -> Option<Node<'a>> {
    container.security?.get(field)
}

/// A field that only containers have, written at the pod, where it does nothing.
pub(super) fn misplaced<'a>(workload: &Workload<'a>, field: &str) -> Option<Node<'a>> {
    pod_security(workload)?.get(field)
}

/// Says in a finding that a field of containers stands at the pod.
pub(super) fn with_misplaced<'a>(found: Found<'a>, workload: &Workload<'a>, field: &str) -> Found<'a> {
    match misplaced(workload, field) {
        Some(node) => found.related(
            format!("a pod's securityContext has no field {field}: the API server refuses or drops it; it belongs into each container"),
            Some(node),
        ),
        None => found,
    }
}

/// True when it says true; as text too, which the API server refuses but a template may mend.
pub(super) fn says_true(node: Node<'_>) -> bool {
    node.as_bool().unwrap_or_else(|| node.text() == "true")
}

/// True for a boolean `true` of the container's own security context.
pub(super) fn own_true(container: &Container<'_>, field: &str) -> bool {
    own(container, field).is_some_and(says_true)
}

/// The version of the Pod Security Standards, when their letter is asked for.
pub(super) fn pss(context: &Context<'_>) -> Option<KubernetesVersion> {
    context.settings.profile.is_pss().then_some(context.settings.pss)
}

/// True when the letter of the level Restricted is asked for, from 1.`minor` on.
pub(super) fn is_restricted_since(context: &Context<'_>, minor: u16) -> bool {
    context.settings.profile == crate::Profile::PssRestricted && context.settings.pss.is_at_least(minor)
}

/// True for a pod that says so, or that only nodes with Windows take.
pub(super) fn runs_windows(workload: &Workload<'_>) -> bool {
    let selector = || workload.pod_spec.get("nodeSelector");
    let selected =
        |label| selector().and_then(|selector| selector.get(label)).is_some_and(|os| os.text() == "windows");
    workload.is_windows() || selected("kubernetes.io/os") || selected("beta.kubernetes.io/os")
}

/// True for pods of Windows, except where the letter of the standards is asked for, which exempts few checks.
pub(super) fn windows_exempt(context: &Context<'_>, workload: &Workload<'_>) -> bool {
    pss(context).is_none() && runs_windows(workload)
}

/// The same for the three checks that the standards exempt from 1.25 on, going by `spec.os` alone.
pub(super) fn windows_exempt_since_25(context: &Context<'_>, workload: &Workload<'_>) -> bool {
    match pss(context) {
        None => runs_windows(workload),
        Some(version) => workload.is_windows() && version.is_at_least(25),
    }
}

/// True when the pod has a user namespace, and that relaxes what is asked of it (standards: from 1.35 on).
pub(super) fn has_user_namespace(context: &Context<'_>, workload: &Workload<'_>) -> bool {
    pss(context).is_none_or(|version| version.is_at_least(35))
        && workload.pod_spec.get("hostUsers").and_then(Node::as_bool) == Some(false)
}

/// The metadata of the pods that are made: the template's, of a Pod its own.
pub(super) fn pod_metadata<'a>(workload: &Workload<'a>) -> Option<Node<'a>> {
    workload
        .template_metadata
        .or_else(|| (workload.object.kind == "Pod").then(|| workload.object.root.get("metadata")).flatten())
}

/// The annotations of the pods that are made.
pub(super) fn pod_annotations<'a>(workload: &Workload<'a>) -> Option<Node<'a>> {
    pod_metadata(workload)?.get("annotations")
}

/// True for a pod that no API server starts: one that the kubelet reads from its node, or the mirror of such a one.
pub(super) fn is_static(workload: &Workload<'_>) -> bool {
    if workload.object.kind != "Pod" {
        return false;
    }
    if workload.object.annotation("kubernetes.io/config.mirror").is_some() {
        return true;
    }
    let source = workload.object.annotation("kubernetes.io/config.source");
    source.is_some_and(|source| source == "file" || source == "http")
        || (workload.object.namespace == Some("kube-system")
            && workload.object.label("tier") == Some("control-plane")
            && workload.object.label("component").is_some_and(super::system::is_component))
}

/// Where a field that pod and containers have is bad: told for each container that sets it so, and once for the pod
/// when a container inherits it, or whether or not one does when `strict`. All else is in order.
pub(super) fn bad_settings<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    field: &str,
    strict: bool,
    bad: impl Fn(Node<'a>) -> bool,
    sink: &mut Sink<'a>,
    found: impl Fn(Subject<'a>, Node<'a>) -> Found<'a>,
) {
    let of_pod = pod_security(workload).and_then(|security| security.get(field)).filter(|node| bad(*node));
    let mut counts = strict;
    for container in workload.containers() {
        match own(&container, field) {
            Some(node) if bad(node) => {
                sink.fail(found(context.container_subject(workload, &container), node))
            }
            Some(_) => sink.pass(),
            None if of_pod.is_some() => counts = true,
            None => sink.pass(),
        }
    }
    if let Some(node) = of_pod {
        if counts {
            sink.fail(found(context.workload_subject(workload), node));
        } else {
            sink.pass();
        }
    }
}

/// True for a debugging container.
pub(super) fn is_ephemeral(container: &Container<'_>) -> bool {
    container.list == ContainerList::Ephemeral
}

/// True for a container that is over before the others start.
pub(super) fn is_init(container: &Container<'_>) -> bool {
    container.list == ContainerList::Init
}

/// True for a container of `containers`.
pub(super) fn is_main(container: &Container<'_>) -> bool {
    container.list == ContainerList::Main
}

/// True for a container that runs as long as the pod does.
pub(super) fn keeps_running(container: &Container<'_>) -> bool {
    !is_init(container)
}

/// Foreign text for a message: cut to 80 characters.
pub(super) fn shown(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

/// The last part of a path of either kind of slash.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
