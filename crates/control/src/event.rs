//! What changed on endpoints. Each change once: its key is unique.

use std::net::IpAddr;

use jiff::Timestamp;
use nightlatch_alert::Change;
use rusqlite::Row;
use serde::Serialize;

use crate::{Control, ControlError, Transaction, micros};

/// How an event stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventState {
    /// Seen once; it is looked at again before anybody is told.
    Pending,
    /// It holds; whoever is to hear of it was put on the list of deliveries.
    Confirmed,
    /// It did not hold when it was looked at again.
    Dropped,
}

impl EventState {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Dropped => "dropped",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "dropped" => Self::Dropped,
            _ => Self::Confirmed,
        }
    }
}

/// A change as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Its number, growing.
    pub id: i64,
    /// How it stands.
    pub state: EventState,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// Which events are asked for; all that is absent is not asked.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// With a number below.
    pub below: Option<i64>,
    /// Of this address.
    pub ip: Option<IpAddr>,
    /// In this state.
    pub state: Option<EventState>,
}

const COLUMNS: &str = "id, state, body";
/// How far the time of an event may lie ahead of the clock.
const AHEAD_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

impl Control {
    /// Events, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn events(&self, filter: &EventFilter, limit: u32) -> Result<Vec<Event>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM event WHERE time >= ?1 AND id < ?2 AND (?3 IS NULL OR ip = ?3)
                 AND (?4 IS NULL OR state = ?4) ORDER BY id DESC LIMIT ?5"
            ))
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map(
                rusqlite::params![
                    filter.since.map_or(i64::MIN, micros),
                    filter.below.unwrap_or(i64::MAX),
                    filter.ip.map(|ip| ip.to_string()),
                    filter.state.map(EventState::as_str),
                    limit
                ],
                read,
            )
            .map_err(|e| self.sql(e))?;
        self.decoded(rows)
    }

    /// Events that wait to be looked at again and are due, oldest first. One whose own time is still to come was noted
    /// while the clock ran ahead, and is due as well.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pending_events(&self, now: Timestamp, limit: u32) -> Result<Vec<Event>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM event WHERE state = 'pending' AND (due <= ?1 OR time > ?3)
                 ORDER BY due, id LIMIT ?2"
            ))
            .map_err(|e| self.sql(e))?;
        let ahead = micros(now.saturating_add(AHEAD_MAX).unwrap_or(Timestamp::MAX));
        let rows = statement
            .query_map(rusqlite::params![micros(now), limit, ahead], read)
            .map_err(|e| self.sql(e))?;
        self.decoded(rows)
    }

    /// An event by its number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn event(&self, id: i64) -> Result<Option<Event>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE id = ?1"))
            .map_err(|e| self.sql(e))?;
        let rows = statement.query_map([id], read).map_err(|e| self.sql(e))?;
        Ok(self.decoded(rows)?.pop())
    }

    /// How many events there were since a moment, by kind; dropped ones are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn event_counts(&self, since: Timestamp) -> Result<Vec<(String, u64)>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT kind, count(*) FROM event WHERE time >= ?1 AND state <> 'dropped' GROUP BY kind ORDER BY kind",
            )
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map([micros(since)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))
            .map_err(|e| self.sql(e))?;
        rows.map(|row| {
            row.map(|(kind, count)| (kind, u64::try_from(count).unwrap_or_default())).map_err(|e| self.sql(e))
        })
        .collect()
    }

    fn decoded(
        &self,
        rows: impl Iterator<Item = rusqlite::Result<(i64, String, String)>>,
    ) -> Result<Vec<Event>, ControlError> {
        rows.map(|row| {
            let (id, state, body) = row.map_err(|e| self.sql(e))?;
            let change = serde_json::from_str(&body).map_err(|error| ControlError::Damaged {
                path: self.path.clone(),
                what: format!("event {id}: {error}"),
            })?;
            Ok(Event { id, state: EventState::read(&state), change })
        })
        .collect()
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, String, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

impl Transaction<'_> {
    /// Adds an event; none when the same change is there already.
    ///
    /// - `due`: when a pending event is to be looked at again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn add_event(
        &self,
        change: &Change,
        state: EventState,
        due: Timestamp,
    ) -> Result<Option<i64>, ControlError> {
        let body = serde_json::to_string(change).map_err(|error| ControlError::Damaged {
            path: self.path.to_owned(),
            what: format!("a change cannot be written: {error}"),
        })?;
        let added = self.run(
            "INSERT INTO event (key, time, kind, ip, port, run, record, state, due, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (key) DO NOTHING",
            rusqlite::params![
                change.key,
                micros(change.time),
                change.kind.as_str(),
                change.ip.to_string(),
                change.port,
                change.run.0,
                i64::try_from(change.record).unwrap_or(i64::MAX),
                state.as_str(),
                micros(due),
                body
            ],
        )?;
        Ok((added > 0).then(|| self.inner.last_insert_rowid()))
    }

    /// Settles a pending event. False when it is not pending any more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn settle_event(&self, id: i64, state: EventState) -> Result<bool, ControlError> {
        let parameters = rusqlite::params![id, state.as_str()];
        Ok(self.run("UPDATE event SET state = ?2 WHERE id = ?1 AND state = 'pending'", parameters)? > 0)
    }

    /// Puts off when a pending event is looked at again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn put_off_event(&self, id: i64, due: Timestamp) -> Result<(), ControlError> {
        let parameters = rusqlite::params![id, micros(due)];
        self.run("UPDATE event SET due = ?2 WHERE id = ?1 AND state = 'pending'", parameters)?;
        Ok(())
    }
}
