//! Turns errors from below into the errors of the contract.

use std::{io, path::Path, sync::Arc};

use nightlatch_store::StoreError;
use tantivy::{
    TantivyError,
    directory::error::{OpenReadError, OpenWriteError},
};

/// Wraps an I/O error with what was tried on which file.
pub(crate) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { what, path: path.to_owned(), source }
}

/// Wraps an error of the search engine about the index in `path`.
pub(crate) fn engine_error(path: &Path) -> impl FnOnce(TantivyError) -> StoreError {
    move |error| {
        let io = |source: &Arc<io::Error>| StoreError::Io {
            what: "read or write",
            path: path.to_owned(),
            source: io::Error::new(source.kind(), source.to_string()),
        };
        match &error {
            TantivyError::IoError(source) => io(source),
            TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. })
            | TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => io(io_error),
            // A writing thread that died tells no kind; on a healthy machine it is the disk.
            TantivyError::ErrorInThread(what) => StoreError::Io {
                what: "write",
                path: path.to_owned(),
                source: io::Error::other(format!("most likely the disk is full ({what})")),
            },
            TantivyError::DataCorruption(what) => {
                StoreError::Damaged { path: path.to_owned(), what: format!("{what:?}") }
            }
            _ => StoreError::Engine(error.to_string()),
        }
    }
}

/// Wraps an error of the key table in `path`.
pub(crate) fn keys_error(path: &Path) -> impl Fn(redb::Error) -> StoreError {
    move |error| match error {
        redb::Error::Io(source) => StoreError::Io { what: "read or write", path: path.to_owned(), source },
        redb::Error::PreviousIo => StoreError::Io {
            what: "read or write",
            path: path.to_owned(),
            source: io::Error::other("an earlier write failed"),
        },
        redb::Error::Corrupted(what) => StoreError::Damaged { path: path.to_owned(), what },
        other => StoreError::Engine(format!("key table {}: {other}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_died_tells_the_likely_reason() {
        let died = TantivyError::ErrorInThread("a worker stopped".to_owned());
        let StoreError::Io { source, .. } = engine_error(Path::new("x"))(died) else {
            panic!("another error")
        };
        assert_eq!(source.to_string(), "most likely the disk is full (a worker stopped)");
    }
}
