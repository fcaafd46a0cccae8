//! The writer: journal first, then key table, events and index.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs::{self, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nightlatch_asset::{Observation, Record};
use nightlatch_store::{Ingested, Snapshot, StoreError};
use tantivy::{IndexWriter, Searcher, TantivyDocument};

use crate::{
    Options,
    failure::{engine_error, io_error},
    history::{EVENT_BYTES, History},
    journal::Journal,
    keys::{Committed, Keys, Newest},
    late::{self, Fresh, Late},
    lock::{Lock, Purpose},
    manifest::{self, Manifest},
    migrate,
    moment::{Caches, FIRST_OID, Ingredients, Moment, Part},
    partition::{self, FOLDER, Partition, Week},
    plan::{Outcome, Plan, encode_frame, join_frame, split_frame},
    schema::LAYOUT,
    stored,
};

/// Names of the files in the data directory.
const JOURNAL: &str = "JOURNAL";
const KEYS: &str = "keys.redb";
/// The event file.
pub(crate) const EVENTS: &str = "events";

/// Partitions that hold a writer, and so memory and threads, at one time; documents of others wait for the commit.
const WRITERS_MAX: usize = 8;
/// Least memory the engine accepts for a writer.
const WRITER_BYTES_MIN: usize = 15_000_000;
/// How long writing is not tried again after it failed.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The state of the one writer of a directory.
pub(crate) struct Engine {
    directory: PathBuf,
    options: Options,
    journal: Journal,
    keys: Keys,
    committed: Committed,
    manifest: Manifest,
    /// All events, also those that are not committed.
    history: Arc<History>,
    /// Encoded events that are not committed.
    events: Vec<u8>,
    /// Documents that are not committed.
    pending: Vec<Pending>,
    /// The same documents, as repetitions are told by them.
    fresh: Fresh,
    /// The committed documents of every partition, once they were looked at; none while they are written.
    searchers: Option<Vec<(Week, Searcher)>>,
    next_oid: u64,
    endpoints: u64,
    batches: u64,
    partitions: BTreeMap<Week, Partition>,
    oldest_pending: Option<Instant>,
    failed: Option<(io::ErrorKind, String, PathBuf, Instant)>,
    caches: Caches,
    /// The last field, so that it is let go of last: whoever gets it finds everything closed.
    _lock: Lock,
}

/// A document that is in the journal only.
struct Pending {
    oid: u64,
    root: u64,
    first_seen: Timestamp,
    week: Week,
    /// Whether the writer of its partition has it.
    handed: bool,
    form: Vec<u8>,
}

