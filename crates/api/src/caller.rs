//! What the caller may do, and the note of what they did.

use axum::http::StatusCode;
use jiff::Timestamp;
use nightlatch_app::Origin;
use nightlatch_control::{AuditEntry, Role};
use nightlatch_gate::Caller;

use crate::{Api, trouble::Trouble};

/// Refuses what the role of the caller's key does not allow.
pub(crate) fn need(caller: &Caller, role: Role) -> Result<(), Trouble> {
    if caller.may(role) {
        return Ok(());
    }
    Err(Trouble::forbidden(format!("this takes the role {role}; the key has the role {}", caller.key.role)))
}

/// Whether the caller may see and change what belongs to `owner`; an admin may all.
pub(crate) fn owns(caller: &Caller, owner: &str) -> bool {
    caller.key.id == owner || caller.may(Role::Admin)
}

/// Runs of one key that may be at it or wait.
const RUNS_MAX: usize = 50;
/// When to try again.
const AGAIN_SECONDS: u32 = 30;

impl Api {
    /// Refuses a further run of a key that has many waiting: each holds a file and its place in the queue.
    pub(crate) fn room_for_run(&self, caller: &Caller) -> Result<(), Trouble> {
        let origin = Origin::Key(caller.key.id.clone());
        let own = self.app.live_runs().iter().filter(|live| live.origin == origin).count();
        if own < RUNS_MAX {
            return Ok(());
        }
        let why = format!("{own} runs of this key have not ended; wait for them, or stop some");
        Err(Trouble { retry_after: Some(AGAIN_SECONDS), ..Trouble::new(StatusCode::TOO_MANY_REQUESTS, why) })
    }

    /// Does something to the control database where it may block, and writes down that it was done.
    ///
    /// - `action`: what, such as `alert.create`;
    /// - `object`: to what; none keeps the id that `work` gives back.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        caller: &Caller,
        action: &'static str,
        object: &str,
        work: impl FnOnce(&nightlatch_app::App, Timestamp) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (app, caller, object) = (self.app.clone(), caller.clone(), object.to_owned());
        self.app
            .blocking(move || {
                let now = Timestamp::now();
                let result = work(&app, now);
                let outcome = match &result {
                    Ok(_) => "done".to_owned(),
                    Err(trouble) => trouble.detail.clone(),
                };
                app.control().audit(&AuditEntry {
                    time: now,
                    key: Some(caller.key.id.clone()),
                    label: caller.key.label.clone(),
                    source: caller.source.to_string(),
                    action: action.to_owned(),
                    object,
                    outcome,
                })?;
                result
            })
            .await?
    }

    /// Reads the control database where it may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&nightlatch_app::App, Timestamp) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let app = self.app.clone();
        self.app.blocking(move || work(&app, Timestamp::now())).await?
    }
}
