//! Use cases of the server: what REST, pages and commands decide alike.
//!
//! [`App`] holds what one process knows: the book of observations ([`App::snapshot`]), what is being observed at this
//! moment ([`App::hub`]), the control database ([`App::control`]), the scope, the fingerprints and the runs. It speaks
//! no HTTP and prints nothing.

mod archive;
mod background;
mod book;
mod deliver;
mod error;
mod hub;
mod names;
mod only;
mod ports;
pub mod private;
mod request;
mod runs;
mod schedule;
mod secret;
mod settings;
mod survey;
mod walk;
mod watch;

pub use archive::Archive;
pub use background::Background;
pub use book::{Book, SharedWriter};
pub use error::AppError;
pub use hub::{Hub, Live, Subscription};
pub use names::Names;
pub use only::OnlyServer;
pub use ports::port_names;
pub use request::{RunSpec, TARGETS_MAX, resolve_names};
pub(crate) use runs::SERVE;
pub use runs::{Ended, LISTED_ASKED_MAX, LiveRun, Origin, Phase};
pub use schedule::{Blackout, Every, Schedule, ScheduleStanding, ScheduleState};
pub use secret::secret;
pub use settings::{Settings, Watch};
pub use survey::{Look, Reins, Survey};
pub use watch::alert_banner;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
    time::SystemTime,
};

use jiff::Timestamp;
use nightlatch_control::Control;
use nightlatch_enrich::Enricher;
use nightlatch_fingerprint::Catalogue;
use nightlatch_notify::Channels;
use nightlatch_scope::Scope;
use nightlatch_store::{Snapshot, StoreError};
use tokio::sync::Semaphore;

use crate::{runs::Runs, walk::Walks, watch::Watchers};

/// Name of the scope file in the data directory, unless another was named.
const SCOPE_FILE: &str = "scope.toml";
/// Largest scope file that is read, in bytes.
const SCOPE_BYTES_MAX: u64 = 16 << 20;

/// What an [`App`] is made of.
pub struct Parts {
    /// The data directory.
    pub data: PathBuf,
    /// Where observations are kept.
    pub archive: Box<dyn Archive>,
    /// The control database.
    pub control: Control,
    /// The fingerprints.
    pub catalogue: Catalogue,
    /// What may be scanned.
    pub scope: Scope,
    /// Adds country, network, owner...
    pub enricher: Enricher,
    /// The ways to tell people.
    pub channels: Channels,
    /// How it works.
    pub settings: Settings,
}

/// What one process knows and does.
pub struct App {
    data: PathBuf,
    book: Book,
    control: Control,
    catalogue: Catalogue,
    scope: RwLock<Arc<Scope>>,
    /// The time of change of the scope file when it was last read.
    scope_read: Mutex<Option<SystemTime>>,
    enricher: Arc<Enricher>,
    settings: Settings,
    hub: Hub,
    walks: Walks,
    channels: Channels,
    runs: Runs,
    watchers: Watchers,
    unnoted: deliver::Unnoted,
    questions: Arc<Semaphore>,
    started: Timestamp,
}

impl App {
    /// Opens everything. Nothing runs in the background yet.
    ///
    /// # Errors
    /// When the observations cannot be opened.
    pub fn open(parts: Parts) -> Result<Arc<Self>, AppError> {
        let book = Book::open(parts.archive)?;
        let runs = Runs::new(parts.settings.watch.runs_at_once);
        Ok(Arc::new(Self {
            data: parts.data,
            book,
            control: parts.control,
            catalogue: parts.catalogue,
            scope: RwLock::new(Arc::new(parts.scope)),
            scope_read: Mutex::default(),
            enricher: Arc::new(parts.enricher),
            questions: Arc::new(Semaphore::new(parts.settings.questions_at_once.max(1))),
            settings: parts.settings,
            hub: Hub::default(),
            walks: Walks::default(),
            channels: parts.channels,
            runs,
            watchers: Watchers::default(),
            unnoted: deliver::Unnoted::default(),
            started: Timestamp::now(),
        }))
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The control database. Its methods block for milliseconds; on a busy path call them from [`App::blocking`].
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The fingerprints.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What may be scanned, as it is now.
    pub fn scope(&self) -> Arc<Scope> {
        self.scope.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Reads the scope file again when it was changed. One that cannot be read changes nothing: what was allowed stays
    /// allowed until somebody has mended the file. True when there is a new scope.
    ///
    /// # Errors
    /// [`AppError::World`] or [`AppError::Invalid`] with the reason; said once for each change of the file.
    pub fn reread_scope(&self) -> Result<bool, AppError> {
        let place = self.scope().path().map_or_else(|| self.data.join(SCOPE_FILE), Path::to_owned);
        let changed = match std::fs::metadata(&place).and_then(|file| file.modified()) {
            Ok(changed) => changed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(AppError::World(format!("cannot read {}: {error}", place.display()))),
        };
        let mut known = self.scope_read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *known == Some(changed) {
            return Ok(false);
        }
        *known = Some(changed);
        let unreadable = |error: std::io::Error| {
            AppError::World(format!("cannot read {}: {error}; the scope stays as it was", place.display()))
        };
        let mut text = String::new();
        let file = std::fs::File::open(&place).map_err(unreadable)?;
        std::io::Read::read_to_string(&mut std::io::Read::take(file, SCOPE_BYTES_MAX), &mut text)
            .map_err(unreadable)?;
        let scope = Scope::parse(&text, &place)
            .map_err(|error| AppError::Invalid(format!("{error}; the scope stays as it was")))?;
        let is_new = scope.digest() != self.scope().digest();
        if is_new {
            *self.scope.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(scope);
        }
        Ok(is_new)
    }

    /// Adds country, network, owner...
    pub fn enricher(&self) -> &Arc<Enricher> {
        &self.enricher
    }

    /// How it works.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is being observed at this moment.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The ways to tell people.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Observations and moments.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// When the process began to work.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Everything stored up to a moment ago, frozen. Never blocks.
    pub fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.book.snapshot()
    }

    /// The snapshot for one page of a walk: the first page takes the newest one, later pages of the same question by
    /// the same caller the one that the first page took, so pages neither repeat nor skip while a scan is writing.
    /// A walk that was not gone on with for a quarter of an hour begins anew.
    ///
    /// - `who`: the caller, such as the id of the key;
    /// - `question`: the query and all that changes the order of its results;
    /// - `first`: whether it is the first page.
    pub fn walk(&self, who: &str, question: &str, first: bool) -> Arc<dyn Snapshot> {
        self.walks.page(who, question, first, || self.snapshot())
    }

    /// Answers a question on a thread that may block; a few questions are answered at a time, the others wait.
    ///
    /// # Errors
    /// What `ask` reports, or [`AppError::Busy`] when the question waited too long to begin.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        self.ask_of(self.snapshot(), ask).await
    }

    /// As [`App::ask`], of a given moment.
    ///
    /// # Errors
    /// As [`App::ask`].
    pub async fn ask_of<T: Send + 'static>(
        &self,
        snapshot: Arc<dyn Snapshot>,
        ask: impl FnOnce(&dyn Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let patience = self.settings.question_patience;
        let permit = tokio::time::timeout(patience, self.questions.clone().acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(AppError::Busy)?;
        self.blocking(move || {
            let answer = ask(snapshot.as_ref());
            drop(permit);
            answer
        })
        .await?
        .map_err(AppError::from)
    }

    /// Runs something that blocks on a thread where it may.
    ///
    /// # Errors
    /// [`AppError::Bug`] when it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        tokio::task::spawn_blocking(work).await.map_err(|_| AppError::Bug)
    }
}
