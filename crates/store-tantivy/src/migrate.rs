//! Partitions whose fields are not those of this version: written before a field was added to the catalogue.
//!
//! The stored forms hold everything, so such a partition is indexed again from them: on disk when the store is
//! opened for writing, in memory for a reader.

use std::{fs, io, path::Path};

use nightlatch_asset::Record;
use nightlatch_store::StoreError;
use tantivy::{
    Index, IndexWriter, TantivyDocument,
    schema::{Field, Value as _},
};

use crate::{
    failure::{engine_error, io_error},
    history::History,
    journal::sync_directory,
    partition::{self, FOLDER, Week},
    record::RecordColumns,
    schema::Layout,
    stored,
};

/// Documents a reader indexes again in memory; with more it asks for the store to be opened for writing once.
const IN_MEMORY_DOCUMENTS_MAX: u64 = 200_000;
/// Memory for indexing again, in bytes.
const MEMORY_BYTES: usize = 64 << 20;

/// Indexes a partition again on disk. A crash at any moment leaves the old or the new one.
pub(crate) fn on_disk(directory: &Path, week: Week, old: &Index, layout: &Layout) -> Result<(), StoreError> {
    let folder = directory.join(FOLDER);
    let (place, fresh) = (folder.join(week.to_string()), folder.join(format!("{week}.new")));
    let spare = folder.join(format!("{week}.old"));
    remove(&fresh)?;
    fs::create_dir_all(&fresh).map_err(io_error("create", &fresh))?;
    let index = partition::create(&fresh, layout)?;
    copy(&place, old, &index, layout)?;
    fs::rename(&place, &spare).map_err(io_error("rename", &place))?;
    fs::rename(&fresh, &place).map_err(io_error("rename", &fresh))?;
    sync_directory(&folder).map_err(io_error("write", &folder))?;
    remove(&spare)
}

