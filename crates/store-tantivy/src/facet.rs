//! Counts by value, exact.

use std::{
    collections::HashMap,
    net::IpAddr,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use nightlatch_asset::{Field, Kind};
use nightlatch_query::Expr;
use nightlatch_store::{Bucket, Facet, Selection, StoreError};
use tantivy::{
    DocId, SegmentReader,
    columnar::{Cardinality, Column, StrColumn},
    index::SegmentId,
    query::Weight,
};

use crate::{
    addresses::Addresses,
    answers::{self, Counted},
    failure::engine_error,
    moment::{Moment, Slice, matching},
    schema::{Kept, LAYOUT},
    visible::Visible,
};

/// Numbers are counted in an array when they lie at most this far apart.
const DENSE_MAX: i64 = 1 << 20;
/// Counts kept for later questions, all segments and fields together.
const CACHED_COUNTS_MAX: usize = 8 << 20;

/// Counts the records of `selection` by the values of `field`.
pub(crate) fn facet(
    moment: &Moment,
    selection: &Selection,
    field: Field,
    size: usize,
) -> Result<Facet, StoreError> {
    let info = field.info();
    if !info.facet {
        return Err(StoreError::NotAFacet { field });
    }
    let (name, kept) = LAYOUT.kept(field);
    match (kept, info.kind) {
        (Kept::Keyword { .. } | Kept::Text { .. }, _) => texts(moment, selection, name, size),
        (Kept::Number { .. }, Kind::Ladder(words)) => numbers(moment, selection, name, size, |number| {
            usize::try_from(number)
                .ok()
                .and_then(|index| words.get(index))
                .map_or_else(String::new, |w| (*w).into())
        }),
        (Kept::Number { .. }, Kind::Flag) => {
            numbers(moment, selection, name, size, |number| (number != 0).to_string())
        }
        (Kept::Number { .. } | Kept::Scattered { .. }, _) => {
            numbers(moment, selection, name, size, |number| number.to_string())
        }
        (Kept::Beside, Kind::Ip) => addresses(moment, selection, size),
        _ => Err(StoreError::NotAFacet { field }),
    }
}

/// Documents by ordinal of the value, of one segment.
#[derive(Debug, Default)]
struct Counts {
    by_ordinal: Vec<u32>,
    with_value: u64,
    total: u64,
}

fn texts(
    moment: &Moment,
    selection: &Selection,
    name: &'static str,
    size: usize,
) -> Result<Facet, StoreError> {
    let mut found: HashMap<String, u64> = HashMap::new();
    let (mut total, mut with_value) = (0, 0);
    let query = answers::name_of(&selection.expr);
    moment.each_slice(selection, |slice, weigher| {
        let fail = || engine_error(moment.path());
        let column = slice.reader.fast_fields().str(name).map_err(fail())?;
        let counted = if selection.expr == Expr::All
            && let Some(column) = &column
        {
            let counts = moment.counts().of(slice, name, column).map_err(fail())?;
            total += counts.total;
            with_value += counts.with_value;
            let by_ordinal = counts.by_ordinal.iter().enumerate();
            add_texts(column, by_ordinal.map(|(ord, count)| (ord as u64, *count)), &mut found)
                .map_err(|e| fail()(e.into()))?;
            return Ok(ControlFlow::Continue(()));
        } else {
            moment.answers().of(slice, name, &query, || {
                let weight = weigher.get()?;
                let Some(column) = &column else {
                    let mut total = 0;
                    matching(slice, weight, &mut |docs| total += docs.len() as u64).map_err(fail())?;
                    return Ok::<_, StoreError>(Counted { total, ..Counted::default() });
                };
                Ok(count_matches(slice, weight, column).map_err(fail())?.into())
            })?
        };
        total += counted.total;
        with_value += counted.with_value;
        if let Some(column) = &column {
            let by_value = counted.by_value.iter();
            let by_ordinal = by_value.map(|(ord, count)| (u64::try_from(*ord).unwrap_or_default(), *count));
            add_texts(column, by_ordinal, &mut found).map_err(|e| fail()(e.into()))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ranked(found.into_iter().collect(), size, total, with_value, |value| value))
}

impl From<Counts> for Counted {
    fn from(counts: Counts) -> Self {
        let used = counts.by_ordinal.iter().enumerate().filter(|(_, count)| **count > 0);
        Self {
            by_value: used.map(|(ord, count)| (ord as i64, *count)).collect(),
            with_value: counts.with_value,
            total: counts.total,
        }
    }
}

/// Adds the counts of one segment under the values its ordinals stand for.
///
/// - `counts`: in order of the ordinals.
fn add_texts(
    column: &StrColumn,
    counts: impl Iterator<Item = (u64, u32)>,
    found: &mut HashMap<String, u64>,
) -> std::io::Result<()> {
    let (ords, counts): (Vec<u64>, Vec<u32>) = counts.filter(|(_, count)| *count > 0).unzip();
    let mut counted = counts.into_iter().map(u64::from);
    column.dictionary().sorted_ords_to_term_cb(&ords, |bytes| {
        let count = counted.next().unwrap_or(0);
        let text = String::from_utf8_lossy(bytes);
        match found.get_mut(text.as_ref()) {
            Some(known) => *known += count,
            None => {
                found.insert(text.into_owned(), count);
            }
        }
    })?;
    Ok(())
}

fn count_matches(slice: &Slice<'_>, weight: &dyn Weight, column: &StrColumn) -> tantivy::Result<Counts> {
    let mut counter = Counter::new(column);
    matching(slice, weight, &mut |docs| counter.add(docs))?;
    Ok(counter.counts)
}

/// Counts the ordinals of documents.
struct Counter<'a> {
    ords: &'a Column<u64>,
    counts: Counts,
    block: [u64; 64],
    several: Vec<u64>,
}

impl<'a> Counter<'a> {
    fn new(column: &'a StrColumn) -> Self {
        let counts = Counts { by_ordinal: vec![0; column.num_terms()], ..Counts::default() };
        Self { ords: column.ords(), counts, block: [0; 64], several: Vec::new() }
    }

    fn add(&mut self, docs: &[DocId]) {
        self.counts.total += docs.len() as u64;
        match self.ords.get_cardinality() {
            Cardinality::Full => {
                for docs in docs.chunks(self.block.len()) {
                    let block = &mut self.block[..docs.len()];
                    self.ords.values.get_vals(docs, block);
                    block.iter().for_each(|ord| add_one(&mut self.counts.by_ordinal, *ord));
                }
                self.counts.with_value += docs.len() as u64;
            }
            Cardinality::Optional => {
                for doc in docs {
                    if let Some(ord) = self.ords.first(*doc) {
                        add_one(&mut self.counts.by_ordinal, ord);
                        self.counts.with_value += 1;
                    }
                }
            }
            Cardinality::Multivalued => docs.iter().for_each(|doc| self.add_several(*doc)),
        }
    }

    /// A record that has a value twice has it once.
    fn add_several(&mut self, doc: DocId) {
        self.several.clear();
        self.several.extend(self.ords.values_for_doc(doc));
        self.several.sort_unstable();
        self.several.dedup();
        self.several.iter().for_each(|ord| add_one(&mut self.counts.by_ordinal, *ord));
        self.counts.with_value += u64::from(!self.several.is_empty());
    }
}

fn add_one(counts: &mut [u32], ord: u64) {
    if let Some(count) = counts.get_mut(ord as usize) {
        *count += 1;
    }
}

/// Counts over all visible documents of a segment, which later questions ask again.
#[derive(Default)]
pub(crate) struct CountCache {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    size: usize,
    /// Over all documents of the segment.
    everything: HashMap<(SegmentId, String), Arc<Counts>>,
    /// Over the documents of a set.
    visible: HashMap<(SegmentId, String), (Arc<Visible>, Arc<Counts>)>,
}

impl CountCache {
    fn of(&self, slice: &Slice<'_>, name: &str, column: &StrColumn) -> tantivy::Result<Arc<Counts>> {
        let key = (slice.reader.segment_id(), name.to_owned());
        if slice.visible.is_everything() {
            return self.everything(&key, slice.reader, column);
        }
        if let Some((set, counts)) = self.lock().visible.get(&key)
            && Arc::ptr_eq(set, &slice.visible)
        {
            return Ok(counts.clone());
        }
        let max_doc = slice.reader.max_doc();
        let hidden = max_doc - slice.visible.count();
        let counts = if hidden < max_doc / 2 {
            let all = self.everything(&key, slice.reader, column)?;
            let less = count_docs(column, (0..max_doc).filter(|doc| !slice.visible.holds(*doc)));
            Arc::new(difference(&all, &less))
        } else {
            Arc::new(count_docs(column, (0..max_doc).filter(|doc| slice.visible.holds(*doc))))
        };
        let mut known = self.lock();
        known.make_room(counts.by_ordinal.len());
        known.visible.insert(key, (slice.visible.clone(), counts.clone()));
        Ok(counts)
    }

    fn everything(
        &self,
        key: &(SegmentId, String),
        reader: &SegmentReader,
        column: &StrColumn,
    ) -> tantivy::Result<Arc<Counts>> {
        if let Some(counts) = self.lock().everything.get(key) {
            return Ok(counts.clone());
        }
        let counts = Arc::new(count_docs(column, 0..reader.max_doc()));
        let mut known = self.lock();
        known.make_room(counts.by_ordinal.len());
        known.everything.insert(key.clone(), counts.clone());
        Ok(counts)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn make_room(&mut self, counts: usize) {
        self.size += counts;
        if self.size > CACHED_COUNTS_MAX {
            *self = Self { size: counts, ..Self::default() };
        }
    }
}

fn count_docs(column: &StrColumn, docs: impl Iterator<Item = DocId>) -> Counts {
    let mut counter = Counter::new(column);
    let mut block = [0; 64];
    let mut length = 0;
    for doc in docs {
        block[length] = doc;
        length += 1;
        if length == block.len() {
            counter.add(&block);
            length = 0;
        }
    }
    counter.add(&block[..length]);
    counter.counts
}

fn difference(all: &Counts, less: &Counts) -> Counts {
    Counts {
        by_ordinal: all.by_ordinal.iter().zip(&less.by_ordinal).map(|(a, b)| a - b).collect(),
        with_value: all.with_value - less.with_value,
        total: all.total - less.total,
    }
}

fn numbers(
    moment: &Moment,
    selection: &Selection,
    name: &'static str,
    size: usize,
    show: impl Fn(i64) -> String,
) -> Result<Facet, StoreError> {
    let mut found: HashMap<i64, u64> = HashMap::new();
    let (mut total, mut with_value) = (0, 0);
    let query = answers::name_of(&selection.expr);
    moment.each_slice(selection, |slice, weigher| {
        let counted = moment.answers().of(slice, name, &query, || {
            count_numbers(slice, weigher.get()?, name).map_err(engine_error(moment.path()))
        })?;
        total += counted.total;
        with_value += counted.with_value;
        for (value, count) in &counted.by_value {
            *found.entry(*value).or_default() += u64::from(*count);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ranked(found.into_iter().collect(), size, total, with_value, show))
}

fn count_numbers(slice: &Slice<'_>, weight: &dyn Weight, name: &str) -> tantivy::Result<Counted> {
    let column = slice.reader.fast_fields().i64(name)?;
    let (low, high) = (column.min_value(), column.max_value());
    let dense = column.values.num_vals() > 0 && high.checked_sub(low).is_some_and(|span| span < DENSE_MAX);
    let mut array = vec![0u32; if dense { (high - low) as usize + 1 } else { 0 }];
    let mut scattered: HashMap<i64, u32> = HashMap::new();
    let (mut total, mut with_value) = (0, 0);
    let mut values = [None; 64];
    matching(slice, weight, &mut |docs| {
        total += docs.len() as u64;
        for docs in docs.chunks(values.len()) {
            let values = &mut values[..docs.len()];
            values.fill(None);
            column.first_vals(docs, values);
            for value in values.iter().flatten() {
                with_value += 1;
                match array.get_mut(value.wrapping_sub(low) as usize) {
                    Some(count) => *count += 1,
                    None => *scattered.entry(*value).or_default() += 1,
                }
            }
        }
    })?;
    let dense = array.into_iter().enumerate().map(|(offset, count)| (low + offset as i64, count));
    let by_value = dense.filter(|(_, count)| *count > 0).chain(scattered).collect();
    Ok(Counted { by_value, with_value, total })
}

fn addresses(moment: &Moment, selection: &Selection, size: usize) -> Result<Facet, StoreError> {
    let mut found: HashMap<IpAddr, u64> = HashMap::new();
    let mut total = 0;
    moment.each_segment(selection, |slice, weight| {
        let fail = || engine_error(moment.path());
        let addresses = Addresses::open(slice.reader).map_err(fail())?;
        matching(slice, weight, &mut |docs| {
            total += docs.len() as u64;
            addresses.each(docs, |ip| *found.entry(ip).or_default() += 1);
        })
        .map_err(fail())?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ranked(found.into_iter().collect(), size, total, total, |ip| ip.to_string()))
}

/// The `size` most frequent values, and what the others sum up to.
fn ranked<V>(
    mut found: Vec<(V, u64)>,
    size: usize,
    total: u64,
    with_value: u64,
    show: impl Fn(V) -> String,
) -> Facet {
    let distinct = found.len() as u64;
    let all: u64 = found.iter().map(|(_, count)| count).sum();
    // Only values as frequent as the last one shown are compared by name.
    if size == 0 {
        found.clear();
    } else if found.len() > size {
        found.select_nth_unstable_by(size - 1, |a, b| b.1.cmp(&a.1));
        let least = found[size - 1].1;
        found.retain(|(_, count)| *count >= least);
    }
    let mut buckets: Vec<Bucket> =
        found.into_iter().map(|(value, count)| Bucket { value: show(value), count }).collect();
    buckets.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    buckets.truncate(size);
    let shown: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    Facet { buckets, distinct, other: all - shown, missing: total - with_value, total }
}
