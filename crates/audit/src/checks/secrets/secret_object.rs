//! Secret objects whose content stands in a file or in an annotation.

use nightlatch_credential::{detect, is_stand_in};
use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use super::{credential::say, decode::decoded};
use crate::{Context, Found, Sink, Subject};

/// The annotation in which `kubectl apply` keeps what it was given.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Secrets with readable content in a file.
pub(super) fn plaintext<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for secret in context.objects_of("Secret") {
        if !secret.group().is_empty() || is_live(context, secret) || is_generated(secret) {
            continue;
        }
        let guilty: Vec<(Node<'a>, String, bool)> =
            if is_encrypted(secret) { Vec::new() } else { entries(secret).filter_map(judge).collect() };
        let Some((first, what, _)) = guilty.first() else {
            sink.pass();
            continue;
        };
        let file = context.corpus.source(secret.document().source).name.raw();
        let name = first.key().map_or("", Node::text);
        let severity = match guilty.iter().any(|(_, _, is_key)| *is_key) {
            _ if is_fixture(file) => Severity::Low,
            true => Severity::High,
            false => Severity::Medium,
        };
        let mut found = Found::new(
            Subject::object(secret),
            *first,
            format!("key `{name}` of the Secret is readable here: {what}"),
        )
        .severity(severity)
        .cause(first.pointer_from(secret.root));
        for (node, what, _) in guilty.iter().skip(1).take(OTHERS_MAX) {
            let key = node.key().map_or("", Node::text);
            found = found.related(format!("key `{key}` as well: {what}"), Some(*node));
        }
        sink.fail(found);
    }
}

/// Files of tests hold Secrets that open nothing, as a rule.
fn is_fixture(file: &str) -> bool {
    let mut folders = file.rsplit('/').skip(1);
    folders.any(|folder| {
        matches!(folder, "test" | "tests" | "testdata" | "fixtures" | "e2e" | "__tests__" | "spec")
    })
}

/// Further keys that are named one by one.
const OTHERS_MAX: usize = 20;

/// True for what was read from a cluster: there a Secret is where it belongs.
pub(super) fn is_live(context: &Context<'_>, object: &Object<'_>) -> bool {
    let source = context.corpus.source(object.document().source);
    let has_uid = object.root.get("metadata").is_some_and(|metadata| metadata.get("uid").is_some());
    source.name.raw().starts_with("cluster:") || has_uid
}

/// Tokens and Helm's own records are other rules' business.
fn is_generated(secret: &Object<'_>) -> bool {
    let kind = secret.root.get("type").map_or("", Node::text);
    matches!(kind, "kubernetes.io/service-account-token" | "helm.sh/release.v1")
}

/// SOPS leaves its record beside the values.
fn is_encrypted(secret: &Object<'_>) -> bool {
    secret.root.get("sops").is_some_and(|sops| sops.get("mac").is_some() || sops.get("version").is_some())
}

/// Keys and values of `data` and `stringData`.
pub(super) fn entries<'a>(secret: &Object<'a>) -> impl Iterator<Item = (Node<'a>, Node<'a>, bool)> + use<'a> {
    let root = secret.root;
    [("data", true), ("stringData", false)]
        .into_iter()
        .filter_map(move |(field, encoded)| Some((root.get(field)?, encoded)))
        .flat_map(|(map, encoded)| map.entries().map(move |(key, value)| (key, value, encoded)))
}

/// What is readable in one entry, and whether it is a private key.
fn judge<'a>((key, value, encoded): (Node<'a>, Node<'a>, bool)) -> Option<(Node<'a>, String, bool)> {
    let text = if encoded { decoded(value.text())? } else { value.text().to_owned() };
    let name = key.text();
    let found = detect(Some(name), &text);
    if let Some(said) = say(&text, &found) {
        return Some((value, said.what, said.is_private_key));
    }
    // Whatever else somebody keeps in a Secret, unless its name says that it is public or its value that it is none.
    let looks_public = PUBLIC.iter().any(|word| name.to_ascii_lowercase().contains(word));
    let is_value = !is_stand_in(&text) && !text.contains("-----BEGIN ") && !text.contains("{{");
    (is_value && !looks_public)
        .then(|| (value, format!("a value ({})", nightlatch_credential::mask(text.trim())), false))
}

/// Parts of key names whose values are no secrets.
const PUBLIC: [&str; 14] = [
    "user",
    "host",
    "port",
    "name",
    "email",
    "url",
    "endpoint",
    "ca.crt",
    ".crt",
    ".pub",
    "region",
    "namespace",
    "issuer",
    "type",
];

/// Live Secrets whose content stands in an annotation once more.
pub(super) fn last_applied<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for secret in context.objects_of("Secret") {
        let annotations = secret.root.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let Some(node) = annotations.and_then(|annotations| annotations.get(LAST_APPLIED)) else {
            sink.pass();
            continue;
        };
        let applied: Option<serde_json::Value> = serde_json::from_str(node.text()).ok();
        let Some(applied) = applied else {
            sink.unknown("the annotation of kubectl apply cannot be read");
            continue;
        };
        let keys = ["data", "stringData"].iter().filter_map(|field| applied.get(field)?.as_object());
        let count: usize = keys.map(serde_json::Map::len).sum();
        if count == 0 {
            sink.pass();
            continue;
        }
        let message = format!(
            "an annotation repeats {count} {} of the Secret",
            if count == 1 { "value" } else { "values" }
        );
        sink.fail(Found::new(Subject::object(secret), node, message).change(crate::Change::Remove(node)));
    }
}
