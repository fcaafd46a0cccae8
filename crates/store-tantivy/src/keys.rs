//! The key table: the newest observation of every endpoint, and the commit record of the whole store.
//!
//! Its commit is the one that counts: what it says is committed is in the index and in the event file.

use std::{
    collections::HashMap,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use nightlatch_asset::{Endpoint, Transport};
use nightlatch_store::StoreError;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::{
    failure::keys_error,
    stored::{read_number, read_signed, write_number, write_signed},
};

const ENDPOINTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("endpoints");
const COMMIT: TableDefinition<'_, &str, u64> = TableDefinition::new("commit");

/// What redb may keep of its pages in memory.
const CACHE_BYTES: usize = 48 << 20;
/// Entries written after which the file is worth compacting.
const COMPACTED_ENTRIES_MIN: u64 = 10_000;

/// What is known of one endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Newest {
    /// Document of the newest observation.
    pub(crate) oid: u64,
    /// When its answer was last seen.
    pub(crate) last_seen: Timestamp,
    /// Content of that observation: 64 bits tell two answers of one endpoint apart.
    pub(crate) content: u64,
    /// When the endpoint was first seen.
    pub(crate) first_seen: Timestamp,
    /// The first document of the endpoint, under which an earlier first sight is noted.
    pub(crate) root: u64,
}

impl Newest {
    /// Numbers in LEB128; first document and first sight only where they are not those of the newest document.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        write_number(&mut bytes, self.oid);
        bytes.extend(self.content.to_le_bytes());
        write_time(&mut bytes, self.last_seen);
        if (self.root, self.first_seen) != (self.oid, self.last_seen) {
            write_number(&mut bytes, self.root);
            write_time(&mut bytes, self.first_seen);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (oid, used) = read_number(bytes)?;
        let (content, rest) = bytes.get(used..)?.split_at_checked(8)?;
        let content = u64::from_le_bytes(content.try_into().ok()?);
        let (last_seen, rest) = read_time(rest)?;
        if rest.is_empty() {
            return Some(Self { oid, content, last_seen, root: oid, first_seen: last_seen });
        }
        let (root, used) = read_number(rest)?;
        let (first_seen, rest) = read_time(rest.get(used..)?)?;
        rest.is_empty().then_some(Self { oid, content, last_seen, root, first_seen })
    }
}

fn write_time(bytes: &mut Vec<u8>, time: Timestamp) {
    write_signed(bytes, time.as_second());
    write_signed(bytes, time.subsec_nanosecond().into());
}

fn read_time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (seconds, used) = read_signed(bytes)?;
    let rest = bytes.get(used..)?;
    let (nanos, used) = read_signed(rest)?;
    Some((Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()?, rest.get(used..)?))
}

/// How far everything is committed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Committed {
    /// Documents below this id are in the index.
    pub(crate) next_oid: u64,
    /// Events in the event file.
    pub(crate) events: u64,
    /// Frames of the journal with a smaller number are committed.
    pub(crate) batches: u64,
    /// Endpoints ever seen.
    pub(crate) endpoints: u64,
}

/// The table, with the changes since the last commit in memory.
pub(crate) struct Keys {
    path: PathBuf,
    /// None only while it is opened again.
    database: Option<Database>,
    committed: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    fresh: HashMap<Endpoint, Newest>,
    /// Entries written since the file was compacted.
    written: u64,
}

impl Keys {
    /// Opens or creates the table at `path`.
    pub(crate) fn open(path: &Path) -> Result<(Self, Committed), StoreError> {
        let fail = keys_error(path);
        let database = Some(create(path).map_err(&fail)?);
        let (committed, fresh) = (None, HashMap::new());
        let mut keys = Self { path: path.to_owned(), database, committed, fresh, written: 0 };
        let committed = keys.read_commit().map_err(&fail)?;
        Ok((keys, committed))
    }

    /// Closes and opens the file again, which it needs after an error; what is not committed stays known.
    /// Returns what is committed: the commit that failed may have been written nevertheless.
    pub(crate) fn reopen(&mut self) -> Result<Committed, StoreError> {
        self.committed = None;
        self.database = None;
        self.database = Some(create(&self.path).map_err(keys_error(&self.path))?);
        self.read_commit().map_err(keys_error(&self.path))
    }

    /// Gives back space that earlier commits left, after so much was written that it is worth it.
    pub(crate) fn compact(&mut self) -> Result<(), StoreError> {
        if self.written < COMPACTED_ENTRIES_MIN {
            return Ok(());
        }
        self.written = 0;
        self.committed = None;
        if let Some(database) = &mut self.database {
            database.compact().map_err(|e| keys_error(&self.path)(e.into()))?;
        }
        self.read_commit().map(drop).map_err(keys_error(&self.path))
    }

    /// What is known of `endpoint`.
    pub(crate) fn get(&self, endpoint: &Endpoint) -> Result<Option<Newest>, StoreError> {
        if let Some(newest) = self.fresh.get(endpoint) {
            return Ok(Some(*newest));
        }
        let Some(table) = &self.committed else { return Ok(None) };
        let mut key = [0; 19];
        let found = table.get(key_bytes(endpoint, &mut key)).map_err(|e| keys_error(&self.path)(e.into()))?;
        let Some(value) = found else { return Ok(None) };
        Newest::decode(value.value()).map(Some).ok_or_else(|| StoreError::Damaged {
            path: self.path.clone(),
            what: format!("the entry of {endpoint} makes no sense"),
        })
    }

