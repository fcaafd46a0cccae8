//! Keys that were proven. Argon2 is slow and large on purpose, so it runs once for each key and process; after
//! that a keyed hash of the key's text leads to its row, which is read anew for each request: a key that was
//! revoked, also by another process, is good for nothing from then on.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nightlatch_app::App;
use nightlatch_control::{AuditEntry, Key, key_id};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedMutexGuard, Semaphore, watch};

use crate::{GateError, Refused, metrics::Metrics, network::Source, tries::Tries};

/// Runs of argon2 at a time: 19 MB each.
const PROOFS_AT_ONCE: usize = 2;
/// Requests that may wait for one.
const WAITING_MAX: usize = 64;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(8);
/// Proven keys that are remembered.
const KNOWN_MAX: usize = 10_000;
/// How often the last use of a key is noted.
const TOUCH: Duration = Duration::from_secs(60);
/// For how long a stream may go on with a key's row as it was.
const STREAM_FRESH: Duration = Duration::from_secs(1);

type Turn = Arc<tokio::sync::Mutex<()>>;

pub(crate) struct Keyring {
    app: Arc<App>,
    secret: [u8; 32],
    /// From the keyed hash of a text to the key's id.
    known: Mutex<HashMap<[u8; 32], String>>,
    /// When the row of a key was last read for a stream, and whether it was valid then.
    checked: Mutex<HashMap<String, (Instant, bool)>>,
    touched: Mutex<HashMap<String, Instant>>,
    /// Proofs that are going on; whoever comes with the same text waits for the end.
    proving: Mutex<HashMap<[u8; 32], watch::Receiver<()>>>,
    proofs: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// One proof at a time for each address, so that no address keeps the others waiting.
    turns: Mutex<HashMap<Source, Turn>>,
    tries: Tries,
    metrics: Arc<Metrics>,
}

/// Ends a proof, however it ended.
struct Over {
    keyring: Arc<Keyring>,
    digest: [u8; 32],
    _end: watch::Sender<()>,
}

impl Drop for Over {
    fn drop(&mut self) {
        lock(&self.keyring.proving).remove(&self.digest);
    }
}

