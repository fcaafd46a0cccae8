//! How the server works beside its door: parts of `nightlatch.toml`.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use crate::Schedule;

/// What [`crate::App`] obeys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[watch]`.
    pub watch: Watch,
    /// `[[schedule]]`.
    pub schedules: Vec<Schedule>,
    /// Whom to ask for the names of addresses; absent to ask nobody.
    pub resolver: Option<SocketAddr>,
    /// Questions answered at a time.
    pub questions_at_once: usize,
    /// How long a question may wait before it is begun.
    pub question_patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watch: Watch::default(),
            schedules: Vec::new(),
            resolver: None,
            questions_at_once: 8,
            question_patience: Duration::from_secs(10),
        }
    }
}

/// `[watch]`: what is done about what changed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Seconds after which a new or wider open door is looked at again, before anybody is told; 0 tells at once.
    pub recheck_seconds: u32,
    /// Days before its end from which a certificate is called expiring.
    pub certificate_days: u16,
    /// Days for which events, deliveries and the audit log are kept.
    pub keep_days: u16,
    /// Runs at a time; others wait.
    pub runs_at_once: usize,
    /// Where people reach the pages, for links in messages; it is a setting of the door.
    #[serde(skip)]
    pub public_url: Option<String>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { recheck_seconds: 120, certificate_days: 30, keep_days: 400, runs_at_once: 2, public_url: None }
    }
}
