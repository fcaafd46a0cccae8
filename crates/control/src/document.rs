//! Small things that people keep: alerts, notifiers, schedules, saved queries, scan requests. Each as JSON under its
//! kind and id.

use jiff::Timestamp;
use nightlatch_alert::{Alert, Notifier};
use rusqlite::OptionalExtension;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Control, ControlError, Transaction, micros};

/// A kind of thing that is kept.
pub trait Kept: Serialize + DeserializeOwned {
    /// The kind, one word, such as `alert`.
    const KIND: &'static str;

    /// Its name, unique in its kind.
    fn id(&self) -> &str;
}

impl Kept for Alert {
    const KIND: &'static str = "alert";

    fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl Kept for Notifier {
    const KIND: &'static str = "notifier";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Control {
    /// Keeps a thing, in place of the one of its name.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn put<T: Kept>(&self, thing: &T, now: Timestamp) -> Result<(), ControlError> {
        self.transaction(|t| t.put(thing, now))
    }

    /// A thing by its name.
    ///
    /// # Errors
    /// When the database cannot be read, or the thing makes no sense.
    pub fn get<T: Kept>(&self, id: &str) -> Result<Option<T>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT body FROM document WHERE kind = ?1 AND id = ?2")
            .map_err(|e| self.sql(e))?;
        let body: Option<String> =
            statement.query_row([T::KIND, id], |row| row.get(0)).optional().map_err(|e| self.sql(e))?;
        body.map(|body| self.decode(id, &body)).transpose()
    }

    /// All things of a kind, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read, or one makes no sense.
    pub fn all<T: Kept>(&self) -> Result<Vec<T>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT id, body FROM document WHERE kind = ?1 ORDER BY created, id")
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map([T::KIND], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(|e| self.sql(e))?;
        rows.map(|row| row.map_err(|e| self.sql(e)).and_then(|(id, body)| self.decode(&id, &body))).collect()
    }

    /// Changes a thing in place; none when it is not there. What `change` refuses leaves it as it was.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn change<T: Kept, R>(
        &self,
        id: &str,
        now: Timestamp,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, ControlError> {
        self.transaction(|t| {
            let body: Option<String> = t
                .inner
                .query_row("SELECT body FROM document WHERE kind = ?1 AND id = ?2", [T::KIND, id], |row| {
                    row.get(0)
                })
                .optional()
                .map_err(|e| t.sql(e))?;
            let Some(body) = body else { return Ok(None) };
            let mut thing: T = self.decode(id, &body)?;
            let result = change(&mut thing);
            t.put(&thing, now)?;
            Ok(Some(result))
        })
    }

    /// Forgets a thing. False when it was not there.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn remove<T: Kept>(&self, id: &str) -> Result<bool, ControlError> {
        self.lock()
            .execute("DELETE FROM document WHERE kind = ?1 AND id = ?2", [T::KIND, id])
            .map(|removed| removed > 0)
            .map_err(|e| self.sql(e))
    }

    fn decode<T: Kept>(&self, id: &str, body: &str) -> Result<T, ControlError> {
        serde_json::from_str(body).map_err(|error| ControlError::Damaged {
            path: self.path.clone(),
            what: format!("{} `{id}`: {error}", T::KIND),
        })
    }
}

impl Transaction<'_> {
    /// As [`Control::put`].
    ///
    /// # Errors
    /// As [`Control::put`].
    pub fn put<T: Kept>(&self, thing: &T, now: Timestamp) -> Result<(), ControlError> {
        let body = serde_json::to_string(thing).map_err(|error| ControlError::Damaged {
            path: self.path.to_owned(),
            what: format!("{} `{}` cannot be written: {error}", T::KIND, thing.id()),
        })?;
        self.run(
            "INSERT INTO document (kind, id, body, created, updated) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, updated = excluded.updated",
            rusqlite::params![T::KIND, thing.id(), body, micros(now)],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        id: String,
        text: String,
    }

    impl Kept for Note {
        const KIND: &'static str = "note";

        fn id(&self) -> &str {
            &self.id
        }
    }

    #[test]
    fn things_are_kept_changed_and_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let control = Control::open(data.path()).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let note = |id: &str, text: &str| Note { id: id.into(), text: text.into() };
        control.put(&note("b", "one"), now).unwrap();
        control.put(&note("a", "two"), now + jiff::SignedDuration::from_secs(1)).unwrap();
        control.put(&note("b", "three"), now).unwrap();
        assert_eq!(control.all::<Note>().unwrap(), [note("b", "three"), note("a", "two")]);
        let told = control.change("a", now, |n: &mut Note| std::mem::replace(&mut n.text, "four".into()));
        assert_eq!(told.unwrap(), Some("two".to_owned()));
        assert_eq!(control.get::<Note>("a").unwrap(), Some(note("a", "four")));
        assert_eq!(control.change("c", now, |_: &mut Note| ()).unwrap(), None);
        assert!(control.remove::<Note>("a").unwrap() && !control.remove::<Note>("a").unwrap());
    }
}
