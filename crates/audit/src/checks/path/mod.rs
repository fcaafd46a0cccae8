//! Native checks of the family `path`: ways of an attacker through what the other families found one by one.

mod chains;
mod escape;
mod lateral;
mod outside;
pub(crate) mod routes;

use crate::NativeCheck;

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("path/account-to-cluster", chains::account_to_cluster),
    ("path/internet-to-cluster", chains::internet_to_cluster),
    ("path/internet-to-node", chains::internet_to_node),
    ("path/lateral-to-sensitive", lateral::check),
    ("path/outside-inside-match", outside::check),
];
