//! The authorities that a program trusts: the certificates in the file that a flag names.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nightlatch_manifest::{DocumentKind, Node};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Program, Setting, path_of, shared_suffix};

/// Longer certificates are not read, in bytes of base64.
const BASE64_BYTES_MAX: usize = 64 << 10;

/// The public keys of a file of authorities. The key is what makes an authority: a renewed certificate of the same key is
/// the same one.
#[derive(Clone, Debug)]
pub(crate) struct Authority<'a> {
    /// The file.
    pub node: Node<'a>,
    /// Subject public keys, DER (RFC 5280, section 4.1.2.7); empty when a certificate of the file cannot be read.
    keys: BTreeSet<Vec<u8>>,
}

impl<'a> Authority<'a> {
    /// True when one authority is in both.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        !self.keys.is_disjoint(&other.keys)
    }

    /// False when a certificate of the file cannot be read.
    pub(crate) fn is_readable(&self) -> bool {
        !self.keys.is_empty()
    }

    /// True when both are the same file.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl<'a> Program<'_, 'a> {
    /// The authorities in the file that a flag names; nothing when the file is not in the input.
    ///
    /// The file is the one whose path on the node it is, or one of that name beside the program's own file.
    pub(crate) fn authority(&self, file: &Setting<'a>) -> Option<Authority<'a>> {
        let own = path_of(self.context, self.component.at);
        let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found: Vec<Node<'a>> = Vec::new();
        for document in self.context.documents_of(DocumentKind::Certificates) {
            let path = path_of(self.context, document.root());
            let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
            if is_path(&path, file.text()) || (beside && shared_suffix(&path, file.text()) >= 1) {
                found.push(document.root());
            }
        }
        // The files of several nodes: those of the node that the program is of.
        let near = |node: &Node<'a>| super::shared_prefix(&path_of(self.context, *node), &own);
        let nearest = found.iter().map(near).max()?;
        found.retain(|node| near(node) == nearest);
        let &[node] = found.as_slice() else { return None };
        let keys = node.get("certificates")?.items().map(key).collect::<Option<BTreeSet<_>>>();
        Some(Authority { node, keys: keys.unwrap_or_default() })
    }
}

/// True when `name`, an input's, is the path of a file on a node or its end, of two parts or more.
fn is_path(name: &str, path: &str) -> bool {
    let parts = |text: &str| text.split('/').filter(|part| !part.is_empty()).count();
    let shared = shared_suffix(name, path);
    shared >= 2 && (shared == parts(path) || shared == parts(name))
}

/// The public key of a certificate in base64; nothing when it is none.
fn key(node: Node<'_>) -> Option<Vec<u8>> {
    let text = node.text();
    if text.len() > BASE64_BYTES_MAX {
        return None;
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(digits).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(certificate.public_key().raw.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ends_of_paths() {
        let check =
            |name, expected| assert_eq!(is_path(name, "/etc/kubernetes/pki/ca.crt"), expected, "{name}");
        check("n1/etc/kubernetes/pki/ca.crt", true);
        check("pki/ca.crt", true);
        check("ca.crt", false);
        check("pki/etcd/ca.crt", false);
        check("backup/pki/ca.crt", false);
    }
}
