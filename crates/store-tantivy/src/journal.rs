//! The append-only journal: what was acknowledged and is not in the search index yet.
//!
//! A frame is length (4 bytes), CRC-32 of the payload (4 bytes), payload; little endian. A frame that is cut or
//! does not check is the end of the file: it was never acknowledged.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use nightlatch_store::StoreError;

use crate::failure::io_error;

/// Longest payload; a longer one on disk is damage, not data.
pub(crate) const FRAME_BYTES_MAX: usize = 256 << 20;
const HEAD_BYTES: usize = 8;

/// One file of frames, open for appending.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    frame: Vec<u8>,
}

impl Journal {
    /// Opens or creates the file, and hands every whole frame in it to `each`. What follows the last whole
    /// frame is cut off.
    pub(crate) fn open(
        path: &Path,
        mut each: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error("open", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
        let mut rest = bytes.as_slice();
        while let Some((payload, after)) = frame(rest) {
            each(payload)?;
            rest = after;
        }
        let length = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            file.set_len(length).map_err(io_error("shorten", path))?;
        }
        file.seek(SeekFrom::Start(length)).map_err(io_error("read", path))?;
        Ok(Self { path: path.to_owned(), file, length, frame: Vec::new() })
    }

    /// Appends one frame and waits until it is on the disk.
    ///
    /// After an error the file is as it was before.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.frame.clear();
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= FRAME_BYTES_MAX);
        let Some(length) = length else {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "batch too large, split it");
            return Err(StoreError::Io { what: "append to", path: self.path.clone(), source });
        };
        self.frame.extend(length.to_le_bytes());
        self.frame.extend(crc32fast::hash(payload).to_le_bytes());
        self.frame.extend(payload);
        match self.file.write_all(&self.frame).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.length += self.frame.len() as u64;
                Ok(())
            }
            Err(source) => {
                // What was half written must not be taken for data, nor stand before what comes next.
                let _ = self.file.set_len(self.length);
                let _ = self.file.seek(SeekFrom::Start(self.length));
                Err(StoreError::Io { what: "append to", path: self.path.clone(), source })
            }
        }
    }

    /// Bytes of whole frames.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets everything from `length` on.
    pub(crate) fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        self.file
            .set_len(length)
            .and_then(|()| self.file.seek(SeekFrom::Start(length)))
            .map_err(io_error("shorten", &self.path))?;
        self.length = length;
        Ok(())
    }
}

/// Splits the first whole frame off `bytes`: its payload, and what follows it.
pub fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u32::from_le_bytes(head.get(..4)?.try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(head.get(4..)?.try_into().ok()?);
    if length > FRAME_BYTES_MAX {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(length)?;
    (crc32fast::hash(payload) == checksum).then_some((payload, rest))
}

/// Replaces the file at `path` by `bytes` so that a reader sees the old or the new content, never a part,
/// and so that it survives a loss of power.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let fresh = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_directory(path.parent().unwrap_or(Path::new(".")))
    };
    write().map_err(io_error("write", path))
}

/// Makes creations, renames and removals in `directory` survive a loss of power.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(path: &Path) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        Journal::open(path, |frame| {
            frames.push(frame.to_vec());
            Ok(())
        })
        .unwrap();
        frames
    }

    #[test]
    fn what_was_appended_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::open(&path, |_| Ok(())).unwrap();
        journal.append(b"one").unwrap();
        journal.append(b"").unwrap();
        journal.append(b"three").unwrap();
        assert_eq!(read(&path), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn a_torn_tail_is_cut_and_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::open(&path, |_| Ok(())).unwrap();
        journal.append(b"one").unwrap();
        journal.append(b"two").unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 11..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(&path, |_| Ok(())).unwrap();
            journal.append(b"three").unwrap();
            assert_eq!(read(&path), [&b"one"[..], b"three"], "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_no_frames_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some((payload, rest)) = frame(&bytes) {
                prop_assert_eq!(payload.len() + rest.len() + HEAD_BYTES, bytes.len());
            }
        }
    }
}
