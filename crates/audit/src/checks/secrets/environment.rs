//! Credentials written into the environment of containers.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::credential::in_value;
use crate::{Found, Part, Sink};

pub(super) fn check<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers() {
            let subject = context.container_subject(workload, &container);
            let variables = container.node.get("env").into_iter().flat_map(Node::items);
            let literals =
                variables.filter_map(|variable| Some((variable.get("name")?.text(), variable.get("value")?)));
            for (name, value) in literals {
                let Some(said) = in_value(Some(name), value.text()) else {
                    sink.pass();
                    continue;
                };
                let message = format!("environment variable `{name}` holds a credential: {}", said.what);
                let key = name.to_ascii_lowercase().replace('_', "-");
                sink.fail(
                    Found::new(subject, value, message)
                        .severity(said.severity(Severity::High))
                        .cause(value.pointer_from(workload.object.root))
                        .fix_text(format!(
                            "Change the credential, keep the new one in a Secret, and refer to it: valueFrom.secretKeyRef \
                             with key `{key}` instead of value"
                        )),
                );
            }
        }
    }
}
