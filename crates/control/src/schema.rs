//! The tables, and how an older database becomes one of today.

use std::path::Path;

use rusqlite::Connection;

use crate::ControlError;

/// The format this version writes, and the newest it reads.
const FORMAT: i64 = 2;

/// Each step makes format `index + 1` of format `index`.
const STEPS: [&str; 2] = [
    "
CREATE TABLE key (
    id TEXT PRIMARY KEY, label TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER, revoked INTEGER, last_used INTEGER,
    requests_per_minute INTEGER, results_max INTEGER
) STRICT;
CREATE TABLE session (
    hash TEXT PRIMARY KEY, key TEXT NOT NULL, csrf TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL
) STRICT;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, key TEXT, label TEXT NOT NULL, source TEXT NOT NULL,
    action TEXT NOT NULL, object TEXT NOT NULL, outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_time ON audit (time);
CREATE TABLE document (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, time INTEGER NOT NULL, kind TEXT NOT NULL,
    ip TEXT NOT NULL, port INTEGER NOT NULL, run TEXT NOT NULL, record INTEGER NOT NULL, state TEXT NOT NULL,
    due INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX event_time ON event (time);
CREATE INDEX event_pending ON event (due) WHERE state = 'pending';
CREATE INDEX event_ip ON event (ip, port);
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, event INTEGER NOT NULL, alert TEXT NOT NULL,
    trigger TEXT NOT NULL, notifier TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    created INTEGER NOT NULL, due INTEGER NOT NULL, ended INTEGER, error TEXT
) STRICT;
CREATE INDEX delivery_due ON delivery (due) WHERE state = 'queued';
CREATE INDEX delivery_alert ON delivery (alert);
CREATE INDEX delivery_event ON delivery (event);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
",
    "
CREATE TABLE finding (
    id INTEGER PRIMARY KEY AUTOINCREMENT, input TEXT NOT NULL, fingerprint TEXT NOT NULL, number INTEGER NOT NULL,
    rule TEXT NOT NULL, name TEXT NOT NULL, severity INTEGER NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL,
    object TEXT NOT NULL, container TEXT NOT NULL, file TEXT NOT NULL, exempt INTEGER NOT NULL, words TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, mended INTEGER, body TEXT NOT NULL,
    UNIQUE (input, fingerprint, number)
) STRICT;
CREATE INDEX finding_worst ON finding (severity DESC, id);
",
];

pub(crate) fn prepare(connection: &Connection, path: &Path) -> Result<(), ControlError> {
    let sql = |error| ControlError::sql(path, error);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(sql)?;
    debug_assert!(mode == "wal" || mode == "memory", "{mode}");
    connection.pragma_update(None, "synchronous", "full").map_err(sql)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sql)?;
    // What is deleted is overwritten: a revoked key's hash must not linger in free pages.
    connection.pragma_update(None, "secure_delete", true).map_err(sql)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sql)?;
    let done = upgrade(connection, path);
    connection.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).map_err(sql)?;
    done
}

fn upgrade(connection: &Connection, path: &Path) -> Result<(), ControlError> {
    let sql = |error| ControlError::sql(path, error);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    if found > FORMAT {
        return Err(ControlError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        connection.execute_batch(step).map_err(sql)?;
    }
    connection.pragma_update(None, "user_version", FORMAT).map_err(sql)
}
