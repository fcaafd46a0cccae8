//! What edits change, as a unified diff.

use std::time::Duration;

use similar::{Algorithm, TextDiff};

/// After this the difference is still right, but not the smallest.
const SEARCH_MS_MAX: u64 = 500;

/// The unified diff of two texts of one file, with three lines of context; empty when they are equal.
///
/// Everything in it comes from outside: it leaves through an escaper, line by line.
pub fn diff(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let mut config = TextDiff::configure();
    config.algorithm(Algorithm::Myers).timeout(Duration::from_millis(SEARCH_MS_MAX));
    let diff = config.diff_lines(before, after);
    let name = name.trim_start_matches('/');
    diff.unified_diff().context_radius(3).header(&format!("a/{name}"), &format!("b/{name}")).to_string()
}
