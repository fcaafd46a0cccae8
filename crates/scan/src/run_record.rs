use std::{fmt, path::PathBuf};

use jiff::Timestamp;
use nightlatch_asset::{RunId, Severity};
use serde::{Deserialize, Serialize};

use crate::Tally;

/// How a run stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A process is at it.
    Running,
    /// Everything was asked.
    Finished,
    /// The operator stopped it; it can be resumed.
    Stopped,
    /// It ran into a failure; it can be resumed.
    Failed,
    /// Its process died without a word; it can be resumed. Never stored: it is what a run that says `running`
    /// comes to when nobody holds its lock.
    Interrupted,
}

impl State {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was scanned, when, under which scope, by whom: the file `run.json` of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of this format.
    pub format: u32,
    /// Name of the run.
    pub id: RunId,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// The targets as they were asked for, at most [`RunRecord::ASKED_MAX`].
    pub asked: Vec<String>,
    /// How many more were asked for.
    pub asked_more: u64,
    /// The ports, as a list of numbers and ranges.
    pub ports: String,
    /// Endpoints in all.
    pub endpoints: u64,
    /// CRC-32 of the file with the targets: a run is resumed over the very same endpoints or not at all.
    pub targets_crc32: u32,
    /// Key of the shuffled order.
    pub seed: [u64; 2],
    /// Version of the shuffled order.
    pub order: u32,
    /// The scope file; absent when there was none, and only loopback was allowed.
    pub scope_path: Option<PathBuf>,
    /// SHA-256 of the scope file.
    pub scope_digest: String,
    /// Whom scanned hosts could write to.
    pub contact: Option<String>,
    /// Who scanned.
    pub user: String,
    /// Most connections a second, whole scan; absent when nothing bounded it. A resumed run keeps it.
    #[serde(default)]
    pub rate_pps: Option<u32>,
    /// Most connections a second to one network; absent when the run did not say. A resumed run keeps it.
    #[serde(default)]
    pub rate_per_network_pps: Option<u32>,
    /// How discovery by raw packets was set; absent where endpoints were connected to. A resumed run keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepRecord>,
    /// When the run began.
    pub started: Timestamp,
    /// When it was resumed.
    pub resumed: Vec<Timestamp>,
    /// When it last ended; absent while it runs.
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub state: State,
    /// Why it failed.
    pub failure: Option<String>,
    /// What became of the endpoints.
    pub tally: Tally,
    /// Observations acknowledged by the store, all sessions.
    pub observations: u64,
    /// The worst severity observed, all sessions but those that were killed; absent when nothing was observed.
    #[serde(default)]
    pub worst: Option<Severity>,
}

/// How discovery by raw packets was set.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepRecord {
    /// Which part of the order, as `I/N`.
    pub shard: String,
    /// Probes a silent target gets.
    pub probes: u8,
    /// Whether open ports were only listed.
    pub discover_only: bool,
    /// How packets are sent, as `--sender` said; absent when it was left to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Whether as many packets go as get through; the rate of the record is absent then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rate_max: bool,
    /// How long answers are waited for after the last probe; absent when the run did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_ms: Option<u64>,
}

impl RunRecord {
    /// The format this version writes, and the newest it reads.
    pub const FORMAT: u32 = 1;
    /// Most targets that are listed as they were asked for; the file with the targets has them all.
    pub const ASKED_MAX: usize = 1000;
}
