//! API-033 and API-034: encryption of Secrets in etcd.
//!
//! Source: Kubernetes documentation, "Encrypting Confidential Data at Rest": of the entries that cover a resource the
//! first counts, and of its providers the first writes.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use crate::{Context, Found, Sink, Subject, program::programs};

pub(super) fn missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        if program.get("encryption-provider-config").is_some() {
            sink.pass();
        } else if program.is_managed() {
            sink.unknown("the provider of the cluster encrypts Secrets outside of the flags");
        } else if !program.is_whole() {
            sink.unknown("the distribution has a setting of its own for the encryption of Secrets");
        } else {
            sink.fail(program.missing("Secrets are written to etcd unencrypted"));
        }
    }
}

pub(super) fn weak<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let objects =
        ["EncryptionConfiguration", "EncryptionConfig"].iter().flat_map(|kind| context.objects_of(kind));
    for object in objects {
        match weakness(object) {
            Some(found) => sink.fail(found),
            None => sink.pass(),
        }
    }
}

fn weakness<'a>(object: &Object<'a>) -> Option<Found<'a>> {
    let subject = Subject::object(object);
    let entry =
        object.root.get("resources").into_iter().flat_map(Node::items).find(|entry| covers_secrets(*entry));
    let Some(entry) = entry else {
        let message = "no entry covers secrets, so they are written unencrypted";
        return Some(Found::missing(subject, object.root, "resources", message).severity(Severity::High));
    };
    let Some(first) = entry.get("providers").and_then(|providers| providers.items().next()) else {
        let message = "the entry of secrets has no provider";
        return Some(Found::missing(subject, entry, "providers", message).severity(Severity::High));
    };
    if first.get_raw("identity").is_some() {
        let message = "the first provider, which writes, is identity: secrets are written unencrypted";
        return Some(Found::new(subject, first, message).severity(Severity::High));
    }
    if let Some(aesgcm) = first.get("aesgcm").filter(|provider| is_single_key(*provider)) {
        let message =
            "AES-GCM writes with one key and no sign of rotation: it must change every 200,000 writes";
        return Some(Found::new(subject, aesgcm, message));
    }
    if let Some(aescbc) = first.get("aescbc").filter(|provider| is_single_key(*provider)) {
        let message = "AES-CBC, which does not detect changes, writes with one key and no sign of rotation";
        return Some(Found::new(subject, aescbc, message).severity(Severity::Low));
    }
    None
}

/// Old keys are kept behind the new one, so a second key shows that they are changed.
fn is_single_key(provider: Node<'_>) -> bool {
    provider.get("keys").is_none_or(|keys| keys.len() < 2)
}

fn covers_secrets(entry: Node<'_>) -> bool {
    entry
        .get("resources")
        .into_iter()
        .flat_map(Node::items)
        .any(|name| matches!(name.text(), "secrets" | "*." | "*.*"))
}
