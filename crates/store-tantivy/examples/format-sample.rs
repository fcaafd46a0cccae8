//! Writes the sample of the current format that `tests/formats.rs` reads for ever after:
//! `cargo run -p nightlatch-store-tantivy --example format-sample -- tests/formats/v1`, once for each new format.

use std::{fs, io::Write, ops::ControlFlow, path::PathBuf};

use nightlatch_query::Expr;
use nightlatch_store::{Selection, Store, View, synthetic};
use nightlatch_store_tantivy::{Options, TantivyStore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory: PathBuf =
        std::env::args().nth(1).ok_or("expected a directory that does not exist")?.into();
    if directory.exists() {
        return Err(format!("{} exists; samples are never changed", directory.display()).into());
    }
    // 30 endpoints in two weeks: documents, sightings, superseded ones.
    let corpus: Vec<_> = synthetic::observations_of(3, 75, 30).collect();
    let (committed, journalled) = corpus.split_at(40);
    let mut store = TantivyStore::open(&directory, Options::default())?;
    store.ingest(committed)?;
    store.commit()?;
    store.ingest(journalled)?;
    // As after a crash: the last observations are in the journal only.
    let crashed = directory.with_extension("crashed");
    copy(&directory, &crashed)?;
    let selection = Selection { expr: Expr::All, view: View::History };
    let mut records = Vec::new();
    store.snapshot()?.export(&selection, &mut |record| {
        records.push(record);
        ControlFlow::Continue(())
    })?;
    records.sort_by_key(|record| record.id);
    let mut expected = fs::File::create(directory.with_extension("jsonl"))?;
    for record in &records {
        serde_json::to_writer(&mut expected, record)?;
        expected.write_all(b"\n")?;
    }
    store.close()?;
    fs::remove_dir_all(&directory)?;
    fs::rename(crashed, directory)?;
    Ok(())
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
