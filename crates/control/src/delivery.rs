//! Messages on their way: kept until they are delivered or given up, whatever happens to the process.

use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;

use crate::{Control, ControlError, Transaction, micros, time};

/// How a delivery stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// To be tried when it is due.
    Queued,
    /// The receiver took it.
    Delivered,
    /// Given up; it is tried again when somebody says so.
    Dead,
}

impl DeliveryState {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "delivered" => Self::Delivered,
            _ => Self::Dead,
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The same for the same message however often it is tried: what receivers tell repetitions by.
    pub key: String,
    /// The event it is about.
    pub event: i64,
    /// The alert that fired.
    pub alert: String,
    /// The trigger that fired.
    pub trigger: String,
    /// The notifier it goes to.
    pub notifier: String,
    /// The message as JSON.
    #[serde(skip)]
    pub body: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was put on the list.
    pub created: Timestamp,
    /// When it is tried next.
    pub due: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why the last attempt failed; never a secret.
    pub error: Option<String>,
}

/// A message to be delivered.
#[derive(Clone, Debug)]
pub struct NewDelivery<'a> {
    /// See [`Delivery::key`].
    pub key: &'a str,
    /// The event it is about; 0 for a test.
    pub event: i64,
    /// The alert that fired.
    pub alert: &'a str,
    /// The trigger that fired.
    pub trigger: &'a str,
    /// The notifier it goes to.
    pub notifier: &'a str,
    /// The message as JSON.
    pub body: &'a str,
}

/// Nothing is put off for longer: receivers may ask for a day.
const WAIT_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

const COLUMNS: &str =
    "id, key, event, alert, trigger, notifier, body, state, attempts, created, due, ended, error";

impl Control {
    /// Deliveries to be tried at `now`, those that wait longest first. One that would wait for longer than anything
    /// does was put off while the clock ran ahead, and is due as well.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn due_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<Delivery>, ControlError> {
        self.deliveries_where(
            "state = 'queued' AND (due <= ?1 OR due > ?2) ORDER BY due, id LIMIT ?3",
            rusqlite::params![
                micros(now),
                micros(now.saturating_add(WAIT_MAX).unwrap_or(Timestamp::MAX)),
                limit
            ],
        )
    }

    /// When the next delivery is due; none when none waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn next_delivery(&self) -> Result<Option<Timestamp>, ControlError> {
        let next: Option<i64> = self
            .lock()
            .query_row("SELECT min(due) FROM delivery WHERE state = 'queued'", [], |row| row.get(0))
            .map_err(|e| self.sql(e))?;
        Ok(next.map(time))
    }

    /// Deliveries in a state, or all, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn deliveries(
        &self,
        state: Option<DeliveryState>,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, ControlError> {
        self.deliveries_where(
            "(?1 IS NULL OR state = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3",
            rusqlite::params![state.map(DeliveryState::as_str), below.unwrap_or(i64::MAX), limit],
        )
    }

    /// How many deliveries are in each state: queued, delivered, dead.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn delivery_counts(&self) -> Result<[u64; 3], ControlError> {
        let mut counts = [0; 3];
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT state, count(*) FROM delivery GROUP BY state")
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
            .map_err(|e| self.sql(e))?;
        for row in rows {
            let (state, count) = row.map_err(|e| self.sql(e))?;
            counts[DeliveryState::read(&state) as usize] = u64::try_from(count).unwrap_or_default();
        }
        Ok(counts)
    }

    /// The receiver took it. Written only once it did: a crash in between makes a second attempt, with the same key.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn delivered(&self, id: i64, now: Timestamp) -> Result<(), ControlError> {
        self.execute(
            "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, ended = ?2, error = NULL WHERE id = ?1",
            rusqlite::params![id, micros(now)],
        )
    }

    /// The attempt failed; `due` is when to try again, absent to give up.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn delivery_failed(
        &self,
        id: i64,
        now: Timestamp,
        due: Option<Timestamp>,
        why: &str,
    ) -> Result<(), ControlError> {
        let (state, ended) = match due {
            Some(_) => (DeliveryState::Queued, None),
            None => (DeliveryState::Dead, Some(micros(now))),
        };
        self.execute(
            "UPDATE delivery SET state = ?2, attempts = attempts + 1, due = ?3, ended = ?4, error = ?5 WHERE id = ?1",
            rusqlite::params![id, state.as_str(), micros(due.unwrap_or(now)), ended, why],
        )
    }

    /// Tries what was given up once more. False when it is not given up.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn retry_delivery(&self, id: i64, now: Timestamp) -> Result<bool, ControlError> {
        self.lock()
            .execute(
                "UPDATE delivery SET state = 'queued', attempts = 0, due = ?2, ended = NULL
                 WHERE id = ?1 AND state = 'dead'",
                rusqlite::params![id, micros(now)],
            )
            .map(|changed| changed > 0)
            .map_err(|e| self.sql(e))
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), ControlError> {
        self.lock().execute(sql, parameters).map(|_| ()).map_err(|e| self.sql(e))
    }

    fn deliveries_where(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Delivery>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM delivery WHERE {condition}"))
            .map_err(|e| self.sql(e))?;
        let rows = statement.query_map(parameters, read).map_err(|e| self.sql(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.sql(e))
    }
}

