//! One partition: the search index of the observations of one week.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, ISOWeekDate, Weekday},
    tz::TimeZone,
};
use nightlatch_store::StoreError;
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument,
    directory::MmapDirectory,
    index::{IndexSortByField, Order},
    indexer::{IndexWriterOptions, LogMergePolicy},
    store::{Compressor, ZstdCompressor},
};

use crate::{
    failure::{engine_error, io_error},
    migrate,
    readable_folder::ReadableFolder,
    schema::{LAYOUT, Layout, column},
    tokens::tokenizers,
};

/// Folder of the partitions in the data directory.
pub(crate) const FOLDER: &str = "part";
/// Uncompressed bytes of stored forms that are compressed together: larger is smaller on disk and slower to
/// read one record from.
const STORED_BLOCK_BYTES: usize = 64 << 10;
const STORED_COMPRESSION_LEVEL: i32 = 5;
/// Decompressed blocks kept for each segment.
const STORED_BLOCKS_CACHED: usize = 16;
/// Segments of a size that are merged at once.
const MERGED_SEGMENTS_MIN: usize = 8;
/// Segments with more documents are left alone until their week is over. Merging maps all that it reads, so
/// this bounds what the writer keeps resident: eight segments of a commit are about 120 MB.
const MERGED_DOCUMENTS_MAX: usize = 200_000;
/// The engine's own list of segments, replaced as a whole.
const SEGMENT_LIST: &str = "meta.json";
/// Coarsest clock of a file system that is reckoned with.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(2);
/// Documents up to which a partition is merged into one segment when it is closed for good.
const WHOLE_DOCUMENTS_MAX: u32 = 4_000_000;

/// A week that starts on Monday, UTC; counted from the week of 1970-01-01. Shown as ISO 8601 does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Week(pub(crate) i32);

/// Days from the Monday of week 0 to 1970-01-01, a Thursday.
const THURSDAY: i64 = 3;
const DAY_SECONDS: i64 = 86_400;

impl Week {
    /// The week of `time`.
    pub fn of(time: Timestamp) -> Self {
        let days = time.as_second().div_euclid(DAY_SECONDS);
        Self((days + THURSDAY).div_euclid(7) as i32)
    }

    /// First second of the week, in seconds since 1970.
    pub(crate) fn start(self) -> i64 {
        (i64::from(self.0) * 7 - THURSDAY) * DAY_SECONDS
    }

    /// First second of the next week.
    pub(crate) fn end(self) -> i64 {
        Self(self.0.saturating_add(1)).start()
    }

    fn thursday(self) -> Date {
        // The Thursday decides to which year a week belongs, and is inside the calendar whenever a time is.
        let days = (i64::from(self.0) * 7) as i32;
        Date::constant(1970, 1, 1).saturating_add(days.days())
    }
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let week = self.thursday().iso_week_date();
        write!(f, "{:04}-W{:02}", week.year(), week.week())
    }
}

/// Text that names no week.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no week, expected such as 2026-W38")]
pub struct NoWeek;

impl FromStr for Week {
    type Err = NoWeek;

    fn from_str(text: &str) -> Result<Self, NoWeek> {
        let (year, week) = text.rsplit_once("-W").ok_or(NoWeek)?;
        let (year, week) = (year.parse().map_err(|_| NoWeek)?, week.parse().map_err(|_| NoWeek)?);
        let thursday = ISOWeekDate::new(year, week, Weekday::Thursday).map_err(|_| NoWeek)?;
        let noon = thursday.date().at(12, 0, 0, 0).to_zoned(TimeZone::UTC).map_err(|_| NoWeek)?;
        let week = Self::of(noon.timestamp());
        if week.to_string() == text { Ok(week) } else { Err(NoWeek) }
    }
}

/// Opens the index of `week`, whatever its fields.
pub(crate) fn open_as_it_is(directory: &Path, week: Week) -> Result<(PathBuf, Index), StoreError> {
    let path = directory.join(FOLDER).join(week.to_string());
    let mapped =
        MmapDirectory::open(&path).map(|mapped| ReadableFolder::new(&path, mapped)).map_err(|e| {
            StoreError::Damaged { path: path.clone(), what: format!("partition cannot be opened: {e}") }
        })?;
    let mut index = Index::open(mapped).map_err(engine_error(&path))?;
    index.set_tokenizers(tokenizers());
    Ok((path, index))
}

/// Creates an empty index in the folder `path`.
pub(crate) fn create(path: &Path, layout: &Layout) -> Result<Index, StoreError> {
    let mapped = MmapDirectory::open(path).map_err(|e| engine_error(path)(e.into()))?;
    let builder =
        Index::builder().schema(layout.schema.clone()).settings(settings()).tokenizers(tokenizers());
    builder.open_or_create(mapped).map_err(engine_error(path))
}

