//! Single values, such as how far the watcher has read.

use rusqlite::OptionalExtension;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Control, ControlError, Transaction};

impl Control {
    /// A value by its name.
    ///
    /// # Errors
    /// When the database cannot be read, or the value makes no sense.
    pub fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ControlError> {
        let connection = self.lock();
        let text: Option<String> = connection
            .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|e| self.sql(e))?;
        let damaged = |error: serde_json::Error| ControlError::Damaged {
            path: self.path.clone(),
            what: format!("value `{name}`: {error}"),
        };
        text.map(|text| serde_json::from_str(&text).map_err(damaged)).transpose()
    }

    /// Keeps a value under a name.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), ControlError> {
        self.transaction(|t| t.set_meta(name, value))
    }
}

impl Transaction<'_> {
    /// As [`Control::set_meta`].
    ///
    /// # Errors
    /// As [`Control::set_meta`].
    pub fn set_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), ControlError> {
        let text = serde_json::to_string(value).map_err(|error| ControlError::Damaged {
            path: self.path.to_owned(),
            what: format!("value `{name}` cannot be written: {error}"),
        })?;
        self.run(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, &text],
        )?;
        Ok(())
    }
}
