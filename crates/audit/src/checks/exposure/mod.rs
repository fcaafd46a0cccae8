//! Native checks of the family `exposure`.

pub(crate) mod product;

use crate::NativeCheck;

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[];
