use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use nightlatch_asset::{RunId, nearest};
use nightlatch_scope::{ORDER_VERSION, Refused, Scope, TargetSet};

use crate::{Plan, RunRecord, State, SweepRecord, checkpoint::CheckpointFile, ledger::Marks, scan_log};

/// Folder of all runs inside the data directory, and the files of one run.
const RUNS: &str = "runs";
const RECORD: &str = "run.json";
const TARGETS: &str = "targets.json";
const DONE: &str = "done";
const LOCK: &str = "lock";

/// Largest `run.json` and `targets.json` that are read, in bytes.
const RECORD_BYTES_MAX: u64 = 64 << 20;
const TARGETS_BYTES_MAX: u64 = 1 << 30;
/// Runs that would get one name: as many as fit into the suffix.
const NAMES_MAX: u32 = 1 << 16;

/// Who asked for what; goes into the record of the run.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The command line, word by word.
    pub command: Vec<String>,
    /// The targets as they were asked for.
    pub asked: Vec<String>,
    /// Who scans.
    pub user: String,
    /// Most connections a second, whole scan; absent means no bound.
    pub rate_pps: Option<u32>,
    /// Most connections a second to one network; absent means no bound.
    pub rate_per_network_pps: Option<u32>,
    /// How discovery by raw packets is set; absent where endpoints are connected to.
    pub sweep: Option<SweepRecord>,
}

/// Why a run cannot be begun, resumed or listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// No such run.
    #[error("there is no run `{id}` in {data}{hint}", data = data.display())]
    Unknown {
        /// What was asked for.
        id: String,
        /// The data directory.
        data: PathBuf,
        /// The nearest name, as a sentence; empty when there is none.
        hint: String,
    },
    /// A process is at it.
    #[error("run `{id}` is being worked on by process {pid}")]
    Busy {
        /// The run.
        id: RunId,
        /// The process, 0 when it could not be read.
        pid: u32,
    },
    /// There is nothing left to do.
    #[error("run `{id}` is finished; there is nothing left to ask")]
    Finished {
        /// The run.
        id: RunId,
    },
    /// The run was written by a newer version.
    #[error("{path} has format {found}, this version reads formats up to {known}; use a newer nightlatch", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Newest format known.
        known: u32,
    },
    /// A file of the run does not hold together.
    #[error("{path} is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The scope no longer allows the targets.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The operating system refused.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// The operation, such as `write`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io { what, path: path.to_owned(), source }
}

/// What a run leaves on disk, in `runs/<run>/` of the data directory: `run.json`, `targets.json`, the
/// checkpoint `done`, and `lock`, held while a process is at it.
///
/// What is done is written as soon as the store has acknowledged it, and at least ten times a second for the
/// rest. After a `kill -9`, at worst that tenth of a second and what was in flight is asked again; nothing is
/// lost.
#[derive(Debug)]
pub struct Journal {
    data: PathBuf,
    folder: PathBuf,
    record: RunRecord,
    pub(crate) checkpoint: Option<CheckpointFile>,
    pub(crate) marks: Option<Marks>,
    /// Unlocked when the journal is dropped, or the process dies.
    _lock: File,
}

impl Journal {
    /// Begins a run: makes its folder and writes the scan log, before anything is sent.
    ///
    /// # Errors
    /// When the data directory cannot be written to.
    pub fn create(data: &Path, plan: &Plan, start: Start, now: Timestamp) -> Result<Self, JournalError> {
        let (id, folder) = make_folder(data, now)?;
        let begun = Self::begin(data, &folder, id, plan, start, now);
        if begun.is_err() {
            // A run that never began is no run: half of one would be listed as damaged for ever.
            // That it cannot be removed either is not what the user has to know.
            let _ = fs::remove_dir_all(&folder);
        }
        begun
    }

    fn begin(
        data: &Path,
        folder: &Path,
        id: RunId,
        plan: &Plan,
        start: Start,
        now: Timestamp,
    ) -> Result<Self, JournalError> {
        let lock = take_lock(folder, &id)?;
        let targets = serde_json::to_vec(plan.targets.as_ref())
            .map_err(|error| io_error("write", &folder.join(TARGETS))(error.into()))?;
        write_whole(&folder.join(TARGETS), &targets)?;
        let asked_more = start.asked.len().saturating_sub(RunRecord::ASKED_MAX) as u64;
        let mut asked = start.asked;
        asked.truncate(RunRecord::ASKED_MAX);
        let record = RunRecord {
            format: RunRecord::FORMAT,
            id,
            command: start.command,
            asked,
            asked_more,
            ports: plan.targets.ports().to_string(),
            endpoints: plan.targets.len(),
            targets_crc32: crc32fast::hash(&targets),
            seed: plan.seed,
            order: ORDER_VERSION,
            scope_path: plan.scope.path().map(Path::to_owned),
            scope_digest: plan.scope.digest().to_owned(),
            contact: plan.scope.contact().map(str::to_owned),
            user: start.user,
            rate_pps: start.rate_pps,
            rate_per_network_pps: start.rate_per_network_pps,
            sweep: start.sweep,
            started: now,
            resumed: Vec::new(),
            ended: None,
            state: State::Running,
            failure: None,
            tally: Default::default(),
            observations: 0,
            worst: None,
        };
        let (checkpoint, marks) =
            CheckpointFile::open(&folder.join(DONE)).map_err(io_error("open", &folder.join(DONE)))?;
        let folder = folder.to_owned();
        let journal =
            Self { data: data.to_owned(), folder, record, checkpoint: Some(checkpoint), marks, _lock: lock };
        journal.write_record()?;
        scan_log::begin(data, "start", &journal.record, &plan.targets, now)
            .map_err(io_error("write", &data.join(scan_log::SCAN_LOG)))?;
        Ok(journal)
    }

