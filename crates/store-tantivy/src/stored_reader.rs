//! Reads stored forms back from a segment.

use nightlatch_asset::{Field, Observation, Record, Timestamp, Value};
use tantivy::{DocId, SegmentReader, TantivyDocument, TantivyError, schema::Value as _, store::StoreReader};

use crate::{schema::LAYOUT, stored};

/// Blocks kept decompressed; documents are asked for in order.
const BLOCKS_CACHED: usize = 4;

/// The stored forms of one segment.
pub(crate) struct StoredReader {
    store: StoreReader,
}

impl StoredReader {
    pub(crate) fn open(segment: &SegmentReader) -> tantivy::Result<Self> {
        Ok(Self { store: segment.get_store_reader(BLOCKS_CACHED)? })
    }

    /// The observation in document `doc`.
    pub(crate) fn observation(&self, doc: DocId) -> tantivy::Result<Observation> {
        let document: TantivyDocument = self.store.get(doc)?;
        let form = document.get_first(LAYOUT.stored).and_then(|value| value.as_bytes());
        let form =
            form.ok_or_else(|| TantivyError::InternalError("document without stored form".to_owned()))?;
        stored::decode(form).map_err(|e| TantivyError::InternalError(e.to_string()))
    }

    /// Whether some text of `field` in document `doc` fits; a document that cannot be read does not.
    pub(crate) fn any_text(&self, doc: DocId, field: Field, fits: &dyn Fn(&str) -> bool) -> bool {
        let Ok(observation) = self.observation(doc) else { return false };
        let (first_seen, last_seen) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let record = Record { id: 0, first_seen, last_seen, times_seen: 1, latest: true, observation };
        let mut any = false;
        field.values(&record, &mut |value| {
            if let Value::Text(text) = value {
                any = any || fits(&text);
            }
        });
        any
    }
}
