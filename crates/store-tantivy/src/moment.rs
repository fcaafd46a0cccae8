//! One moment of the store: what a snapshot answers from.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    net::IpAddr,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use nightlatch_asset::{Field, Record};
use nightlatch_query::{Expr, Match, Test};
use nightlatch_store::{Bucket, Facet, Selection, Snapshot, Sort, Status, Step, StoreError, View};
use tantivy::{
    DocId, Searcher, SegmentReader, TantivyError,
    query::{EnableScoring, Query, TermQuery, Weight},
    schema::IndexRecordOption,
};

use crate::{
    addresses::Addresses,
    answers::{self, Answers, Counted},
    compile::Compiler,
    facet,
    failure::{engine_error, io_error},
    histogram,
    history::History,
    partition::Week,
    record::RecordColumns,
    rows::{self, Top},
    schema::{column, host_term},
    stored_reader::StoredReader,
    visible::{Visible, VisibleCache},
};

/// Id of the first document.
pub(crate) const FIRST_OID: u64 = 1;

/// The committed documents of one partition.
pub(crate) struct Part {
    /// Its week; none for documents that could not be written to disk yet.
    pub(crate) week: Option<Week>,
    /// Its segments.
    pub(crate) searcher: Searcher,
}

/// Everything acknowledged up to some moment.
pub(crate) struct Moment {
    path: PathBuf,
    parts: Vec<Part>,
    history: Arc<History>,
    next_oid: u64,
    /// Documents from here on are answered by the part without a week, not by the partitions.
    written: u64,
    endpoints: u64,
    visible: Arc<VisibleCache>,
    counts: Arc<facet::CountCache>,
    answers: Arc<Answers>,
}

/// What a [`Moment`] is made of.
pub(crate) struct Ingredients {
    pub(crate) path: PathBuf,
    pub(crate) parts: Vec<Part>,
    pub(crate) history: Arc<History>,
    pub(crate) next_oid: u64,
    pub(crate) written: u64,
    pub(crate) endpoints: u64,
    pub(crate) caches: Caches,
}

/// What one process keeps from one moment to the next.
#[derive(Clone, Default)]
pub(crate) struct Caches {
    pub(crate) visible: Arc<VisibleCache>,
    pub(crate) counts: Arc<facet::CountCache>,
    pub(crate) answers: Arc<Answers>,
}

/// The query of one partition, prepared when the first segment needs it.
pub(crate) struct Weigher<'m> {
    moment: &'m Moment,
    expr: &'m Expr,
    part: &'m Part,
    query: &'m mut Option<Box<dyn Query>>,
    weight: Option<Box<dyn Weight>>,
}

impl Weigher<'_> {
    /// The query, ready to be asked of the segments of the partition.
    pub(crate) fn get(&mut self) -> Result<&dyn Weight, StoreError> {
        if self.query.is_none() {
            *self.query = Some(Compiler::new(self.moment).expr(self.expr)?);
        }
        let weight = match (self.weight.take(), self.query.as_ref()) {
            (Some(weight), _) => weight,
            (None, Some(query)) => self.moment.weight(query.as_ref(), self.part)?,
            (None, None) => return Err(StoreError::Engine("a query was not prepared".to_owned())),
        };
        Ok(&**self.weight.insert(weight))
    }
}

/// One segment with what a question needs of it.
pub(crate) struct Slice<'a> {
    pub(crate) part: usize,
    pub(crate) ordinal: usize,
    pub(crate) reader: &'a SegmentReader,
    pub(crate) visible: Arc<Visible>,
}

