//! How to shut the door: the product's own steps, a rule of the network that closes it until then, what to read.

mod network;
pub(crate) mod products;
#[cfg(test)]
mod tests;

use nightlatch_asset::{Record, Text};
use serde::Serialize;

pub use network::{NetworkRule, Tool};
pub(crate) use products::FINDING_STEPS;

/// What to do about one observation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Remedy {
    /// One line: what shuts it for good.
    pub summary: Text,
    /// The same in steps, in the product's own words; empty for a product that is not in the catalogue.
    pub steps: Vec<Text>,
    /// What to do about each finding of the observation, in its order.
    pub findings: Vec<FindingRemedy>,
    /// Rules that close exactly this address and port from outside, one for each tool that can. Empty for a
    /// loopback address, which nobody outside reaches.
    pub network: Vec<NetworkRule>,
    /// Documents first, then weaknesses and techniques.
    pub references: Vec<Reference>,
}

/// What to do about one finding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct FindingRemedy {
    /// Identifier of the finding.
    pub id: Text,
    /// What is wrong, in one sentence; empty where the identifier says it all.
    pub title: Text,
    /// What to do; absent when nothing is known beyond the steps of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<&'static str>,
}

/// Something to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Reference {
    /// Its name, such as `etcd: Transport security model`.
    pub title: &'static str,
    /// Where it, or the documentation it is part of, is found; always `https://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'static str>,
}

/// Said where no product is known.
const UNIDENTIFIED: &str =
    "Find out what answers here and who needs it; stop it, or let only those reach it.";

/// What to do about `record`: by the fingerprint that decided, else by the product's name, else in general.
///
/// Costs a search in a small table and some text: fit to be called for every row of a page.
pub fn remedy(record: &Record) -> Remedy {
    let seen = &record.observation;
    let product = products::of(seen);
    let said = seen.verdict.fix.clone().filter(|fix| !fix.is_empty());
    let findings = seen.verdict.findings.iter().map(|finding| FindingRemedy {
        id: Text::from(finding.id.as_str()),
        title: Text::from(finding.title.as_str()),
        step: products::finding_step(&finding.id),
    });
    let references = product.map_or(&[][..], |product| product.references).iter();
    Remedy {
        summary: said.unwrap_or_else(|| product.map_or(UNIDENTIFIED, |product| product.summary).into()),
        steps: product.map_or(&[][..], |product| product.steps).iter().map(|step| (*step).into()).collect(),
        findings: findings.collect(),
        network: network::rules(seen, product),
        references: references
            .map(|(title, url)| Reference { title, url: Some(*url).filter(|url| !url.is_empty()) })
            .collect(),
    }
}
