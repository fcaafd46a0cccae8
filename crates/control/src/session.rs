//! Sessions of the pages: a random token in a cookie, its hash here.

use jiff::Timestamp;
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

use crate::{Control, ControlError, micros, random, time};

/// A session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Id of the key that logged in.
    pub key: String,
    /// What every form of the session carries.
    pub csrf: String,
    /// When it began.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// A session that just began: the one moment its token is known.
pub struct NewSession {
    /// As it is kept.
    pub session: Session,
    /// What the cookie holds.
    pub token: String,
}

/// 250 bits.
const TOKEN_CHARS: usize = 50;

impl Control {
    /// Begins a session of a key.
    ///
    /// # Errors
    /// When there is no randomness or the database cannot be written.
    pub fn begin_session(
        &self,
        key: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<NewSession, ControlError> {
        let token = random::token(TOKEN_CHARS)?;
        let session =
            Session { key: key.to_owned(), csrf: random::token(TOKEN_CHARS)?, created: now, expires };
        self.lock()
            .execute(
                "INSERT INTO session (hash, key, csrf, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
                rusqlite::params![digest(&token), key, session.csrf, micros(now), micros(expires)],
            )
            .map_err(|e| self.sql(e))?;
        Ok(NewSession { session, token })
    }

    /// The session of a cookie, if there is one that has not ended at `now`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn session(&self, token: &str, now: Timestamp) -> Result<Option<Session>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT key, csrf, created, expires FROM session WHERE hash = ?1 AND expires > ?2",
            )
            .map_err(|e| self.sql(e))?;
        let row = statement.query_row(rusqlite::params![digest(token), micros(now)], |row| {
            Ok(Session {
                key: row.get(0)?,
                csrf: row.get(1)?,
                created: time(row.get(2)?),
                expires: time(row.get(3)?),
            })
        });
        row.optional().map_err(|e| self.sql(e))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end_session(&self, token: &str) -> Result<(), ControlError> {
        self.lock()
            .execute("DELETE FROM session WHERE hash = ?1", [digest(token)])
            .map(|_| ())
            .map_err(|e| self.sql(e))
    }
}

/// A token has more randomness than anybody can try: a plain hash is enough, and fast.
fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_until_it_ends() {
        let data = tempfile::tempdir().unwrap();
        let control = Control::open(data.path()).unwrap();
        let now: Timestamp = "2026-09-21T10:15:00Z".parse().unwrap();
        let later = now + jiff::SignedDuration::from_hours(8);
        let made = control.begin_session("k", now, later).unwrap();
        assert_eq!(control.session(&made.token, now).unwrap(), Some(made.session.clone()));
        assert_eq!(control.session(&made.token, later).unwrap(), None, "it is over");
        assert_eq!(control.session("other", now).unwrap(), None);
        control.end_session(&made.token).unwrap();
        assert_eq!(control.session(&made.token, now).unwrap(), None);
    }
}
