//! The fingerprints that the program carries, and the names that stand for their ports.

use std::collections::BTreeSet;

use nightlatch_fingerprint::{Catalogue, FingerprintError};
use nightlatch_scope::{PortNames, PortSet};

use crate::failure::Failure;

/// Names of the binary conversations that the probe can hold.
pub(crate) fn dialogue_names() -> Vec<&'static str> {
    nightlatch_probe::dialogue::dialogues().iter().map(|info| info.name).collect()
}

/// The fingerprints that come with the program.
pub(crate) fn embedded() -> Result<Catalogue, Failure> {
    Catalogue::embedded(&dialogue_names()).map_err(|errors| refused(&errors))
}

/// All faults of fingerprint files, one a line.
pub(crate) fn refused(errors: &[FingerprintError]) -> Failure {
    let lines: Vec<String> =
        errors.iter().map(|error| nightlatch_untrusted::terminal(&error.to_string())).collect();
    let count = if errors.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", errors.len()) };
    Failure::usage(format!("{count} in fingerprint files")).excerpt(lines.join("\n"))
}

/// What `--ports` understands beside numbers: fingerprints, their groups, products and the first words of
/// product names; `default` is every listed port.
pub(crate) fn port_names(catalogue: &Catalogue) -> PortNames {
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

/// The ports of `--ports`, or every listed one.
pub(crate) fn ports(text: Option<&str>, catalogue: &Catalogue) -> Result<PortSet, Failure> {
    let names = port_names(catalogue);
    PortSet::parse(text.unwrap_or("default"), &names).map_err(|error| {
        let text = text.unwrap_or("default");
        Failure::usage(format!("--ports: {error}")).excerpt(crate::commands::excerpt(text, 1, error.at + 1))
    })
}
