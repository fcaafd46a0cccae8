//! Warnings about fingerprints that work: what no example needs, what nobody uses, what smells of a secret.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use crate::{
    catalogue::Catalogue,
    compile,
    error::line_and_column,
    examples,
    file::{At, File, KeepWord, PredicateEntry, StatusWord},
    model::{Fingerprint, Origin, Predicate, Rule, Target},
};

/// Something that may be wrong with a fingerprint that compiles and whose examples pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct Warning {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the file to point at.
    pub span: Range<usize>,
    /// What may be wrong, and what to do.
    pub message: String,
}

/// Words in the name of a fact that is kept as it is, which sound like a secret or a name.
const DELICATE: &[&str] = &[
    "password",
    "secret",
    "token",
    "key",
    "user",
    "email",
    "host",
    "address",
    "ip",
    "uuid",
    "node_name",
    "cluster_name",
];

/// Looks at `only` (an identifier), or at all fingerprints. Takes seconds for the whole catalogue: every predicate is
/// taken away once.
pub fn run(catalogue: &Catalogue, only: Option<&str>) -> Vec<Warning> {
    let all = catalogue.compiled.fingerprints.iter().filter(|f| only.is_none_or(|id| f.id == id));
    all.flat_map(|fingerprint| Linter { fingerprint, warnings: Vec::new() }.run()).collect()
}

struct Linter<'a> {
    fingerprint: &'a Fingerprint,
    warnings: Vec<Warning>,
}

impl Linter<'_> {
    fn run(mut self) -> Vec<Warning> {
        self.unused_requests();
        self.delicate_facts();
        self.examples();
        self.spare_predicates();
        self.warnings
    }

    fn warn(&mut self, span: Range<usize>, message: impl Into<String>) {
        let (line, column) = line_and_column(&self.fingerprint.text, span.start);
        let (path, message) = (self.fingerprint.path.clone(), message.into());
        self.warnings.push(Warning { path, line, column, span, message });
    }

    fn unused_requests(&mut self) {
        let f = self.fingerprint;
        let identities = f.identities.iter().map(|identity| &identity.rule);
        let states = f.states.iter().map(|state| &state.rule);
        let rules =
            identities.chain(states).chain(f.findings.iter().map(|finding| &finding.rule)).chain(&f.hints);
        let predicates =
            rules.flat_map(Rule::predicates).chain(f.requests.iter().flat_map(|request| &request.when));
        let looked_at = predicates.filter_map(|predicate| match predicate {
            Predicate::On(target, _) => Some(*target),
            _ => None,
        });
        let extracted = f.extracts.iter().filter_map(|extract| match &extract.from {
            Origin::Json(target, _)
            | Origin::Header(target, _)
            | Origin::Body(target)
            | Origin::Title(target) => Some(*target),
            Origin::Count { target, .. } => Some(*target),
            Origin::Tls(_) => None,
        });
        let used: BTreeSet<Target> = looked_at.chain(extracted).collect();
        for (at, entry) in f.file.request.iter().enumerate() {
            if !used.contains(&Target::Request(at)) {
                let id = entry.get().id.get();
                self.warn(
                    entry.get().id.span(),
                    format!("nothing looks at the answer to `{id}`: do not ask it"),
                );
            }
        }
    }

    fn delicate_facts(&mut self) {
        for entry in &self.fingerprint.file.extract {
            let name = entry.get().name.get();
            let delicate = name.split(['_', '-']).any(|word| DELICATE.contains(&word))
                || DELICATE.contains(&name.as_str());
            if delicate && entry.get().keep == KeepWord::Plain {
                self.warn(
                    entry.get().name.span(),
                    format!("`{name}` sounds like a name or a secret: keep it as `keyed-hash`"),
                );
            }
        }
    }

    fn examples(&mut self) {
        let file = &self.fingerprint.file;
        let http = self.fingerprint.requests.iter().any(|request| !request.dialogue && request.id != "root");
        let canary = file.example.iter().any(|example| example.get().exchange.contains_key("canary"));
        if http && !canary {
            self.warn(
                file.id.span(),
                "no example has `exchange.canary`: say what the product answers to an unknown path",
            );
        }
        let recorded = file.example.iter().any(|example| example.get().recorded.is_some());
        if recorded && file.status != StatusWord::Proven {
            self.warn(file.id.span(), "an example is recorded: `status` may be `proven`");
        }
    }

    /// Takes each predicate away in turn: an example, a state rule or a negative must miss it.
    fn spare_predicates(&mut self) {
        let lists = predicate_lists(&mut self.fingerprint.file.clone()).len();
        for list in 0..lists {
            let mut file = self.fingerprint.file.clone();
            let predicates = predicate_lists(&mut file).swap_remove(list).clone();
            for (at, predicate) in predicates.iter().enumerate() {
                if predicate.get().justified.is_none() && self.is_spare(list, at) {
                    self.warn(predicate.span(), "no example needs this predicate: add one that does, remove it, or say why it stays with `justified`");
                }
            }
        }
    }

    fn is_spare(&self, list: usize, at: usize) -> bool {
        let mut file = self.fingerprint.file.clone();
        predicate_lists(&mut file).swap_remove(list).remove(at);
        // What the loader refuses without it is needed.
        let Some(compiled) = compile::alone(self.fingerprint, file) else { return false };
        examples::still_passes(&Catalogue { compiled: Arc::new(compiled) })
    }
}

/// The lists of predicates that give identity, state and findings, in the order of the file.
fn predicate_lists(file: &mut File) -> Vec<&mut Vec<At<PredicateEntry>>> {
    let identities = file.identity.iter_mut().flat_map(|entry| {
        let entry = entry.get_mut();
        [&mut entry.all, &mut entry.any, &mut entry.none]
    });
    let states = file.state.iter_mut().flat_map(|entry| {
        let entry = entry.get_mut();
        [&mut entry.all, &mut entry.any, &mut entry.none]
    });
    let findings = file.finding.iter_mut().flat_map(|entry| {
        let entry = entry.get_mut();
        [&mut entry.all, &mut entry.any, &mut entry.none]
    });
    identities.chain(states).chain(findings).collect()
}
