//! Webhooks that decide what is admitted.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use crate::{Change, Context, Found, Sink, Subject};

const KINDS: [&str; 2] = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
/// What a policy has to see to mean anything.
const GUARDED: [&str; 18] = [
    "*",
    "*/*",
    "pods",
    "pods/*",
    "pods/exec",
    "pods/ephemeralcontainers",
    "deployments",
    "daemonsets",
    "statefulsets",
    "replicasets",
    "replicationcontrollers",
    "jobs",
    "cronjobs",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "pods/attach",
];
const GUARDED_GROUPS: [&str; 5] = ["", "*", "apps", "batch", "rbac.authorization.k8s.io"];
/// Annotations by which something writes the authority's certificate when the object is applied.
const INJECTED: [&str; 4] = [
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
];

/// Every webhook with the object it stands in.
fn webhooks<'c, 'a>(context: &'c Context<'a>) -> impl Iterator<Item = (&'c Object<'a>, Node<'a>)> {
    KINDS.into_iter().flat_map(|kind| context.objects_of(kind)).flat_map(|object| {
        object.root.get("webhooks").into_iter().flat_map(Node::items).map(move |webhook| (object, webhook))
    })
}

/// Whether it is asked about pods, workloads, roles or bindings.
fn is_guard(webhook: Node<'_>) -> bool {
    let lists = |rule: Node<'_>, key: &str, words: &[&str]| {
        rule.get(key).is_some_and(|list| list.items().any(|item| words.contains(&item.text())))
    };
    webhook.get("rules").into_iter().flat_map(Node::items).any(|rule| {
        lists(rule, "apiGroups", &GUARDED_GROUPS)
            && lists(rule, "resources", &GUARDED)
            && lists(rule, "operations", &["*", "CREATE", "UPDATE", "CONNECT"])
    })
}

fn name<'a>(webhook: Node<'a>) -> &'a str {
    webhook.get("name").map_or("", Node::text)
}

pub(super) fn fail_open<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for (object, webhook) in webhooks(context).filter(|(_, webhook)| is_guard(*webhook)) {
        let policy = webhook.get("failurePolicy");
        // Before v1 an absent policy meant Ignore.
        let ignores = policy.map_or(object.version() == "v1beta1", |policy| policy.text() == "Ignore");
        if !ignores {
            sink.pass();
            continue;
        }
        let message = format!("webhook {} lets everything through when it cannot be reached", name(webhook));
        let subject = Subject::object(object);
        let mut found = match policy {
            Some(policy) => Found::new(subject, policy, message).change(Change::Set(policy, "Fail".into())),
            None => Found::missing(subject, webhook, "failurePolicy", message),
        };
        // What puts something into objects does so for convenience more often than as a guard.
        if object.kind == "MutatingWebhookConfiguration" {
            found = found.severity(Severity::Low);
        }
        sink.fail(found.cause(format!("webhook:{}", name(webhook))));
    }
}

pub(super) fn insecure_endpoint<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for (object, webhook) in webhooks(context) {
        let Some(client) = webhook.get("clientConfig") else { continue };
        let subject = Subject::object(object);
        let cause = format!("webhook:{}", name(webhook));
        if let Some(url) = client.get("url") {
            let wrong = match url.text().strip_prefix("https://") {
                None => Some("is asked without TLS"),
                Some(rest) if !is_inside(rest) => {
                    Some("stands outside the cluster and sees every object that it is asked about")
                }
                Some(_) => None,
            };
            match wrong {
                Some(wrong) => sink.fail(
                    Found::new(subject, url, format!("webhook {} {wrong}", name(webhook))).cause(cause),
                ),
                None => sink.pass(),
            }
            continue;
        }
        let is_injected = INJECTED.iter().any(|annotation| object.annotation(annotation).is_some());
        let has_authority = client.get("caBundle").is_some_and(|bundle| !bundle.text().is_empty());
        let fail = || {
            let message = format!("webhook {} has no caBundle to prove its service by", name(webhook));
            Found::missing(subject, client, "caBundle", message).cause(cause.clone())
        };
        match (has_authority, is_injected) {
            (true, _) => sink.pass(),
            (false, true) => sink.fail(fail().severity(Severity::Info)),
            (false, false) if context.is_full() => sink.fail(fail()),
            (false, false) => sink.unknown("a caBundle may be written when the object is applied"),
        }
    }
}

/// A host of the cluster's own domain, or a loopback address.
fn is_inside(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.ends_with(".svc")
        || host.contains(".svc.")
        || host == "localhost"
        || host.starts_with("127.")
        || host == "[::1]"
}

pub(super) fn bypass_selector<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for (object, webhook) in webhooks(context).filter(|(_, webhook)| is_guard(*webhook)) {
        let expressions = webhook.at("namespaceSelector.matchExpressions");
        let word = |node: Node<'a>, key: &str| node.get(key).map_or("", Node::text);
        let own = expressions.into_iter().flat_map(Node::items).find(|expression| {
            matches!(word(*expression, "operator"), "NotIn" | "DoesNotExist")
                && word(*expression, "key") != "kubernetes.io/metadata.name"
        });
        match own {
            Some(expression) => {
                let message = format!(
                    "webhook {} passes over namespaces by label {}, which whoever may label a namespace sets",
                    name(webhook),
                    word(expression, "key")
                );
                sink.fail(
                    Found::new(Subject::object(object), expression, message)
                        .cause(format!("webhook:{}", name(webhook))),
                );
            }
            None => sink.pass(),
        }
    }
}
