//! The search language: text in, a typed and resolved tree out. No store ever sees query text.
//!
//! Words and phrases search the response itself and must all match; `field:value` filters; the values of
//! one filter, separated by commas, are alternatives; `-`, `OR` and parentheses combine.
//!
//! [`parse`] is total: any text gives a tree or a [`QueryError`] that points at the place, in time that
//! grows with the length of the text. [`print`] writes the one canonical form of a tree, and parsing it
//! gives the tree back. [`matches`] says what a tree means; every store must agree with it.

mod complete;
mod error;
mod eval;
mod lex;
mod parse;
mod pattern;
mod print;
mod reference;
mod tree;
mod value;

pub use complete::{Suggestion, complete};
pub use error::{QueryError, QueryErrorKind};
pub use eval::matches;
pub use parse::{Parsed, Warning, parse};
pub use pattern::GlobPart;
pub use print::print;
pub use reference::reference;
pub use tree::{Area, Expr, Match, Pattern, Test};
pub use value::closed_words;

#[cfg(test)]
mod tests;

/// Longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// Deepest nesting of parentheses and negations.
pub const DEPTH_MAX: usize = 64;

/// Most clauses: every word, and every value of every filter, is one.
pub const CLAUSES_MAX: usize = 1_024;

/// Longest text with wildcards, in bytes of its folded form.
pub const PATTERN_BYTES_MAX: usize = 256;

/// Characters that must stand before the first wildcard.
pub const PATTERN_LITERALS_MIN: usize = 2;

/// Radius of `geo:lat,lon` without a third number, in kilometres.
pub const GEO_KM_DEFAULT: f64 = 1.0;
