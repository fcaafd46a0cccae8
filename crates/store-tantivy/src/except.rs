//! Documents of one query without those of others.
//!
//! The engine's own exclusion asks scorers for documents before the one they stand on, which phrases forbid
//! (`Exclude::new` in tantivy 0.27); this one only ever seeks forward.

use tantivy::{
    DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError,
    query::{ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight},
};

/// `base` without any document of `excluded`.
#[derive(Debug)]
pub(crate) struct Except {
    base: Box<dyn Query>,
    excluded: Vec<Box<dyn Query>>,
}

impl Except {
    pub(crate) fn new(base: Box<dyn Query>, excluded: Vec<Box<dyn Query>>) -> Self {
        Self { base, excluded }
    }
}

impl Clone for Except {
    fn clone(&self) -> Self {
        Self {
            base: self.base.box_clone(),
            excluded: self.excluded.iter().map(|query| query.box_clone()).collect(),
        }
    }
}

impl Query for Except {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(ExceptWeight {
            base: self.base.weight(scoring)?,
            excluded: self
                .excluded
                .iter()
                .map(|query| query.weight(scoring))
                .collect::<tantivy::Result<_>>()?,
        }))
    }
}

struct ExceptWeight {
    base: Box<dyn Weight>,
    excluded: Vec<Box<dyn Weight>>,
}

impl Weight for ExceptWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let base = self.base.scorer(reader, boost)?;
        let mut excluded = Vec::with_capacity(self.excluded.len());
        for weight in &self.excluded {
            excluded.push(weight.scorer(reader, boost)?);
        }
        let mut docs = ExceptDocs { base, excluded };
        if docs.is_excluded() {
            docs.advance();
        }
        Ok(Box::new(ConstScorer::new(docs, boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("documents are not scored".to_owned()))
    }
}

struct ExceptDocs {
    base: Box<dyn Scorer>,
    excluded: Vec<Box<dyn Scorer>>,
}

impl ExceptDocs {
    /// Whether the document the base stands on is excluded.
    fn is_excluded(&mut self) -> bool {
        let doc = self.base.doc();
        doc != TERMINATED
            && self.excluded.iter_mut().any(|excluded| {
                let at = excluded.doc();
                doc == if at < doc { excluded.seek(doc) } else { at }
            })
    }
}

impl DocSet for ExceptDocs {
    fn advance(&mut self) -> DocId {
        self.base.advance();
        while self.is_excluded() {
            self.base.advance();
        }
        self.base.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.base.seek(target);
        if self.is_excluded() { self.advance() } else { self.base.doc() }
    }

    fn doc(&self) -> DocId {
        self.base.doc()
    }

    fn size_hint(&self) -> u32 {
        self.base.size_hint()
    }
}
