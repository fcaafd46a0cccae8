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
pub use ports::port_names;
pub use request::{RunSpec, TARGETS_MAX};
pub(crate) use runs::SERVE;
pub use runs::{Ended, LiveRun, Origin, Phase};
pub use schedule::{Blackout, Every, Schedule, ScheduleStanding, ScheduleState};
pub use secret::secret;
pub use settings::{Settings, Watch};
pub use survey::{Look, Survey};
pub use watch::alert_banner;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
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
    enricher: Arc<Enricher>,
    settings: Settings,
    hub: Hub,
    walks: Walks,
    channels: Channels,
    runs: Runs,
    watchers: Watchers,
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
            enricher: Arc::new(parts.enricher),
            questions: Arc::new(Semaphore::new(parts.settings.questions_at_once.max(1))),
            settings: parts.settings,
            hub: Hub::default(),
            walks: Walks::default(),
            channels: parts.channels,
            runs,
            watchers: Watchers::default(),
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
