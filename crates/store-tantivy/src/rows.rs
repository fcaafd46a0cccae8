//! The first rows in an order, without holding all of them.

use std::{cmp::Reverse, collections::BinaryHeap};

use nightlatch_asset::{Field, Record};
use nightlatch_store::{Sort, StoreError};
use tantivy::{DocId, SegmentReader, columnar::Column, query::Weight};

use crate::{
    addresses::Addresses,
    failure::engine_error,
    moment::{Moment, Slice, matching},
    record::RecordColumns,
    schema::{LAYOUT, column},
    stored_reader::StoredReader,
};

/// Place of a row in the order: smaller comes first. Class, time or address, port, then newest id first.
type Place = (u8, u128, u16, Reverse<u64>);

/// One row that was found.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Row {
    place: Place,
    part: usize,
    segment: usize,
    doc: DocId,
}

/// The best rows so far.
pub(crate) struct Top {
    sort: Sort,
    limit: usize,
    heap: BinaryHeap<Row>,
}

impl Top {
    pub(crate) fn new(sort: Sort, limit: usize) -> Self {
        Self { sort, limit, heap: BinaryHeap::new() }
    }

    /// Whether nothing that was seen before the second `end` can still come in.
    pub(crate) fn is_settled_before(&self, end: i64) -> bool {
        let full = self.heap.len() >= self.limit;
        full && self.sort == Sort::Newest
            && self.heap.peek().is_some_and(|last| last.place.1 < newest(end, 0))
    }

    /// Takes in the matches of one segment.
    pub(crate) fn collect(&mut self, slice: &Slice<'_>, weight: &dyn Weight) -> tantivy::Result<()> {
        let columns = Columns::open(slice.reader)?;
        if self.sort == Sort::Newest && self.is_settled_before(columns.seconds.max_value().saturating_add(1))
        {
            return Ok(());
        }
        let sort = self.sort;
        let mut seconds = [0; 64];
        matching(slice, weight, &mut |docs| {
            if sort == Sort::Newest && self.heap.len() >= self.limit {
                // Nearly all documents are too old to get in: their second tells.
                let seconds = &mut seconds[..docs.len()];
                columns.seconds.values.get_vals(docs, seconds);
                let worst = self.heap.peek().map_or(u128::MAX, |row| row.place.1);
                for (doc, second) in docs.iter().zip(seconds) {
                    if newest(*second, i64::from(i32::MAX)) <= worst {
                        self.offer(slice, columns.place(sort, *doc), *doc);
                    }
                }
            } else {
                docs.iter().for_each(|doc| self.offer(slice, columns.place(sort, *doc), *doc));
            }
        })
    }

    fn offer(&mut self, slice: &Slice<'_>, place: Place, doc: DocId) {
        let row = Row { place, part: slice.part, segment: slice.ordinal, doc };
        if self.heap.len() < self.limit {
            self.heap.push(row);
        } else if let Some(mut last) = self.heap.peek_mut()
            && row.place < last.place
        {
            *last = row;
        }
    }

    /// The rows in order, without the first `skip`.
    pub(crate) fn into_rows(self, skip: usize) -> Vec<Row> {
        self.heap.into_sorted_vec().split_off_at(skip)
    }
}

trait SplitOffAt {
    fn split_off_at(self, at: usize) -> Self;
}

impl<T> SplitOffAt for Vec<T> {
    fn split_off_at(mut self, at: usize) -> Self {
        self.drain(..at.min(self.len()));
        self
    }
}

/// Reads the records of `rows`, in their order.
pub(crate) fn read(moment: &Moment, rows: Vec<Row>) -> Result<Vec<Record>, StoreError> {
    let mut records: Vec<Option<Record>> = rows.iter().map(|_| None).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // Document by document of a segment, so that no block is decompressed twice.
    order.sort_unstable_by_key(|index| rows.get(*index).map(|row| (row.part, row.segment, row.doc)));
    let mut open: Option<((usize, usize), StoredReader, RecordColumns)> = None;
    for index in order {
        let Some(row) = rows.get(index) else { continue };
        let segment = (row.part, row.segment);
        if open.as_ref().is_none_or(|(known, ..)| *known != segment) {
            let Some(reader) = moment.segment(row.part, row.segment) else { continue };
            let stored = StoredReader::open(reader).map_err(engine_error(moment.path()))?;
            let columns = RecordColumns::open(reader).map_err(engine_error(moment.path()))?;
            open = Some((segment, stored, columns));
        }
        if let (Some((_, stored, columns)), Some(record)) = (&open, records.get_mut(index)) {
            *record = Some(moment.record(stored, columns, row.doc)?);
        }
    }
    Ok(records.into_iter().flatten().collect())
}

/// A time as a number that is smaller for newer times.
fn newest(seconds: i64, nanos: i64) -> u128 {
    u128::MAX - oldest(seconds, nanos)
}

/// A time as a number that is smaller for older times.
fn oldest(seconds: i64, nanos: i64) -> u128 {
    let shifted = |value: i64| u128::from((value as u64) ^ (1 << 63));
    shifted(seconds) << 64 | shifted(nanos)
}

/// The columns that orders look at.
struct Columns {
    oid: Column<u64>,
    seconds: Column<i64>,
    nanos: Column<i64>,
    severity: Column<i64>,
    exposure: Column<i64>,
    addresses: Addresses,
}

impl Columns {
    fn open(reader: &SegmentReader) -> tantivy::Result<Self> {
        let fast = reader.fast_fields();
        Ok(Self {
            oid: fast.u64(column::OID)?,
            seconds: fast.i64(column::SECONDS)?,
            nanos: fast.i64(column::NANOS)?,
            severity: fast.i64(LAYOUT.kept(Field::Severity).0)?,
            exposure: fast.i64(LAYOUT.kept(Field::Exposure).0)?,
            addresses: Addresses::open(reader)?,
        })
    }

    fn place(&self, sort: Sort, doc: DocId) -> Place {
        let id = Reverse(self.oid.first(doc).unwrap_or_default());
        let time =
            || (self.seconds.first(doc).unwrap_or_default(), self.nanos.first(doc).unwrap_or_default());
        match sort {
            Sort::Newest => (0, newest(time().0, time().1), 0, id),
            Sort::Oldest => (0, oldest(time().0, time().1), 0, id),
            Sort::Address => {
                let port = self.addresses.port(doc);
                match self.addresses.of(doc) {
                    std::net::IpAddr::V4(ip) => (0, ip.to_bits().into(), port, id),
                    std::net::IpAddr::V6(ip) => (1, ip.to_bits(), port, id),
                }
            }
            Sort::Severity => {
                let severity = self.severity.first(doc).unwrap_or_default();
                let exposure = self.exposure.first(doc).unwrap_or_default();
                let class = (15 - severity.clamp(0, 15)) * 16 + (15 - exposure.clamp(0, 15));
                (class as u8, newest(time().0, time().1), 0, id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_order_as_numbers() {
        let times =
            [(i64::MIN, 0), (-2, 5), (-1, -5), (-1, 0), (0, -1), (0, 0), (0, 7), (3, 0), (i64::MAX, 0)];
        assert!(times.is_sorted_by_key(|(s, n)| oldest(*s, *n)));
        assert!(times.iter().rev().is_sorted_by_key(|(s, n)| newest(*s, *n)));
    }
}
