//! Tokens of service accounts that never end.

use crate::{Context, Found, Sink};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for secret in context.objects_of("Secret") {
        let subject = crate::Subject::object(secret);
        let kind = secret.root.get("type");
        let account = secret.root.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let account = account.and_then(|annotations| annotations.get("kubernetes.io/service-account.name"));
        match kind.filter(|kind| kind.text() == "kubernetes.io/service-account-token").or(account) {
            Some(node) => {
                let of = account.map(|name| format!(" of `{}`", name.text())).unwrap_or_default();
                sink.fail(Found::new(
                    subject,
                    node,
                    format!("this Secret is a service account token{of} without an end"),
                ));
            }
            None => sink.pass(),
        }
    }
}
