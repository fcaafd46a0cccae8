//! The search language: text in, a typed and resolved tree out. No store ever sees query text.
//!
//! Words and phrases search the response itself and must all match; `field:value` filters; the values of
//! one filter, separated by commas, are alternatives; `-`, `OR` and parentheses combine.

mod tree;

pub use tree::{Area, Expr, Match, Pattern, Test};
