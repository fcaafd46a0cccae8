//! Named questions about an answer that a pointer and a comparison cannot express. One file each, total:
//! any JSON in, yes or no out.

mod k8s_rules;
mod prom_flags;

use serde_json::Value;

use crate::file::PredicateEntry;

/// Which analyser a predicate names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Analyser {
    /// Answer of a Kubernetes SelfSubjectRulesReview.
    K8sRules,
    /// Answer of `/api/v1/status/flags` of the Prometheus family.
    PromFlags,
}

impl Analyser {
    /// Every analyser with its name and the key that carries its question.
    pub(crate) const ALL: &'static [(&'static str, &'static str, Self)] =
        &[("k8s-rules", "grants", Self::K8sRules), ("prom-flags", "enabled", Self::PromFlags)];

    /// Takes the question out of a predicate; the error says what is wrong with it.
    pub(crate) fn question(self, entry: &PredicateEntry) -> Result<String, String> {
        match self {
            Self::K8sRules => {
                let grants = entry.grants.as_deref().ok_or("`k8s-rules` needs `grants`")?;
                k8s_rules::check_question(grants)?;
                Ok(grants.to_owned())
            }
            Self::PromFlags => {
                Ok(entry.enabled.clone().ok_or("`prom-flags` needs `enabled`, the name of a flag")?)
            }
        }
    }

    /// Answers the question from a document.
    pub(crate) fn holds(self, document: &Value, question: &str) -> bool {
        match self {
            Self::K8sRules => k8s_rules::grants(document, question),
            Self::PromFlags => prom_flags::enabled(document, question),
        }
    }
}
