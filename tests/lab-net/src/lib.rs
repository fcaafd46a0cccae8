//! A network of two namespaces for the discovery: the scanner is in the near one, the far one is the world.
//!
//! A pair of virtual cards joins them, and no route leads out of either. The far namespace answers for whole prefixes, by
//! routes that call all their addresses local: its ordinary kernel is the counterpart, with real listeners, resets and ICMP.
//! What arrives there is captured, so that tests compare what was sent with what should have been.
//!
//! Nothing is left behind: a namespace lives as long as the process that holds it, that process as long as a pipe from
//! here is open, and the cards go with the namespaces. That holds after `kill -9` too.
//!
//! Everything here is for tests: a failure panics with the words of the program that caused it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only tests use this package, and tests may fail loudly"
)]

mod capture;
mod lab;
mod listeners;
mod namespace;
mod run;
mod scanner;

pub use capture::{Capture, Protocol, Seen, burst, rate};
pub use lab::{FAR_V4, FAR_V6, Lab, NEAR_V4, NEAR_V6, Sky, V4_PREFIX, V6_PREFIX};
pub use listeners::Listeners;
pub use namespace::{Namespace, Unavailable};
pub use run::{Run, Running, run, start};
pub use scanner::{Scanner, binary, hits};
