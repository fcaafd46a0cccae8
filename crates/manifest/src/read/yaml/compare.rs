//! Both parsers on one text: for tests and fuzzing.

use std::sync::Arc;

use super::{Chunk, Sink, Stop, chunks, full, quick};
use crate::{Document, Format, Kind, Limits, Node, Source, SourceId, TreeBuilder};

/// Reads the first document of `text` with the quick parser and the full one.
///
/// Returns whether the quick one took it, and if so that both give the same tree: kinds, texts, and the places where
/// values start and the lines where scalars end.
///
/// # Errors
/// What differs.
#[cfg_attr(not(feature = "compare"), expect(unreachable_pub, reason = "exported with the feature only"))]
pub fn agree(text: &str) -> Result<bool, String> {
    let Some(&chunk) = chunks(text, 0).first().filter(|chunk| !chunk.full) else { return Ok(false) };
    let arc: Arc<str> = text.into();
    let Some(quick) = read(&arc, chunk, true)? else { return Ok(false) };
    let full = read(&arc, chunk, false)?;
    match (quick.as_ref(), full.as_ref().and_then(Option::as_ref)) {
        (Some(quick), Some(full)) => {
            same(&Source::new(String::new(), text), quick.root(), full.root()).map(|()| true)
        }
        (None, None) => Ok(true),
        (None, Some(full)) if full.root().is_null() => Ok(true),
        (quick, full) => Err(format!(
            "quick {:?}, full {:?}: {text:?}",
            quick.map(Document::root),
            full.map(Document::root)
        )),
    }
}

/// The document as one parser reads it; nothing when the quick one declines.
fn read(text: &Arc<str>, chunk: Chunk, is_quick: bool) -> Result<Option<Option<Document>>, String> {
    let limits = Limits::default();
    let mut tree = TreeBuilder::new(SourceId(0), 0, Format::Yaml, Arc::clone(text));
    let stop = if is_quick {
        quick::parse(text, chunk.body, chunk.end, &mut Sink::new(&mut tree, &limits))
    } else {
        full::parse(text, chunk.start, chunk.end, &mut Sink::new(&mut tree, &limits))
    };
    match stop {
        Ok(()) => Ok(Some(tree.finish(0))),
        Err(Stop::Unusual | Stop::Refused { .. }) if is_quick => Ok(None),
        Err(stop) => Err(format!("only the quick parser takes {text:?}: {stop:?}")),
    }
}

fn same(source: &Source, quick: Node<'_>, full: Node<'_>) -> Result<(), String> {
    let line = |offset: u32| source.place(offset).line;
    let (a, b) = (quick.span(), full.span());
    let is_collection = matches!(quick.kind(), Kind::Sequence | Kind::Mapping);
    // The library lets some block sequences start behind their first dash.
    let starts = match quick.kind() {
        Kind::Null => true,
        Kind::Sequence => line(a.start) == line(b.start),
        _ => a.start == b.start,
    };
    let is_block = source.text.get(a.start as usize..).is_some_and(|text| text.starts_with(['|', '>']));
    let ends = is_collection || quick.is_null() || is_block || line(a.end) == line(b.end);
    let alike = quick.kind() == full.kind()
        && quick.len() == full.len()
        && (quick.is_null() || quick.text() == full.text());
    if !(starts && ends && alike) {
        return Err(format!("quick {quick:?} at {a:?}, full {full:?} at {b:?}: {:?}", source.text));
    }
    for (quick, full) in quick.items().zip(full.items()) {
        same(source, quick, full)?;
    }
    for ((key, quick), (full_key, full)) in quick.entries().zip(full.entries()) {
        same(source, key, full_key)?;
        same(source, quick, full)?;
    }
    Ok(())
}
