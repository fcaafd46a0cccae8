//! What services mount.

use super::ComposeProject;
use crate::{Kind, Node};

/// What is mounted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ComposeMountKind {
    /// A path of the host.
    Bind,
    /// A named or anonymous volume.
    Volume,
    /// A file system in memory.
    Tmpfs,
    /// Something else (`npipe`, `cluster`, `image`).
    Other,
}

/// One mount of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ComposeMount<'a> {
    /// The element of `volumes`.
    pub node: Node<'a>,
    /// What is mounted. A named volume that only stands for a path of the host (`driver_opts` with `o: bind`) is a bind.
    pub kind: ComposeMountKind,
    /// The path of the host or the volume's name; nothing for an anonymous volume or when it is not known.
    pub source: Option<String>,
    /// The path in the container.
    pub target: String,
    /// True when it is mounted read-only.
    pub read_only: bool,
}

impl<'a> ComposeMount<'a> {
    pub(super) fn read(project: &ComposeProject<'a>, node: Node<'a>) -> Option<Self> {
        let mount = if node.kind() == Kind::Mapping {
            Self::long(project, node)
        } else {
            Self::short(project, node)?
        };
        Some(mount.resolved(project))
    }

    /// `[SOURCE:]TARGET[:OPTIONS]`.
    fn short(project: &ComposeProject<'a>, node: Node<'a>) -> Option<Self> {
        let raw = node.text();
        let Some(text) = project.resolve(raw) else {
            return Some(Self {
                node,
                kind: ComposeMountKind::Other,
                source: None,
                target: String::new(),
                read_only: false,
            });
        };
        // A drive letter's colon belongs to the path.
        let drive = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
            && matches!(text.get(1..3), Some(":\\" | ":/"));
        let skip = if drive { 2 } else { 0 };
        let Some((first, rest)) = text[skip..].split_once(':') else {
            return Some(Self {
                node,
                kind: ComposeMountKind::Volume,
                source: None,
                target: text,
                read_only: false,
            });
        };
        let source = text[..skip + first.len()].to_owned();
        let (target, options) = rest.split_once(':').unwrap_or((rest, ""));
        let kind = if is_path(&source) { ComposeMountKind::Bind } else { ComposeMountKind::Volume };
        let read_only = options.split(',').any(|option| option == "ro");
        Some(Self { node, kind, source: Some(source), target: target.to_owned(), read_only })
    }

    fn long(project: &ComposeProject<'a>, node: Node<'a>) -> Self {
        let text = |key: &str| node.get(key).and_then(|value| project.text(value));
        let kind = match text("type").as_deref() {
            Some("bind") => ComposeMountKind::Bind,
            Some("volume") | None => ComposeMountKind::Volume,
            Some("tmpfs") => ComposeMountKind::Tmpfs,
            Some(_) => ComposeMountKind::Other,
        };
        let target = text("target").unwrap_or_default();
        let read_only = node.get("read_only").and_then(Node::as_bool).unwrap_or(false);
        Self { node, kind, source: text("source"), target, read_only }
    }

    /// A named volume whose driver only binds a path of the host is that bind.
    fn resolved(mut self, project: &ComposeProject<'a>) -> Self {
        if self.kind != ComposeMountKind::Volume {
            return self;
        }
        let options =
            self.source.as_deref().and_then(|name| project.top("volumes", name)?.get("driver_opts"));
        let text = |key: &str| options.and_then(|options| project.text(options.get(key)?));
        let binds = text("o")
            .is_some_and(|options| options.split(',').any(|option| matches!(option, "bind" | "rbind")));
        if let (true, Some(device)) = (binds, text("device")) {
            self.kind = ComposeMountKind::Bind;
            self.source = Some(device);
        }
        self
    }
}

/// A path, which a volume's name cannot be.
fn is_path(source: &str) -> bool {
    source.starts_with(['/', '.', '~', '\\']) || source.get(1..2) == Some(":")
}
