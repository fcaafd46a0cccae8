use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Tally,
    ledger::{Marks, WINDOW},
};

/// Where a run stands, on disk: two slots that are written in turn, each with a number and a checksum, so
/// that a write torn by a crash leaves the one before it.
///
/// A write is one system call and survives the death of the process at once; it is flushed to the device every
/// few seconds, which bounds what a loss of power can undo.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    file: File,
    sequence: u64,
    flushed: Instant,
}

const MAGIC: [u8; 8] = *b"NLCHECK1";
/// Magic, sequence, total, low, five counts, number of words: eight bytes each.
const HEAD_BYTES: usize = 10 * 8;
const CHECKSUM_BYTES: usize = 4;
const SLOT_BYTES: u64 = 256 << 10;
const FLUSH_EVERY: Duration = Duration::from_secs(5);

const _: () = assert!(HEAD_BYTES as u64 + WINDOW / 8 + CHECKSUM_BYTES as u64 <= SLOT_BYTES);

impl CheckpointFile {
    /// Opens or makes the file at `path`; gives back what it says, `None` when it says nothing yet.
    ///
    /// # Errors
    /// What the system says. A file in which no slot is whole reads as saying nothing.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<Marks>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let newest = newest(&file)?;
        let sequence = newest.as_ref().map_or(0, |(sequence, _)| *sequence);
        Ok((Self { file, sequence, flushed: Instant::now() }, newest.map(|(_, marks)| marks)))
    }

    /// What the file at `path` says, without touching it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Marks>> {
        Ok(newest(&File::open(path)?)?.map(|(_, marks)| marks))
    }

    /// Writes `marks` over the older slot.
    ///
    /// # Errors
    /// What the system says; the newer slot is untouched.
    pub(crate) fn write(&mut self, marks: &Marks) -> io::Result<()> {
        self.sequence += 1;
        let bytes = encode(self.sequence, marks);
        self.file.write_all_at(&bytes, (self.sequence % 2) * SLOT_BYTES)?;
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Flushes to the device.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.file.sync_data()
    }
}

fn newest(file: &File) -> io::Result<Option<(u64, Marks)>> {
    let slots = [decode(&read_slot(file, 0)?), decode(&read_slot(file, 1)?)];
    Ok(slots.into_iter().flatten().max_by_key(|(sequence, _)| *sequence))
}

fn read_slot(file: &File, slot: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SLOT_BYTES as usize];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, slot * SLOT_BYTES + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn encode(sequence: u64, marks: &Marks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + marks.bits.len() * 8 + CHECKSUM_BYTES);
    bytes.extend(MAGIC);
    for number in [sequence, marks.total, marks.low].into_iter().chain(marks.tally.as_array()) {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((marks.bits.len() as u64).to_le_bytes());
    bytes.extend(marks.bits.iter().flat_map(|word| word.to_le_bytes()));
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, Marks)> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let mut numbers =
        head.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    if numbers.next()? != u64::from_le_bytes(MAGIC) {
        return None;
    }
    let (sequence, total, low) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let mut tally = [0; 5];
    for count in &mut tally {
        *count = numbers.next()?;
    }
    let words = usize::try_from(numbers.next()?).ok().filter(|words| *words as u64 <= WINDOW / 64)?;
    let (bits, rest) = rest.split_at_checked(words * 8)?;
    let checksum = u32::from_le_bytes(rest.get(..CHECKSUM_BYTES)?.try_into().ok()?);
    if crc32fast::hash(bytes.get(..HEAD_BYTES + words * 8)?) != checksum {
        return None;
    }
    let bits =
        bits.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default())).collect();
    Some((sequence, Marks { total, low, bits, tally: Tally::from_array(tally) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks(low: u64) -> Marks {
        let tally = Tally { open: 1, closed: 2, filtered: 3, failed: 4, refused: 5 };
        Marks { total: 1 << 20, low, bits: vec![low, 7, u64::MAX], tally }
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("done");
        let (mut file, found) = CheckpointFile::open(&path).unwrap();
        assert_eq!(found, None);
        for low in 1..=5 {
            file.write(&marks(low)).unwrap();
            assert_eq!(CheckpointFile::open(&path).unwrap().1, Some(marks(low)));
        }
        // The fifth write is torn in the middle: the fourth counts, and writing goes on over the torn one.
        file.file.write_all_at(&[0xff; 9], SLOT_BYTES + 60).unwrap();
        let (mut file, found) = CheckpointFile::open(&path).unwrap();
        assert_eq!(found, Some(marks(4)));
        file.write(&marks(6)).unwrap();
        assert_eq!(CheckpointFile::open(&path).unwrap().1, Some(marks(6)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            prop_assert_eq!(decode(&bytes), None);
            let whole = encode(9, &marks(3));
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(decode(&whole[..cut]), None);
        }
    }
}
