//! Feature gates whose setting weakens a cluster.

use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    gate: Vec<Gate>,
}

/// One gate.
#[derive(Debug, Deserialize)]
pub(crate) struct Gate {
    /// Its name.
    pub name: String,
    /// The value that weakens.
    pub unsafe_value: bool,
    /// What that value does.
    pub why: String,
}

static GATES: LazyLock<Vec<Gate>> = LazyLock::new(|| {
    toml::from_str::<File>(include_str!("../../data/feature-gates.toml"))
        .map(|file| file.gate)
        .unwrap_or_default()
});

/// All gates of the table.
pub(crate) fn gates() -> &'static [Gate] {
    &GATES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_sorted() {
        let names: Vec<&str> = gates().iter().map(|gate| gate.name.as_str()).collect();
        assert!(names.len() >= 12 && names.is_sorted(), "{names:?}");
    }
}
