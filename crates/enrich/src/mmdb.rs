//! MaxMind-format databases in the field layouts of GeoLite2/GeoIP2, DB-IP, IPinfo and ip-location-db.

mod entry;
mod tree;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use maxminddb::{Reader, WithinOptions};
use nightlatch_asset::{Network, Place, Timestamp};
use nightlatch_untrusted::terminal_cut;

use crate::EnrichError;
use entry::Entry;
use tree::{Knot, Tree};

/// Largest database that is read into memory, in bytes.
pub const DATABASE_BYTES_MAX: u64 = 4 << 30;

/// Stretches of address space looked at to learn whether the layout is known.
const SAMPLE_MAX: usize = 4096;

/// Columns of foreign text that an error message or a status line repeats.
const QUOTED_COLUMNS_MAX: usize = 120;

/// The bytes of a database, for the reader and for the look at its tree.
#[derive(Clone, Debug)]
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// One database, in memory.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    bytes: Bytes,
    reader: Reader<Bytes>,
    damaged: AtomicU64,
}

impl Database {
    /// Takes the bytes of a database; `path` names it in errors.
    ///
    /// # Errors
    /// [`EnrichError::Database`] and [`EnrichError::Layout`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, EnrichError> {
        let bytes = Bytes(Arc::new(bytes));
        let reader = Reader::from_source(bytes.clone()).map_err(|e| damaged(path, &e))?;
        let database = Self { path: path.to_owned(), bytes, reader, damaged: AtomicU64::new(0) };
        if database.layout_is_known()? {
            return Ok(database);
        }
        Err(EnrichError::Layout { path: path.to_owned(), kind: database.kind() })
    }

    /// True when one of the first entries holds a field that we know.
    fn layout_is_known(&self) -> Result<bool, EnrichError> {
        let tree = self.tree();
        for address in tree.sample(SAMPLE_MAX).map_err(|knot| self.knotted(knot))? {
            let ip = match tree.depth_max {
                32 => IpAddr::V4(Ipv4Addr::from_bits(address as u32)),
                _ => IpAddr::V6(Ipv6Addr::from_bits(address)),
            };
            let found = self.reader.lookup(ip).and_then(|found| found.decode::<Entry>());
            let entry = found.map_err(|e| damaged(&self.path, &e))?;
            if entry.is_some_and(|entry| {
                entry.place() != Place::default() || entry.network() != Network::default()
            }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What it holds about `ip`. Parts of it that are damaged are absent, and counted.
    pub fn lookup(&self, ip: IpAddr) -> Option<(Place, Network)> {
        if ip.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return None;
        }
        let entry = self.reader.lookup(ip).and_then(|found| found.decode::<Entry>());
        match entry {
            Ok(entry) => entry.map(|entry| (entry.place(), entry.network())),
            Err(_) => {
                self.damaged.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Reads the whole file and checks that it holds together; seconds for a large one.
    ///
    /// # Errors
    /// [`EnrichError::Database`].
    pub fn verify(&self) -> Result<(), EnrichError> {
        self.tree().check().map_err(|knot| self.knotted(knot))?;
        // The reader's own check refuses a file without a description, which sound files of ip-location-db
        // lack; those are held to what a lookup relies on.
        if self.reader.metadata().description.is_empty() {
            return self.verify_entries();
        }
        self.reader.verify().map_err(|e| damaged(&self.path, &e))
    }

    /// Walks the whole tree and decodes every entry, each once.
    fn verify_entries(&self) -> Result<(), EnrichError> {
        let mut seen = HashSet::new();
        let stretches =
            self.reader.networks(WithinOptions::default()).map_err(|e| damaged(&self.path, &e))?;
        for stretch in stretches {
            let found = stretch.map_err(|e| damaged(&self.path, &e))?;
            if found.offset().is_some_and(|offset| seen.insert(offset)) {
                found.decode::<Entry>().map_err(|e| damaged(&self.path, &e))?;
            }
        }
        Ok(())
    }

    fn tree(&self) -> Tree<'_> {
        let metadata = self.reader.metadata();
        Tree {
            bytes: &self.bytes.0,
            nodes: metadata.node_count,
            record_bits: metadata.record_size,
            depth_max: if metadata.ip_version == 4 { 32 } else { 128 },
        }
    }

    fn knotted(&self, knot: Knot) -> EnrichError {
        EnrichError::Database { path: self.path.clone(), what: knot.to_string() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file calls itself, such as `GeoLite2-City`; neutralised for a terminal.
    pub fn kind(&self) -> String {
        terminal_cut(&self.reader.metadata().database_type, QUOTED_COLUMNS_MAX)
    }

    /// When it was built, by its own word.
    pub fn built(&self) -> Option<Timestamp> {
        let seconds =
            i64::try_from(self.reader.metadata().build_epoch).ok().filter(|seconds| *seconds > 0)?;
        Timestamp::from_second(seconds).ok()
    }

    /// Nodes of its search tree, which grows with the number of blocks it tells apart.
    pub fn nodes(&self) -> u64 {
        self.reader.metadata().node_count.into()
    }

    /// Lookups that met a damaged part.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}

fn damaged(path: &Path, error: &maxminddb::MaxMindDbError) -> EnrichError {
    let what = terminal_cut(&error.to_string(), QUOTED_COLUMNS_MAX);
    EnrichError::Database { path: path.to_owned(), what }
}
