//! The audit log: who did what. Entries are added, never changed.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Control, ControlError, micros, time};

/// One thing that was done, or tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub time: Timestamp,
    /// Id of the key; absent when nobody was logged in.
    pub key: Option<String>,
    /// The key's label then.
    pub label: String,
    /// The address it came from, `console` for a command on the machine.
    pub source: String,
    /// What, such as `alert.create`.
    pub action: String,
    /// To what, such as the alert's id; never a secret.
    pub object: String,
    /// `done`, `refused`, or why it failed.
    pub outcome: String,
}

/// Longest text that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 500;

impl Control {
    /// Adds an entry.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn audit(&self, entry: &AuditEntry) -> Result<(), ControlError> {
        self.lock()
            .execute(
                "INSERT INTO audit (time, key, label, source, action, object, outcome)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                rusqlite::params![
                    micros(entry.time),
                    entry.key,
                    cut(&entry.label),
                    cut(&entry.source),
                    cut(&entry.action),
                    cut(&entry.object),
                    cut(&entry.outcome)
                ],
            )
            .map(|_| ())
            .map_err(|e| self.sql(e))
    }

    /// The newest entries, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_log(&self, skip: u32, limit: u32) -> Result<Vec<AuditEntry>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT time, key, label, source, action, object, outcome FROM audit
                 ORDER BY id DESC LIMIT ?2 OFFSET ?1",
            )
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map([skip, limit], |row| {
                Ok(AuditEntry {
                    time: time(row.get(0)?),
                    key: row.get(1)?,
                    label: row.get(2)?,
                    source: row.get(3)?,
                    action: row.get(4)?,
                    object: row.get(5)?,
                    outcome: row.get(6)?,
                })
            })
            .map_err(|e| self.sql(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.sql(e))
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entries_come_first() {
        let data = tempfile::tempdir().unwrap();
        let control = Control::open(data.path()).unwrap();
        let entry = |action: &str| AuditEntry {
            time: "2026-09-21T10:15:00Z".parse().unwrap(),
            key: Some("k".into()),
            label: "ö".repeat(600),
            source: "192.0.2.1".into(),
            action: action.into(),
            object: String::new(),
            outcome: "done".into(),
        };
        control.audit(&entry("login")).unwrap();
        control.audit(&entry("alert.create")).unwrap();
        let log = control.audit_log(0, 10).unwrap();
        assert_eq!(log.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["alert.create", "login"]);
        assert_eq!(log[0].label.len(), 500);
        assert_eq!(control.audit_log(1, 10).unwrap().len(), 1);
    }
}
