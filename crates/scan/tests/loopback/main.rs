//! Whole scans over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod pipeline;
mod resume;
mod street;
