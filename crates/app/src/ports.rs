//! The names that stand for ports.

use std::collections::BTreeSet;

use nightlatch_fingerprint::Catalogue;
use nightlatch_scope::PortNames;

/// What `--ports` understands beside numbers: fingerprints, their groups, products and the first words of
/// product names; `default` is every listed port.
pub fn port_names(catalogue: &Catalogue) -> PortNames {
    let mut names = PortNames::new();
    for entry in catalogue.entries() {
        let product = entry.product().to_lowercase();
        let words = [
            entry.id(),
            entry.group(),
            &product.replace(' ', "-"),
            product.split(' ').next().unwrap_or_default(),
        ];
        let words: BTreeSet<&str> =
            words.into_iter().chain(entry.aliases().iter().map(String::as_str)).collect();
        for word in words {
            names.entry(word.to_owned()).or_default().extend(entry.ports());
        }
    }
    names.insert("default".to_owned(), catalogue.ports());
    names.insert("all".to_owned(), (1..=u16::MAX).collect());
    names
}
