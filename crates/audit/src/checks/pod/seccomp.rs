//! Seccomp profiles: the field since 1.19, annotations before.

use nightlatch_manifest::{Container, Node, Workload};

use super::spec::{
    bad_settings, is_restricted_since, own, pod_annotations, pod_security, pss, shown, windows_exempt,
    windows_exempt_since_25,
};
use crate::{
    Change, Context, Found, Part, Sink,
    kubelet::{Kubelet, SECCOMP_DEFAULT, Value, kubelets},
};

const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";
const FIELD: &str = "securityContext.seccompProfile";
const RUNTIME_DEFAULT: &str = "{type: RuntimeDefault}";

fn kind<'a>(profile: Node<'a>) -> &'a str {
    profile.get("type").map_or("", Node::text)
}

fn confines(profile: Node<'_>) -> bool {
    matches!(kind(profile), "RuntimeDefault" | "Localhost")
}

/// True where annotations counted and the field did not exist.
fn is_before_field(context: &Context<'_>) -> bool {
    !pss(context).unwrap_or_else(|| context.kubernetes()).is_at_least(19)
}

/// A profile says `Unconfined`; by the letter of the standards, anything but the two profiles that confine.
pub(super) fn unconfined<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    if is_restricted_since(context, 19) {
        return; // the stricter check of that level stands in its place
    }
    let standard = pss(context).is_some();
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        if is_before_field(context) {
            annotations(context, workload, sink);
            continue;
        }
        let bad =
            |profile: Node<'_>| if standard { !confines(profile) } else { kind(profile) == "Unconfined" };
        bad_settings(context, workload, "seccompProfile", standard, bad, sink, |subject, profile| {
            let node = profile.get("type").unwrap_or(profile);
            let message = match kind(profile) {
                "Unconfined" => "seccomp is switched off".to_owned(),
                other => format!("seccompProfile.type is {}, not RuntimeDefault or Localhost", shown(other)),
            };
            let change = match profile.get("type") {
                Some(node) => Change::Set(node, "RuntimeDefault".into()),
                None => Change::SetPath(profile, "type".into(), "RuntimeDefault".into()),
            };
            Found::new(subject, node, message).cause("seccomp").change(change)
        });
    }
}

fn annotations<'a>(context: &Context<'a>, workload: &Workload<'a>, sink: &mut Sink<'a>) {
    let all = pod_annotations(workload);
    let bad = |node: &Node<'a>| {
        !matches!(node.text(), "runtime/default" | "docker/default") && !node.text().starts_with("localhost/")
    };
    let subject = context.workload_subject(workload);
    let message = "the annotation switches seccomp off";
    let mut fine = true;
    if let Some(node) = all.and_then(|all| all.get(POD_ANNOTATION)).filter(bad) {
        fine = false;
        sink.fail(Found::new(subject, node, message).cause("seccomp"));
    }
    for container in workload.containers() {
        let of = |(key, value): (Node<'a>, Node<'a>)| {
            (key.text().strip_prefix(CONTAINER_ANNOTATION) == Some(container.name)).then_some(value)
        };
        if let Some(node) = all.into_iter().flat_map(Node::entries).find_map(of).filter(bad) {
            fine = false;
            sink.fail(Found::new(subject.container(container.name), node, message).cause("seccomp"));
        }
    }
    if fine {
        sink.pass();
    }
}

/// No profile confines a container.
pub(super) fn missing<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let standard = pss(context).is_some();
    if standard && is_before_field(context) {
        return;
    }
    let by_node = !standard && context.nodes_default_seccomp();
    for workload in context.workloads {
        if windows_exempt_since_25(context, workload) {
            continue;
        }
        let of_pod = pod_security(workload).and_then(|security| security.get("seccompProfile"));
        let bad_pod = of_pod.filter(|profile| standard && !confines(*profile));
        for container in workload.containers() {
            let profile = workload.effective(&container, "seccompProfile");
            let inherits = own(&container, "seccompProfile").is_none();
            if profile.is_some_and(confines)
                || (profile.is_none() && by_node)
                || annotated(context, workload, &container)
            {
                sink.pass();
            } else if !(bad_pod.is_some() && inherits) {
                sink.fail(found(context, workload, &container, profile));
            }
        }
        if let Some(profile) = bad_pod {
            let node = profile.get("type").unwrap_or(profile);
            let message = "the pod's seccompProfile is neither RuntimeDefault nor Localhost";
            sink.fail(Found::new(context.workload_subject(workload), node, message).cause("seccomp"));
        }
    }
}

fn found<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    profile: Option<Node<'a>>,
) -> Found<'a> {
    let subject = context.container_subject(workload, container);
    let found = match profile {
        Some(profile) => {
            let node = profile.get("type").unwrap_or(profile);
            Found::new(subject, node, "its seccomp profile is neither RuntimeDefault nor Localhost")
                .change(Change::Set(profile, RUNTIME_DEFAULT.into()))
        }
        None => {
            Found::missing(subject, container.node, FIELD, "neither pod nor container set a seccomp profile")
                .change(Change::SetPath(container.node, FIELD.into(), RUNTIME_DEFAULT.into()))
        }
    };
    let dead = |(key, _): &(Node<'a>, Node<'a>)| {
        key.text() == POD_ANNOTATION || key.text().strip_prefix(CONTAINER_ANNOTATION) == Some(container.name)
    };
    let found = found.cause("seccomp");
    match pod_annotations(workload).into_iter().flat_map(Node::entries).find(dead) {
        Some((_, node)) => found.related("the annotation does nothing since Kubernetes 1.27", Some(node)),
        None => found,
    }
}

/// True when an annotation sets a profile and the cluster is so old that it counts.
fn annotated(context: &Context<'_>, workload: &Workload<'_>, container: &Container<'_>) -> bool {
    is_before_field(context)
        && pod_annotations(workload).into_iter().flat_map(Node::entries).any(|(key, value)| {
            (key.text() == POD_ANNOTATION
                || key.text().strip_prefix(CONTAINER_ANNOTATION) == Some(container.name))
                && value.text() != "unconfined"
        })
}

/// True when every kubelet of the input surely gives the runtime's profile to containers that set none.
pub(crate) fn nodes_default(context: &Context<'_>) -> bool {
    let kubelets = kubelets(context);
    let gives = |kubelet: &Kubelet<'_, '_>| matches!(kubelet.value(SECCOMP_DEFAULT), Value::Set(set) if set.bool() == Some(true));
    !kubelets.is_empty() && kubelets.iter().all(gives)
}
