//! Keys: who may do what. Only a salted hash of each is kept.

use std::{fmt, str::FromStr};

use argon2::{
    Argon2, PasswordHash, PasswordVerifier,
    password_hash::{PasswordHasher, SaltString},
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use crate::{Control, ControlError, micros, random, time};

/// What a key allows. Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads: searches, hosts, reports, streams.
    #[default]
    Viewer,
    /// Keeps alerts, notifiers and saved queries.
    Analyst,
    /// Starts and stops runs, keeps schedules.
    Operator,
    /// Keeps keys; reads the audit log.
    Admin,
}

impl Role {
    /// All roles, from the one that may least.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Analyst, Self::Operator, Self::Admin];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown role `{0}`, expected one of viewer, analyst, operator, admin")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A key as it is listed: never the key itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Key {
    /// The part of the key that names it, 8 characters.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// What it allows.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; absent when it does not.
    pub expires: Option<Timestamp>,
    /// When it was revoked; absent when it was not.
    pub revoked: Option<Timestamp>,
    /// When it was last used, to the minute; absent when never.
    pub last_used: Option<Timestamp>,
    /// Requests a minute; absent for the server's usual limit.
    pub requests_per_minute: Option<u32>,
    /// Most records one request may return; absent for the server's usual limit.
    pub results_max: Option<u32>,
}

impl Key {
    /// Whether it is good for anything at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

/// A key to be made.
#[derive(Clone, Debug, Default)]
pub struct KeySpec {
    /// What people call it.
    pub label: String,
    /// What it allows.
    pub role: Role,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Most records one request may return.
    pub results_max: Option<u32>,
}

/// A key that was just made: the one moment its text is known.
pub struct NewKey {
    /// As it is listed from now on.
    pub key: Key,
    /// The key itself, such as `nl_k3vdq8ap_` and 32 characters more.
    pub text: String,
}

const PREFIX: &str = "nl_";
const ID_CHARS: usize = 8;
/// 160 bits.
const SECRET_CHARS: usize = 32;

/// The part of a key's text that names it; none when it has not the shape of a key.
pub fn key_id(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let plain = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    (plain(id, ID_CHARS) && plain(secret, SECRET_CHARS)).then_some(id)
}

const COLUMNS: &str =
    "id, label, role, created, expires, revoked, last_used, requests_per_minute, results_max, hash";

impl Control {
    /// Makes a key. Its text is given back once and kept nowhere.
    ///
    /// # Errors
    /// When there is no randomness or the database cannot be written.
    pub fn create_key(&self, spec: &KeySpec, now: Timestamp) -> Result<NewKey, ControlError> {
        let id = random::token(ID_CHARS)?;
        let text = format!("{PREFIX}{id}_{}", random::token(SECRET_CHARS)?);
        let hash = hash(&text)?;
        let key = Key {
            id,
            label: spec.label.clone(),
            role: spec.role,
            created: now,
            expires: spec.expires,
            revoked: None,
            last_used: None,
            requests_per_minute: spec.requests_per_minute,
            results_max: spec.results_max,
        };
        self.lock()
            .execute(
                "INSERT INTO key (id, label, role, hash, created, expires, requests_per_minute, results_max)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                rusqlite::params![
                    key.id,
                    key.label,
                    key.role.as_str(),
                    hash,
                    micros(now),
                    key.expires.map(micros),
                    key.requests_per_minute,
                    key.results_max
                ],
            )
            .map_err(|e| self.sql(e))?;
        Ok(NewKey { key, text })
    }

