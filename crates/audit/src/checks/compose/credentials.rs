//! Credentials that are written into what runs a container.

use nightlatch_credential::scan_arguments;
use nightlatch_finding::Severity;
use nightlatch_manifest::{DocumentKind, Kind, Node};

use super::container::{Container, containers};
use crate::{
    Context, Found, Sink,
    checks::secrets::credential::{Said, in_value, say},
};

/// Environment, commands, build arguments, labels and environment files.
pub(super) fn literal<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let mut found: Vec<(String, Node<'a>, Said)> = Vec::new();
        for (name, value, node) in container.environment() {
            found.extend(in_value(Some(name), &value).map(|said| (format!("variable `{name}`"), node, said)));
        }
        for (place, name, value, node) in pairs(&container) {
            found.extend(in_value(Some(name), &value).map(|said| (format!("{place} `{name}`"), node, said)));
        }
        commands(&container, &mut found);
        environment_files(context, &container, &mut found);
        if found.is_empty() {
            sink.pass();
        }
        for (place, node, said) in found {
            let severity = said.severity(Severity::High);
            let message = format!("{place} holds a credential: {}", said.what);
            container.fail(sink, Found::new(container.subject, node, message).severity(severity));
        }
    }
}

/// Build arguments and labels, as mappings or as lists of `name=value`.
fn pairs<'a>(container: &Container<'_, 'a>) -> Vec<(&'static str, &'a str, String, Node<'a>)> {
    let mut found = Vec::new();
    let fields = [("build argument", "build.args", "-"), ("label", "labels", "Config.Labels")];
    for (place, compose, inspect) in fields {
        let Some(field) = container.get(compose, inspect) else { continue };
        let literal = |text: &str| match container.service {
            Some((project, _)) => project.literal(text),
            None => Some(text.to_owned()),
        };
        let mapped = field.entries().map(|(key, value)| (key.text(), value.text(), value));
        let listed = field
            .items()
            .filter_map(|item| item.text().split_once('=').map(|(name, value)| (name, value, item)));
        for (name, value, node) in mapped.chain(listed) {
            found.extend(literal(value).map(|value| (place, name, value, node)));
        }
    }
    found
}

fn commands<'a>(container: &Container<'_, 'a>, found: &mut Vec<(String, Node<'a>, Said)>) {
    for (words, field) in container.commands() {
        let literals: Vec<String> = words
            .iter()
            .map(|word| {
                container
                    .service
                    .map_or_else(|| Some(word.clone()), |(project, _)| project.literal(word))
                    .unwrap_or_default()
            })
            .collect();
        let texts: Vec<&str> = literals.iter().map(String::as_str).collect();
        for (index, detection) in scan_arguments(&texts) {
            let node = if field.kind() == Kind::Sequence { field.items().nth(index) } else { Some(field) };
            let said = texts.get(index).and_then(|text| say(text, &[detection]));
            if let (Some(node), Some(said)) = (node, said) {
                found.push(("the command".to_owned(), node, said));
            }
        }
    }
}

/// What the files of `env_file` hold, where they are in the input.
fn environment_files<'a>(
    context: &Context<'a>,
    container: &Container<'_, 'a>,
    found: &mut Vec<(String, Node<'a>, Said)>,
) {
    let Some((project, service)) = container.service else { return };
    for path in service.env_files() {
        let Some(path) = project.text(path) else { continue };
        let wanted = join(project.folder, &path);
        let file = context
            .documents_of(DocumentKind::Environment)
            .find(|document| join("", context.corpus.source(document.source).name.raw()) == wanted);
        for (name, value) in file.into_iter().flat_map(|document| document.root().entries()) {
            found.extend(
                in_value(Some(name.text()), value.text())
                    .map(|said| (format!("variable `{}`", name.text()), value, said)),
            );
        }
    }
}

/// A path seen from a folder, without `.` and `..`.
fn join(folder: &str, path: &str) -> String {
    let from = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
