//! One writer at a time: an advisory lock on a file that holds the writer's process id.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

use nightlatch_store::StoreError;

use crate::failure::io_error;

const NAME: &str = "LOCK";
/// Longest process id in decimal, with room.
const HOLDER_BYTES_MAX: u64 = 40;
/// What a reader that finishes the work of a writer that died says beside its process id.
const FINISHING: &str = "finishing";
/// How long a writer waits for such a reader, and how long for a holder that may not have said yet what it is.
const FINISHING_MAX: Duration = Duration::from_secs(120);
const UNSAID_MAX: Duration = Duration::from_millis(150);
const POLL: Duration = Duration::from_millis(25);

/// What the lock is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Taking observations.
    Write,
    /// Finishing what another process left; soon over, and no reason for a writer to give up.
    Finish,
}

/// Held while it lives; the system lets go of it when the process ends, however that happens.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `directory`.
    pub(crate) fn take(directory: &Path, purpose: Purpose) -> Result<Self, StoreError> {
        let start = Instant::now();
        loop {
            let (pid, is_finishing) = match Self::try_take(directory, purpose)? {
                Ok(lock) => return Ok(lock),
                Err(holder) => holder,
            };
            let patience = if is_finishing { FINISHING_MAX } else { UNSAID_MAX };
            if purpose == Purpose::Finish || start.elapsed() >= patience {
                return Err(StoreError::Locked { path: directory.to_owned(), pid });
            }
            std::thread::sleep(POLL);
        }
    }

    /// The lock, or the process id of its holder and whether that will soon be done.
    fn try_take(directory: &Path, purpose: Purpose) -> Result<Result<Self, (u32, bool)>, StoreError> {
        let path = directory.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(holder(&mut file))),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        // Only told to people; a full disk must not keep the store from opening.
        let word = if purpose == Purpose::Finish { FINISHING } else { "" };
        let said = format!("{} {word}", std::process::id());
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", said.trim_end()));
        Ok(Ok(Self { _file: file }))
    }
}

fn holder(file: &mut File) -> (u32, bool) {
    let mut text = String::new();
    // What cannot be read is process 0, which tells people that nobody knows.
    let read =
        file.seek(SeekFrom::Start(0)).and_then(|_| file.take(HOLDER_BYTES_MAX).read_to_string(&mut text));
    let mut words = text.split_whitespace();
    let pid = words.next().filter(|_| read.is_ok()).and_then(|word| word.parse().ok()).unwrap_or(0);
    (pid, words.next() == Some(FINISHING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), Purpose::Write).unwrap();
        for purpose in [Purpose::Write, Purpose::Finish] {
            let second = Lock::take(dir.path(), purpose);
            let Err(StoreError::Locked { pid, .. }) = second else { panic!("not refused") };
            assert_eq!(pid, std::process::id());
        }
        drop(first);
        Lock::take(dir.path(), Purpose::Write).unwrap();
    }

    #[test]
    fn a_writer_waits_for_who_only_finishes() {
        let dir = tempfile::tempdir().unwrap();
        let reader = Lock::take(dir.path(), Purpose::Finish).unwrap();
        let finished = std::thread::spawn(move || {
            std::thread::sleep(3 * UNSAID_MAX);
            drop(reader);
        });
        Lock::take(dir.path(), Purpose::Write).unwrap();
        finished.join().unwrap();
    }
}
