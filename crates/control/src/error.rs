use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the control database could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The operating system refused.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// The operation.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error("{path} has format {found}, this version reads formats up to {known}; use a newer nightlatch", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Format found.
        found: i64,
        /// Newest format known.
        known: i64,
    },
    /// The disk is full.
    #[error("{path}: no space left on the disk", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// What is on disk does not hold together.
    #[error("{path} is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The database refused.
    #[error("{path}: {what}", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The reason in the database's words.
        what: String,
    },
    /// Something asked for is not there.
    #[error("there is no {kind} `{id}`")]
    Unknown {
        /// What it would be.
        kind: &'static str,
        /// The name.
        id: String,
    },
    /// The system gave no randomness.
    #[error("no randomness: {0}")]
    Random(String),
    /// A key cannot be hashed.
    #[error("cannot hash a key: {0}")]
    Hash(String),
}

impl ControlError {
    pub(crate) fn sql(path: &Path, error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(DiskFull) => Self::Full { path },
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged { path, what: error.to_string() },
            // A value never stands in a message of SQLite; the statement may, and holds none either.
            _ => Self::Refused { path, what: error.to_string() },
        }
    }
}