    /// Takes up a run that was stopped, failed or was killed. Gives back its plan, with the usual limits.
    ///
    /// Addresses the scope has excluded since are left out; they count as refused.
    ///
    /// # Errors
    /// When there is no such run, another process is at it, it is finished, or the scope no longer allows it.
    pub fn resume(
        data: &Path,
        id: &RunId,
        scope: Arc<Scope>,
        now: Timestamp,
    ) -> Result<(Self, Plan), JournalError> {
        let folder = find_folder(data, id)?;
        let lock = take_lock(&folder, id)?;
        let mut record = read_record(&folder)?;
        if record.state == State::Finished {
            return Err(JournalError::Finished { id: record.id });
        }
        let targets = read_targets(&folder, &record)?;
        scope.admit(&targets)?;
        let done = folder.join(DONE);
        let (checkpoint, marks) = CheckpointFile::open(&done).map_err(io_error("open", &done))?;
        if let Some(total) = marks.as_ref().map(|marks| marks.total).filter(|total| *total != targets.len()) {
            let what = format!("it is about {total} endpoints, the run has {}", targets.len());
            return Err(JournalError::Damaged { path: done, what });
        }
        record.resumed.push(now);
        record.ended = None;
        record.failure = None;
        record.state = State::Running;
        record.scope_path = scope.path().map(Path::to_owned);
        record.scope_digest = scope.digest().to_owned();
        let journal =
            Self { data: data.to_owned(), folder, record, checkpoint: Some(checkpoint), marks, _lock: lock };
        journal.write_record()?;
        scan_log::begin(data, "resume", &journal.record, &targets, now)
            .map_err(io_error("write", &data.join(scan_log::SCAN_LOG)))?;
        let plan = Plan::new(Arc::new(targets), scope, journal.record.seed);
        Ok((journal, plan))
    }

    /// The run's name.
    pub fn id(&self) -> &RunId {
        &self.record.id
    }

    /// What is on record.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Writes how the run ended, in its record and in the scan log.
    pub(crate) fn finish(
        mut self,
        now: Timestamp,
        connections: u64,
        settle: impl FnOnce(&mut RunRecord),
    ) -> Result<RunRecord, JournalError> {
        settle(&mut self.record);
        self.record.ended = Some(now);
        self.write_record()?;
        scan_log::end(&self.data, &self.record, connections, now)
            .map_err(io_error("write", &self.data.join(scan_log::SCAN_LOG)))?;
        Ok(self.record)
    }

    fn write_record(&self) -> Result<(), JournalError> {
        let path = self.folder.join(RECORD);
        let text = nightlatch_untrusted::json::to_string(&self.record)
            .map_err(|error| io_error("write", &path)(error.into()))?;
        write_whole(&path, text.as_bytes())
    }
}

/// A run as it is listed.
#[derive(Debug)]
pub struct ListedRun {
    /// Its folder's name.
    pub id: RunId,
    /// Its record, with `interrupted` where the process died; or why it cannot be read.
    pub record: Result<RunRecord, JournalError>,
}

/// All runs of a data directory, oldest first. None when the directory does not exist.
///
/// # Errors
/// When the folder of runs cannot be read; a single damaged run is listed as such.
pub fn runs(data: &Path) -> Result<Vec<ListedRun>, JournalError> {
    let folder = data.join(RUNS);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &folder)(error)),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("read", &folder))?;
        if let Some(id) = entry.file_name().to_str().filter(|_| entry.path().is_dir()) {
            let record = read_record(&entry.path()).map(|record| settled(&entry.path(), record));
            listed.push(ListedRun { id: RunId(id.to_owned()), record });
        }
    }
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(listed)
}

/// The names of all runs of a data directory, oldest first. None when the directory does not exist.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn run_names(data: &Path) -> Result<Vec<RunId>, JournalError> {
    let folder = data.join(RUNS);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(io_error("read", &folder))?.file_name();
        names.extend(name.into_string().ok().map(RunId));
    }
    names.sort();
    Ok(names)
}

/// One run, as [`runs`] lists it.
///
/// # Errors
/// [`JournalError::Unknown`] when there is none of that name, or why it cannot be read.
pub fn run(data: &Path, id: &RunId) -> Result<RunRecord, JournalError> {
    let folder = find_folder(data, id)?;
    read_record(&folder).map(|record| settled(&folder, record))
}

