//! What an observation means that is not newer than everything known of its endpoint: files of old
//! observations are imported, some of them twice, and not all are in order of time.

use std::collections::HashMap;

use jiff::Timestamp;
use nightlatch_asset::{Endpoint, Observation};
use nightlatch_store::content_key;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED, schema::IndexRecordOption};

use crate::{
    record::RecordColumns,
    schema::{LAYOUT, host_term},
    stored_reader::StoredReader,
};

/// What a late observation means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Late {
    /// A document says already that the endpoint answered so at that time.
    Repeated,
    /// It is a sighting of this document, the last one before it.
    Sighting(u64),
    /// The answer before it was another, or is not known.
    Changed,
}

/// Content of an observation as the key table keeps it: 64 bits tell two answers of one endpoint apart.
pub(crate) fn content(observation: &Observation) -> u64 {
    // The upper half: the whole key is a hash, so any half of it is one.
    (content_key(observation) >> 64) as u64
}

/// A document, as far as late observations are told by it.
pub(crate) struct Told<'a> {
    pub(crate) oid: u64,
    pub(crate) time: Timestamp,
    pub(crate) last_seen: Timestamp,
    says: Says<'a>,
}

enum Says<'a> {
    Content(u64),
    /// To be read, which costs more than everything else here.
    In(&'a SegmentReader, DocId),
}

impl Told<'_> {
    fn says(&self, wanted: u64) -> tantivy::Result<bool> {
        Ok(wanted
            == match self.says {
                Says::Content(known) => known,
                Says::In(segment, doc) => content(&StoredReader::open(segment)?.observation(doc)?),
            })
    }
}

/// Decides by all documents of the endpoint.
///
/// The one after it is not asked: a document does not begin earlier than it says, and only what it covers is
/// known again when the same file is imported once more.
pub(crate) fn decide(told: &[Told<'_>], time: Timestamp, content: u64) -> tantivy::Result<Late> {
    for document in told.iter().filter(|t| (t.time..=t.last_seen).contains(&time)) {
        if document.says(content)? {
            return Ok(Late::Repeated);
        }
    }
    let before = told.iter().filter(|t| t.time <= time).max_by_key(|t| (t.time, t.oid));
    match before {
        Some(document) if document.says(content)? => Ok(Late::Sighting(document.oid)),
        _ => Ok(Late::Changed),
    }
}

/// The documents that are not committed, by endpoint: oid, time and content.
#[derive(Default)]
pub(crate) struct Fresh(HashMap<Endpoint, Vec<(u64, Timestamp, u64)>>);

impl Fresh {
    pub(crate) fn add(&mut self, endpoint: Endpoint, oid: u64, time: Timestamp, content: u64) {
        self.0.entry(endpoint).or_default().push((oid, time, content));
    }

    /// Forgets the documents of `endpoint` from `oid` on: they were not written after all.
    pub(crate) fn forget(&mut self, endpoint: &Endpoint, oid: u64) {
        if let Some(documents) = self.0.get_mut(endpoint) {
            documents.retain(|document| document.0 < oid);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0 = HashMap::new();
    }

    /// Those of `endpoint`.
    ///
    /// - `last_seen`: when a document was last seen again, if it was.
    pub(crate) fn of(
        &self,
        endpoint: &Endpoint,
        last_seen: impl Fn(u64) -> Option<Timestamp>,
    ) -> Vec<Told<'static>> {
        let documents = self.0.get(endpoint).map(Vec::as_slice).unwrap_or_default();
        let told = documents.iter().map(|(oid, time, content)| Told {
            oid: *oid,
            time: *time,
            last_seen: last_seen(*oid).map_or(*time, |last| last.max(*time)),
            says: Says::Content(*content),
        });
        told.collect()
    }
}

/// Adds the documents of the endpoint whose first document is `root`, with ids below `end`.
///
/// - `last_seen`: when a document was last seen again, if it was.
pub(crate) fn committed<'a>(
    searcher: &'a Searcher,
    observation: &Observation,
    root: u64,
    end: u64,
    last_seen: impl Fn(u64) -> Option<Timestamp>,
    told: &mut Vec<Told<'a>>,
) -> tantivy::Result<()> {
    let term = host_term(observation.ip);
    for segment in searcher.segment_readers() {
        let postings = segment.inverted_index(LAYOUT.host)?.read_postings(&term, IndexRecordOption::Basic)?;
        let Some(mut postings) = postings else { continue };
        let columns = RecordColumns::open(segment)?;
        let mut doc = postings.doc();
        while doc != TERMINATED {
            let oid = columns.oid(doc).filter(|oid| *oid < end && columns.root(doc) == Some(root));
            if let Some((oid, time)) = oid.zip(columns.time(doc)) {
                let last_seen = last_seen(oid).map_or(time, |last| last.max(time));
                told.push(Told { oid, time, last_seen, says: Says::In(segment, doc) });
            }
            doc = postings.advance();
        }
    }
    Ok(())
}
