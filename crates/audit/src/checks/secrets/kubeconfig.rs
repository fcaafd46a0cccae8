//! Kubeconfigs with a key, token or password in them: as files, and as values of Secrets and ConfigMaps.

use nightlatch_credential::{is_stand_in, subject};
use nightlatch_finding::Severity;
use nightlatch_manifest::{Corpus, Document, Input, Node, Object};

use super::{decode::decoded, secret_object};
use crate::{Context, Found, Sink, Subject};

/// What is wrong with one user or cluster of a kubeconfig.
struct Wrong<'n> {
    node: Node<'n>,
    message: String,
    severity: Severity,
}

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for document in &context.corpus.documents {
        if is_kubeconfig(document.root()) {
            let file = context.corpus.source(document.source).name.raw();
            in_file(Subject::document(document, "Kubeconfig", file), document, sink);
        }
    }
    let holders = context.objects_of("Secret").chain(context.objects_of("ConfigMap"));
    for object in holders.filter(|object| object.kind != "Secret" || !secret_object::is_live(context, object))
    {
        in_object(object, sink);
    }
}

/// True for the shape that `kubectl config` writes, whatever its `kind` says.
fn is_kubeconfig(root: Node<'_>) -> bool {
    let has_list = |key| root.get(key).is_some_and(|list| list.items().len() > 0);
    has_list("users")
        && has_list("clusters")
        && root.get("users").is_some_and(|users| users.items().all(|user| user.get("user").is_some()))
}

fn in_file<'a>(subject: Subject<'a>, document: &'a Document, sink: &mut Sink<'a>) {
    let wrong = judge(document.root());
    if wrong.is_empty() {
        sink.pass();
    }
    for one in wrong {
        let cause = one.node.pointer_from(subject.root);
        sink.fail(Found::new(subject, one.node, one.message).severity(one.severity).cause(cause));
    }
}

/// Longest value that is read as a kubeconfig.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

fn in_object<'a>(object: &Object<'a>, sink: &mut Sink<'a>) {
    for (_, value, encoded) in secret_object::entries(object) {
        let encoded = encoded && object.kind == "Secret";
        let text = if encoded { decoded(value.text()) } else { Some(value.text().to_owned()) };
        let Some(text) = text.filter(|text| {
            text.len() <= VALUE_BYTES_MAX && text.contains("users") && text.contains("clusters")
        }) else {
            continue;
        };
        let inner = Corpus::read([Input { name: "kubeconfig".into(), bytes: text.into_bytes() }]);
        let configs = inner.documents.iter().map(Document::root).filter(|root| is_kubeconfig(*root));
        let wrong: Vec<Wrong<'_>> = configs.flat_map(judge).collect();
        let Some(worst) = wrong.iter().max_by_key(|one| one.severity) else {
            sink.pass();
            continue;
        };
        let key = value.key().map_or("", Node::text);
        let mut found = Found::new(
            Subject::object(object),
            value,
            format!("key `{key}` is a kubeconfig: {}", worst.message),
        )
        .severity(worst.severity)
        .cause(value.pointer_from(object.root));
        for other in wrong.iter().filter(|one| !std::ptr::eq(*one, worst)).take(10) {
            found = found.related(other.message.clone(), None);
        }
        sink.fail(found);
    }
}

fn judge(root: Node<'_>) -> Vec<Wrong<'_>> {
    let items = |key| root.get(key).into_iter().flat_map(Node::items);
    let users = items("users").filter_map(user);
    let clusters = items("clusters").filter_map(|cluster| {
        let node =
            cluster.at("cluster.insecure-skip-tls-verify").filter(|node| node.as_bool() == Some(true))?;
        let name = cluster.get("name").map_or("", Node::text);
        let message = format!("the certificate of cluster `{name}` is not checked");
        Some(Wrong { node, message, severity: Severity::Medium })
    });
    users.chain(clusters).collect()
}

/// The worst credential of a user: a key whose certificate is of `system:masters`, any key, token or password.
fn user(entry: Node<'_>) -> Option<Wrong<'_>> {
    let name = entry.get("name").map_or("", Node::text);
    let user = entry.get("user")?;
    let own = |key| user.get(key).filter(|node: &Node<'_>| !is_stand_in(node.text()));
    let key = own("client-key-data").filter(|node| {
        decoded(node.text()).is_some_and(|pem| pem.contains("PRIVATE KEY"))
            || node.text().contains("PRIVATE KEY")
    });
    if let Some(node) = key {
        let subject = user.get("client-certificate-data").and_then(|certificate| subject(certificate.text()));
        let groups = subject.as_ref().map(|subject| subject.organisations.as_slice()).unwrap_or_default();
        let is_master = groups.iter().any(|group| group == "system:masters");
        let of = if is_master {
            " of group system:masters, for whom no permission is ever asked".to_owned()
        } else {
            subject.map(|subject| format!(" of `{}`", subject.common_name)).unwrap_or_default()
        };
        let message = format!("user `{name}` carries a private key{of}");
        return Some(Wrong {
            node,
            message,
            severity: if is_master { Severity::Critical } else { Severity::High },
        });
    }
    let (node, what) = own("token")
        .map(|node| (node, "a token"))
        .or_else(|| own("password").map(|node| (node, "a password")))?;
    Some(Wrong { node, message: format!("user `{name}` carries {what}"), severity: Severity::High })
}