impl Keyring {
    pub(crate) fn new(app: Arc<App>, metrics: Arc<Metrics>) -> Result<Self, GateError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| GateError::Random)?;
        Ok(Self {
            app,
            secret,
            known: Mutex::default(),
            checked: Mutex::default(),
            touched: Mutex::default(),
            proving: Mutex::default(),
            proofs: Arc::new(Semaphore::new(PROOFS_AT_ONCE)),
            waiting: AtomicUsize::new(0),
            turns: Mutex::default(),
            tries: Tries::default(),
            metrics,
        })
    }

    /// The key of a text that was proven before; none when it was not.
    ///
    /// # Errors
    /// [`Refused::BadKey`] when it was revoked or has expired since.
    pub(crate) async fn recall(&self, text: &str) -> Result<Option<Key>, Refused> {
        let digest = self.digest(text);
        let Some(id) = lock(&self.known).get(&digest).cloned() else { return Ok(None) };
        match self.row(&id).await? {
            Some(key) => Ok(Some(key)),
            None => {
                lock(&self.known).remove(&digest);
                Err(Refused::BadKey)
            }
        }
    }

    /// Waits for the proof of the same text that another request has begun, if there is one. A client that opens a
    /// thousand connections at once, after a restart, proves its key once and is no crowd of strangers.
    pub(crate) async fn wait_for_proof(&self, text: &str) -> bool {
        let Some(mut going_on) = lock(&self.proving).get(&self.digest(text)).cloned() else { return false };
        // Nothing is ever sent: it is over when the other end is gone.
        let _ = tokio::time::timeout(PATIENCE, going_on.changed()).await;
        true
    }

    /// Finds out whether a text is a key, and remembers it when it is.
    ///
    /// # Errors
    /// [`Refused::BadKey`], [`Refused::LockedOut`], [`Refused::Busy`], [`Refused::Unavailable`].
    pub(crate) async fn prove(self: &Arc<Self>, text: String, from: IpAddr) -> Result<Key, Refused> {
        let source = Source::from(from);
        self.may_try(source)?;
        let digest = self.digest(&text);
        let (end, going_on) = watch::channel(());
        lock(&self.proving).insert(digest, going_on);
        // The work goes on when the client hangs up: a wrong key counts all the same.
        let own = self.clone();
        let task = tokio::spawn(async move {
            let _over = Over { keyring: own.clone(), digest, _end: end };
            let result = own.proof(&text, source).await;
            match &result {
                Ok(_) => own.tries.succeeded(source),
                Err(Refused::BadKey) => {
                    own.metrics.keys_wrong.fetch_add(1, Relaxed);
                    if let Some(lock) = own.tries.failed(source, Instant::now()) {
                        own.metrics.lock_outs.fetch_add(1, Relaxed);
                        own.note_lock_out(from, lock).await;
                    }
                }
                Err(_) => {}
            }
            result
        });
        task.await.unwrap_or(Err(Refused::Bug))
    }

    /// Locked out addresses get longer and longer pauses, so there are few entries of each.
    async fn note_lock_out(&self, from: IpAddr, lock: Duration) {
        let entry = AuditEntry {
            time: Timestamp::now(),
            key: None,
            label: String::new(),
            source: from.to_string(),
            action: "lock-out".to_owned(),
            object: String::new(),
            outcome: format!("too many wrong keys: {} s", lock.as_secs()),
        };
        tracing::warn!(
            target: "nightlatch::gate",
            { client.address = entry.source.as_str(), seconds = lock.as_secs() },
            "an address is locked out after wrong keys"
        );
        let app = self.app.clone();
        if let Ok(Err(error)) = self.app.blocking(move || app.control().audit(&entry)).await {
            unavailable(&error);
        }
    }

    async fn proof(&self, text: &str, source: Source) -> Result<Key, Refused> {
        if key_id(text).is_none() {
            return Err(Refused::BadKey);
        }
        let _turn = tokio::time::timeout(PATIENCE, self.turn(source)).await.map_err(|_| Refused::Busy)?;
        // Another request of the same client may have had the turn before.
        if let Some(key) = self.recall(text).await? {
            return Ok(key);
        }
        self.may_try(source)?;
        let permit = {
            let _place = Place::take(&self.waiting).ok_or(Refused::Busy)?;
            let permit = tokio::time::timeout(PATIENCE, self.proofs.clone().acquire_owned()).await;
            permit.ok().and_then(Result::ok).ok_or(Refused::Busy)?
        };
        self.metrics.proofs.fetch_add(1, Relaxed);
        let (app, own) = (self.app.clone(), text.to_owned());
        let found = self
            .app
            .blocking(move || {
                let found = app.control().verify_key(&own);
                drop(permit);
                found
            })
            .await;
        let found = found.map_err(|_| Refused::Bug)?.map_err(|error| unavailable(&error))?;
        let key = found.filter(|key| key.is_valid(Timestamp::now())).ok_or(Refused::BadKey)?;
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(self.digest(text), key.id.clone());
        drop(known);
        self.touch(&key);
        Ok(key)
    }

    /// The row of a key that is good at this moment.
    pub(crate) async fn row(&self, id: &str) -> Result<Option<Key>, Refused> {
        let (app, own) = (self.app.clone(), id.to_owned());
        let read = self.app.blocking(move || app.control().key(&own)).await;
        let key = read.map_err(|_| Refused::Bug)?.map_err(|error| unavailable(&error))?;
        let key = key.filter(|key| key.is_valid(Timestamp::now()));
        if let Some(key) = &key {
            self.touch(key);
        }
        Ok(key)
    }

    /// Whether a stream may go on. What cannot be read now does not end it.
    pub(crate) async fn is_still_good(&self, id: &str) -> bool {
        let now = Instant::now();
        if let Some((when, good)) = lock(&self.checked).get(id).copied()
            && now.saturating_duration_since(when) < STREAM_FRESH
        {
            return good;
        }
        let good = !matches!(self.row(id).await, Ok(None));
        let mut checked = lock(&self.checked);
        if checked.len() >= KNOWN_MAX {
            checked.clear();
        }
        checked.insert(id.to_owned(), (now, good));
        good
    }

    fn may_try(&self, source: Source) -> Result<(), Refused> {
        let may = self.tries.check(source, Instant::now());
        may.map_err(|retry_after| Refused::LockedOut { retry_after })
    }

    async fn turn(&self, source: Source) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.entry(source).or_default().clone()
        };
        turn.lock_owned().await
    }

    /// Notes the last use, in the background: a full disk must not keep people from reading.
    fn touch(&self, key: &Key) {
        let now = Instant::now();
        {
            let mut touched = lock(&self.touched);
            if touched.get(&key.id).is_some_and(|when| now.saturating_duration_since(*when) < TOUCH) {
                return;
            }
            if touched.len() >= KNOWN_MAX {
                touched.clear();
            }
            touched.insert(key.id.clone(), now);
        }
        let (app, id) = (self.app.clone(), key.id.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = app.control().touch_key(&id, Timestamp::now()) {
                tracing::warn!(target: "nightlatch::gate", error = %chain(&error), "the last use of a key was not noted");
            }
        });
    }

    fn digest(&self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.secret).chain_update(text).finalize().into()
    }
}

/// A place among those who wait.
struct Place<'w>(&'w AtomicUsize);

impl<'w> Place<'w> {
    fn take(waiting: &'w AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Relaxed) < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Tells the log why the control database cannot be used, and the caller that it cannot.
pub(crate) fn unavailable(error: &dyn std::error::Error) -> Refused {
    tracing::error!(target: "nightlatch::gate", error = %chain(error), "the control database cannot be used");
    Refused::Unavailable
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
