//! Documents that hold any of a set of terms of one field.

use std::sync::Arc;

use tantivy::{
    BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term,
    postings::Postings,
    query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight},
    schema::{Field, IndexRecordOption},
};

/// A union of terms that reads each postings list once, front to back.
#[derive(Clone, Debug)]
pub(crate) struct AnyTerm {
    field: Field,
    terms: Arc<Vec<Vec<u8>>>,
}

/// Documents up to which a list is kept instead of a bitset.
const LIST_MAX: u32 = 4_096;

impl AnyTerm {
    /// `terms` are the bytes of the terms without the field.
    pub(crate) fn new(field: Field, terms: Vec<Vec<u8>>) -> Self {
        Self { field, terms: Arc::new(terms) }
    }
}

impl Query for AnyTerm {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for AnyTerm {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let inverted = reader.inverted_index(self.field)?;
        let mut infos = Vec::new();
        for term in self.terms.iter() {
            infos.extend(inverted.terms().get(term)?);
        }
        let total = infos.iter().fold(0u32, |sum, info| sum.saturating_add(info.doc_freq));
        let postings = |info| inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic);
        match infos.as_slice() {
            [] => Ok(Box::new(EmptyScorer)),
            [one] => Ok(Box::new(ConstScorer::new(postings(one)?, boost))),
            _ if total <= LIST_MAX => {
                let mut docs = Vec::with_capacity(total as usize);
                for info in &infos {
                    each(&mut postings(info)?, |doc| docs.push(doc));
                }
                docs.sort_unstable();
                docs.dedup();
                Ok(Box::new(ConstScorer::new(DocList { docs, at: 0 }, boost)))
            }
            _ => {
                let mut docs = BitSet::with_max_value(reader.max_doc());
                for info in &infos {
                    each(&mut postings(info)?, |doc| {
                        docs.insert(doc);
                    });
                }
                Ok(Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)))
            }
        }
    }

    fn count(&self, reader: &SegmentReader) -> tantivy::Result<u32> {
        if let [one] = self.terms.as_slice() {
            let term = Term::from_field_bytes(self.field, one);
            return Ok(reader
                .inverted_index(self.field)?
                .terms()
                .get(term.serialized_value_bytes())?
                .map_or(0, |i| i.doc_freq));
        }
        Ok(self.scorer(reader, 1.0)?.count_including_deleted())
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("documents are not scored".to_owned()))
    }
}

fn each(postings: &mut impl Postings, mut take: impl FnMut(DocId)) {
    let mut doc = postings.doc();
    while doc != TERMINATED {
        take(doc);
        doc = postings.advance();
    }
}

/// Few documents, in order.
struct DocList {
    docs: Vec<DocId>,
    at: usize,
}

impl DocSet for DocList {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.at += self.docs.get(self.at..).map_or(0, |rest| rest.partition_point(|doc| *doc < target));
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.docs.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        self.docs.len() as u32
    }
}
