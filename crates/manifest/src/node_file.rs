//! Files of a node with mode and owner, as somebody on the node listed them.
//!
//! A JSON list, JSON lines or YAML of mappings `path`, `mode` (octal digits, as text or number), `uid`, `gid`, `owner`,
//! `group`; or the lines of `stat -c '%a %u %g %U %G %n' FILES` or `find DIR -printf '%m %U %G %u %g %p\n'`.

use crate::{Corpus, DocumentKind, Kind, Node};

/// One file of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeFile<'a> {
    /// The entry in the list.
    pub node: Node<'a>,
    /// The path on the node.
    pub path: &'a str,
    /// Permission bits, set-user-id and the like included; nothing when they are not readable.
    pub mode: Option<u32>,
    /// Numeric owner; nothing when the list does not say.
    pub uid: Option<i64>,
    /// Numeric group.
    pub gid: Option<i64>,
    /// Name of the owner.
    pub owner: Option<&'a str>,
    /// Name of the group.
    pub group: Option<&'a str>,
}

/// All files of all lists in the corpus.
pub fn node_files(corpus: &Corpus) -> Vec<NodeFile<'_>> {
    corpus
        .documents_of(DocumentKind::FileList)
        .flat_map(|document| {
            let root = document.root();
            let one = (root.kind() == Kind::Mapping).then_some(root);
            one.into_iter().chain(root.items())
        })
        .filter_map(file)
        .collect()
}

fn file(node: Node<'_>) -> Option<NodeFile<'_>> {
    let text = |key: &str| node.get(key).map(Node::text);
    let number = |key: &str| text(key).and_then(|text| text.parse().ok());
    let path = text("path").filter(|path| !path.is_empty())?;
    Some(NodeFile {
        node,
        path,
        mode: text("mode").and_then(octal),
        uid: number("uid"),
        gid: number("gid"),
        owner: text("owner"),
        group: text("group"),
    })
}

/// `644`, `0644`, `0o644` and `100644` (the type of the file in front, which is left out).
fn octal(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches("0o");
    (digits.len() <= 7).then(|| u32::from_str_radix(digits, 8).ok()).flatten().map(|mode| mode & 0o7777)
}
