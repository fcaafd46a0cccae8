//! The door of our own server: listener, TLS, keys, sessions, limits, log, metrics.

mod caller;

pub use caller::{Caller, Stranger};