impl Engine {
    pub(crate) fn open(directory: &Path, options: Options, purpose: Purpose) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(io_error("create", directory))?;
        let lock = Lock::take(directory, purpose)?;
        let manifest = match Manifest::read(directory) {
            Ok(manifest) => manifest,
            Err(StoreError::Absent { .. }) => Manifest { next_oid: FIRST_OID, ..Manifest::default() },
            Err(error) => return Err(error),
        };
        let (keys, mut committed) = Keys::open(&directory.join(KEYS))?;
        committed.next_oid = committed.next_oid.max(FIRST_OID);
        let history = History::load(&directory.join(EVENTS), committed.events)?;
        let mut frames = Vec::new();
        let journal = Journal::open(&directory.join(JOURNAL), |frame| {
            frames.push(frame.to_vec());
            Ok(())
        })?;
        let mut engine = Self {
            directory: directory.to_owned(),
            options,
            _lock: lock,
            journal,
            keys,
            committed,
            manifest,
            history: Arc::new(history),
            events: Vec::new(),
            pending: Vec::new(),
            fresh: Fresh::default(),
            searchers: None,
            next_oid: committed.next_oid,
            endpoints: committed.endpoints,
            batches: committed.batches,
            partitions: BTreeMap::new(),
            oldest_pending: None,
            failed: None,
            caches: Caches::default(),
        };
        engine.open_partitions()?;
        engine.replay(&frames)?;
        match engine.commit().and_then(|()| engine.write_manifest()) {
            // What was acknowledged can be read while the disk is full; writing is tried again later.
            Err(error @ StoreError::Io { .. }) => engine.remember(&error),
            done => done?,
        }
        Ok(engine)
    }

    fn open_partitions(&mut self) -> Result<(), StoreError> {
        let folder = self.directory.join(FOLDER);
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        migrate::recover(&self.directory)?;
        let mut weeks = self.manifest.partitions.clone();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let name = entry.map_err(io_error("list", &folder))?.file_name();
            weeks.extend(name.to_str().and_then(|name| name.parse::<Week>().ok()));
        }
        for week in weeks {
            self.partitions.insert(week, Partition::open(&self.directory, week)?);
        }
        Ok(())
    }

    /// Does again what was acknowledged and not committed.
    fn replay(&mut self, frames: &[Vec<u8>]) -> Result<(), StoreError> {
        for frame in frames {
            let damaged = |what: &str| StoreError::Damaged {
                path: self.directory.join(JOURNAL),
                what: what.to_owned(),
            };
            let (number, forms) = split_frame(frame).ok_or_else(|| damaged("a frame makes no sense"))?;
            if number < self.committed.batches {
                continue;
            }
            if number != self.batches {
                return Err(damaged("a frame is missing"));
            }
            let batch: Vec<Observation> = forms
                .iter()
                .map(|form| stored::decode(form).map_err(|e| damaged(&e.to_string())))
                .collect::<Result<_, _>>()?;
            let plan = self.plan(&batch)?;
            let forms = forms.into_iter().map(<[u8]>::to_vec).collect();
            self.apply(plan, &batch, forms);
        }
        Ok(())
    }

    pub(crate) fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        self.check_health()?;
        let mut total = Ingested::default();
        let mut rest = batch;
        while !rest.is_empty() {
            let forms = encode_frame(rest);
            let (frame, after) = rest.split_at(forms.len().min(rest.len()));
            let ingested = self.ingest_frame(frame, forms)?;
            total.stored += ingested.stored;
            total.sightings += ingested.sightings;
            total.new_endpoints += ingested.new_endpoints;
            total.repeated += ingested.repeated;
            rest = after;
        }
        Ok(total)
    }

    fn ingest_frame(&mut self, batch: &[Observation], forms: Vec<Vec<u8>>) -> Result<Ingested, StoreError> {
        let plan = self.plan(batch)?;
        if let Err(error) = self.journal.append(&join_frame(self.batches, &forms)) {
            self.undo(plan);
            return Err(error);
        }
        let ingested = plan.ingested;
        self.apply(plan, batch, forms);
        // From here on the batch is acknowledged: what fails now is tried again and told to the next one.
        if self.is_due()
            && let Err(error) = self.commit()
        {
            self.remember(&error);
        }
        Ok(ingested)
    }

    /// Decides what each observation of a frame means, and notes it in the key table.
    fn plan(&mut self, batch: &[Observation]) -> Result<Plan, StoreError> {
        let mut plan = Plan { next_oid: self.next_oid, endpoints: self.endpoints, ..Plan::default() };
        for observation in batch {
            if let Err(error) = self.plan_one(observation, &mut plan) {
                self.undo(plan);
                return Err(error);
            }
        }
        Ok(plan)
    }

    fn plan_one(&mut self, observation: &Observation, plan: &mut Plan) -> Result<(), StoreError> {
        let endpoint = observation.endpoint();
        let content = late::content(observation);
        let known = self.keys.get(&endpoint)?;
        let late = |plan: &Plan, newest: &Newest| self.late(observation, content, plan, newest);
        let newest = plan.take(observation, content, known, late)?;
        plan.undo.push((endpoint, self.keys.uncommitted(&endpoint)));
        self.keys.put(endpoint, newest);
        if let Some(Outcome::Document { oid, .. }) = plan.outcomes.last() {
            self.fresh.add(endpoint, *oid, observation.time, content);
        }
        Ok(())
    }

    /// Forgets what was planned and is not journalled.
    fn undo(&mut self, plan: Plan) {
        for (endpoint, before) in plan.undo.into_iter().rev() {
            self.keys.restore(endpoint, before);
            self.fresh.forget(&endpoint, self.next_oid);
        }
    }

    /// What an observation means that is not newer than everything known of its endpoint.
    fn late(
        &mut self,
        observation: &Observation,
        content: u64,
        plan: &Plan,
        newest: &Newest,
    ) -> Result<Late, StoreError> {
        let history = self.history.clone();
        let last_seen = |oid: u64| plan.last_seen(oid).max(history.seen(oid).map(|seen| seen.last));
        let mut told = self.fresh.of(&observation.endpoint(), last_seen);
        let end = self.committed.next_oid;
        let folder = self.directory.join(FOLDER);
        for (_, searcher) in self.searchers()? {
            late::committed(searcher, observation, newest.root, end, last_seen, &mut told)
                .map_err(engine_error(&folder))?;
        }
        late::decide(&told, observation.time, content).map_err(engine_error(&folder))
    }

    /// The committed documents, kept until more are committed: to look at the disk for each observation of
    /// an old file would take longer than to store it.
    fn searchers(&mut self) -> Result<&[(Week, Searcher)], StoreError> {
        let searchers = match self.searchers.take() {
            Some(known) => known,
            None => {
                let opened = self.partitions.iter_mut();
                opened
                    .map(|(week, partition)| Ok((*week, partition.searcher()?)))
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(self.searchers.insert(searchers))
    }

    /// Makes a journalled frame part of the state. Cannot fail: it is acknowledged.
    fn apply(&mut self, plan: Plan, batch: &[Observation], forms: Vec<Vec<u8>>) {
        let history = Arc::make_mut(&mut self.history);
        for event in &plan.events {
            event.encode(&mut self.events);
            history.apply(*event);
        }
        for ((outcome, observation), form) in plan.outcomes.into_iter().zip(batch).zip(forms) {
            if let Outcome::Document { oid, root, first_seen } = outcome {
                let week = Week::of(observation.time);
                let mut pending = Pending { oid, root, first_seen, week, handed: false, form };
                if self.failed.is_none() {
                    match self.index(&pending, observation.clone()) {
                        Ok(handed) => pending.handed = handed,
                        Err(error) => self.remember(&error),
                    }
                }
                self.pending.push(pending);
            }
        }
        self.next_oid = plan.next_oid;
        self.endpoints = plan.endpoints;
        self.batches += 1;
        self.oldest_pending.get_or_insert_with(Instant::now);
    }

    /// Hands a document to the writer of its partition; false when it has none and there are enough already.
    fn index(&mut self, pending: &Pending, observation: Observation) -> Result<bool, StoreError> {
        let writing = self.partitions.values().filter(|p| p.is_writing()).count();
        let partition = self.partition(pending.week)?;
        if !partition.is_writing() && writing >= WRITERS_MAX {
            return Ok(false);
        }
        let memory = self.writer_bytes();
        let document = document(pending, observation);
        self.partition(pending.week)?.add(pending.oid, document, memory)?;
        Ok(true)
    }

    fn partition(&mut self, week: Week) -> Result<&mut Partition, StoreError> {
        match self.partitions.entry(week) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(vacant) => Ok(vacant.insert(Partition::open(&self.directory, week)?)),
        }
    }

    /// Indexes what [`Engine::index`] would not take, one partition after the other.
    fn index_deferred(&mut self) -> Result<(), StoreError> {
        let mut by_week: BTreeMap<Week, Vec<usize>> = BTreeMap::new();
        for (at, pending) in self.pending.iter().enumerate().filter(|(_, pending)| !pending.handed) {
            by_week.entry(pending.week).or_default().push(at);
        }
        let memory = self.writer_bytes();
        for (week, documents) in by_week {
            let Some(partition) = self.partitions.get_mut(&week) else { continue };
            for at in documents {
                let Some(pending) = self.pending.get(at) else { continue };
                let observation =
                    stored::decode(&pending.form).map_err(|e| StoreError::Engine(e.to_string()))?;
                partition.add(pending.oid, document(pending, observation), memory)?;
            }
            partition.commit(self.next_oid)?;
            partition.rest()?;
        }
        Ok(())
    }

    fn writer_bytes(&self) -> usize {
        let writing = self.partitions.values().filter(|p| p.is_writing()).count();
        (self.options.memory_bytes / (writing + 1)).max(WRITER_BYTES_MIN)
    }

    fn is_due(&self) -> bool {
        self.pending.len() >= self.options.commit_documents
            || self.journal.length() >= self.options.commit_journal_bytes
            || self.oldest_pending.is_some_and(|since| since.elapsed() >= self.options.commit_age)
    }

    /// Commits what has waited long enough.
    pub(crate) fn commit_if_old(&mut self) {
        let old = self.oldest_pending.is_some_and(|since| since.elapsed() >= self.options.commit_age);
        if old
            && self.check_health().is_ok()
            && let Err(error) = self.commit()
        {
            self.remember(&error);
        }
    }

    /// Puts everything acknowledged into the index, where other processes see it.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        // Whoever holds segments keeps their files from being removed after a merge.
        self.searchers = None;
        if self.failed.is_some() {
            self.index_again()?;
        }
        if self.batches == self.committed.batches {
            if self.journal.length() > 0 {
                // Committed, but an error came before the rest was done.
                self.write_manifest()?;
                self.journal.cut(0)?;
            }
            return Ok(());
        }
        self.append_events()?;
        self.index_deferred()?;
        let crowded = self.partitions.values().filter(|p| p.is_writing()).count() >= WRITERS_MAX;
        for partition in self.partitions.values_mut() {
            if !partition.commit(self.next_oid)? && crowded {
                // Nothing came for it, and others wait for a writer.
                partition.rest()?;
            }
        }
        let committed = Committed {
            next_oid: self.next_oid,
            events: self.history.events(),
            batches: self.batches,
            endpoints: self.endpoints,
        };
        self.keys.commit(&committed)?;
        self.settle(committed);
        self.write_manifest()?;
        self.journal.cut(0)
    }

    /// Forgets what is committed.
    fn settle(&mut self, committed: Committed) {
        self.committed = committed;
        self.events.clear();
        self.pending.clear();
        self.fresh.clear();
        self.oldest_pending = None;
    }

    fn append_events(&self) -> Result<(), StoreError> {
        let path = self.directory.join(EVENTS);
        let start = self.committed.events * EVENT_BYTES as u64;
        if self.events.is_empty() {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            file.set_len(start)?;
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&self.events)?;
            file.sync_data()
        };
        write().map_err(io_error("append to", &path))
    }

    fn write_manifest(&mut self) -> Result<(), StoreError> {
        let manifest = Manifest {
            next_oid: self.committed.next_oid,
            events: self.committed.events,
            endpoints: self.committed.endpoints,
            partitions: self.partitions.keys().copied().collect::<BTreeSet<_>>(),
        };
        if manifest != self.manifest || !self.directory.join(manifest::NAME).exists() {
            manifest.write(&self.directory)?;
            self.manifest = manifest;
        }
        Ok(())
    }

    /// After a failure: new writers, and every document that is not committed once more.
    fn index_again(&mut self) -> Result<(), StoreError> {
        let committed = self.keys.reopen()?;
        if committed.batches == self.batches {
            // The commit that failed was written after all.
            self.settle(committed);
        }
        self.partitions.values_mut().for_each(Partition::abandon);
        let mut pending = std::mem::take(&mut self.pending);
        let mut result = Ok(());
        for document in &mut pending {
            let observation = stored::decode(&document.form).map_err(|e| StoreError::Engine(e.to_string()));
            match observation.and_then(|observation| self.index(document, observation)) {
                Ok(handed) => document.handed = handed,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.pending = pending;
        if result.is_ok() {
            self.failed = None;
        }
        result
    }

    fn remember(&mut self, error: &StoreError) {
        let (kind, path, what) = match error {
            // What was tried on which file is said again when the error is.
            StoreError::Io { source, path, .. } => (source.kind(), path.clone(), source.to_string()),
            _ => (io::ErrorKind::Other, self.directory.clone(), error.to_string()),
        };
        self.failed = Some((kind, what, path, Instant::now()));
    }

    /// Tries to write again what could not be written, and says why not.
    fn check_health(&mut self) -> Result<(), StoreError> {
        let Some((kind, what, path, when)) = &self.failed else { return Ok(()) };
        if when.elapsed() < RETRY_AFTER {
            let source = io::Error::new(*kind, what.clone());
            return Err(StoreError::Io { what: "write", path: path.clone(), source });
        }
        let result = self.commit();
        if let Err(error) = &result {
            self.remember(error);
        }
        result
    }

    pub(crate) fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        let mut parts = Vec::new();
        let committed = match self.failed {
            Some(_) => false,
            None => match self.commit() {
                Ok(()) => true,
                Err(error) => {
                    self.remember(&error);
                    false
                }
            },
        };
        for (week, partition) in &mut self.partitions {
            parts.push(Part { week: Some(*week), searcher: partition.searcher()? });
        }
        if !committed && !self.pending.is_empty() {
            parts.push(self.pending_part()?);
        }
        Ok(Box::new(Moment::new(Ingredients {
            path: self.directory.clone(),
            parts,
            history: self.history.clone(),
            next_oid: self.next_oid,
            written: self.committed.next_oid,
            endpoints: self.endpoints,
            caches: self.caches.clone(),
        })))
    }

    /// What cannot be written, as an index in memory: it is acknowledged, so it must be found.
    fn pending_part(&self) -> Result<Part, StoreError> {
        let index = partition::in_memory()?;
        let fail = || engine_error(Path::new("memory"));
        let mut writer: IndexWriter = index
            .writer_with_num_threads(1, self.options.memory_bytes.max(WRITER_BYTES_MIN))
            .map_err(fail())?;
        for pending in self.pending.iter().filter(|p| p.oid >= self.committed.next_oid) {
            let observation = stored::decode(&pending.form).map_err(|e| StoreError::Engine(e.to_string()))?;
            writer.add_document(document(pending, observation)).map_err(fail())?;
        }
        writer.commit().map_err(fail())?;
        let reader = partition::reader(Path::new("memory"), &index)?;
        Ok(Part { week: None, searcher: reader.searcher() })
    }

    /// Commits, merges what is worth it and lets go of everything.
    pub(crate) fn close(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        let newest = self.partitions.keys().next_back().copied();
        for (week, partition) in &mut self.partitions {
            let was_written = partition.is_writing();
            partition.rest()?;
            if was_written && Some(*week) != newest {
                partition.merge_all(self.options.memory_bytes)?;
            }
        }
        self.keys.compact()
    }

    /// Merges every partition into one segment, where that is not too large.
    pub(crate) fn merge_all(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        for partition in self.partitions.values_mut() {
            partition.merge_all(self.options.memory_bytes)?;
        }
        self.keys.compact()
    }
}

/// Finishes what a writer acknowledged and did not commit before it was killed; nothing to do while one lives.
pub(crate) fn finish(directory: &Path) -> Result<(), StoreError> {
    let left = fs::metadata(directory.join(JOURNAL)).is_ok_and(|journal| journal.len() > 0);
    if !left {
        return Ok(());
    }
    match Engine::open(directory, Options::default(), Purpose::Finish) {
        // Merging is left to the next writer: who asks a question waits for this.
        Ok(mut engine) => engine.commit(),
        Err(StoreError::Locked { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn document(pending: &Pending, observation: Observation) -> TantivyDocument {
    let record = Record {
        id: pending.oid,
        first_seen: pending.first_seen,
        last_seen: observation.time,
        times_seen: 1,
        latest: true,
        observation,
    };
    LAYOUT.document(&record, pending.root, &pending.form)
}
