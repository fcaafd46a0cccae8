//! The products of the fingerprints, as far as remedies need them; embedded by the build script.

use nightlatch_asset::Observation;

/// One product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// Identifier of the fingerprint.
    pub(crate) id: &'static str,
    /// The name people search for.
    pub(crate) name: &'static str,
    /// A word of the fingerprints' vocabulary.
    pub(crate) group: &'static str,
    aliases: &'static [&'static str],
    pub(crate) summary: &'static str,
    pub(crate) steps: &'static [&'static str],
    /// Title, and address or nothing.
    pub(super) references: &'static [(&'static str, &'static str)],
}

mod embedded {
    use super::Product;
    include!(concat!(env!("OUT_DIR"), "/products.rs"));
}

/// All products, by identifier.
pub(crate) fn all() -> &'static [Product] {
    embedded::PRODUCTS
}

/// The product of an observation: by fingerprint, also by a former name of it, else by product name.
pub(crate) fn of(seen: &Observation) -> Option<&'static Product> {
    let verdict = &seen.verdict;
    let by_id = verdict.fingerprint.as_ref().and_then(|id| by_id(id.raw()));
    by_id.or_else(|| {
        let name = verdict.product.as_ref()?.raw();
        all().iter().find(|product| product.name.eq_ignore_ascii_case(name))
    })
}

fn by_id(id: &str) -> Option<&'static Product> {
    let products = all();
    match products.binary_search_by(|product| product.id.cmp(id)) {
        Ok(at) => products.get(at),
        Err(_) => products.iter().find(|product| product.aliases.contains(&id)),
    }
}

/// What to do about each finding, by its identifier, sorted.
pub(crate) const FINDING_STEPS: &[(&str, &str)] = embedded::FINDINGS;

/// What to do about a finding.
pub(super) fn finding_step(id: &str) -> Option<&'static str> {
    let at = FINDING_STEPS.binary_search_by(|(known, _)| (*known).cmp(id)).ok()?;
    FINDING_STEPS.get(at).map(|(_, step)| *step)
}
