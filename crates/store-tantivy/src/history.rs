//! What happened to documents after they were written: superseded, seen again, first seen earlier.
//!
//! Documents never change. Each change is an event of 24 bytes in an append-only file, so that a reader that
//! knows the number of events of a moment knows the state of that moment, also while more are appended.

use std::{collections::HashMap, fs::File, io::Read, path::Path, sync::Arc};

use jiff::Timestamp;
use nightlatch_store::StoreError;

use crate::failure::io_error;

/// Size of an event on disk.
pub(crate) const EVENT_BYTES: usize = 24;

/// One change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A newer observation of the same endpoint took the place of document `oid`.
    Superseded {
        /// The document.
        oid: u64,
    },
    /// The answer in document `oid` was seen again.
    Sighting {
        /// The document.
        oid: u64,
        /// When.
        time: Timestamp,
    },
    /// The endpoint whose first document is `oid` was first seen earlier than its documents say.
    FirstSeen {
        /// The first document of the endpoint.
        oid: u64,
        /// When.
        time: Timestamp,
    },
}

impl Event {
    /// Appends the form on disk: oid (7 bytes), kind, seconds (8), nanoseconds (4), CRC-32; little endian.
    pub fn encode(self, out: &mut Vec<u8>) {
        let (kind, oid, time) = match self {
            Self::Superseded { oid } => (0, oid, Timestamp::UNIX_EPOCH),
            Self::Sighting { oid, time } => (1, oid, time),
            Self::FirstSeen { oid, time } => (2, oid, time),
        };
        let start = out.len();
        out.extend(&oid.to_le_bytes()[..7]);
        out.push(kind);
        out.extend(time.as_second().to_le_bytes());
        out.extend(time.subsec_nanosecond().to_le_bytes());
        let checksum = crc32fast::hash(&out[start..]);
        out.extend(checksum.to_le_bytes());
    }

    /// Reads one event; nothing when it makes no sense.
    pub fn decode(bytes: &[u8; EVENT_BYTES]) -> Option<Self> {
        let (body, checksum) = bytes.split_at(EVENT_BYTES - 4);
        if crc32fast::hash(body) != u32::from_le_bytes(checksum.try_into().ok()?) {
            return None;
        }
        let head = u64::from_le_bytes(body.get(..8)?.try_into().ok()?);
        let (oid, kind) = (head & OID_MAX, head >> 56);
        let seconds = i64::from_le_bytes(body.get(8..16)?.try_into().ok()?);
        let nanos = i32::from_le_bytes(body.get(16..20)?.try_into().ok()?);
        let time = Timestamp::new(seconds, nanos).ok()?;
        match kind {
            0 => Some(Self::Superseded { oid }),
            1 => Some(Self::Sighting { oid, time }),
            2 => Some(Self::FirstSeen { oid, time }),
            _ => None,
        }
    }
}

/// Largest document id: seven bytes.
pub(crate) const OID_MAX: u64 = (1 << 56) - 1;

/// Fresh sightings kept in a map before they are merged into the sorted list.
const FRESH_MAX: usize = 65_536;

/// How often and when last one answer was seen again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    /// The newest sighting.
    pub(crate) last: Timestamp,
    /// Sightings, without the document itself.
    pub(crate) again: u32,
}

/// All events applied. Clones share what is large.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    superseded: Arc<Vec<u64>>,
    seen: Arc<Vec<(u64, Seen)>>,
    fresh: HashMap<u64, Seen>,
    first: Arc<HashMap<u64, Timestamp>>,
    events: u64,
    sightings: u64,
    superseding: u64,
}

impl History {
    /// Applies the next event.
    pub(crate) fn apply(&mut self, event: Event) {
        self.events += 1;
        match event {
            Event::Superseded { oid } => {
                let (word, bit) = ((oid / 64) as usize, oid % 64);
                let bits = Arc::make_mut(&mut self.superseded);
                if bits.len() <= word {
                    bits.resize(word + 1, 0);
                }
                bits[word] |= 1 << bit;
                self.superseding += 1;
            }
            Event::Sighting { oid, time } => {
                let seen = self.seen(oid);
                let last = seen.map_or(time, |s| s.last.max(time));
                let again = seen.map_or(0, |s| s.again).saturating_add(1);
                self.fresh.insert(oid, Seen { last, again });
                self.sightings += 1;
                if self.fresh.len() >= FRESH_MAX.max(self.seen.len() / 8) {
                    self.settle();
                }
            }
            Event::FirstSeen { oid, time } => {
                Arc::make_mut(&mut self.first).insert(oid, time);
            }
        }
    }

