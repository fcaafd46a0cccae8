//! One record, put together from its stored form, its columns and what happened later.

use nightlatch_asset::Timestamp;
use tantivy::{DocId, SegmentReader, columnar::Column};

use crate::{history::History, schema::column};

/// The columns that a record needs beside its stored form.
pub(crate) struct RecordColumns {
    oid: Column<u64>,
    root: Column<u64>,
    seconds: Column<i64>,
    nanos: Column<i64>,
    first_seconds: Column<i64>,
    first_nanos: Column<i64>,
}

impl RecordColumns {
    pub(crate) fn open(reader: &SegmentReader) -> tantivy::Result<Self> {
        let fast = reader.fast_fields();
        Ok(Self {
            oid: fast.u64(column::OID)?,
            root: fast.u64(column::ROOT)?,
            seconds: fast.i64(column::SECONDS)?,
            nanos: fast.i64(column::NANOS)?,
            first_seconds: fast.i64(column::FIRST_SECONDS)?,
            first_nanos: fast.i64(column::FIRST_NANOS)?,
        })
    }

    pub(crate) fn oid(&self, doc: DocId) -> Option<u64> {
        self.oid.first(doc)
    }

    /// The first document of the endpoint.
    pub(crate) fn root(&self, doc: DocId) -> Option<u64> {
        self.root.first(doc).or_else(|| self.oid.first(doc))
    }

    pub(crate) fn seconds(&self, doc: DocId) -> Option<i64> {
        self.seconds.first(doc)
    }

    /// When a document was observed.
    pub(crate) fn time(&self, doc: DocId) -> Option<Timestamp> {
        let (seconds, nanos) = self.seconds.first(doc).zip(self.nanos.first(doc))?;
        Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()
    }

    /// When the endpoint of a document was first seen, by all that is known.
    pub(crate) fn first_seen(&self, doc: DocId, history: &History) -> Option<Timestamp> {
        if let Some(earlier) = history.first_seen(self.root(doc)?) {
            return Some(earlier);
        }
        let written = self.first_seconds.first(doc).zip(self.first_nanos.first(doc));
        let (seconds, nanos) = written.or_else(|| self.seconds.first(doc).zip(self.nanos.first(doc)))?;
        Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()
    }
}
