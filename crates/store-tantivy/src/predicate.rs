//! Queries that look at every document.

use tantivy::{
    DocId, SegmentReader,
    query::{
        Query,
        doc_predicate_query::{DocPredicateQuery, FunctionPredicate},
    },
};

/// A query that asks `make(segment)(document)` of every document.
pub(crate) fn predicate<F, P>(make: F) -> Box<dyn Query>
where
    F: Fn(&SegmentReader) -> tantivy::Result<P> + Send + Sync + 'static,
    P: Fn(DocId) -> bool + Send + Sync + 'static,
{
    Box::new(DocPredicateQuery::from(FunctionPredicate::from(make)))
}