/// Finishes or takes back what [`on_disk`] was doing when the process ended.
pub(crate) fn recover(directory: &Path) -> Result<(), StoreError> {
    let folder = directory.join(FOLDER);
    for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
        let path = entry.map_err(io_error("list", &folder))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("new") => remove(&path)?,
            Some("old") => {
                let place = path.with_extension("");
                if place.exists() {
                    remove(&path)?;
                } else {
                    fs::rename(&path, &place).map_err(io_error("rename", &path))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Indexes a partition again in memory.
pub(crate) fn in_memory(path: &Path, old: &Index, layout: &Layout) -> Result<Index, StoreError> {
    let segments = old.searchable_segment_metas().map_err(engine_error(path))?;
    let documents: u64 = segments.iter().map(|segment| u64::from(segment.max_doc())).sum();
    if documents > IN_MEMORY_DOCUMENTS_MAX {
        let what = format!(
            "written by an earlier version, and {documents} documents are too many to index again in memory; \
             open it for writing once"
        );
        return Err(StoreError::Damaged { path: path.to_owned(), what });
    }
    let index = partition::in_memory()?;
    copy(path, old, &index, layout)?;
    Ok(index)
}

/// Copies every document of `old` into `new`, with the payload of its last commit.
fn copy(path: &Path, old: &Index, new: &Index, layout: &Layout) -> Result<(), StoreError> {
    let fail = || engine_error(path);
    let payload = old.load_metas().map_err(fail())?.payload;
    let form = old.schema().get_field("stored").map_err(fail())?;
    let mut writer: IndexWriter = new.writer_with_num_threads(1, MEMORY_BYTES).map_err(fail())?;
    let searcher = partition::reader(path, old)?.searcher();
    for segment in searcher.segment_readers() {
        let store = segment.get_store_reader(1).map_err(|e| fail()(e.into()))?;
        let columns = RecordColumns::open(segment).map_err(fail())?;
        for doc in 0..segment.max_doc() {
            let stored = store.get(doc).map_err(fail())?;
            let document = again(&stored, form, &columns, doc, layout);
            let document = document.ok_or_else(|| StoreError::Damaged {
                path: path.to_owned(),
                what: format!("document {doc} of segment {} cannot be read", segment.segment_id()),
            })?;
            writer.add_document(document).map_err(fail())?;
        }
    }
    let mut commit = writer.prepare_commit().map_err(fail())?;
    commit.set_payload(&payload.unwrap_or_default());
    commit.commit().map_err(fail())?;
    writer.wait_merging_threads().map_err(fail())
}

fn again(
    stored: &TantivyDocument,
    form: Field,
    columns: &RecordColumns,
    doc: u32,
    layout: &Layout,
) -> Option<TantivyDocument> {
    let form = stored.get_first(form)?.as_bytes()?;
    let observation = stored::decode(form).ok()?;
    let id = columns.oid(doc)?;
    // Without any history: as it was when the document was written.
    let first_seen = columns.first_seen(doc, &History::default())?;
    let last_seen = observation.time;
    let record = Record { id, first_seen, last_seen, times_seen: 1, latest: true, observation };
    Some(layout.document(&record, columns.root(doc)?, form))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::Field;
    use nightlatch_query::{Expr, Match, Test};
    use nightlatch_store::{Selection, Snapshot, Sort, Store, View, synthetic};

    use super::*;
    use crate::{Options, TantivyStore};

    fn port_80() -> Selection {
        let tests = vec![Test::Number { min: 80, max: 80 }];
        Selection { expr: Expr::Match(Match { field: Field::Port, tests }), view: View::Latest }
    }

    fn answers(snapshot: &dyn Snapshot) -> String {
        let all = Selection { expr: Expr::All, view: View::History };
        let rows = snapshot.search(&all, Sort::Oldest, 0, 1_000).unwrap();
        let ports = snapshot.facet(&all, Field::Port, 100).unwrap();
        format!("{} {ports:?} {rows:?}", snapshot.count(&port_80()).unwrap())
    }

    /// A store as a version would have written it that did not know ports.
    fn old_store(directory: &Path) -> String {
        let mut store = TantivyStore::open(directory, Options::default()).unwrap();
        let corpus: Vec<_> = synthetic::observations_of(9, 150, 60).collect();
        store.ingest(&corpus).unwrap();
        let expected = answers(store.snapshot().unwrap().as_ref());
        store.close().unwrap();
        let layout = Layout::without(Some(Field::Port));
        for entry in fs::read_dir(directory.join(FOLDER)).unwrap() {
            let week: Week = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
            let (_, index) = partition::open_as_it_is(directory, week).unwrap();
            on_disk(directory, week, &index, &layout).unwrap();
        }
        expected
    }

    #[test]
    fn a_writer_indexes_again_and_every_answer_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let expected = old_store(directory.path());
        let store = TantivyStore::open(directory.path(), Options::default()).unwrap();
        assert_eq!(answers(store.snapshot().unwrap().as_ref()), expected);
        drop(store);
        let names = fs::read_dir(directory.path().join(FOLDER)).unwrap();
        assert!(names.into_iter().all(|n| n.unwrap().file_name().to_str().unwrap().parse::<Week>().is_ok()));
    }

    #[test]
    fn a_reader_needs_no_writer_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let expected = old_store(directory.path());
        let reader = TantivyStore::read(directory.path()).unwrap();
        assert_eq!(answers(reader.snapshot().unwrap().as_ref()), expected);
    }

    #[test]
    fn a_crash_leaves_the_old_or_the_new_partition() {
        let directory = tempfile::tempdir().unwrap();
        let expected = old_store(directory.path());
        let folder = directory.path().join(FOLDER);
        let place = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        fs::create_dir(place.with_extension("new")).unwrap();
        fs::rename(&place, place.with_extension("old")).unwrap();
        let store = TantivyStore::open(directory.path(), Options::default()).unwrap();
        assert_eq!(answers(store.snapshot().unwrap().as_ref()), expected);
    }
}
