//! What is being observed at this moment, for whoever listens.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use nightlatch_asset::Record;
use tokio::sync::broadcast;

/// Observations that a slow listener may be behind before it loses some.
const BEHIND_MAX: usize = 16_384;

/// One observation as it was stored, with its banner written once for all listeners.
#[derive(Debug)]
pub struct Live {
    /// The record. Its `id` is 0 and its history is only this observation: the store tells the rest.
    pub record: Record,
    /// The banner, one line of JSON without a line end.
    pub line: Box<str>,
}

/// Where observations are told.
#[derive(Debug)]
pub struct Hub {
    sender: broadcast::Sender<Arc<Live>>,
    told: AtomicU64,
}

/// One who listens.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Arc<Live>>,
    lost: u64,
}

impl Default for Hub {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BEHIND_MAX), told: AtomicU64::new(0) }
    }
}

impl Hub {
    /// Tells everybody who listens.
    pub fn tell(&self, record: &Record) {
        self.told.fetch_add(1, Relaxed);
        if self.sender.receiver_count() == 0 {
            return;
        }
        let line = nightlatch_untrusted::json::to_string(&nightlatch_banner::to_banner(record));
        // A banner is made of texts and numbers: that it cannot be written is not to be expected, and no reason to
        // end a scan.
        if let Ok(line) = line {
            // Whoever listened has gone meanwhile: nothing is lost.
            let _ = self.sender.send(Arc::new(Live { record: record.clone(), line: line.into() }));
        }
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { receiver: self.sender.subscribe(), lost: 0 }
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// How many observations were told since the start.
    pub fn told(&self) -> u64 {
        self.told.load(Relaxed)
    }
}

impl Subscription {
    /// The next observation; none when the server stops.
    pub async fn next(&mut self) -> Option<Arc<Live>> {
        loop {
            match self.receiver.recv().await {
                Ok(live) => return Some(live),
                Err(broadcast::error::RecvError::Lagged(lost)) => self.lost += lost,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Observations that came faster than they were taken, and were lost for this listener.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}
