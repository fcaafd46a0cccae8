//! Where an address is, whose network it is in, and which cloud: from files that the user names.
//!
//! Absent files mean absent fields; nothing is guessed and nothing is fetched. Files are read once, at
//! the start, and are foreign bytes: a damaged one is an error, never a panic.

mod config;
mod domains;
mod enricher;
mod error;
mod mmdb;
pub mod ptr;
mod ranges;

pub use config::{CloudFile, Config};
pub use domains::{SUFFIX_LIST, SUFFIX_LIST_RELEASED, domains_of};
pub use enricher::{Dating, Enricher, FileKind, Loaded};
pub use error::EnrichError;
pub use mmdb::{DATABASE_BYTES_MAX, Database};
pub use ranges::{RANGES_BYTES_MAX, RANGES_MAX, RangeError, Ranges};

#[cfg(test)]
mod mmdb_writer;
#[cfg(test)]
mod tests;
