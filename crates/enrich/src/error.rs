use std::path::PathBuf;

use crate::ranges::RangeError;

/// Why a file could not be used. Words of the file inside the message are neutralised for a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrichError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than is read into memory.
    #[error("{path} has {bytes} bytes, expected at most {bytes_max}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A pipe, a device or a folder: nothing that has an end and stays the same.
    #[error("{path} is no regular file")]
    NoFile {
        /// Its path.
        path: PathBuf,
    },
    /// As it is offered for download, not as it is used.
    #[error("{path} is compressed ({format}); unpack it, and name the file inside")]
    Compressed {
        /// The file.
        path: PathBuf,
        /// Such as `gzip`.
        format: &'static str,
    },
    /// Not a MaxMind database, or a damaged one.
    #[error("{path} is no MaxMind database (.mmdb), or a damaged one: {what}; download it again")]
    Database {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        what: String,
    },
    /// A MaxMind database without a field that we know.
    #[error(
        "{path} ({kind}) holds no place and no network in a known layout; \
         expected GeoLite2, GeoIP2, DB-IP, IPinfo or ip-location-db"
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What the file calls itself.
        kind: String,
    },
    /// Not a range file.
    #[error("{path} is no range file of a cloud provider")]
    Ranges {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: RangeError,
    },
}