impl Moment {
    pub(crate) fn new(mut with: Ingredients) -> Self {
        // Newest first: what is not written yet, then the weeks backwards.
        with.parts.sort_by_key(|part| std::cmp::Reverse(part.week.map_or(i64::MAX, |week| week.start())));
        Self {
            path: with.path,
            parts: with.parts,
            history: with.history,
            next_oid: with.next_oid,
            written: with.written,
            endpoints: with.endpoints,
            visible: with.caches.visible,
            counts: with.caches.counts,
            answers: with.caches.answers,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn history(&self) -> &Arc<History> {
        &self.history
    }

    pub(crate) fn counts(&self) -> &facet::CountCache {
        &self.counts
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Every segment, of all partitions.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &SegmentReader> {
        self.parts.iter().flat_map(|part| part.searcher.segment_readers())
    }

    fn engine(&self) -> impl FnOnce(TantivyError) -> StoreError {
        engine_error(&self.path)
    }

    /// Calls `each` with every segment that can hold records of `selection`, newest partition first.
    pub(crate) fn each_segment(
        &self,
        selection: &Selection,
        mut each: impl FnMut(&Slice<'_>, &dyn Weight) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        self.each_slice(selection, |slice, weigher| each(slice, weigher.get()?))
    }

    /// As [`Moment::each_segment`], for those who may know the answer without asking.
    pub(crate) fn each_slice(
        &self,
        selection: &Selection,
        mut each: impl FnMut(&Slice<'_>, &mut Weigher<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut query = None;
        let (from, until) = time_span(&selection.expr);
        for (index, part) in self.parts.iter().enumerate() {
            if part.week.is_some_and(|week| week.end() <= from || week.start() >= until) {
                continue;
            }
            let mut weigher =
                Weigher { moment: self, expr: &selection.expr, part, query: &mut query, weight: None };
            for (ordinal, reader) in part.searcher.segment_readers().iter().enumerate() {
                let visible = self.visible(part, reader, selection.view)?;
                if visible.count() == 0 {
                    continue;
                }
                let slice = Slice { part: index, ordinal, reader, visible };
                if each(&slice, &mut weigher)?.is_break() {
                    return Ok(());
                }
            }
        }
        // What nobody had to ask may still make no sense, such as a wildcard that stands for too much.
        if query.is_none() && self.parts.is_empty() {
            Compiler::new(self).expr(&selection.expr)?;
        }
        Ok(())
    }

    fn weight(&self, query: &dyn Query, part: &Part) -> Result<Box<dyn Weight>, StoreError> {
        query.weight(EnableScoring::disabled_from_searcher(&part.searcher)).map_err(self.engine())
    }

    fn visible(&self, part: &Part, reader: &SegmentReader, view: View) -> Result<Arc<Visible>, StoreError> {
        let end = if part.week.is_some() { self.written } else { self.next_oid };
        self.visible.of(reader, view, &self.history, end).map_err(self.engine())
    }

    /// The first second at which records of part `index` and of all later ones end.
    pub(crate) fn part_end(&self, index: usize) -> i64 {
        self.parts.get(index).and_then(|part| part.week).map_or(i64::MAX, Week::end)
    }

    /// The segment of a row.
    pub(crate) fn segment(&self, part: usize, ordinal: usize) -> Option<&SegmentReader> {
        self.parts.get(part)?.searcher.segment_readers().get(ordinal)
    }

    /// Reads one record.
    pub(crate) fn record(
        &self,
        stored: &StoredReader,
        at: &RecordColumns,
        doc: DocId,
    ) -> Result<Record, StoreError> {
        let damaged = |what: String| StoreError::Damaged { path: self.path.clone(), what };
        let observation = stored.observation(doc).map_err(self.engine())?;
        let oid = at.oid(doc).ok_or_else(|| damaged("a document has no id".to_owned()))?;
        let first_seen = at.first_seen(doc, &self.history);
        let first_seen = first_seen.ok_or_else(|| damaged(format!("document {oid} has no first sight")))?;
        let seen = self.history.seen(oid);
        Ok(Record {
            id: oid,
            first_seen,
            last_seen: seen.map_or(observation.time, |seen| seen.last.max(observation.time)),
            times_seen: seen.map_or(1, |seen| seen.again.saturating_add(1)),
            latest: !self.history.is_superseded(oid),
            observation,
        })
    }
}

/// Calls `each` with blocks of at most 64 visible documents that match, in order.
pub(crate) fn matching(
    slice: &Slice<'_>,
    weight: &dyn Weight,
    each: &mut dyn FnMut(&[DocId]),
) -> tantivy::Result<()> {
    if slice.visible.is_everything() {
        return weight.for_each_no_score(slice.reader, each);
    }
    let mut kept = [0; 64];
    weight.for_each_no_score(slice.reader, &mut |docs| {
        for docs in docs.chunks(kept.len()) {
            let mut count = 0;
            for doc in docs {
                kept[count] = *doc;
                count += usize::from(slice.visible.holds(*doc));
            }
            each(&kept[..count]);
        }
    })
}

/// Seconds outside which no record can match, from the filters on time that must hold.
fn time_span(expr: &Expr) -> (i64, i64) {
    let all = (i64::MIN, i64::MAX);
    match expr {
        Expr::And(parts) => parts.iter().map(time_span).fold(all, |a, b| (a.0.max(b.0), a.1.min(b.1))),
        Expr::Match(Match { field: Field::Time, tests }) => tests
            .iter()
            .map(|test| match test {
                Test::Date { from, until } => {
                    (from.map_or(all.0, |t| t.as_second()), until.map_or(all.1, |t| t.as_second()))
                }
                _ => all,
            })
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .unwrap_or(all),
        _ => all,
    }
}

impl Snapshot for Moment {
    fn count(&self, selection: &Selection) -> Result<u64, StoreError> {
        let name = answers::name_of(&selection.expr);
        let mut total = 0;
        self.each_slice(selection, |slice, weigher| {
            total += if selection.expr == Expr::All {
                u64::from(slice.visible.count())
            } else {
                let counted = self.answers.of(slice, "", &name, || {
                    let weight = weigher.get()?;
                    let mut total = 0;
                    if slice.visible.is_everything() {
                        total = u64::from(weight.count(slice.reader).map_err(self.engine())?);
                    } else {
                        matching(slice, weight, &mut |docs| total += docs.len() as u64)
                            .map_err(self.engine())?;
                    }
                    Ok::<_, StoreError>(Counted { total, ..Counted::default() })
                })?;
                counted.total
            };
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(total)
    }

    fn search(
        &self,
        selection: &Selection,
        sort: Sort,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut top = Top::new(sort, skip.saturating_add(limit));
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.each_segment(selection, |slice, weight| {
            if top.is_settled_before(self.part_end(slice.part)) {
                return Ok(ControlFlow::Break(()));
            }
            top.collect(slice, weight).map_err(self.engine())?;
            Ok(ControlFlow::Continue(()))
        })?;
        rows::read(self, top.into_rows(skip))
    }

    fn facet(&self, selection: &Selection, field: Field, size: usize) -> Result<Facet, StoreError> {
        facet::facet(self, selection, field, size)
    }

    fn histogram(&self, selection: &Selection, step: Step) -> Result<Vec<Bucket>, StoreError> {
        histogram::histogram(self, selection, step)
    }

    fn distinct_hosts(&self, selection: &Selection) -> Result<u64, StoreError> {
        let mut hosts = crate::addresses::HostSet::default();
        self.each_segment(selection, |slice, weight| {
            let addresses = Addresses::open(slice.reader).map_err(self.engine())?;
            matching(slice, weight, &mut |docs| addresses.each(docs, |ip| hosts.insert(ip)))
                .map_err(self.engine())?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(hosts.count())
    }

    fn host(&self, ip: IpAddr, view: View) -> Result<Vec<Record>, StoreError> {
        let query = TermQuery::new(host_term(ip.to_canonical()), IndexRecordOption::Basic);
        let mut records = Vec::new();
        for part in &self.parts {
            let weight = self.weight(&query, part)?;
            for reader in part.searcher.segment_readers() {
                let mut docs = Vec::new();
                weight
                    .for_each_no_score(reader, &mut |block| docs.extend_from_slice(block))
                    .map_err(self.engine())?;
                if docs.is_empty() {
                    continue;
                }
                self.read_host(part, reader, view, &docs, &mut records)?;
            }
        }
        records.sort_by(|a, b| {
            let (x, y) = (&a.observation, &b.observation);
            x.port.cmp(&y.port).then(y.time.cmp(&x.time)).then(b.id.cmp(&a.id))
        });
        Ok(records)
    }

    fn after(&self, id: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        // Place of each of the first `limit` documents by its id. A look at the greatest id of a segment leaves out
        // all that is old.
        let mut found: BTreeMap<u64, (usize, usize, DocId)> = BTreeMap::new();
        for (part_index, part) in self.parts.iter().enumerate() {
            let (from, end) = match part.week {
                Some(_) => (0, self.written),
                None => (self.written, self.next_oid),
            };
            let from = from.max(id.saturating_add(1));
            for (segment, reader) in part.searcher.segment_readers().iter().enumerate() {
                let oids = reader.fast_fields().u64(column::OID).map_err(self.engine())?;
                if oids.max_value() < from || oids.min_value() >= end {
                    continue;
                }
                for doc in 0..reader.max_doc() {
                    let Some(oid) = oids.first(doc).filter(|oid| (from..end).contains(oid)) else { continue };
                    let wanted =
                        found.len() < limit || found.last_key_value().is_some_and(|(last, _)| oid < *last);
                    if wanted {
                        found.insert(oid, (part_index, segment, doc));
                        if found.len() > limit {
                            found.pop_last();
                        }
                    }
                }
            }
        }
        let mut readers = HashMap::new();
        let mut records = Vec::with_capacity(found.len());
        for (part, segment, doc) in found.into_values() {
            let known = match readers.entry((part, segment)) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(vacant) => {
                    let parts = self.parts.get(part).map(|part| part.searcher.segment_readers());
                    let Some(reader) = parts.and_then(|readers| readers.get(segment)) else { continue };
                    let stored = StoredReader::open(reader).map_err(self.engine())?;
                    vacant.insert((stored, RecordColumns::open(reader).map_err(self.engine())?))
                }
            };
            records.push(self.record(&known.0, &known.1, doc)?);
        }
        Ok(records)
    }

    fn last_id(&self) -> u64 {
        self.next_oid.saturating_sub(1)
    }

    fn export(
        &self,
        selection: &Selection,
        sink: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.each_segment(selection, |slice, weight| {
            let mut docs = Vec::new();
            matching(slice, weight, &mut |block| docs.extend_from_slice(block)).map_err(self.engine())?;
            let stored = StoredReader::open(slice.reader).map_err(self.engine())?;
            let columns = RecordColumns::open(slice.reader).map_err(self.engine())?;
            for doc in docs {
                if sink(self.record(&stored, &columns, doc)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn status(&self) -> Result<Status, StoreError> {
        Ok(Status {
            observations: self.next_oid.saturating_sub(FIRST_OID),
            endpoints: self.endpoints,
            sightings: self.history.sightings(),
            bytes: bytes_below(&self.path)?,
        })
    }
}

impl Moment {
    /// Reads the visible ones of `docs`; one by one, so that no list of all superseded documents is needed.
    fn read_host(
        &self,
        part: &Part,
        reader: &SegmentReader,
        view: View,
        docs: &[DocId],
        records: &mut Vec<Record>,
    ) -> Result<(), StoreError> {
        let end = if part.week.is_some() { self.written } else { self.next_oid };
        let stored = StoredReader::open(reader).map_err(self.engine())?;
        let columns = RecordColumns::open(reader).map_err(self.engine())?;
        for doc in docs {
            let visible = columns
                .oid(*doc)
                .is_some_and(|oid| oid < end && (view == View::History || !self.history.is_superseded(oid)));
            if visible {
                records.push(self.record(&stored, &columns, *doc)?);
            }
        }
        Ok(())
    }
}

/// Size of all files below `path`; what vanishes meanwhile counts as nothing.
fn bytes_below(path: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(io_error("list", &folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(io_error("list", &folder))?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(io_error("look at", &entry.path())(e)),
            }
        }
    }
    Ok(bytes)
}
