//! Image references: `[registry[:port]/]path[:tag][@digest]`.

use nightlatch_manifest::{Container, Node};

use super::spec::shown;
use crate::{Change, Found, Part, Profile, Sink};

/// An image reference in its parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Image<'a> {
    /// The path without registry and tag.
    pub(super) path: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Takes a reference apart. A colon before the last slash belongs to the registry.
    pub(super) fn parse(reference: &'a str) -> Self {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (reference, None),
        };
        let name_at = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match rest.get(name_at..).and_then(|name| name.find(':')) {
            Some(colon) => rest.split_at(name_at + colon),
            None => (rest, ""),
        };
        let path = match path.split_once('/') {
            Some((first, below)) if first.contains(['.', ':']) || first == "localhost" => below,
            _ => path,
        };
        Self { path, tag: tag.strip_prefix(':').filter(|tag| !tag.is_empty()), digest }
    }

    /// The last part of the path: `nginx` of `docker.io/library/nginx:1.27`.
    pub(super) fn name(&self) -> &'a str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Why the reference may mean another image tomorrow; nothing for a version or a digest.
    fn floats(&self) -> Option<&'static str> {
        match (self.digest, self.tag) {
            (Some(_), _) => None,
            (None, None) => Some("no tag, which is latest"),
            (None, Some(tag)) => FLOATING.contains(&tag).then_some("a tag that moves"),
        }
    }
}

/// Tags that are meant to move.
const FLOATING: [&str; 20] = [
    "latest",
    "stable",
    "edge",
    "main",
    "master",
    "dev",
    "devel",
    "develop",
    "development",
    "nightly",
    "canary",
    "head",
    "HEAD",
    "unstable",
    "testing",
    "test",
    "snapshot",
    "rolling",
    "lts",
    "trunk",
];

/// An image reference that is not filled in: a template or a variable.
fn is_placeholder(reference: &str) -> bool {
    reference.is_empty() || reference.contains("{{") || reference.contains("${") || reference.contains("$(")
}

/// The image of a container by a tag that moves; where everything of the supply chain is asked for, without a digest.
pub(super) fn mutable<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let wants_digest = matches!(context.settings.profile, Profile::All | Profile::Nsa);
    for workload in context.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            if is_placeholder(node.text()) {
                sink.unknown("the image is not filled in");
                continue;
            }
            let image = Image::parse(node.text());
            let subject = context.container_subject(workload, &container);
            match image.floats() {
                Some(why) => {
                    sink.fail(Found::new(
                        subject,
                        node,
                        format!("the image {} has {why}", shown(node.text())),
                    ));
                }
                None if wants_digest && image.digest.is_none() => {
                    let message =
                        format!("the image {} has no digest, so its tag may be moved", shown(node.text()));
                    sink.fail(
                        Found::new(subject, node, message).severity(nightlatch_finding::Severity::Info),
                    );
                }
                None => sink.pass(),
            }
        }
    }
}

/// A tag that moves is pulled once.
pub(super) fn stale<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image").filter(|node| !is_placeholder(node.text())) else {
                continue;
            };
            let image = Image::parse(node.text());
            if image.floats().is_none() || policy(&container, &image) == "Always" {
                sink.pass();
                continue;
            }
            let subject = context.container_subject(workload, &container);
            let message = "the tag moves, but the image is not pulled again";
            sink.fail(match container.node.get("imagePullPolicy") {
                Some(own) => Found::new(subject, own, message).change(Change::Set(own, "Always".into())),
                None => Found::missing(subject, container.node, "imagePullPolicy", message)
                    .change(Change::SetPath(container.node, "imagePullPolicy".into(), "Always".into())),
            });
        }
    }
}

/// The policy as the API server fills it in: `Always` for `latest` and no tag, else `IfNotPresent`.
fn policy<'a>(container: &Container<'a>, image: &Image<'a>) -> &'a str {
    match container.node.get("imagePullPolicy").map(Node::text).filter(|text| !text.is_empty()) {
        Some(policy) => policy,
        None if image.tag.is_none_or(|tag| tag == "latest") => "Always",
        None => "IfNotPresent",
    }
}

/// git-sync is told to run programs.
pub(super) fn git_sync<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    const VARIABLES: [&str; 5] = [
        "GITSYNC_GIT",
        "GITSYNC_EXECHOOK_COMMAND",
        "GIT_SYNC_GIT",
        "GIT_SYNC_EXECHOOK_COMMAND",
        "GIT_SYNC_HOOK_COMMAND",
    ];
    const FLAGS: [&str; 2] = ["git", "exechook-command"];
    for workload in context.workloads {
        for container in workload.containers() {
            let image = container.node.get("image").map_or("", Node::text);
            if !Image::parse(image).name().contains("git-sync") {
                continue;
            }
            let variables = container.node.get("env").into_iter().flat_map(Node::items).filter(|variable| {
                variable.get("name").is_some_and(|name| VARIABLES.contains(&name.text()))
                    && (variable.get("value").is_some_and(|value| !value.text().is_empty())
                        || variable.get("valueFrom").is_some())
            });
            let flags = ["command", "args"]
                .into_iter()
                .filter_map(|list| container.node.get(list))
                .flat_map(Node::items);
            let flags = flags.filter(|node| {
                node.text()
                    .strip_prefix("--")
                    .is_some_and(|flag| FLAGS.contains(&flag.split('=').next().unwrap_or("")))
            });
            let mut fine = true;
            for node in variables.chain(flags) {
                fine = false;
                let subject = context.container_subject(workload, &container);
                sink.fail(
                    Found::new(subject, node, "git-sync runs the program that this names")
                        .change(Change::Remove(node)),
                );
            }
            if fine {
                sink.pass();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        for (reference, path, tag, digest) in [
            ("nginx", "nginx", None, None),
            ("nginx:1.27", "nginx", Some("1.27"), None),
            ("library/nginx:latest", "library/nginx", Some("latest"), None),
            ("registry:5000/app", "app", None, None),
            ("registry:5000/app:2", "app", Some("2"), None),
            ("localhost/app:2", "app", Some("2"), None),
            ("ghcr.io/a/b/c:v1@sha256:aa", "a/b/c", Some("v1"), Some("sha256:aa")),
            ("ghcr.io:443/a@sha256:aa", "a", None, Some("sha256:aa")),
            ("app:", "app", None, None),
            ("", "", None, None),
        ] {
            assert_eq!(Image::parse(reference), Image { path, tag, digest }, "{reference}");
        }
    }
}