impl Transaction<'_> {
    /// Puts a message on the list; false when the same one is there already.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn add_delivery(&self, new: &NewDelivery<'_>, now: Timestamp) -> Result<bool, ControlError> {
        let added = self.run(
            "INSERT INTO delivery (key, event, alert, trigger, notifier, body, state, attempts, created, due)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', 0, ?7, ?7) ON CONFLICT (key) DO NOTHING",
            rusqlite::params![
                new.key,
                new.event,
                new.alert,
                new.trigger,
                new.notifier,
                new.body,
                micros(now)
            ],
        )?;
        Ok(added > 0)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: row.get("id")?,
        key: row.get("key")?,
        event: row.get("event")?,
        alert: row.get("alert")?,
        trigger: row.get("trigger")?,
        notifier: row.get("notifier")?,
        body: row.get("body")?,
        state: DeliveryState::read(&row.get::<_, String>("state")?),
        attempts: row.get("attempts")?,
        created: time(row.get("created")?),
        due: time(row.get("due")?),
        ended: row.get::<_, Option<i64>>("ended")?.map(time),
        error: row.get("error")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_kept_until_it_is_delivered_or_given_up() {
        let data = tempfile::tempdir().unwrap();
        let control = Control::open(data.path()).unwrap();
        let now: Timestamp = "2026-09-21T10:15:00Z".parse().unwrap();
        let later = now + jiff::SignedDuration::from_mins(1);
        let new = |key| NewDelivery { key, event: 1, alert: "A", trigger: "any", notifier: "n", body: "{}" };
        let add = |key| control.transaction(|t| t.add_delivery(&new(key), now)).unwrap();
        assert!(add("one") && !add("one") && add("two"));
        let due = control.due_deliveries(now, 10).unwrap();
        assert_eq!(due.iter().map(|d| d.key.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        control.delivered(due[0].id, now).unwrap();
        control.delivery_failed(due[1].id, now, Some(later), "the receiver is away").unwrap();
        assert!(control.due_deliveries(now, 10).unwrap().is_empty());
        assert_eq!(control.next_delivery().unwrap(), Some(later));
        drop(control);
        let control = Control::open(data.path()).unwrap();
        let waiting = control.due_deliveries(later, 10).unwrap();
        assert_eq!((waiting.len(), waiting[0].attempts), (1, 1));
        control.delivery_failed(waiting[0].id, later, None, "refused").unwrap();
        assert_eq!(control.delivery_counts().unwrap(), [0, 1, 1]);
        let dead = control.deliveries(Some(DeliveryState::Dead), None, 10).unwrap();
        assert_eq!(dead[0].error.as_deref(), Some("refused"));
        assert!(control.retry_delivery(dead[0].id, later).unwrap());
        assert!(!control.retry_delivery(dead[0].id, later).unwrap());
        assert_eq!(control.due_deliveries(later, 10).unwrap().len(), 1);
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nothing_back() {
        let data = tempfile::tempdir().unwrap();
        let control = Control::open(data.path()).unwrap();
        let now: Timestamp = "2026-09-21T10:15:00Z".parse().unwrap();
        let ahead: Timestamp = "2031-01-01T00:00:00Z".parse().unwrap();
        let new = NewDelivery { key: "k", event: 1, alert: "A", trigger: "any", notifier: "n", body: "{}" };
        control.transaction(|t| t.add_delivery(&new, ahead)).unwrap();
        let due = control.due_deliveries(now, 10).unwrap();
        assert_eq!(due.len(), 1);
        let tomorrow = now + jiff::SignedDuration::from_hours(24);
        control.delivery_failed(due[0].id, now, Some(tomorrow), "asked to wait for a day").unwrap();
        assert!(control.due_deliveries(now, 10).unwrap().is_empty());
    }
}
