//! The reference passes, and stores that are wrong in one way do not.

use super::*;
use crate::{Ingested, Sort, Status};

#[test]
fn the_reference_agrees_with_itself() {
    let reopen = |store: Box<dyn Store>| store;
    let plan = Plan { batch: 60, trees: 200, ..Plan::default() };
    let checked = check_with(&plan, &|| Box::new(MemoryStore::new()), Some(&reopen)).unwrap();
    assert!(checked.queries > 500 && checked.answers > 4_000, "{checked:?}");
    assert!(checked.selective * 10 > checked.queries * 6, "{checked:?}");
}

/// A store that is wrong in one way.
struct Broken(MemoryStore, Fault);

#[derive(Clone, Copy, Debug)]
enum Fault {
    LosesOne,
    ForgetsSightings,
    IgnoresTheView,
}

impl Store for Broken {
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        let lost = matches!(self.1, Fault::LosesOne) && batch.len() > 1;
        let mut ingested = self.0.ingest(&batch[..batch.len() - usize::from(lost)])?;
        ingested.stored += u64::from(lost);
        if let Fault::ForgetsSightings = self.1 {
            ingested.sightings = 0;
        }
        Ok(ingested)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(BrokenSnapshot(self.0.snapshot()?, self.1)))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.0.commit()
    }
}

struct BrokenSnapshot(Box<dyn Snapshot>, Fault);

impl BrokenSnapshot {
    fn bent(&self, selection: &crate::Selection) -> crate::Selection {
        let view = if let Fault::IgnoresTheView = self.1 { View::History } else { selection.view };
        crate::Selection { view, expr: selection.expr.clone() }
    }
}

impl Snapshot for BrokenSnapshot {
    fn count(&self, s: &crate::Selection) -> Result<u64, StoreError> {
        self.0.count(&self.bent(s))
    }
    fn search(
        &self,
        s: &crate::Selection,
        o: Sort,
        a: usize,
        b: usize,
    ) -> Result<Vec<crate::Record>, StoreError> {
        self.0.search(s, o, a, b)
    }
    fn facet(&self, s: &crate::Selection, f: crate::Field, n: usize) -> Result<crate::Facet, StoreError> {
        self.0.facet(s, f, n)
    }
    fn histogram(&self, s: &crate::Selection, step: crate::Step) -> Result<Vec<crate::Bucket>, StoreError> {
        self.0.histogram(s, step)
    }
    fn distinct_hosts(&self, s: &crate::Selection) -> Result<u64, StoreError> {
        self.0.distinct_hosts(s)
    }
    fn after(&self, id: u64, limit: usize) -> Result<Vec<crate::Record>, StoreError> {
        self.0.after(id, limit)
    }
    fn last_id(&self) -> u64 {
        self.0.last_id()
    }
    fn host(&self, ip: std::net::IpAddr, view: View) -> Result<Vec<crate::Record>, StoreError> {
        self.0.host(ip, view)
    }
    fn export(
        &self,
        s: &crate::Selection,
        sink: &mut dyn FnMut(crate::Record) -> std::ops::ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.0.export(s, sink)
    }
    fn status(&self) -> Result<Status, StoreError> {
        self.0.status()
    }
}

#[test]
fn a_wrong_store_is_found_out() {
    for (fault, question) in [
        (Fault::LosesOne, "ingest"),
        (Fault::ForgetsSightings, "ingest"),
        (Fault::IgnoresTheView, "Latest count"),
    ] {
        let mismatch = check(|| Box::new(Broken(MemoryStore::new(), fault))).unwrap_err();
        assert_eq!(mismatch.question, question, "{fault:?}: {mismatch}");
        assert!(mismatch.to_string().contains("seed 1"));
    }
}
