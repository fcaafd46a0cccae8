//! The suite every backend must pass: the same corpus and the same questions as [`MemoryStore`], and the
//! same answers.
//!
//! ```no_run
//! use nightlatch_store::{MemoryStore, conformance};
//!
//! let checked = conformance::check(|| Box::new(MemoryStore::new())).unwrap();
//! assert!(checked.answers > 1_000);
//! ```

mod corpus;
mod queries;
mod questions;
mod trees;

use std::fmt;

use jiff::Timestamp;
use nightlatch_asset::Observation;
use nightlatch_query::{Expr, parse, print};

use crate::{MemoryStore, Snapshot, Store, StoreError, View, synthetic::Draw};
use questions::Asker;

/// How much to ask.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides corpus and questions; a failure names it.
    pub seed: u64,
    /// Batches to ingest.
    pub batches: usize,
    /// Observations in a batch.
    pub batch: usize,
    /// Randomly made queries, each asked of both views.
    pub trees: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: 1, batches: 4, batch: 150, trees: 400 }
    }
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checked {
    /// Different pairs of query and view.
    pub queries: u64,
    /// Those of them that something matches and something does not.
    pub selective: u64,
    /// Answers compared.
    pub answers: u64,
}

/// An answer that differs from the reference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mismatch {
    /// Seed of the plan.
    pub seed: u64,
    /// When: `after batch 2`, `reopened`.
    pub stage: Box<str>,
    /// The query in its canonical form; empty where there is none.
    pub query: String,
    /// The view and the question, such as `Latest facet(port, 3)`.
    pub question: String,
    /// The reference's answer, from the first difference on.
    pub expected: String,
    /// The backend's answer, from the first difference on.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, stage, query, question, expected, found } = self;
        write!(
            f,
            "{stage}, seed {seed}: {question}\n  query:    {query}\n  expected: {expected}\n  found:    {found}"
        )
    }
}

impl std::error::Error for Mismatch {}

/// Closes a store and opens the same data again.
pub type Reopen<'a> = &'a dyn Fn(Box<dyn Store>) -> Box<dyn Store>;

/// Compares the backend that `make` makes (empty each time) with the reference, by the default plan.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check(make: impl Fn() -> Box<dyn Store>) -> Result<Checked, Mismatch> {
    check_with(&Plan::default(), &make, None)
}

/// Compares by a plan of your own; with `reopen`, also after closing and opening again.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check_with(
    plan: &Plan,
    make: &dyn Fn() -> Box<dyn Store>,
    reopen: Option<Reopen<'_>>,
) -> Result<Checked, Mismatch> {
    let mut run = Run { plan, checked: Checked::default(), reference: MemoryStore::new() };
    let mut store = make();
    run.few_questions(store.as_ref(), "empty")?;
    let mut batches = corpus::batches(plan);
    let last = batches.pop().unwrap_or_default();
    let mut frozen = None;
    for (number, batch) in batches.iter().enumerate() {
        let stage = format!("after batch {}", number + 1);
        run.ingest(store.as_mut(), batch, &stage)?;
        run.few_questions(store.as_ref(), &stage)?;
        if number == 0 {
            frozen = Some(run.snapshots(store.as_ref(), &stage)?);
        }
    }
    run.all_questions(store.as_ref(), "after all batches")?;
    if let Some((expected, found)) = &frozen {
        run.asker("old snapshot", expected.as_ref(), found.as_ref()).few(&queries::fixed())?;
    }
    drop(frozen);
    if let Some(reopen) = reopen {
        store = reopen(store);
        run.few_questions(store.as_ref(), "reopened")?;
    }
    run.ingest(store.as_mut(), &last, "after the last batch")?;
    run.ingest(store.as_mut(), &[], "after an empty batch")?;
    for batch in batches.iter().take(2) {
        run.ingest(store.as_mut(), batch, "a batch again")?;
    }
    run.few_questions(store.as_ref(), "after the last batch")?;
    Ok(run.checked)
}

struct Run<'a> {
    plan: &'a Plan,
    checked: Checked,
    reference: MemoryStore,
}

type Pair = (Box<dyn Snapshot>, Box<dyn Snapshot>);

impl Run<'_> {
    fn ingest(&mut self, store: &mut dyn Store, batch: &[Observation], stage: &str) -> Result<(), Mismatch> {
        let expected = format!("{:?}", self.reference.ingest(batch));
        let found = format!("{:?}", store.ingest(batch));
        self.checked.answers += 1;
        if expected == found { Ok(()) } else { Err(self.mismatch(stage, "ingest", expected, found)) }
    }

    fn snapshots(&self, store: &dyn Store, stage: &str) -> Result<Pair, Mismatch> {
        let failed =
            |error: StoreError| self.mismatch(stage, "snapshot", "a snapshot".into(), error.to_string());
        Ok((self.reference.snapshot().map_err(failed)?, store.snapshot().map_err(failed)?))
    }

    fn mismatch(&self, stage: &str, question: &str, expected: String, found: String) -> Mismatch {
        let question = question.to_owned();
        Mismatch {
            seed: self.plan.seed,
            stage: stage.into(),
            query: String::new(),
            question,
            expected,
            found,
        }
    }

    fn asker<'s>(
        &'s mut self,
        stage: &'s str,
        expected: &'s dyn Snapshot,
        found: &'s dyn Snapshot,
    ) -> Asker<'s> {
        Asker { seed: self.plan.seed, stage, expected, found, checked: &mut self.checked }
    }

    fn few_questions(&mut self, store: &dyn Store, stage: &str) -> Result<(), Mismatch> {
        let (expected, found) = self.snapshots(store, stage)?;
        let mut asker = self.asker(stage, expected.as_ref(), found.as_ref());
        asker.status()?;
        asker.few(&queries::fixed())
    }

    fn all_questions(&mut self, store: &dyn Store, stage: &str) -> Result<(), Mismatch> {
        let (expected, found) = self.snapshots(store, stage)?;
        let trees = self.generated(expected.as_ref(), stage)?;
        let mut asker = self.asker(stage, expected.as_ref(), found.as_ref());
        asker.everything_about_all()?;
        asker.refusals()?;
        asker.hosts()?;
        asker.reading_on()?;
        for (number, expr) in queries::fixed().iter().enumerate() {
            asker.everything(expr, number)?;
        }
        for (number, expr) in trees.iter().enumerate() {
            asker.something(expr, number)?;
        }
        Ok(())
    }

    /// Random queries about what is there, as the parser makes them.
    fn generated(&self, snapshot: &dyn Snapshot, stage: &str) -> Result<Vec<Expr>, Mismatch> {
        let records = questions::everything_in(snapshot, View::History);
        let mut draw = Draw::of(&[self.plan.seed, 0x7265_6573]);
        (0..self.plan.trees)
            .map(|_| {
                let text = print(&trees::tree(&mut draw, &records, 3));
                parse(&text, Timestamp::UNIX_EPOCH).map(|parsed| parsed.expr).map_err(|error| Mismatch {
                    query: text,
                    ..self.mismatch(stage, "parse", "a generated query that parses".into(), error.to_string())
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
