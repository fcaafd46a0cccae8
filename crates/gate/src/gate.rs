use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use nightlatch_app::App;
use tokio::sync::{Semaphore, watch};

use crate::{
    Caller, GateError, Refused, Settings, bucket::Buckets, credential::LARGE_FORMS, host::Hosts,
    keyring::Keyring, metrics::Metrics, network::Source, stream::Streams, tls::Certificate,
};

/// Writes lines of metrics in the text format of Prometheus.
pub type Collector = Box<dyn Fn(&mut String) + Send + Sync>;

/// The door: who may come in, how often, and what is noted about it.
///
/// A room composes its router with [`Gate::api`], [`Gate::pages`] or [`Gate::open`]; the binary merges them and hands
/// the whole to [`crate::Bound::serve`], which adds what every answer has: health, metrics, log, security headers.
pub struct Gate {
    pub(crate) app: Arc<App>,
    pub(crate) settings: Settings,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hosts: Hosts,
    pub(crate) streams: Streams,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) certificate: OnceLock<Arc<Certificate>>,
    pub(crate) collectors: Mutex<Vec<Collector>>,
    /// When readiness was last looked at, and what it was.
    pub(crate) ready: Arc<tokio::sync::Mutex<Option<(Instant, bool)>>>,
    pub(crate) large_forms: Semaphore,
    by_key: Buckets<String>,
    by_source: Buckets<Source>,
}

impl Gate {
    /// The door of a server. Listens nowhere yet: see [`crate::bind`].
    ///
    /// # Errors
    /// When the settings cannot be obeyed.
    pub fn new(app: Arc<App>, settings: Settings) -> Result<Arc<Self>, GateError> {
        settings.check()?;
        let metrics = Arc::new(Metrics::default());
        Ok(Arc::new(Self {
            keyring: Arc::new(Keyring::new(app.clone(), metrics.clone())?),
            app,
            hosts: Hosts::new(&settings),
            settings,
            metrics,
            streams: Streams::default(),
            stopping: watch::Sender::new(false),
            certificate: OnceLock::new(),
            collectors: Mutex::default(),
            ready: Arc::default(),
            large_forms: Semaphore::new(LARGE_FORMS),
            by_key: Buckets::new(),
            by_source: Buckets::new(),
        }))
    }

    /// What the server knows.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// What it obeys.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Adds something that writes metrics whenever they are asked for. It may block for milliseconds.
    pub fn add_collector(&self, collector: Collector) {
        self.collectors.lock().unwrap_or_else(PoisonError::into_inner).push(collector);
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when the server stops.
    pub async fn stopped(&self) {
        // The sender lives as long as the gate: the wait cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    pub(crate) fn take_of_key(&self, caller: &Caller) -> Result<(), Refused> {
        let per_minute = caller.key.requests_per_minute.unwrap_or(self.settings.requests_per_minute);
        let taken = self.by_key.take(caller.key.id.clone(), per_minute, Instant::now());
        taken.map_err(|retry_after| Refused::TooFast { per_minute, retry_after })
    }

    pub(crate) fn take_of_stranger(&self, source: std::net::IpAddr) -> Result<(), Refused> {
        let per_minute = self.settings.strangers_per_minute;
        let taken = self.by_source.take(source.into(), per_minute, Instant::now());
        taken.map_err(|retry_after| Refused::TooFast { per_minute, retry_after })
    }

    /// Names in the server's own certificate.
    pub(crate) fn certificate_names(&self) -> Vec<String> {
        self.certificate.get().map(|own| own.current().names.clone()).unwrap_or_default()
    }
}
