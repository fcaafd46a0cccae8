//! One server for one data directory: two would begin every scheduled run and send every message twice.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::AppError;

/// Its name in the data directory.
const LOCK_FILE: &str = "serve.lock";

/// Shows that no other server works on a data directory. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct OnlyServer {
    _file: File,
}

impl OnlyServer {
    /// Takes the place of the server of a data directory.
    ///
    /// # Errors
    /// [`AppError::Conflict`] while another process has it, [`AppError::World`] when the system refuses.
    pub fn take(data: &Path) -> Result<Self, AppError> {
        let path = data.join(LOCK_FILE);
        let failed =
            |error: std::io::Error| AppError::World(format!("cannot use {}: {error}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whose it is helps, and is not needed.
                let _ = (&file).take(20).read_to_string(&mut text);
                let process = text
                    .trim()
                    .parse::<u32>()
                    .map_or_else(|_| String::new(), |id| format!(" (process {id})"));
                return Err(AppError::Conflict(format!(
                    "another nightlatch serve{process} works on {}; stop it, or name another data directory with --data",
                    data.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // For the message above only: on a full disk the server starts without.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_until_the_first_has_ended() {
        let data = tempfile::tempdir().unwrap();
        let first = OnlyServer::take(data.path()).unwrap();
        let refused = OnlyServer::take(data.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(first);
        OnlyServer::take(data.path()).unwrap();
    }
}