    /// The key that `text` is, if it is one; also one that is revoked or expired. Takes tens of milliseconds and
    /// 19 MB of memory, on purpose.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify_key(&self, text: &str) -> Result<Option<Key>, ControlError> {
        let Some(id) = key_id(text) else { return Ok(None) };
        let found = self.key_and_hash(id)?;
        // A key that is not there takes as long as one that is: names cannot be tried out.
        let (key, hash) = match found {
            Some((key, hash)) => (Some(key), hash),
            None => (None, NOBODY.to_owned()),
        };
        let parsed = PasswordHash::new(&hash).map_err(|e| ControlError::Hash(e.to_string()))?;
        let same = Argon2::default().verify_password(text.as_bytes(), &parsed).is_ok();
        Ok(key.filter(|_| same))
    }

    /// A key by its id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn key(&self, id: &str) -> Result<Option<Key>, ControlError> {
        Ok(self.key_and_hash(id)?.map(|(key, _)| key))
    }

    fn key_and_hash(&self, id: &str) -> Result<Option<(Key, String)>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM key WHERE id = ?1"))
            .map_err(|e| self.sql(e))?;
        let row = statement.query_row([id], |row| Ok((read(row)?, row.get::<_, String>("hash")?)));
        row.optional().map_err(|e| self.sql(e))
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn keys(&self) -> Result<Vec<Key>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM key ORDER BY created, id"))
            .map_err(|e| self.sql(e))?;
        let rows = statement.query_map([], read).map_err(|e| self.sql(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.sql(e))
    }

    /// Ends a key and its sessions. False when it was ended before.
    ///
    /// # Errors
    /// [`ControlError::Unknown`], or when the database cannot be written.
    pub fn revoke_key(&self, id: &str, now: Timestamp) -> Result<bool, ControlError> {
        if self.key(id)?.is_none() {
            return Err(ControlError::Unknown { kind: "key", id: id.to_owned() });
        }
        self.transaction(|t| {
            t.run("DELETE FROM session WHERE key = ?1", [id])?;
            let done = t.run(
                "UPDATE key SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
                rusqlite::params![id, micros(now)],
            )?;
            Ok(done > 0)
        })
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn touch_key(&self, id: &str, now: Timestamp) -> Result<(), ControlError> {
        self.lock()
            .execute("UPDATE key SET last_used = ?2 WHERE id = ?1", rusqlite::params![id, micros(now)])
            .map(|_| ())
            .map_err(|e| self.sql(e))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Key> {
    let role: String = row.get("role")?;
    Ok(Key {
        id: row.get("id")?,
        label: row.get("label")?,
        // A role of a newer version may do nothing but read.
        role: role.parse().unwrap_or(Role::Viewer),
        created: time(row.get("created")?),
        expires: row.get::<_, Option<i64>>("expires")?.map(time),
        revoked: row.get::<_, Option<i64>>("revoked")?.map(time),
        last_used: row.get::<_, Option<i64>>("last_used")?.map(time),
        requests_per_minute: row.get("requests_per_minute")?,
        results_max: row.get("results_max")?,
    })
}

/// The hash of no key, with the parameters of [`hash`].
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Argon2id with the parameters of the OWASP password storage cheat sheet (19 MiB, 2 passes, 1 lane), which are
/// the crate's defaults.
fn hash(text: &str) -> Result<String, ControlError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| ControlError::Random(error.to_string()))?;
    let salt = SaltString::encode_b64(&salt).map_err(|e| ControlError::Hash(e.to_string()))?;
    let hash = Argon2::default().hash_password(text.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|e| ControlError::Hash(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> (tempfile::TempDir, Control) {
        let data = tempfile::tempdir().unwrap();
        let control = Control::open(data.path()).unwrap();
        (data, control)
    }

    fn now() -> Timestamp {
        "2026-09-21T10:15:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_is_found_by_its_text_and_kept_as_a_hash_only() {
        let (data, control) = control();
        let spec = KeySpec { label: "laptop".into(), role: Role::Operator, ..KeySpec::default() };
        let made = control.create_key(&spec, now()).unwrap();
        assert_eq!(control.verify_key(&made.text).unwrap().as_ref(), Some(&made.key));
        assert_eq!(control.keys().unwrap(), std::slice::from_ref(&made.key));
        let (head, secret) = made.text.rsplit_once('_').unwrap();
        let mut other = secret.to_owned();
        other.replace_range(0..1, if secret.starts_with('a') { "b" } else { "a" });
        assert_eq!(control.verify_key(&format!("{head}_{other}")).unwrap(), None);
        drop(control);
        for file in std::fs::read_dir(data.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_key_is_nobody() {
        let (_data, control) = control();
        let stranger = format!("nl_{}_{}", "a".repeat(8), "b".repeat(32));
        for text in ["", "nl_", "nl_a_b", "MYSHODANKEY", stranger.as_str(), &"nl_".repeat(1000)] {
            assert_eq!(control.verify_key(text).unwrap(), None, "{text}");
        }
        assert!(PasswordHash::new(NOBODY).is_ok());
    }

    #[test]
    fn revoked_and_expired_keys_are_not_valid() {
        let (data, control) = control();
        let hour = jiff::SignedDuration::from_hours(1);
        let spec = KeySpec { expires: Some(now() + hour), ..KeySpec::default() };
        let made = control.create_key(&spec, now()).unwrap();
        assert!(made.key.is_valid(now()) && !made.key.is_valid(now() + hour));
        // As another process would.
        let elsewhere = Control::open(data.path()).unwrap();
        let before = control.data_version().unwrap();
        assert!(elsewhere.revoke_key(&made.key.id, now()).unwrap());
        assert!(!elsewhere.revoke_key(&made.key.id, now()).unwrap());
        assert_ne!(control.data_version().unwrap(), before);
        assert!(!control.key(&made.key.id).unwrap().unwrap().is_valid(now()));
        assert!(matches!(control.revoke_key("nobody", now()), Err(ControlError::Unknown { .. })));
    }
}
