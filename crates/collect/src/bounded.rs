//! Reading with a limit.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is longer than the limit.
    #[error("it has more than {} MB, which is the limit; raise it with --max-file-size, or split it", limit / 1_000_000)]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// It is a pipe, socket or device.
    #[error("it is a {what}, not a file; send its content to standard input and name `-`")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// It is a folder.
    #[error("it is a folder")]
    Folder,
    /// The system refuses.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads a whole regular file of at most `limit` bytes. Pipes and devices are never waited for: the file is opened without
/// blocking and looked at before the first byte is read. `/dev/fd/N` and `/dev/stdin`, which shells give for `<(command)`,
/// are read as streams.
///
/// # Errors
/// [`ReadError`].
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    if is_given_stream(path) {
        return read_stream(File::open(path)?, limit);
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits() as i32)
        .open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(ReadError::Folder);
    }
    if !kind.is_file() {
        let what = match () {
            () if kind.is_fifo() => "named pipe",
            () if kind.is_socket() => "socket",
            () => "device",
        };
        return Err(ReadError::NotAFile { what });
    }
    if metadata.len() > limit {
        return Err(ReadError::TooLong { limit });
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    take(file, limit, &mut bytes)?;
    Ok(bytes)
}

/// Reads a stream to its end, at most `limit` bytes.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn read_stream(stream: impl Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    take(stream, limit, &mut bytes)?;
    Ok(bytes)
}

fn take(stream: impl Read, limit: u64, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
    stream.take(limit.saturating_add(1)).read_to_end(bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLong { limit });
    }
    Ok(())
}

/// True for a descriptor that this process was given.
fn is_given_stream(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || ["/dev/fd", "/proc/self/fd"].iter().any(|folder| {
            path.strip_prefix(folder)
                .is_ok_and(|rest| rest.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        })
}