    /// Remembers what is known of `endpoint` until the next commit.
    pub(crate) fn put(&mut self, endpoint: Endpoint, newest: Newest) {
        self.fresh.insert(endpoint, newest);
    }

    /// Forgets what [`Keys::put`] said of `endpoint`, in favour of what stood there before.
    pub(crate) fn restore(&mut self, endpoint: Endpoint, before: Option<Newest>) {
        match before {
            Some(newest) => self.fresh.insert(endpoint, newest),
            None => self.fresh.remove(&endpoint),
        };
    }

    /// What [`Keys::put`] said of `endpoint` since the last commit.
    pub(crate) fn uncommitted(&self, endpoint: &Endpoint) -> Option<Newest> {
        self.fresh.get(endpoint).copied()
    }

    /// Writes all changes together with `commit`. After an error nothing has changed.
    pub(crate) fn commit(&mut self, commit: &Committed) -> Result<(), StoreError> {
        self.committed = None;
        let written = self.write(commit);
        let reopened = self.read_commit();
        written.map_err(keys_error(&self.path))?;
        reopened.map_err(keys_error(&self.path))?;
        self.written += self.fresh.len() as u64;
        self.fresh = HashMap::new();
        Ok(())
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::PreviousIo)
    }

    fn write(&self, commit: &Committed) -> Result<(), redb::Error> {
        let mut sorted: Vec<([u8; 19], usize, &Newest)> = self
            .fresh
            .iter()
            .map(|(endpoint, newest)| {
                let mut key = [0; 19];
                let length = key_bytes(endpoint, &mut key).len();
                (key, length, newest)
            })
            .collect();
        // In order of key each page is touched once.
        sorted.sort_unstable_by(|a, b| a.0[..a.1].cmp(&b.0[..b.1]));
        let transaction = self.database()?.begin_write()?;
        {
            let mut table = transaction.open_table(ENDPOINTS)?;
            for (key, length, newest) in &sorted {
                table.insert(&key[..*length], newest.encode().as_slice())?;
            }
            let mut table = transaction.open_table(COMMIT)?;
            table.insert("next_oid", commit.next_oid)?;
            table.insert("events", commit.events)?;
            table.insert("batches", commit.batches)?;
            table.insert("endpoints", commit.endpoints)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn read_commit(&mut self) -> Result<Committed, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let table = match transaction.open_table(COMMIT) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Committed::default()),
            Err(error) => return Err(error.into()),
        };
        let read = |name| -> Result<u64, redb::Error> { Ok(table.get(name)?.map_or(0, |v| v.value())) };
        let committed = Committed {
            next_oid: read("next_oid")?,
            events: read("events")?,
            batches: read("batches")?,
            endpoints: read("endpoints")?,
        };
        self.committed = Some(transaction.open_table(ENDPOINTS)?);
        Ok(committed)
    }
}

/// Opens the table, or makes an empty one: beside its place, and moved there whole. A disk that fills up, or a kill,
/// in the middle would leave a file that is no table, and a store that never opens again.
fn create(path: &Path) -> Result<Database, redb::Error> {
    let table = |path: &Path| Database::builder().set_cache_size(CACHE_BYTES).create(path);
    if path.exists() {
        return Ok(table(path)?);
    }
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(redb::Error::Io(error)),
        _ => {}
    }
    let made = table(&beside)?;
    fs::rename(&beside, path).map_err(redb::Error::Io)?;
    Ok(made)
}

fn key_bytes<'a>(endpoint: &Endpoint, buffer: &'a mut [u8; 19]) -> &'a [u8] {
    let length = match endpoint.ip {
        IpAddr::V4(ip) => {
            buffer[..4].copy_from_slice(&ip.octets());
            4
        }
        IpAddr::V6(ip) => {
            buffer[..16].copy_from_slice(&ip.octets());
            16
        }
    };
    buffer[length..length + 2].copy_from_slice(&endpoint.port.to_be_bytes());
    buffer[length + 2] = match endpoint.transport {
        Transport::Tcp => 0,
        Transport::Udp => 1,
    };
    &buffer[..length + 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_reopening_and_uncommitted_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let endpoint = |n: u16| Endpoint::tcp((std::net::Ipv4Addr::new(192, 0, 2, 1), n).into());
        let newest = |oid| Newest {
            oid,
            last_seen: Timestamp::new(-1, -5).unwrap(),
            content: u64::MAX - 3,
            first_seen: Timestamp::MIN,
            root: 9,
        };
        let commit = Committed { next_oid: 3, events: 2, batches: 1, endpoints: 7 };
        let (mut keys, committed) = Keys::open(&path).unwrap();
        assert_eq!(committed, Committed::default());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        keys.put(endpoint(1), newest(1));
        assert_eq!(keys.get(&endpoint(1)).unwrap(), Some(newest(1)));
        keys.commit(&commit).unwrap();
        keys.put(endpoint(2), newest(2));
        assert_eq!(keys.get(&endpoint(1)).unwrap(), Some(newest(1)));
        drop(keys);
        let (keys, committed) = Keys::open(&path).unwrap();
        assert_eq!(committed, commit);
        assert_eq!(keys.get(&endpoint(1)).unwrap(), Some(newest(1)));
        assert_eq!(keys.get(&endpoint(2)).unwrap(), None);
    }

    #[test]
    fn a_table_that_was_never_finished_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.redb");
        // What a full disk leaves: the length is there, the content is not.
        fs::write(path.with_extension("new"), vec![0; 1 << 20]).unwrap();
        let (_, committed) = Keys::open(&path).unwrap();
        assert_eq!(committed, Committed::default());
    }
}
