//! AppArmor profiles: the field since 1.30, annotations still honoured.

use nightlatch_manifest::{Container, Node, Workload};

use super::{
    spec::{bad_settings, pod_annotations, pss, runs_windows, shown, windows_exempt},
    system,
};
use crate::{Change, Found, Part, Sink};

const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

fn kind<'a>(profile: Node<'a>) -> &'a str {
    profile.get("type").map_or("", Node::text)
}

/// AppArmor is switched off; by the letter of the standards, anything but the two profiles that confine.
pub(super) fn unconfined<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let standard = pss(context).is_some();
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        let bad = |profile: Node<'_>| match kind(profile) {
            "RuntimeDefault" | "Localhost" => false,
            "Unconfined" => true,
            _ => standard,
        };
        bad_settings(context, workload, "appArmorProfile", standard, bad, sink, |subject, profile| {
            let node = profile.get("type").unwrap_or(profile);
            let found =
                Found::new(subject, node, format!("appArmorProfile.type is {}", shown(kind(profile))))
                    .cause("apparmor");
            let found = match profile.get("type") {
                Some(node) => found.change(Change::Set(node, "RuntimeDefault".into())),
                None => found,
            };
            system::judged(found, context, workload)
        });
        for (key, value) in pod_annotations(workload).into_iter().flat_map(Node::entries) {
            let Some(container) = key.text().strip_prefix(ANNOTATION) else { continue };
            if matches!(value.text(), "" | "runtime/default") || value.text().starts_with("localhost/") {
                continue;
            }
            let subject = context.workload_subject(workload).container(container);
            let message = format!("the annotation sets AppArmor to {}", shown(value.text()));
            let found = Found::new(subject, value, message).cause("apparmor").change(Change::Remove(value));
            sink.fail(system::judged(found, context, workload));
        }
    }
}

/// No profile is named at all.
pub(super) fn missing<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    const FIELD: &str = "securityContext.appArmorProfile";
    for workload in context.workloads.iter().filter(|workload| !runs_windows(workload)) {
        for container in workload.containers() {
            if workload.effective(&container, "appArmorProfile").is_some() || annotated(workload, &container)
            {
                sink.pass();
                continue;
            }
            let subject = context.container_subject(workload, &container);
            sink.fail(
                Found::missing(subject, container.node, FIELD, "no AppArmor profile is named")
                    .cause("apparmor")
                    .change(Change::SetPath(container.node, FIELD.into(), "{type: RuntimeDefault}".into())),
            );
        }
    }
}

fn annotated(workload: &Workload<'_>, container: &Container<'_>) -> bool {
    pod_annotations(workload)
        .into_iter()
        .flat_map(Node::entries)
        .any(|(key, _)| key.text().strip_prefix(ANNOTATION) == Some(container.name))
}
