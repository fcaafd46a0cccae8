//! Discovery without state for each probe: what to send next, and what a reply means.
//!
//! A [`Sweep`] is both halves of it. [`Sender`] walks the shuffled order of a set of targets, several times where
//! several probes were asked for, and says what goes out when; [`Listener`] judges what comes back. They share a
//! [`Board`] of two bits for each position, so that an answer is counted once and who answered is not asked again.
//! [`Pacer`] and [`Governor`] say how fast. Time is an argument everywhere, in nanoseconds of whatever clock the caller
//! has, and so is all that is random.

mod board;
mod caps;
mod cookie;
mod governor;
mod listener;
mod pacer;
mod sample;
mod sender;
mod shard;
mod sweep;

pub use board::Board;
pub use caps::{Caps, network};
pub use cookie::{Cookie, Key};
pub use governor::{Governor, Reason, Seen};
pub use listener::{Heard, Listener};
pub use pacer::Pacer;
pub use sender::{Next, Probe, Sender};
pub use shard::{Shard, ShardSyntax};
pub use sweep::{Counts, Settings, Sweep};

/// Nanoseconds of a clock that never goes back.
pub type Nanos = u64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;
