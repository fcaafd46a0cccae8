//! Pieces of nginx configuration in annotations: whoever may write an Ingress writes the controller's configuration.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use crate::{Change, Context, Found, Sink, Subject};

/// Words that reach beyond the request: files, code, other servers.
const REACHING: [&str; 11] = [
    "lua",
    "alias ",
    "root ",
    "load_module",
    "169.254.169.254",
    "fd00:ec2",
    "metadata.google",
    "perl",
    "js_",
    "include ",
    "/var/run/secrets",
];

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for object in &context.objects {
        match (object.group(), object.kind) {
            ("networking.k8s.io" | "extensions", "Ingress")
            | ("k8s.nginx.org", "VirtualServer" | "VirtualServerRoute") => {
                annotations(object, sink);
            }
            ("", "ConfigMap") => controller(object, sink),
            _ => {}
        }
    }
}

fn annotations<'a>(object: &Object<'a>, sink: &mut Sink<'a>) {
    let annotations = object.root.at("metadata.annotations").into_iter().flat_map(Node::entries);
    let mut failed = false;
    for (key, value) in
        annotations.filter(|(key, value)| is_snippet(key.text()) && !value.text().trim().is_empty())
    {
        failed = true;
        let name = key.text().rsplit('/').next().unwrap_or("");
        let text = value.text().to_ascii_lowercase();
        let reaching = REACHING.iter().find(|word| text.contains(*word));
        let (severity, message) = match reaching {
            Some(word) => (
                Severity::Critical,
                format!("annotation `{name}` puts `{}` into the controller's configuration", word.trim()),
            ),
            None => (Severity::High, format!("annotation `{name}` writes the controller's configuration")),
        };
        sink.fail(
            Found::new(Subject::object(object), value, message)
                .severity(severity)
                .change(Change::Remove(value)),
        );
    }
    if !failed {
        sink.pass();
    }
}

/// `nginx.ingress.kubernetes.io/server-snippet`, `nginx.org/location-snippets`, and the same under another prefix.
fn is_snippet(key: &str) -> bool {
    let name = key.rsplit_once('/').map_or("", |(_, name)| name);
    [
        "configuration-snippet",
        "server-snippet",
        "stream-snippet",
        "auth-snippet",
        "modsecurity-snippet",
        "location-snippets",
        "server-snippets",
        "http-snippets",
    ]
    .contains(&name)
}

/// The controller's own switch.
fn controller<'a>(map: &Object<'a>, sink: &mut Sink<'a>) {
    let Some(data) = map.root.get("data") else { return };
    let allowed = data.get("allow-snippet-annotations");
    let risk = data.get("annotations-risk-level");
    if let Some(value) = allowed.filter(|value| value.text().eq_ignore_ascii_case("true")) {
        let message = "the controller takes configuration from annotations";
        sink.fail(
            Found::new(Subject::object(map), value, message).change(Change::Set(value, "\"false\"".into())),
        );
    } else if let Some(value) = risk.filter(|value| value.text().eq_ignore_ascii_case("critical")) {
        sink.fail(Found::new(
            Subject::object(map),
            value,
            "the controller takes annotations of critical risk, snippets among them",
        ));
    } else if allowed.or(risk).is_some() {
        sink.pass();
    }
}
