use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

/// Stops a scan. Clones share one state; it never goes back.
#[derive(Clone, Debug)]
pub struct Cancel {
    level: watch::Sender<Level>,
    /// The same, for the hot path: looked at once per endpoint.
    stopping: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Level {
    Running,
    Stop,
    StopNow,
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// One that was not used yet.
    pub fn new() -> Self {
        Self { level: watch::Sender::new(Level::Running), stopping: Arc::default() }
    }

    /// Sends nothing more; what was sent may still be answered, for as long as the plan's grace.
    pub fn stop(&self) {
        self.raise(Level::Stop);
    }

    /// Waits for nothing more either: what is in flight is given up and asked again by a later resume.
    pub fn stop_now(&self) {
        self.raise(Level::StopNow);
    }

    /// Whether sending has stopped.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Ends when sending has stopped.
    pub async fn stopping(&self) {
        self.reached(Level::Stop).await;
    }

    pub(crate) async fn stopping_now(&self) {
        self.reached(Level::StopNow).await;
    }

    fn raise(&self, level: Level) {
        self.stopping.store(true, Ordering::Relaxed);
        self.level.send_if_modified(|now| {
            let raised = *now < level;
            *now = level.max(*now);
            raised
        });
    }

    async fn reached(&self, level: Level) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.level.subscribe().wait_for(|now| *now >= level).await;
    }
}