/// Reads an index, by hand reloaded.
pub(crate) fn reader(path: &Path, index: &Index) -> Result<IndexReader, StoreError> {
    index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(STORED_BLOCKS_CACHED)
        .try_into()
        .map_err(engine_error(path))
}

/// Reads an index, and opens its segments again only when they are others.
pub(crate) struct FreshReader {
    path: PathBuf,
    reader: IndexReader,
    seen: Option<Stamp>,
    copied: bool,
}

/// When the list of segments was written, and how long it is.
type Stamp = (std::time::SystemTime, u64);

impl FreshReader {
    pub(crate) fn open(path: &Path, index: &Index) -> Result<Self, StoreError> {
        let seen = stamp(path);
        Ok(Self { path: path.to_owned(), reader: reader(path, index)?, seen, copied: false })
    }

    /// Opens the partition of `week` for reading; one of other fields as a copy in memory.
    pub(crate) fn of(directory: &Path, week: Week) -> Result<Self, StoreError> {
        let (path, index) = open_as_it_is(directory, week)?;
        if index.schema() == LAYOUT.schema {
            return Self::open(&path, &index);
        }
        let seen = stamp(&path);
        let copy = migrate::in_memory(&path, &index, &LAYOUT)?;
        Ok(Self { seen, copied: true, ..Self::open(&path, &copy)? })
    }

    /// Whether this reads a copy in memory of a partition that has changed since.
    pub(crate) fn is_outdated_copy(&self) -> bool {
        self.copied && stamp(&self.path) != self.seen
    }

    /// The segments committed by now.
    pub(crate) fn searcher(&mut self) -> Result<Searcher, StoreError> {
        // Looked at before reading: a list that is replaced meanwhile is read again next time.
        let now = stamp(&self.path);
        if !self.copied && (now.is_none() || now != self.seen || is_recent(now)) {
            self.reader.reload().map_err(engine_error(&self.path))?;
            self.seen = now;
        }
        Ok(self.reader.searcher())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path.join(SEGMENT_LIST)).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// Whether a list was written so shortly ago that one written after it could bear the same time.
fn is_recent(stamp: Option<Stamp>) -> bool {
    stamp.is_none_or(|(time, _)| time.elapsed().is_ok_and(|age| age < CLOCK_STEP_MAX))
}

/// An index in memory, for what cannot be written.
pub(crate) fn in_memory() -> Result<Index, StoreError> {
    let builder =
        Index::builder().schema(LAYOUT.schema.clone()).settings(settings()).tokenizers(tokenizers());
    builder.create_in_ram().map_err(engine_error(Path::new("memory")))
}

fn settings() -> IndexSettings {
    IndexSettings {
        sort_by_field: Some(IndexSortByField { field: column::KEY.to_owned(), order: Order::Asc }),
        docstore_compression: Compressor::Zstd(ZstdCompressor {
            compression_level: Some(STORED_COMPRESSION_LEVEL),
        }),
        docstore_blocksize: STORED_BLOCK_BYTES,
        ..IndexSettings::default()
    }
}

/// A partition as its one writer sees it.
pub(crate) struct Partition {
    path: PathBuf,
    index: Index,
    reader: FreshReader,
    writer: Option<IndexWriter>,
    /// Documents of this partition with a smaller id are in the committed index.
    durable: u64,
    dirty: bool,
}

impl Partition {
    /// Opens or creates the partition of `week`.
    pub(crate) fn open(directory: &Path, week: Week) -> Result<Self, StoreError> {
        let path = directory.join(FOLDER).join(week.to_string());
        fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        let mapped = MmapDirectory::open(&path).map_err(|e| engine_error(&path)(e.into()))?;
        if Index::exists(&mapped).map_err(|e| engine_error(&path)(e.into()))? {
            let (_, old) = open_as_it_is(directory, week)?;
            if old.schema() != LAYOUT.schema {
                migrate::on_disk(directory, week, &old, &LAYOUT)?;
            }
        }
        let index = create(&path, &LAYOUT)?;
        let payload = index.load_metas().map_err(engine_error(&path))?.payload;
        let durable = payload.and_then(|p| p.parse().ok()).unwrap_or(0);
        let reader = FreshReader::open(&path, &index)?;
        Ok(Self { path, index, reader, writer: None, durable, dirty: false })
    }

    /// Adds a document, unless it is there already from before a crash.
    pub(crate) fn add(
        &mut self,
        oid: u64,
        document: TantivyDocument,
        memory: usize,
    ) -> Result<(), StoreError> {
        if oid < self.durable {
            return Ok(());
        }
        self.dirty = true;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(writer(&self.path, &self.index, memory)?),
        };
        writer.add_document(document).map(drop).map_err(engine_error(&self.path))
    }

