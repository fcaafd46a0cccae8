//! What runs without anybody asking: the book is renewed, schedules are kept, changes are watched, messages sent.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, task::JoinSet};

use crate::{App, AppError, book, deliver, schedule, watch as watcher};

/// How often what is over is forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// How often what waits to be looked at again is looked for.
const RECHECK_EVERY: Duration = Duration::from_secs(3);
/// How often it is looked whether the scope file was changed.
const SCOPE_EVERY: Duration = Duration::from_secs(5);
/// After a failure that stays the same, it is said again after so many rounds.
const SAY_EVERY: u32 = 300;

/// The tasks in the background.
pub struct Background {
    app: Arc<App>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Background {
    /// Begins them all, and goes on with runs that were cut off.
    pub async fn start(app: Arc<App>) -> Self {
        // Before schedules are looked at: one that is due must not begin anew beside its run that was cut off.
        app.resume_begun().await;
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let a = app.clone();
        tasks.spawn(rounds(
            "the newest observations cannot be read",
            book::RENEW_EVERY,
            stop.subscribe(),
            move || {
                let app = a.clone();
                async move {
                    let worker = app.clone();
                    worker.blocking(move || app.book().renew()).await?.map_err(AppError::from)
                }
            },
        ));
        let a = app.clone();
        tasks.spawn(rounds("changes cannot be noted", watcher::WATCH_EVERY, stop.subscribe(), move || {
            let app = a.clone();
            async move {
                let worker = app.clone();
                worker.blocking(move || app.watch_once()).await?
            }
        }));
        let a = app.clone();
        tasks.spawn(rounds(
            "what is new cannot be looked at again",
            RECHECK_EVERY,
            stop.subscribe(),
            move || {
                let app = a.clone();
                async move { app.recheck_once().await }
            },
        ));
        let a = app.clone();
        tasks.spawn(rounds("messages cannot be sent", deliver::LOOK_EVERY, stop.subscribe(), move || {
            let app = a.clone();
            async move { app.deliver_once().await }
        }));
        let a = app.clone();
        let every = schedule::LOOK_EVERY.unsigned_abs();
        tasks.spawn(rounds("schedules cannot be kept", every, stop.subscribe(), move || {
            let app = a.clone();
            async move { app.keep_schedules().await }
        }));
        let a = app.clone();
        tasks.spawn(rounds("what is over cannot be forgotten", PRUNE_EVERY, stop.subscribe(), move || {
            let app = a.clone();
            async move {
                let worker = app.clone();
                worker.blocking(move || app.prune()).await?
            }
        }));
        let a = app.clone();
        tasks.spawn(rounds("the scope file cannot be read", SCOPE_EVERY, stop.subscribe(), move || {
            let app = a.clone();
            async move {
                let worker = app.clone();
                if worker.blocking(move || app.reread_scope()).await?? {
                    tracing::info!(
                        digest = worker.scope().digest(),
                        "the scope file was changed, and read again"
                    );
                }
                Ok(())
            }
        }));
        Self { app, stop, tasks }
    }

    /// Ends them: runs stop and are gone on with at the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.app.stop_runs().await;
        while self.tasks.join_next().await.is_some() {}
    }
}

impl App {
    fn prune(&self) -> Result<(), AppError> {
        let now = Timestamp::now();
        let days = i64::from(self.settings().watch.keep_days.max(1));
        Ok(self.control().prune(now - SignedDuration::from_hours(24 * days), now)?)
    }
}

/// Does `work` again and again until it is told to stop. A failure is said once, and again when it lasts.
async fn rounds<F>(
    failed: &'static str,
    every: Duration,
    mut stop: watch::Receiver<bool>,
    work: impl Fn() -> F,
) where
    F: Future<Output = Result<(), AppError>>,
{
    let mut failures = 0u32;
    while !*stop.borrow_and_update() {
        tokio::select! {
            result = work() => match result {
                Ok(()) => failures = 0,
                Err(error) => {
                    if failures.is_multiple_of(SAY_EVERY) {
                        tracing::error!(error = %error, "{failed}");
                    }
                    failures = failures.wrapping_add(1);
                }
            },
            _ = stop.changed() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => return,
        }
    }
}