/// A record that says `running` is believed only while somebody holds the lock.
fn settled(folder: &Path, mut record: RunRecord) -> RunRecord {
    if record.state == State::Running {
        let lock = File::open(folder.join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock_shared().is_ok()) {
            record.state = State::Interrupted;
            // The checkpoint knows more than the record, which was written at the start.
            if let Ok(Some(marks)) = CheckpointFile::read(&folder.join(DONE)) {
                record.tally = marks.tally;
            }
        }
    }
    record
}

/// Makes a folder with a name that sorts by time: the second, and the 65,536th of it, in hexadecimal.
fn make_folder(data: &Path, now: Timestamp) -> Result<(RunId, PathBuf), JournalError> {
    let runs = data.join(RUNS);
    fs::create_dir_all(&runs).map_err(io_error("make", &runs))?;
    let fraction =
        u64::try_from(now.subsec_nanosecond()).unwrap_or_default() * u64::from(NAMES_MAX) / 1_000_000_000;
    let second = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut last = None;
    for suffix in u32::try_from(fraction).unwrap_or_default()..NAMES_MAX {
        let id = RunId(format!("{second}-{suffix:04x}"));
        let folder = runs.join(&id.0);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok((id, folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(io_error("make", &folder)(error)),
        }
    }
    Err(io_error("make", &runs)(last.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into())))
}

fn find_folder(data: &Path, id: &RunId) -> Result<PathBuf, JournalError> {
    let folder = data.join(RUNS).join(&id.0);
    // A name with a slash or dots would lead out of the folder of runs.
    let plain = !id.0.is_empty() && id.0.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain && folder.is_dir() {
        return Ok(folder);
    }
    let known = runs(data)?;
    let near = nearest(&id.0, known.iter().map(|run| run.id.0.as_str()));
    let hint = match (near, known.last()) {
        (Some(name), _) => format!("; did you mean `{name}`?"),
        (None, Some(last)) => format!("; the last one is `{}`", last.id),
        (None, None) => "; there are no runs yet".to_owned(),
    };
    let shown = nightlatch_untrusted::terminal_cut(&id.0, 60);
    Err(JournalError::Unknown { id: shown, data: data.to_owned(), hint })
}

/// Locks the run for this process; another that only lists it may hold the lock for a moment.
fn take_lock(folder: &Path, id: &RunId) -> Result<File, JournalError> {
    const ATTEMPTS: u32 = 5;
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_error("open", &path))?;
    for _ in 0..ATTEMPTS {
        match file.try_lock() {
            Ok(()) => {
                let pid = std::process::id().to_string();
                file.set_len(0)
                    .and_then(|()| file.write_all(pid.as_bytes()))
                    .map_err(io_error("write", &path))?;
                return Ok(file);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
        }
    }
    let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default();
    Err(JournalError::Busy { id: id.clone(), pid })
}

fn read_record(folder: &Path) -> Result<RunRecord, JournalError> {
    let path = folder.join(RECORD);
    let bytes = read_bounded(&path, RECORD_BYTES_MAX)?;
    let damaged = |what: String| JournalError::Damaged { path: path.clone(), what };
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let found = u32::try_from(format).unwrap_or(u32::MAX);
    if found > RunRecord::FORMAT {
        return Err(JournalError::Newer { path, found, known: RunRecord::FORMAT });
    }
    serde_json::from_value(value).map_err(|error| damaged(error.to_string()))
}

fn read_targets(folder: &Path, record: &RunRecord) -> Result<TargetSet, JournalError> {
    let path = folder.join(TARGETS);
    if record.order != ORDER_VERSION {
        let what = format!("its order has version {}, this version knows {ORDER_VERSION}", record.order);
        return Err(JournalError::Damaged { path: folder.join(RECORD), what });
    }
    let bytes = read_bounded(&path, TARGETS_BYTES_MAX)?;
    if crc32fast::hash(&bytes) != record.targets_crc32 {
        return Err(JournalError::Damaged { path, what: "it was changed since the run began".to_owned() });
    }
    let targets: TargetSet = serde_json::from_slice(&bytes)
        .map_err(|error| JournalError::Damaged { path: path.clone(), what: error.to_string() })?;
    if targets.len() != record.endpoints {
        let what = format!("it comes to {} endpoints, the run has {}", targets.len(), record.endpoints);
        return Err(JournalError::Damaged { path, what });
    }
    Ok(targets)
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, JournalError> {
    let size = fs::metadata(path).map_err(io_error("read", path))?.len();
    if size > bytes_max {
        let what = format!("it has {size} bytes, more than {bytes_max}");
        return Err(JournalError::Damaged { path: path.to_owned(), what });
    }
    fs::read(path).map_err(io_error("read", path))
}

/// Writes a file so that there is always either the old one or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error("write", &beside))?;
    fs::rename(&beside, path).map_err(io_error("write", path))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("flush", folder))
}