    /// Whether a newer observation took the place of document `oid`.
    pub(crate) fn is_superseded(&self, oid: u64) -> bool {
        let word = usize::try_from(oid / 64).ok().and_then(|word| self.superseded.get(word));
        word.is_some_and(|word| word >> (oid % 64) & 1 == 1)
    }

    /// Sightings of document `oid`, if there are any.
    pub(crate) fn seen(&self, oid: u64) -> Option<Seen> {
        if let Some(seen) = self.fresh.get(&oid) {
            return Some(*seen);
        }
        let at = self.seen.binary_search_by_key(&oid, |(oid, _)| *oid).ok()?;
        self.seen.get(at).map(|(_, seen)| *seen)
    }

    /// The earlier time at which the endpoint whose first document is `root` was first seen, if its documents
    /// say otherwise.
    pub(crate) fn first_seen(&self, root: u64) -> Option<Timestamp> {
        if self.first.is_empty() { None } else { self.first.get(&root).copied() }
    }

    /// Whether any document was ever superseded.
    pub(crate) fn has_superseded(&self) -> bool {
        self.superseding > 0
    }

    /// How often a document was superseded.
    pub(crate) fn superseding(&self) -> u64 {
        self.superseding
    }

    /// Events applied.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Sightings among them.
    pub(crate) fn sightings(&self) -> u64 {
        self.sightings
    }

    /// Moves the fresh sightings into the sorted list.
    fn settle(&mut self) {
        let mut all: Vec<_> =
            self.seen.iter().filter(|(oid, _)| !self.fresh.contains_key(oid)).copied().collect();
        all.extend(self.fresh.drain());
        all.sort_unstable_by_key(|(oid, _)| *oid);
        self.seen = Arc::new(all);
    }

    /// Reads the first `events` events of the file at `path`.
    pub(crate) fn load(path: &Path, events: u64) -> Result<Self, StoreError> {
        let mut history = Self::default();
        if events == 0 {
            return Ok(history);
        }
        let damaged = |what: String| StoreError::Damaged { path: path.to_owned(), what };
        let file = File::open(path).map_err(io_error("open", path))?;
        let mut file =
            std::io::BufReader::with_capacity(1 << 16, file.take(events.saturating_mul(EVENT_BYTES as u64)));
        let mut bytes = [0; EVENT_BYTES];
        for index in 0..events {
            file.read_exact(&mut bytes)
                .map_err(|_| damaged(format!("ends before event {index} of {events}")))?;
            let event =
                Event::decode(&bytes).ok_or_else(|| damaged(format!("event {index} does not check")))?;
            history.apply(event);
        }
        history.settle();
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn events_come_back() {
        let events = [
            Event::Superseded { oid: OID_MAX },
            Event::Sighting { oid: 7, time: Timestamp::new(1_790_000_000, 123_456_789).unwrap() },
            Event::FirstSeen { oid: 0, time: Timestamp::new(-5, -1).unwrap() },
        ];
        for event in events {
            let mut bytes = Vec::new();
            event.encode(&mut bytes);
            assert_eq!(Event::decode(bytes.as_slice().try_into().unwrap()), Some(event));
            bytes[3] ^= 1;
            assert_eq!(Event::decode(bytes.as_slice().try_into().unwrap()), None);
        }
    }

    #[test]
    fn a_clone_does_not_see_what_comes_after() {
        let mut history = History::default();
        history.apply(Event::Superseded { oid: 3 });
        history.apply(Event::Sighting { oid: 4, time: time(10) });
        let frozen = history.clone();
        history.apply(Event::Superseded { oid: 400 });
        history.apply(Event::Sighting { oid: 4, time: time(5) });
        history.apply(Event::FirstSeen { oid: 4, time: time(1) });
        assert!(frozen.is_superseded(3) && !frozen.is_superseded(400));
        assert_eq!(frozen.seen(4), Some(Seen { last: time(10), again: 1 }));
        assert_eq!(frozen.first_seen(4), None);
        assert_eq!(history.seen(4), Some(Seen { last: time(10), again: 2 }));
        assert_eq!(history.first_seen(4), Some(time(1)));
        assert_eq!((frozen.events(), history.events(), history.sightings()), (2, 5, 2));
    }

    #[test]
    fn settling_changes_nothing() {
        let mut history = History::default();
        for oid in 0..200_000u64 {
            history.apply(Event::Sighting { oid: oid % 70_000, time: time(oid as i64) });
        }
        assert_eq!(history.seen(69_999), Some(Seen { last: time(139_999), again: 2 }));
        assert_eq!(history.seen(0), Some(Seen { last: time(140_000), again: 3 }));
        assert_eq!(history.seen(70_000), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(bytes: [u8; EVENT_BYTES]) {
            let _ = Event::decode(&bytes);
        }
    }
}
