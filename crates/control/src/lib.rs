//! The control database of the server: what people set, what happened, and what is still to be delivered.
//!
//! One SQLite file, `control.sqlite3`, in the data directory, readable by its owner only. Several processes may
//! have it open: `nightlatch key revoke` works while the server runs. Whatever a method reports as done survives
//! a crash of the process and of the machine (write-ahead log, full synchronisation).
//!
//! Times are kept as microseconds since 1970, UTC.

mod audit;
mod delivery;
mod document;
mod error;
mod event;
mod finding;
mod key;
mod meta;
mod random;
mod schema;
mod session;

pub use audit::AuditEntry;
pub use delivery::{Delivery, DeliveryState, NewDelivery};
pub use document::Kept;
pub use error::ControlError;
pub use event::{Event, EventFilter, EventState};
pub use finding::{BadFindingQuery, FindingFacet, FindingQuery, StoredAudit, StoredFinding};
pub use key::{Key, KeySpec, NewKey, Role, UnknownRole, key_id};
pub use random::{letters_and_digits, token};
pub use session::{NewSession, Session};

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::Connection;

/// Name of the database in the data directory.
pub const CONTROL_FILE: &str = "control.sqlite3";
/// How long a call waits while another process writes.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// The control database.
pub struct Control {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Control {
    /// Opens the database of a data directory, making it where there is none.
    ///
    /// # Errors
    /// When it cannot be read or made, or when a newer version wrote it.
    pub fn open(data: &Path) -> Result<Self, ControlError> {
        let path = data.join(CONTROL_FILE);
        let failed = |source: io::Error| ControlError::Io { what: "open", path: path.clone(), source };
        // SQLite gives its log the mode of the database: that is why the file is made here.
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let connection = Connection::open(&path).map_err(|error| ControlError::sql(&path, error))?;
        let control = Self { path, connection: Mutex::new(connection) };
        {
            let connection = control.lock();
            connection.busy_timeout(BUSY_PATIENCE).map_err(|e| control.sql(e))?;
            schema::prepare(&connection, &control.path)?;
        }
        Ok(control)
    }

    /// Whether a data directory has a control database.
    pub fn exists(data: &Path) -> bool {
        data.join(CONTROL_FILE).exists()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number that changes whenever another process has changed the database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn data_version(&self) -> Result<i64, ControlError> {
        self.lock().pragma_query_value(None, "data_version", |row| row.get(0)).map_err(|e| self.sql(e))
    }

    /// Does several things, all of them or none.
    ///
    /// # Errors
    /// What `work` reports, or when the whole cannot be written.
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let mut connection = self.lock();
        let inner = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|e| self.sql(e))?;
        let transaction = Transaction { inner, path: &self.path };
        let result = work(&transaction)?;
        transaction.inner.commit().map_err(|e| self.sql(e))?;
        Ok(result)
    }

    /// Forgets what is over: events, deliveries and audit entries before `before`, sessions that ended before `now`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn prune(&self, before: Timestamp, now: Timestamp) -> Result<(), ControlError> {
        self.transaction(|t| {
            t.run("DELETE FROM session WHERE expires < ?1", [micros(now)])?;
            t.run("DELETE FROM delivery WHERE state <> 'queued' AND created < ?1", [micros(before)])?;
            t.run(
                "DELETE FROM event WHERE time < ?1 AND state <> 'pending'
                 AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.id)",
                [micros(before)],
            )?;
            t.run("DELETE FROM audit WHERE time < ?1", [micros(before)])?;
            Ok(())
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sql(&self, error: rusqlite::Error) -> ControlError {
        ControlError::sql(&self.path, error)
    }
}

/// Several changes that become one.
pub struct Transaction<'c> {
    inner: rusqlite::Transaction<'c>,
    path: &'c Path,
}

impl Transaction<'_> {
    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, ControlError> {
        let mut statement = self.inner.prepare_cached(sql).map_err(|e| self.sql(e))?;
        statement.execute(parameters).map_err(|e| self.sql(e))
    }

    fn sql(&self, error: rusqlite::Error) -> ControlError {
        ControlError::sql(self.path, error)
    }
}

pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
