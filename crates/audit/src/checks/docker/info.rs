//! The answer of `docker info` as JSON.
//!
//! Source: Docker Engine API, `GET /info` (SystemInfo).

use nightlatch_manifest::{Document, DocumentKind, Node};

use crate::{Context, Subject};

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Info<'a> {
    /// The whole of it.
    pub(super) root: Node<'a>,
    /// What a finding is about.
    pub(super) subject: Subject<'a>,
}

/// The answers in the input; one of a client that reached no daemon is none.
pub(super) fn infos<'a>(context: &Context<'a>) -> Vec<Info<'a>> {
    context.documents_of(DocumentKind::DockerInfo).filter_map(of_document).collect()
}

fn of_document(document: &Document) -> Option<Info<'_>> {
    let root = document.root();
    let is_answer = root.get("ServerVersion").is_some_and(|version| !version.text().is_empty());
    let name = root.get("Name").map_or("docker", Node::text);
    is_answer.then(|| Info { root, subject: Subject::other(root, "DockerDaemon", name) })
}

impl<'a> Info<'a> {
    /// The security option of a name, such as `seccomp` with `profile=builtin`.
    pub(super) fn security_option(&self, name: &str) -> Option<Node<'a>> {
        self.root.get("SecurityOptions").into_iter().flat_map(Node::items).find(|option| {
            option.text().split(',').any(|part| part.strip_prefix("name=") == Some(name) || part == name)
        })
    }

    /// The major version of the server.
    pub(super) fn major(&self) -> Option<u32> {
        self.root.get("ServerVersion")?.text().split('.').next()?.parse().ok()
    }

    /// True when it is a node of a swarm.
    pub(super) fn is_in_swarm(&self) -> bool {
        self.root.at("Swarm.LocalNodeState").is_some_and(|state| state.text() == "active")
    }

    /// Warnings that name an address at which the API listens.
    pub(super) fn api_warnings(&self) -> Vec<Node<'a>> {
        let warnings = self.root.get("Warnings").into_iter().flat_map(Node::items);
        warnings.filter(|warning| warning.text().contains("API is accessible on http")).collect()
    }
}
