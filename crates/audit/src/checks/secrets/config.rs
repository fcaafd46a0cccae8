//! Credentials in ConfigMaps, Helm values and plain configuration files.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Document, DocumentKind, Format, Kind, Node, Object, kind_of};

use super::{
    credential::{Said, in_value},
    decode::decoded,
    walk::scalars,
};
use crate::{Context, Found, Sink, Subject};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for map in context.objects_of("ConfigMap") {
        config_map(map, sink);
    }
    for object in &context.objects {
        for values in helm_values(object) {
            all_scalars(Subject::object(object), values, sink);
        }
    }
    for document in context.corpus.documents.iter().filter(|document| is_plain(document)) {
        let file = context.corpus.source(document.source).name.raw();
        all_scalars(Subject::document(document, "File", file), document.root(), sink);
    }
}

/// One finding for each key, so that one can be exempt without the others.
fn config_map<'a>(map: &Object<'a>, sink: &mut Sink<'a>) {
    let subject = Subject::object(map);
    for (field, is_binary) in [("data", false), ("binaryData", true)] {
        for (key, value) in map.root.get(field).into_iter().flat_map(Node::entries) {
            let text = if is_binary { decoded(value.text()) } else { None };
            let text = text.as_deref().unwrap_or(if is_binary { "" } else { value.text() });
            match in_value(Some(key.text()), text) {
                Some(said) => {
                    sink.fail(found(subject, value, &format!("key `{}` of a ConfigMap", key.text()), &said))
                }
                None => sink.pass(),
            }
        }
    }
}

/// The values that objects hand to Helm: Flux, k3s, Argo CD.
fn helm_values<'a>(object: &Object<'a>) -> Vec<Node<'a>> {
    let paths: &[&str] = match (object.group(), object.kind) {
        ("helm.toolkit.fluxcd.io", "HelmRelease") => &["spec.values"],
        ("helm.cattle.io", "HelmChart" | "HelmChartConfig") => &["spec.valuesContent", "spec.set"],
        ("argoproj.io", "Application") => {
            &["spec.source.helm.values", "spec.source.helm.valuesObject", "spec.source.helm.parameters"]
        }
        _ => &[],
    };
    paths.iter().filter_map(|path| object.root.at(path)).collect()
}

/// True for Helm values, and for configuration of no kind that other rules read.
fn is_plain(document: &Document) -> bool {
    let is_file = matches!(document.format, Format::Yaml | Format::Json | Format::Toml | Format::Env);
    let is_ours = matches!(
        kind_of(document),
        None | Some(
            DocumentKind::HelmValues
                | DocumentKind::Environment
                | DocumentKind::Kustomization
                | DocumentKind::ContainerdConfig
                | DocumentKind::EtcdConfig
                | DocumentKind::K3sConfig
        )
    );
    is_file && is_ours && document.root().kind() == Kind::Mapping
}

fn all_scalars<'a>(subject: Subject<'a>, root: Node<'a>, sink: &mut Sink<'a>) {
    let mut looked = false;
    let mut failed = false;
    for scalar in scalars(root) {
        looked = true;
        let name = Some(scalar.name.as_str()).filter(|name| !name.is_empty());
        let Some(said) = in_value(name, scalar.node.text()) else { continue };
        failed = true;
        let place = name.map_or_else(|| "an element of a list".to_owned(), |name| format!("`{name}`"));
        sink.fail(found(subject, scalar.node, &place, &said));
    }
    if looked && !failed {
        sink.pass();
    }
}

fn found<'a>(subject: Subject<'a>, node: Node<'a>, place: &str, said: &Said) -> Found<'a> {
    Found::new(subject, node, format!("{place} holds a credential: {}", said.what))
        .severity(said.severity(Severity::High))
        .cause(node.pointer_from(subject.root))
}
