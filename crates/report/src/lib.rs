//! What people and programs are shown: tables for a terminal, NDJSON and CSV for programs.
//!
//! Every function writes to a given writer and is told the width, whether colours are wanted and
//! whether the terminal shows more than ASCII; none asks the environment. Everything that came from
//! outside leaves through `nightlatch-untrusted`, so no banner, host name or certificate can move the
//! cursor, start a formula or turn the reading direction. Lines written for a terminal never exceed
//! [`Style::width`] columns.

pub mod audit;
mod cef;
mod csv;
mod ecs;
mod facets;
mod fields;
mod host;
mod html_document;
pub mod landscape;
mod ndjson;
mod open;
pub mod owner;
mod page;
mod remedy;
mod runs;
mod sarif;
pub mod shadowserver;
mod style;
mod table;
mod when;

pub use cef::cef;
pub use csv::{Csv, csv, csv_of};
pub use ecs::ecs;
pub use facets::{Bar, FacetView, facets};
pub use fields::{field_text, fields, fields_header};
pub use host::host;
pub use html_document::{STYLESHEET, StyleSource};
pub use ndjson::{ndjson, ndjson_line};
pub use open::{is_open, open_severity};
pub use remedy::{FindingRemedy, NetworkRule, Reference, Remedy, Tool, remedy};
pub use runs::{RunView, runs};
pub use sarif::Sarif;
pub use style::Style;
pub use table::{summary, table, worst_first};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
