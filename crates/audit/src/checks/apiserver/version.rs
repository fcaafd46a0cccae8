//! API-041: versions without security fixes.

use std::collections::BTreeMap;

use nightlatch_manifest::Node;

use crate::{
    Context, Found, KubernetesVersion, Sink, Subject,
    program::{programs, releases::Support, releases::support},
};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut servers = 0;
    for program in programs(context, "kube-apiserver") {
        servers += 1;
        match (program.version(), program.image()) {
            (None, _) => sink.unknown("the version is not in the input"),
            (Some(version), image) => {
                let subject = program.subject();
                judge(
                    context,
                    version,
                    |message| match image {
                        Some(node) => Found::new(subject, node, message),
                        None => program.missing(message),
                    },
                    sink,
                );
            }
        }
    }
    if servers == 0 {
        nodes(context, sink);
    }
}

/// Without an API server in the input (a managed cluster) the nodes tell: one finding for each version.
fn nodes<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut versions: BTreeMap<KubernetesVersion, (Subject<'a>, Node<'a>)> = BTreeMap::new();
    for object in context.objects_of("Node") {
        let Some(node) = object.root.at("status.nodeInfo.kubeletVersion") else { continue };
        if let Some(version) = KubernetesVersion::parse(node.text()) {
            versions.entry(version).or_insert((Subject::object(object), node));
        }
    }
    for (version, (subject, node)) in versions {
        judge(context, version, |message| Found::new(subject, node, message), sink);
    }
}

fn judge<'a>(
    context: &Context<'a>,
    version: KubernetesVersion,
    found: impl FnOnce(String) -> Found<'a>,
    sink: &mut Sink<'a>,
) {
    let name = format!("{}.{}", version.major, version.minor);
    match support(version, context.settings.today) {
        Support::Until(_) => sink.pass(),
        Support::Ended(day) => {
            sink.fail(found(format!("Kubernetes {name} has had no security fixes since {day}")))
        }
        Support::LongEnded => {
            sink.fail(found(format!("Kubernetes {name} has had no security fixes for years")))
        }
        Support::Unknown => sink.unknown("the version is newer than the table of ends of life"),
    }
}
