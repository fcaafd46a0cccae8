//! The `nightlatch` command.

fn main() {}
