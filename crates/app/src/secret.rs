//! The secret of a data directory: names of foreign things are kept as hashes under it.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use crate::{AppError, private};

const SECRET_FILE: &str = "secret";

/// Reads the secret, or makes it: 32 random bytes that only the owner may read. Asked for under the lock of the
/// store, so no two processes make one.
///
/// # Errors
/// [`AppError::World`] when the file cannot be read or made, or is cut short.
pub fn secret(data: &Path) -> Result<[u8; 32], AppError> {
    let path = data.join(SECRET_FILE);
    let failed = |error: io::Error, hint: &str| {
        AppError::World(format!("cannot use {}: {error}{hint}", path.display()))
    };
    let mut bytes = [0; 32];
    match fs::File::open(&path) {
        Ok(mut file) => file.read_exact(&mut bytes).map_err(|error| {
            failed(
                error,
                "; the file is cut short: remove it, and hashes of earlier runs will no longer compare",
            )
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            getrandom::fill(&mut bytes).map_err(|e| AppError::World(format!("no randomness: {e}")))?;
            private::create_whole(&path, &bytes).map_err(|error| failed(error, ""))?;
        }
        Err(error) => return Err(failed(error, "")),
    }
    Ok(bytes)
}
