use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;
use std::ops::ControlFlow;

use nightlatch_asset::{CATALOGUE, Field, Record};
use nightlatch_query::{Expr, print};

use super::{Checked, Mismatch};
use crate::{Selection, Snapshot, Sort, Step, StoreError, View};

const VIEWS: [View; 2] = [View::Latest, View::History];
const SORTS: [Sort; 4] = [Sort::Newest, Sort::Oldest, Sort::Address, Sort::Severity];
const STEPS: [Step; 3] = [Step::Hour, Step::Day, Step::Month];

/// Rows of a page, so small that every query has several.
const PAGE: usize = 7;

/// Facets that every fixed query is counted by: one of each kind.
const SOME_FACETS: [Field; 6] =
    [Field::Port, Field::Org, Field::Country, Field::Exposure, Field::Tag, Field::SslExpired];

/// Characters of an answer shown from the first difference on, and before it.
const SHOWN_CHARS: usize = 700;
const SHOWN_BEFORE: usize = 60;

/// Asks both snapshots the same and compares.
pub(super) struct Asker<'a> {
    pub(super) seed: u64,
    pub(super) stage: &'a str,
    pub(super) expected: &'a dyn Snapshot,
    pub(super) found: &'a dyn Snapshot,
    pub(super) checked: &'a mut Checked,
}

/// Every record of a view, as exported; nothing when the backend refuses.
pub(super) fn everything_in(snapshot: &dyn Snapshot, view: View) -> Vec<Record> {
    exported(snapshot, &Selection { expr: Expr::All, view }, usize::MAX).unwrap_or_default()
}

