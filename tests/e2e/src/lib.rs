//! What the end-to-end tests stand on: real servers, hostile servers, and the `nightlatch` binary under a stopwatch.
//!
//! Everything here is for tests: a failure panics with the log of the server that caused it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only tests use this package, and tests may fail loudly"
)]

pub mod client;
pub mod console;
pub mod hostile;
pub mod lab;
pub mod nightlatch;
pub mod open_host;
pub mod pki;
pub mod products;
pub mod receiver;
pub mod server;
pub mod tenants;
