//! Logging in and out of the pages.

use std::{net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use nightlatch_control::{AuditEntry, Key};

use crate::{Arrival, Caller, Gate, Refused, cookie, keyring::unavailable};

/// Someone who just logged in.
pub struct LoggedIn {
    /// The value of `Set-Cookie`. It holds the session: not for a log.
    pub cookie: HeaderValue,
    /// Who it is.
    pub caller: Caller,
}

impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn").field("caller", &self.caller.key.id).finish_non_exhaustive()
    }
}

impl Gate {
    /// Begins a session with a key. Counts wrong keys; writes the audit log.
    ///
    /// # Errors
    /// [`Refused::NoKey`], [`Refused::BadKey`], [`Refused::LockedOut`], [`Refused::Busy`] or
    /// [`Refused::Unavailable`]: each says in plain words what to show.
    pub async fn login(self: &Arc<Self>, key: &str, arrival: &Arrival) -> Result<LoggedIn, Refused> {
        let text = key.trim();
        if text.is_empty() {
            return Err(Refused::NoKey);
        }
        let key = match self.prove(text, arrival.source).await {
            Ok(key) => key,
            Err(refused) => {
                self.metrics.logins_failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                // Who is locked out may knock as often as he likes: that is noted once, when it begins.
                if refused == Refused::BadKey {
                    // The id names a key; it does not open anything.
                    let id = nightlatch_control::key_id(text).unwrap_or("");
                    let entry = entry(None, arrival.source, "login", id, refused.code());
                    self.write_audit(entry).await;
                }
                return Err(refused);
            }
        };
        let now = Timestamp::now();
        let hours = SignedDuration::from_hours(self.settings.sessions_hours.into());
        let ends = now.checked_add(hours).unwrap_or(Timestamp::MAX);
        let ends = key.expires.map_or(ends, |expires| ends.min(expires));
        let (app, id) = (self.app.clone(), key.id.clone());
        let begun = self.app.blocking(move || app.control().begin_session(&id, now, ends)).await;
        let begun = begun.map_err(|_| Refused::Bug)?.map_err(|error| unavailable(&error))?;
        self.metrics.logins.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.write_audit(entry(Some(&key), arrival.source, "login", "", "done")).await;
        let seconds = ends.duration_since(now).as_secs();
        let cookie = cookie::set(&begun.token, seconds, arrival.secure);
        Ok(LoggedIn { cookie, caller: self.caller(key, arrival.source, Some(begun.session)) })
    }

    /// Ends the session of a request.
    ///
    /// - returns the value of `Set-Cookie` that makes the browser forget it.
    ///
    /// # Errors
    /// [`Refused::Unavailable`] when the session cannot be ended here; then nobody must be told that it was.
    pub async fn logout(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        arrival: &Arrival,
    ) -> Result<HeaderValue, Refused> {
        if let Some(token) = cookie::token(headers, arrival.secure) {
            let (app, token) = (self.app.clone(), token.to_owned());
            let ended = self.app.blocking(move || app.control().end_session(&token)).await;
            ended.map_err(|_| Refused::Bug)?.map_err(|error| unavailable(&error))?;
        }
        self.write_audit(entry(Some(&caller.key), caller.source, "logout", "", "done")).await;
        Ok(cookie::set("", 0, arrival.secure))
    }

    /// Adds to the audit log what a caller did.
    ///
    /// - `action`: such as `alert.create`;
    /// - `object`: to what, such as the alert's id; never a secret;
    /// - `outcome`: `done`, `refused`, or why it failed.
    pub async fn audit(&self, caller: &Caller, action: &str, object: &str, outcome: &str) {
        self.write_audit(entry(Some(&caller.key), caller.source, action, object, outcome)).await;
    }

    async fn write_audit(&self, entry: AuditEntry) {
        tracing::info!(
            target: "nightlatch::audit",
            {
                nightlatch.action = entry.action.as_str(),
                nightlatch.object = entry.object.as_str(),
                nightlatch.outcome = entry.outcome.as_str(),
                nightlatch.key_id = entry.key.as_deref().unwrap_or(""),
                client.address = entry.source.as_str()
            },
            "audit"
        );
        let app = self.app.clone();
        match self.app.blocking(move || app.control().audit(&entry)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => drop(unavailable(&error)),
            Err(error) => drop(unavailable(&error)),
        }
    }

    pub(crate) fn caller(
        &self,
        key: Key,
        source: IpAddr,
        session: Option<nightlatch_control::Session>,
    ) -> Caller {
        let results_max = key.results_max.unwrap_or(self.settings.results_max);
        Caller { key, source, session, results_max }
    }

    /// Who the session cookie of a request belongs to.
    pub(crate) async fn session_of(
        &self,
        headers: &HeaderMap,
        arrival: &Arrival,
    ) -> Result<Option<Caller>, Refused> {
        let Some(token) = cookie::token(headers, arrival.secure) else { return Ok(None) };
        let (app, token) = (self.app.clone(), token.to_owned());
        let found = self.app.blocking(move || app.control().session(&token, Timestamp::now())).await;
        let found = found.map_err(|_| Refused::Bug)?.map_err(|error| unavailable(&error))?;
        let Some(session) = found else { return Ok(None) };
        let key = self.keyring.row(&session.key).await?;
        Ok(key.map(|key| self.caller(key, arrival.source, Some(session))))
    }

    /// The key that a text is: remembered, or proven now.
    pub(crate) async fn prove(&self, text: &str, source: IpAddr) -> Result<Key, Refused> {
        match self.keyring.recall(text).await? {
            Some(key) => Ok(key),
            None => self.keyring.prove(text.to_owned(), source).await,
        }
    }
}

fn entry(key: Option<&Key>, source: IpAddr, action: &str, object: &str, outcome: &str) -> AuditEntry {
    AuditEntry {
        time: Timestamp::now(),
        key: key.map(|key| key.id.clone()),
        label: key.map(|key| key.label.clone()).unwrap_or_default(),
        source: source.to_string(),
        action: action.to_owned(),
        object: object.to_owned(),
        outcome: outcome.to_owned(),
    }
}

/// Where to go after logging in: a path of this server, or its first page.
pub fn safe_next(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.len() <= 2000 && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_path && is_plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_logging_in_nobody_is_sent_elsewhere() {
        for (next, expected) in [
            ("/search?query=port:443", "/search?query=port:443"),
            ("/", "/"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("/\t/evil.example", "/"),
        ] {
            assert_eq!(safe_next(next), expected, "{next}");
        }
    }
}