fn exported(snapshot: &dyn Snapshot, selection: &Selection, most: usize) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    snapshot.export(selection, &mut |record| {
        records.push(record);
        if records.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(records)
}

/// Records as comparable lines; ids differ between backends.
fn lines(records: Vec<Record>) -> Vec<String> {
    records
        .into_iter()
        .map(|record| {
            let Record { first_seen, last_seen, times_seen, latest, observation, .. } = record;
            let what = serde_json::to_string(&observation).unwrap_or_else(|error| error.to_string());
            format!("\n    {first_seen} {last_seen} {times_seen} {latest} {what}")
        })
        .collect()
}

impl Asker<'_> {
    /// Compares one answer, both made by `ask`.
    fn same<T: Debug>(
        &mut self,
        query: &dyn Fn() -> String,
        question: &dyn Fn() -> String,
        ask: impl Fn(&dyn Snapshot) -> Result<T, StoreError>,
    ) -> Result<(), Mismatch> {
        self.checked.answers += 1;
        let shown = |answer: Result<T, StoreError>| match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => format!("error: {error}"),
        };
        let (expected, found) = (shown(ask(self.expected)), shown(ask(self.found)));
        if expected == found {
            return Ok(());
        }
        let (expected, found) = from_difference(&expected, &found);
        Err(Mismatch {
            seed: self.seed,
            stage: self.stage.into(),
            query: query(),
            question: question(),
            expected,
            found,
        })
    }

    fn ask<T: Debug>(
        &mut self,
        selection: &Selection,
        question: &str,
        ask: impl Fn(&dyn Snapshot, &Selection) -> Result<T, StoreError>,
    ) -> Result<(), Mismatch> {
        self.same(&|| print(&selection.expr), &|| format!("{:?} {question}", selection.view), |snapshot| {
            ask(snapshot, selection)
        })
    }

    pub(super) fn status(&mut self) -> Result<(), Mismatch> {
        self.same(&String::new, &|| "status".into(), |snapshot| {
            // Bytes on disk are the backend's own affair.
            snapshot.status().map(|status| crate::Status { bytes: 0, ..status })
        })
    }

    /// The newest rows and the count of every query.
    pub(super) fn few(&mut self, exprs: &[Expr]) -> Result<(), Mismatch> {
        for expr in exprs {
            for view in VIEWS {
                let selection = Selection { expr: expr.clone(), view };
                self.count(&selection)?;
                self.page(&selection, Sort::Newest, 0, PAGE)?;
            }
        }
        Ok(())
    }

    /// Every kind of answer to one query; the sort beside the newest changes with `number`.
    pub(super) fn everything(&mut self, expr: &Expr, number: usize) -> Result<(), Mismatch> {
        for view in VIEWS {
            let selection = Selection { expr: expr.clone(), view };
            self.note(&selection);
            self.count(&selection)?;
            self.distinct(&selection)?;
            self.export(&selection)?;
            self.pages(&selection, Sort::Newest)?;
            self.pages(&selection, SORTS[1 + number % (SORTS.len() - 1)])?;
            for step in STEPS {
                self.histogram(&selection, step)?;
            }
            for field in SOME_FACETS {
                self.facet(&selection, field, 3)?;
            }
        }
        Ok(())
    }

    /// The count and one other answer, which changes with `number`.
    pub(super) fn something(&mut self, expr: &Expr, number: usize) -> Result<(), Mismatch> {
        let facets: Vec<Field> = CATALOGUE.iter().filter(|info| info.facet).map(|info| info.field).collect();
        for view in VIEWS {
            let selection = Selection { expr: expr.clone(), view };
            self.note(&selection);
            self.count(&selection)?;
            match number % 8 {
                0 => self.distinct(&selection)?,
                1 => self.export(&selection)?,
                2 | 3 => self.pages(&selection, SORTS[number / 8 % SORTS.len()])?,
                4 => self.histogram(&selection, STEPS[number / 8 % STEPS.len()])?,
                _ => self.facet(&selection, facets[number % facets.len()], 1 + number % 5)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, selection: &Selection) {
        let count =
            |expr: Expr| self.expected.count(&Selection { expr, view: selection.view }).unwrap_or_default();
        let selected = count(selection.expr.clone());
        self.checked.queries += 1;
        self.checked.selective += u64::from(selected > 0 && selected < count(Expr::All));
    }

    /// Every facet of everything, whole and cut.
    pub(super) fn everything_about_all(&mut self) -> Result<(), Mismatch> {
        for view in VIEWS {
            let selection = Selection { expr: Expr::All, view };
            for info in CATALOGUE.iter().filter(|info| info.facet) {
                for size in [0, 4, 100_000] {
                    self.facet(&selection, info.field, size)?;
                }
            }
        }
        Ok(())
    }

    /// What must be refused, and breaking off an export.
    pub(super) fn refusals(&mut self) -> Result<(), Mismatch> {
        let selection = Selection { expr: Expr::All, view: View::Latest };
        for info in CATALOGUE.iter().filter(|info| !info.facet) {
            self.facet(&selection, info.field, 3)?;
        }
        self.ask(&selection, "export until 3", |snapshot, selection| {
            exported(snapshot, selection, 3).map(|records| records.len())
        })
    }

    /// Some addresses that are there, and some that are not.
    /// Reading on from any place gives what was stored after it, in order.
    pub(super) fn reading_on(&mut self) -> Result<(), Mismatch> {
        self.same(&String::new, &|| "last_id()".to_owned(), |snapshot| Ok(snapshot.last_id()))?;
        for (id, limit) in [(0, 1), (0, 7), (3, 5), (11, 100_000), (0, 100_000), (u64::MAX, 5), (2, 0)] {
            self.same(&String::new, &|| format!("after({id}, {limit})"), |snapshot| {
                snapshot.after(id, limit).map(lines)
            })?;
        }
        Ok(())
    }

    pub(super) fn hosts(&mut self) -> Result<(), Mismatch> {
        let known: BTreeSet<IpAddr> =
            everything_in(self.expected, View::History).iter().map(|record| record.observation.ip).collect();
        let absent = [IpAddr::from([203, 0, 113, 77]), IpAddr::from([1; 16])];
        for ip in known.into_iter().step_by(5).chain(absent) {
            for view in VIEWS {
                self.same(&String::new, &|| format!("{view:?} host({ip})"), |snapshot| {
                    snapshot.host(ip, view).map(lines)
                })?;
            }
        }
        Ok(())
    }

    fn count(&mut self, selection: &Selection) -> Result<(), Mismatch> {
        self.ask(selection, "count", |snapshot, selection| snapshot.count(selection))
    }

    fn distinct(&mut self, selection: &Selection) -> Result<(), Mismatch> {
        self.ask(selection, "distinct_hosts", |snapshot, selection| snapshot.distinct_hosts(selection))
    }

    fn histogram(&mut self, selection: &Selection, step: Step) -> Result<(), Mismatch> {
        let question = format!("histogram({step:?})");
        self.ask(selection, &question, |snapshot, selection| snapshot.histogram(selection, step))
    }

    fn facet(&mut self, selection: &Selection, field: Field, size: usize) -> Result<(), Mismatch> {
        let question = format!("facet({}, {size})", field.name());
        self.ask(selection, &question, |snapshot, selection| snapshot.facet(selection, field, size))
    }

    /// Everything in one page, some pages, one over the end, and none.
    fn pages(&mut self, selection: &Selection, sort: Sort) -> Result<(), Mismatch> {
        self.page(selection, sort, 0, 1_000_000)?;
        for skip in [0, PAGE, 9 * PAGE, 1_000_000] {
            self.page(selection, sort, skip, PAGE)?;
        }
        self.page(selection, sort, 0, 0)
    }

    fn page(&mut self, selection: &Selection, sort: Sort, skip: usize, limit: usize) -> Result<(), Mismatch> {
        let question = format!("search({sort:?}, {skip}, {limit})");
        self.ask(selection, &question, |snapshot, selection| {
            snapshot.search(selection, sort, skip, limit).map(lines)
        })
    }

    /// The exported lines in any order, and the number of different ids.
    fn export(&mut self, selection: &Selection) -> Result<(), Mismatch> {
        self.ask(selection, "export", |snapshot, selection| {
            let records = exported(snapshot, selection, usize::MAX)?;
            let ids: BTreeSet<u64> = records.iter().map(|record| record.id).collect();
            let mut lines = lines(records);
            lines.sort();
            Ok((ids.len(), lines))
        })
    }
}

/// Both texts from a little before their first difference on, cut.
fn from_difference(a: &str, b: &str) -> (String, String) {
    let equal = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let skip = equal.saturating_sub(SHOWN_BEFORE);
    let cut = |text: &str| text.chars().skip(skip).take(SHOWN_CHARS).collect();
    (cut(a), cut(b))
}
