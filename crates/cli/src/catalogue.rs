//! The fingerprints that the program carries, and the names that stand for their ports.

use std::sync::OnceLock;

use nightlatch_fingerprint::{Catalogue, FingerprintError};
use nightlatch_scope::{PortNames, PortSet};

use crate::failure::Failure;

/// Names of the binary conversations that the probe can hold.
pub(crate) fn dialogue_names() -> Vec<&'static str> {
    nightlatch_probe::dialogue::dialogues().iter().map(|info| info.name).collect()
}

/// The fingerprints that come with the program, made ready by the first call.
pub(crate) fn embedded() -> Result<Catalogue, Failure> {
    static READY: OnceLock<Catalogue> = OnceLock::new();
    if let Some(catalogue) = READY.get() {
        return Ok(catalogue.clone());
    }
    let catalogue = Catalogue::embedded(&dialogue_names()).map_err(|errors| refused(&errors))?;
    Ok(READY.get_or_init(|| catalogue).clone())
}

/// All faults of fingerprint files, one a line.
pub(crate) fn refused(errors: &[FingerprintError]) -> Failure {
    let lines: Vec<String> =
        errors.iter().map(|error| nightlatch_untrusted::terminal(&error.to_string())).collect();
    let count = if errors.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", errors.len()) };
    Failure::usage(format!("{count} in fingerprint files")).excerpt(lines.join("\n"))
}

/// The ports of `--ports`, or every listed one.
pub(crate) fn ports(text: Option<&str>) -> Result<PortSet, Failure> {
    // Numbers need no names, and names take what all fingerprints take: half the memory of finding ports.
    if let Some(numbers) = text.and_then(|text| PortSet::parse(text, &PortNames::new()).ok()) {
        return Ok(numbers);
    }
    let names = nightlatch_app::port_names(&embedded()?);
    PortSet::parse(text.unwrap_or("default"), &names).map_err(|error| {
        let text = text.unwrap_or("default");
        Failure::usage(format!("--ports: {error}")).excerpt(crate::commands::excerpt(text, 1, error.at + 1))
    })
}
