use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum, ValueHint};
use jiff::Timestamp;
use nightlatch_app::{App, Archive, Background, OnlyServer, Parts, private};
use nightlatch_control::{Control, KeySpec, Role};
use nightlatch_gate::{Gate, LogFormat};
use nightlatch_scope::Scope;
use nightlatch_store::{Snapshot, Store, StoreError};
use nightlatch_store_tantivy::{Options, Reader, TantivyStore};
use nightlatch_untrusted::terminal;

use super::scope::ScopeFile;
use crate::{catalogue, config::Config, exit::Exit, failure::Failure, say::say, session::Session};

/// Serve the pages, the API and the alerts, and scan on a schedule
///
/// One process on the data directory that the other commands use. It listens on 127.0.0.1:8420 unless nightlatch.toml
/// says otherwise, and asks for a key: the first start makes one and prints it, once.
///
/// Examples:
///   nightlatch serve
///   nightlatch key create --label 'the shodan command line' --role analyst
///   SHODAN_API_URL=http://127.0.0.1:8420 shodan search product:etcd
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Serve {
    /// Configuration file [default: nightlatch.toml in the data directory]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Address and port to listen on, in place of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// How the log on standard error looks [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    log: Option<Log>,
    #[command(flatten)]
    scope: ScopeFile,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Log {
    /// One JSON object a line, as OpenTelemetry names things
    Json,
    /// Lines for people
    Text,
}

impl Log {
    /// What was asked for, or what suits where the log goes.
    pub(super) fn or_usual(this: Option<Self>) -> LogFormat {
        match this {
            Some(Self::Json) => LogFormat::Json,
            Some(Self::Text) => LogFormat::Text,
            None if io::stderr().is_terminal() => LogFormat::Text,
            None => LogFormat::Json,
        }
    }
}

/// How soon what a run finds is to be seen.
const COMMIT_AGE: Duration = Duration::from_secs(2);

impl Serve {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let data = session.data_dir()?;
        private::make_dir(&data).map_err(|error| {
            Failure::from(error).while_doing(format!("cannot make the data directory {}", data.display()))
        })?;
        let path = self.config.clone().unwrap_or_else(|| Config::path(&data));
        let mut config = Config::read_file(&path, self.config.is_some())?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        let scope = self.scope.read(session)?;
        let ready = Ready::open(&data, config, scope)?;
        super::runtime()?.block_on(ready.serve(session, Log::or_usual(self.log)))
    }
}

/// A server that only has to begin.
pub(super) struct Ready {
    app: Arc<App>,
    gate: Arc<Gate>,
    /// Kept for as long as it serves.
    _only: OnlyServer,
}

impl Ready {
    /// Opens everything, so that what is wrong is said before anything runs.
    pub(super) fn open(data: &Path, config: Config, scope: Scope) -> Result<Self, Failure> {
        let catalogue = catalogue::embedded()?;
        let channels = super::config::check(&config, &scope, &catalogue)?;
        let enricher = config.enricher()?;
        let only = OnlyServer::take(data).map_err(|error| Failure::from_error(Exit::World, &error))?;
        let control = Control::open(data)?;
        let mut watch = config.watch;
        watch.public_url = config.server.public_url.clone();
        let settings = nightlatch_app::Settings {
            watch,
            schedules: config.schedule,
            resolver: config.names.resolver()?,
            ..nightlatch_app::Settings::default()
        };
        let archive = Box::new(Directory::new(data));
        let parts =
            Parts { data: data.to_owned(), archive, control, catalogue, scope, enricher, channels, settings };
        let app = App::open(parts).map_err(|error| Failure::from_error(Exit::World, &error))?;
        let gate = Gate::new(app.clone(), config.server)
            .map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        Ok(Self { app, gate, _only: only })
    }

    /// Listens until it is told to stop.
    pub(super) async fn serve(self, session: &Session, log_format: LogFormat) -> Result<Exit, Failure> {
        // A connection, a segment, a partition each need one; what the system allows is taken.
        nightlatch_netio::descriptor_budget()
            .map_err(|error| Failure::from(error).while_doing("cannot raise the limit on open files"))?;
        // Before it says that it listens: whoever reads that may tell it to stop.
        let stop = stop_signal();
        let bound = nightlatch_gate::bind(&self.gate)
            .await
            .map_err(|error| Failure::from_error(Exit::World, &error))?;
        let log = nightlatch_gate::init_logging(log_format)
            .map_err(|error| Failure::from_error(Exit::World, &error))?;
        let url = bound.url();
        // Only now: a server that could not listen has shown nobody a key, and must not have made the first one.
        if let Some(key) = first_key(self.app.control())? {
            show_first_key(&key).map_err(|error| {
                let failure = Failure::from_error(Exit::World, &error);
                failure
                    .while_doing("cannot show the first key")
                    .hint("make another: nightlatch key create --label admin --role admin")
            })?;
        }
        if session.chatty() {
            say(format_args!("listening on {}; log in with a key, Ctrl-C stops", terminal(&url)));
        }
        let background = Background::start(self.app.clone()).await;
        let router =
            nightlatch_api::router(&self.gate).merge(nightlatch_web::router(self.app.clone(), &self.gate));
        let served = bound.serve(router, stop).await;
        if session.chatty() {
            say("stopping: what runs is written down and goes on at the next start");
        }
        background.stop().await;
        drop(log);
        served.map_err(|error| Failure::from_error(Exit::World, &error))?;
        Ok(Exit::Clean)
    }
}

/// Makes the first key, when there is none.
fn first_key(control: &Control) -> Result<Option<String>, Failure> {
    if !control.keys()?.is_empty() {
        return Ok(None);
    }
    let spec = KeySpec { label: "first admin".to_owned(), role: Role::Admin, ..KeySpec::default() };
    let now = Timestamp::now();
    let made = control.create_key(&spec, now)?;
    super::key::audit(control, "key.create", &made.key.id, now)?;
    Ok(Some(made.text))
}

fn show_first_key(key: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "admin key, shown this once: {key}")?;
    out.flush()
}

/// Listens for signals from now on; the future is over when one says stop.
fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            // Without signals it can still be killed.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // Once more means now: everything that was acknowledged is on disk, and runs go on at the next start.
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(Exit::Interrupted as i32);
        });
    }
}

/// The embedded store of a data directory.
struct Directory {
    data: PathBuf,
    reader: std::sync::Mutex<Option<Arc<Reader>>>,
}

impl Directory {
    fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), reader: std::sync::Mutex::default() }
    }

    fn reader(&self) -> Result<Arc<Reader>, StoreError> {
        let mut known = self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reader) = known.as_ref() {
            return Ok(reader.clone());
        }
        let reader = Arc::new(TantivyStore::read(&self.data)?);
        *known = Some(reader.clone());
        Ok(reader)
    }
}

impl Archive for Directory {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        Ok(Arc::from(self.reader()?.snapshot()?))
    }

    fn writer(&self) -> Result<Box<dyn Store>, StoreError> {
        let options = Options { commit_age: COMMIT_AGE, ..Options::default() };
        Ok(Box::new(TantivyStore::open(&self.data, options)?))
    }
}
