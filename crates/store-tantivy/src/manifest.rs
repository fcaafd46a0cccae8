//! The MANIFEST: format version, and what a reader in another process may take as one moment.

use std::{collections::BTreeSet, fs, io, path::Path};

use nightlatch_store::StoreError;

use crate::{failure::io_error, journal, partition::Week};

/// Newest format this version reads and writes.
pub const FORMAT: u32 = 1;
/// Name of the file in the data directory.
pub(crate) const NAME: &str = "MANIFEST";
/// A longer file is no MANIFEST.
const BYTES_MAX: u64 = 1 << 20;
const FIRST_WORDS: &str = "nightlatch store";

/// One moment of the store. Everything it counts is on disk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manifest {
    /// Observations with a smaller id belong to the moment.
    pub next_oid: u64,
    /// Events that belong to the moment.
    pub events: u64,
    /// Endpoints ever seen.
    pub endpoints: u64,
    /// Partitions.
    pub partitions: BTreeSet<Week>,
}

impl Manifest {
    /// Reads the MANIFEST of `directory`.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Newer`], [`StoreError::Damaged`] or [`StoreError::Io`].
    pub fn read(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(NAME);
        let text = match fs::metadata(&path) {
            Ok(found) if found.len() > BYTES_MAX => None,
            Ok(_) => Some(fs::read(&path).map_err(io_error("read", &path))?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Absent { path: directory.to_owned() });
            }
            Err(e) => return Err(io_error("read", &path)(e)),
        };
        let parsed = match &text {
            Some(text) => Self::parse(text),
            None => Err(Unreadable::Damaged("is far too long")),
        };
        parsed.map_err(|why| match why {
            Unreadable::Newer(found) => {
                StoreError::Newer { path: directory.to_owned(), found, known: FORMAT }
            }
            Unreadable::Damaged(what) => StoreError::Damaged { path, what: what.to_owned() },
        })
    }

    /// Writes it; readers see the old or the new one.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        journal::replace(&directory.join(NAME), self.render().as_bytes())
    }

    /// The text of the file.
    pub fn render(&self) -> String {
        let mut text = format!(
            "{FIRST_WORDS} {FORMAT}\nnext {}\nevents {}\nendpoints {}\n",
            self.next_oid, self.events, self.endpoints
        );
        for week in &self.partitions {
            text.push_str(&format!("part {week}\n"));
        }
        let checksum = crc32fast::hash(text.as_bytes());
        text.push_str(&format!("check {checksum:08x}\n"));
        text
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// What is wrong with it; the version is looked at first, for a newer one may differ in everything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Damaged("is no text"))?;
        let version =
            text.lines().next().and_then(|line| line.strip_prefix(FIRST_WORDS)?.trim().parse().ok());
        match version {
            None => return Err(Unreadable::Damaged("does not start with a format version")),
            Some(version) if version > FORMAT => return Err(Unreadable::Newer(version)),
            Some(_) => {}
        }
        let (body, check) = text.rfind("check ").map_or((text, ""), |at| text.split_at(at));
        if check != format!("check {:08x}\n", crc32fast::hash(body.as_bytes())) {
            return Err(Unreadable::Damaged("its checksum does not hold"));
        }
        Self::parse_lines(body).ok_or(Unreadable::Damaged("holds a line that makes no sense"))
    }

    fn parse_lines(body: &str) -> Option<Self> {
        let mut manifest = Self::default();
        for line in body.lines().skip(1) {
            let words: Vec<_> = line.split(' ').collect();
            match words.as_slice() {
                ["next", n] => manifest.next_oid = n.parse().ok()?,
                ["events", n] => manifest.events = n.parse().ok()?,
                ["endpoints", n] => manifest.endpoints = n.parse().ok()?,
                ["part", week] => {
                    manifest.partitions.insert(week.parse().ok()?);
                }
                _ => return None,
            }
        }
        Some(manifest)
    }
}

/// Why a MANIFEST cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// Written by a newer version, with its number.
    Newer(u32),
    /// What is wrong.
    Damaged(&'static str),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Manifest {
        let partitions = ["2026-W38", "2026-W39"].map(|week| week.parse().unwrap()).into();
        Manifest { next_oid: 12, events: 3, endpoints: 9, partitions }
    }

    #[test]
    fn it_comes_back() {
        assert_eq!(Manifest::parse(sample().render().as_bytes()), Ok(sample()));
    }

    #[test]
    fn a_newer_version_is_told_before_anything_else() {
        assert_eq!(Manifest::parse(b"nightlatch store 7\nanything"), Err(Unreadable::Newer(7)));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let text = sample().render();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_ne!(Manifest::parse(&bytes), Ok(sample()), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn foreign_text_does_not_panic(text in "(nightlatch store 1\n)?(next|part|check| |\n|[0-9]|\\PC){0,40}") {
            let _ = Manifest::parse(text.as_bytes());
        }
    }
}
