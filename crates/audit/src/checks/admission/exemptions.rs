//! The configuration of pod security for a whole cluster.

use nightlatch_manifest::{Node, Object};

use super::is_system;
use crate::{Context, Found, Sink, Subject};

/// Every `PodSecurityConfiguration`: by itself, or inside an `AdmissionConfiguration`.
pub(super) fn configurations<'c, 'a>(context: &'c Context<'a>) -> Vec<(&'c Object<'a>, Node<'a>)> {
    let alone = context.objects_of("PodSecurityConfiguration").map(|object| (object, object.root));
    let inside = context.objects_of("AdmissionConfiguration").flat_map(|object| {
        let plugins = object.root.get("plugins").into_iter().flat_map(Node::items);
        let of_pods =
            plugins.filter(|plugin| plugin.get("name").is_some_and(|name| name.text() == "PodSecurity"));
        of_pods.filter_map(|plugin| plugin.get("configuration")).map(move |node| (object, node))
    });
    alone.chain(inside).collect()
}

pub(super) fn broad<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for (object, configuration) in configurations(context) {
        let Some(exemptions) = configuration.get("exemptions") else {
            sink.pass();
            continue;
        };
        let list = |key: &str| exemptions.get(key).into_iter().flat_map(Node::items);
        let subject = Subject::object(object);
        let mut is_clean = true;
        let mut fail = |node: Node<'a>, message: String| {
            is_clean = false;
            sink.fail(Found::new(subject, node, message).change(crate::Change::Remove(node)));
        };
        for node in list("namespaces").filter(|node| !is_system(node.text())) {
            fail(node, format!("every pod of namespace {} is exempt from pod security", node.text()));
        }
        for node in list("runtimeClasses") {
            fail(node, format!("whoever names runtime class {} is exempt from pod security", node.text()));
        }
        for node in list("usernames").filter(|node| is_for_many(node.text())) {
            fail(
                node,
                format!(
                    "{} stands for many: what it makes for others is exempt from pod security",
                    node.text()
                ),
            );
        }
        if is_clean {
            sink.pass();
        }
    }
}

/// A controller makes the pods of everybody; a star is meant for everybody, though it matches a user of that name only.
fn is_for_many(user: &str) -> bool {
    user.contains('*')
        || user.starts_with("system:serviceaccount:kube-system:")
        || user == "system:kube-controller-manager"
}
