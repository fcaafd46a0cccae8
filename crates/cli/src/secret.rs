//! The secret of a data directory: names of foreign things are kept as hashes under it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::failure::Failure;

const SECRET_FILE: &str = "secret";

/// Reads the secret, or makes it: 32 random bytes that only the owner may read.
pub(crate) fn secret(data: &Path) -> Result<[u8; 32], Failure> {
    let path = data.join(SECRET_FILE);
    let failed = |e: io::Error| Failure::from(e).while_doing(format!("cannot use {}", path.display()));
    fs::create_dir_all(data).map_err(failed)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|e| Failure::world(format!("no randomness: {e}")))?;
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut bytes = [0; 32];
            let mut file = fs::File::open(&path).map_err(failed)?;
            file.read_exact(&mut bytes).map_err(|e| {
                failed(e).hint(
                    "the file is cut short; remove it, and hashes of earlier runs will no longer compare",
                )
            })?;
            Ok(bytes)
        }
        Err(error) => Err(failed(error)),
    }
}