    /// Makes everything added durable; all later documents will have ids from `next_oid` on. Says whether
    /// there was anything.
    pub(crate) fn commit(&mut self, next_oid: u64) -> Result<bool, StoreError> {
        let Some(writer) = self.writer.as_mut().filter(|_| self.dirty) else { return Ok(false) };
        let fail = || engine_error(&self.path);
        let mut commit = writer.prepare_commit().map_err(fail())?;
        commit.set_payload(&next_oid.to_string());
        commit.commit().map_err(fail())?;
        self.durable = next_oid;
        self.dirty = false;
        Ok(true)
    }

    /// Drops the writer with all that it did not commit.
    pub(crate) fn abandon(&mut self) {
        self.writer = None;
        self.dirty = false;
        let payload = self.index.load_metas().ok().and_then(|metas| metas.payload);
        self.durable = payload.and_then(|p| p.parse().ok()).unwrap_or(self.durable);
    }

    /// Whether a writer holds memory and threads.
    pub(crate) fn is_writing(&self) -> bool {
        self.writer.is_some()
    }

    /// Waits for merges and lets go of memory and threads. Everything must be committed.
    pub(crate) fn rest(&mut self) -> Result<(), StoreError> {
        match self.writer.take() {
            Some(writer) => {
                writer.wait_merging_threads().map_err(engine_error(&self.path))?;
                self.reader.searcher().map(drop)
            }
            None => Ok(()),
        }
    }

    /// Merges everything into one segment, where that is not too large.
    pub(crate) fn merge_all(&mut self, memory: usize) -> Result<(), StoreError> {
        self.rest()?;
        let segments = self.index.searchable_segment_metas().map_err(engine_error(&self.path))?;
        let documents: u32 = segments.iter().fold(0, |sum, s| sum.saturating_add(s.max_doc()));
        if segments.len() < 2 || documents > WHOLE_DOCUMENTS_MAX {
            return Ok(());
        }
        let mut writer = writer(&self.path, &self.index, memory)?;
        let ids: Vec<_> = segments.iter().map(|segment| segment.id()).collect();
        // Files of segments that somebody holds are not collected.
        drop(segments);
        writer.merge(&ids).wait().map_err(engine_error(&self.path))?;
        self.reader.searcher()?;
        writer.garbage_collect_files().wait().map_err(engine_error(&self.path))?;
        writer.wait_merging_threads().map_err(engine_error(&self.path))
    }

    /// The committed documents.
    pub(crate) fn searcher(&mut self) -> Result<Searcher, StoreError> {
        self.reader.searcher()
    }
}

fn writer(path: &Path, index: &Index, memory: usize) -> Result<IndexWriter, StoreError> {
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(memory)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options).map_err(engine_error(path))?;
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(MERGED_SEGMENTS_MIN);
    policy.set_max_docs_before_merge(MERGED_DOCUMENTS_MAX);
    writer.set_merge_policy(Box::new(policy));
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_are_those_of_the_standard() {
        let check = |time: &str, week: &str| {
            assert_eq!(Week::of(time.parse().unwrap()).to_string(), week, "{time}");
            assert_eq!(week.parse(), Ok(Week::of(time.parse().unwrap())), "{week}");
        };
        check("2026-09-20T23:59:59Z", "2026-W38");
        check("2026-09-21T00:00:00Z", "2026-W39");
        check("2027-01-01T00:00:00Z", "2026-W53");
        check("1970-01-01T00:00:00Z", "1970-W01");
        check("1969-12-28T12:00:00Z", "1969-W52");
        check("2024-12-30T00:00:00Z", "2025-W01");
    }

    #[test]
    fn a_week_lasts_from_monday_to_monday() {
        let week: Week = "2026-W38".parse().unwrap();
        let monday: Timestamp = "2026-09-14T00:00:00Z".parse().unwrap();
        assert_eq!(week.start(), monday.as_second());
        assert_eq!(week.end() - week.start(), 7 * DAY_SECONDS);
    }

    #[test]
    fn the_ends_of_time_have_a_week_each() {
        for time in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let week = Week::of(time);
            assert!((week.start()..week.end()).contains(&time.as_second()));
            assert!(!week.to_string().contains('/'));
        }
    }

    #[test]
    fn other_text_names_no_week() {
        for text in ["", "2026-38", "2026-W54", "2026-W3", "x-W01", "../2026-W01"] {
            assert_eq!(text.parse::<Week>(), Err(NoWeek), "{text}");
        }
    }
}
