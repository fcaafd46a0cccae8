//! Discovery, conversations, judgement, storage: one scan from plan to outcome.
//!
//! [`Scan::run`] walks the shuffled order of a [`Plan`], connects to authorised targets only, hands each open
//! connection to a prober, and gives what it observed to a [`Sink`] in batches. A [`Journal`] on disk remembers
//! what is done, so that a run that was stopped or killed goes on without asking anything twice.

mod book;
mod cancel;
mod checkpoint;
pub mod converse;
mod journal;
mod keeper;
mod ledger;
mod plan;
mod progress;
mod run;
mod run_record;
mod scan_log;
mod second_look;
mod sink;
mod sweep;
mod trail;
mod waiting;
mod way;
mod worker;

pub use cancel::Cancel;
pub use journal::{Journal, JournalError, ListedRun, Start, run, run_names, runs};
pub use ledger::Tally;
pub use nightlatch_discovery::Shard;
pub use plan::Plan;
pub use progress::{Progress, Snapshot, SweepSnapshot};
pub use run::{Outcome, Scan, ScanError};
pub use run_record::{RunRecord, State, SweepRecord};
pub use scan_log::SCAN_LOG;
pub use second_look::Doors;
pub use sink::{Sink, SinkError};
pub use sweep::{Discovery, Hit, HitSink, SweepPlan, SweepRate, Wire};
pub use worker::Opened;
