//! How workloads take their Secrets.

use nightlatch_manifest::Node;

use crate::{Found, Part, Sink};

/// Secrets handed over in the environment.
pub(super) fn as_environment<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers() {
            let subject = context.container_subject(workload, &container);
            let items = |key| container.node.get(key).into_iter().flat_map(Node::items);
            let mut looked = 0;
            let mut guilty = Vec::new();
            for variable in items("env") {
                looked += 1;
                if let Some(reference) = variable.at("valueFrom.secretKeyRef") {
                    let name = variable.get("name").map_or("", Node::text);
                    guilty.push((reference, format!("environment variable `{name}` is a Secret's value")));
                }
            }
            for source in items("envFrom") {
                looked += 1;
                if let Some(reference) = source.get("secretRef") {
                    let name = reference.get("name").map_or("", Node::text);
                    guilty
                        .push((reference, format!("all keys of Secret `{name}` are environment variables")));
                }
            }
            if looked > 0 && guilty.is_empty() {
                sink.pass();
            }
            for (node, message) in guilty {
                sink.fail(Found::new(subject, node, message));
            }
        }
    }
}

/// Secrets mounted as files: context for attack paths, never a failure by itself.
pub(super) fn mounted<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        let subject = context.workload_subject(workload);
        for volume in workload.pod_spec.get("volumes").into_iter().flat_map(Node::items) {
            let name = volume.get("name").map_or("", Node::text);
            let own = volume.at("secret.secretName").into_iter();
            let projected = volume.at("projected.sources").into_iter().flat_map(Node::items);
            let projected = projected.filter_map(|source| source.at("secret.name"));
            for secret in own.chain(projected) {
                let message = format!("volume `{name}` holds Secret `{}`", secret.text());
                sink.fail(Found::new(subject, secret, message).cause(format!("volume:{name}")));
            }
        }
    }
}
