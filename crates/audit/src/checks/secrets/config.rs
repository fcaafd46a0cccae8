//! Credentials in ConfigMaps, Helm values and plain configuration files.

use std::collections::HashSet;

use nightlatch_finding::Severity;
use nightlatch_manifest::{Document, DocumentKind, Format, Kind, Node, NodeId, Object, kind_of};

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
            all_scalars(Subject::object(object), values, Least::Guess, sink);
        }
    }
    let workloads: HashSet<_> = context.workloads.iter().map(|workload| key_of(&workload.object)).collect();
    for object in
        context.objects.iter().filter(|object| is_custom(object) && !workloads.contains(&key_of(object)))
    {
        if let Some(spec) = object.spec() {
            all_scalars(Subject::object(object), spec, Least::Likely, sink);
        }
    }
    let of_compose = environment_files(context);
    for document in context.corpus.documents.iter().filter(|document| is_plain(document)) {
        let file = context.corpus.source(document.source).name.raw();
        if kind_of(document) == Some(DocumentKind::Environment) && of_compose.contains(file_name(file)) {
            continue;
        }
        all_scalars(Subject::document(document, "File", file), document.root(), Least::Guess, sink);
    }
}

/// The last parts of the files that Compose services name: what is in them is judged with the service.
fn environment_files(context: &Context<'_>) -> HashSet<String> {
    let mut names = HashSet::new();
    for project in &context.compose {
        for path in project.services.iter().flat_map(|service| service.env_files()) {
            names.extend(project.text(path).map(|path| file_name(&path).to_owned()));
        }
    }
    names
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
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

/// True for objects of kinds that others than Kubernetes define, and that no other rule about credentials reads.
fn is_custom(object: &Object<'_>) -> bool {
    let group = object.group();
    let is_foreign = group.contains('.') && !group.ends_with("k8s.io") && !group.ends_with("openshift.io");
    let is_sealed = matches!(
        object.kind,
        "SealedSecret" | "ExternalSecret" | "ClusterExternalSecret" | "SopsSecret" | "PushSecret"
    );
    is_foreign && !is_sealed && helm_values(object).is_empty()
}

fn key_of(object: &Object<'_>) -> (*const Document, NodeId) {
    (std::ptr::from_ref(object.document()), object.root.id())
}

/// How sure it must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Least {
    Guess,
    /// Fields of custom objects often hold names of Secrets: a guess is not enough.
    Likely,
}

fn all_scalars<'a>(subject: Subject<'a>, root: Node<'a>, least: Least, sink: &mut Sink<'a>) {
    let mut looked = false;
    let mut failed = false;
    for scalar in scalars(root) {
        looked = true;
        let name = Some(scalar.name.as_str()).filter(|name| !name.is_empty());
        let Some(said) = in_value(name, scalar.node.text()) else { continue };
        if said.is_guess && least == Least::Likely {
            continue;
        }
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
