//! Registry logins in files: pull secrets and the Docker client's configuration.

use nightlatch_manifest::{DocumentKind, Node};
use serde_json::Value;

use super::{decode::decoded, secret_object};
use crate::{Context, Found, Sink, Subject};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for secret in context.objects_of("Secret").filter(|secret| !secret_object::is_live(context, secret)) {
        for (key, value, encoded) in secret_object::entries(secret) {
            if !matches!(key.text(), ".dockerconfigjson" | ".dockercfg") {
                continue;
            }
            let text = if encoded { decoded(value.text()) } else { Some(value.text().to_owned()) };
            let logins = text.as_deref().map(logins);
            report(Subject::object(secret), value, logins, sink);
        }
    }
    for document in context.documents_of(DocumentKind::DockerConfig) {
        let Some(auths) = document.root().get("auths") else { continue };
        let file = context.corpus.source(document.source).name.raw();
        let subject = Subject::document(document, "DockerConfig", file);
        for (registry, login) in auths.entries() {
            let secret = ["auth", "password", "identitytoken"]
                .iter()
                .filter_map(|key| login.get(key))
                .find(|node| !node.text().is_empty());
            let registries = secret.map(|_| vec![registry.text().to_owned()]).unwrap_or_default();
            report(subject, secret.unwrap_or(login), Some(registries), sink);
        }
    }
}

fn report<'a>(subject: Subject<'a>, node: Node<'a>, registries: Option<Vec<String>>, sink: &mut Sink<'a>) {
    match registries {
        None => sink.unknown("a pull secret cannot be decoded"),
        Some(registries) if registries.is_empty() => sink.pass(),
        Some(registries) => {
            let message = format!("a login to {} is readable here", registries.join(", "));
            sink.fail(Found::new(subject, node, message).cause(node.pointer_from(subject.root)));
        }
    }
}

/// Registries named one by one.
const REGISTRIES_MAX: usize = 5;

/// The registries that a Docker client configuration holds a login for, in either of its two forms.
fn logins(text: &str) -> Vec<String> {
    let Ok(config) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let auths = config.get("auths").unwrap_or(&config);
    let has_login = |login: &Value| {
        ["auth", "password", "identitytoken"].iter().any(|key| {
            let value = login.get(key).and_then(Value::as_str).unwrap_or("");
            !value.is_empty() && !nightlatch_credential::is_stand_in(value)
        })
    };
    let found = auths.as_object().into_iter().flatten().filter(|(_, login)| has_login(login));
    found.map(|(registry, _)| format!("`{registry}`")).take(REGISTRIES_MAX).collect()
}
