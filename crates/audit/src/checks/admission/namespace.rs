//! Labels of namespaces that say which pods they admit.
//!
//! Source: Kubernetes documentation, Pod Security Admission. An invalid enforced level counts as restricted.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use super::{exemptions, has_policy_engine, is_system};
use crate::{Context, Found, Sink, Subject};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const ENFORCE_VERSION: &str = "pod-security.kubernetes.io/enforce-version";
/// Minor versions that a pinned level may be behind the cluster.
const BEHIND_MAX: u32 = 3;

/// Namespaces that people made.
fn namespaces<'c, 'a>(context: &'c Context<'a>) -> impl Iterator<Item = &'c Object<'a>> {
    let is_own = |object: &&Object<'a>| object.group().is_empty() && !is_system(object.name);
    context.objects_of("Namespace").filter(is_own)
}

fn label<'a>(namespace: &Object<'a>, name: &str) -> Option<Node<'a>> {
    namespace.root.at("metadata.labels")?.get(name)
}

pub(super) fn enforce_missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let has_default = exemptions::configurations(context)
        .into_iter()
        .any(|(_, node)| node.at("defaults.enforce").is_some_and(|level| level.text() != "privileged"));
    for namespace in namespaces(context) {
        if label(namespace, ENFORCE).is_some() || has_default {
            sink.pass();
        } else if has_policy_engine(context) {
            sink.unknown("policies of Gatekeeper or Kyverno stand in the input and may do the same");
        } else {
            let message = format!(
                "namespace {} enforces no pod security level: it admits any pod, privileged ones too",
                namespace.name
            );
            let fix = format!("Label it: `{ENFORCE}: restricted`, or `baseline` where that is too strict.");
            sink.fail(
                Found::missing(Subject::object(namespace), namespace.root, "metadata.labels", message)
                    .fix_text(fix),
            );
        }
    }
}

pub(super) fn enforce_privileged<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for namespace in namespaces(context) {
        let Some(level) = label(namespace, ENFORCE) else { continue };
        match level.text() {
            "baseline" | "restricted" => sink.pass(),
            "privileged" => {
                let message = format!("namespace {} admits any pod, privileged ones too", namespace.name);
                sink.fail(
                    Found::new(Subject::object(namespace), level, message)
                        .change(crate::Change::Set(level, "baseline".into())),
                );
            }
            other => {
                let message = format!(
                    "`{other}` is no pod security level; the namespace enforces restricted until it is mended"
                );
                sink.fail(Found::new(Subject::object(namespace), level, message).severity(Severity::Info));
            }
        }
    }
}

pub(super) fn version_old<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let cluster = u32::from(context.kubernetes().minor);
    for namespace in namespaces(context) {
        let Some(version) = label(namespace, ENFORCE_VERSION) else { continue };
        if version.text() == "latest" {
            sink.pass();
            continue;
        }
        match version.text().strip_prefix("v1.").and_then(|minor| minor.parse::<u32>().ok()) {
            Some(minor) if minor + BEHIND_MAX < cluster => {
                let message = format!(
                    "pod security is judged as of 1.{minor}, {} versions behind the cluster",
                    cluster - minor
                );
                sink.fail(
                    Found::new(Subject::object(namespace), version, message)
                        .change(crate::Change::Set(version, "latest".into())),
                );
            }
            Some(_) => sink.pass(),
            None => sink.unknown("a pinned version is not of the form v1.29"),
        }
    }
}
