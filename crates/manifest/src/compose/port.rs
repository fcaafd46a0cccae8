//! Ports of services.

use super::ComposeProject;
use crate::{Kind, Node};

/// One published port (or range) of a service. Texts are as written, variables replaced where they are known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ComposePort<'a> {
    /// The element of `ports`.
    pub node: Node<'a>,
    /// The host's address; nothing means every address.
    pub host_ip: Option<String>,
    /// The port or range on the host; nothing when Docker chooses one.
    pub published: Option<String>,
    /// The port or range in the container; empty when it is not known.
    pub target: String,
    /// `tcp` unless another one is given.
    pub protocol: String,
    /// False when a variable without a default stands in it.
    pub is_known: bool,
}

impl<'a> ComposePort<'a> {
    /// The numbers in the container; none when they are not known.
    pub fn targets(&self) -> Option<(u16, u16)> {
        range(&self.target)
    }

    /// The numbers on the host; none when Docker chooses or they are not known.
    pub fn published_range(&self) -> Option<(u16, u16)> {
        range(self.published.as_deref()?)
    }

    pub(super) fn read(project: &ComposeProject<'a>, node: Node<'a>) -> Option<Self> {
        if node.kind() == Kind::Mapping {
            return Some(Self::long(project, node));
        }
        let Some(text) = project.text(node) else {
            return Some(Self::unknown(node));
        };
        Self::short(node, &text)
    }

    fn unknown(node: Node<'a>) -> Self {
        let protocol = "tcp".to_owned();
        Self { node, host_ip: None, published: None, target: String::new(), protocol, is_known: false }
    }

    /// `[[HOST:]PUBLISHED:]TARGET[/PROTOCOL]`.
    fn short(node: Node<'a>, text: &str) -> Option<Self> {
        let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (rest, target) = match text.rsplit_once(':') {
            Some((rest, target)) => (Some(rest), target),
            None => (None, text),
        };
        if target.is_empty() {
            return None;
        }
        let (host_ip, published) = match rest {
            None => (None, None),
            Some(rest) => match rest.rsplit_once(':') {
                Some((host, published)) => {
                    (Some(host.trim_matches(['[', ']']).to_owned()), filled(published))
                }
                None => (None, filled(rest)),
            },
        };
        let host_ip = host_ip.filter(|host| !host.is_empty());
        Some(Self {
            node,
            host_ip,
            published,
            target: target.to_owned(),
            protocol: protocol.to_owned(),
            is_known: true,
        })
    }

    fn long(project: &ComposeProject<'a>, node: Node<'a>) -> Self {
        let mut is_known = true;
        let mut field = |key: &str| {
            let value = node.get(key)?;
            let text = project.text(value);
            is_known &= text.is_some();
            text
        };
        let (host_ip, published, target, protocol) =
            (field("host_ip"), field("published"), field("target"), field("protocol"));
        Self {
            node,
            host_ip,
            published: published.filter(|text| !text.is_empty()),
            target: target.unwrap_or_default(),
            protocol: protocol.unwrap_or_else(|| "tcp".to_owned()),
            is_known,
        }
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `8080` or `8080-8090`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}
