//! What a batch of observations means for the store, and how it stands in the journal.

use std::{cmp::Ordering, collections::HashMap};

use jiff::Timestamp;
use nightlatch_asset::{Endpoint, Observation};
use nightlatch_store::{Ingested, StoreError};

use crate::{history::Event, keys::Newest, late::Late, stored};

/// Observations journalled together; a longer batch is cut, and a prefix of it may be stored.
const FRAME_OBSERVATIONS_MAX: usize = 4_096;
/// Bytes of stored forms from which a frame takes no more of them.
const FRAME_BYTES_SOFT_MAX: usize = 16 << 20;

/// What an observation means for the store.
pub(crate) enum Outcome {
    /// It becomes a document.
    Document { oid: u64, root: u64, first_seen: Timestamp },
    /// It is a sighting.
    Sighting,
    /// It is stored already.
    Repeated,
}

/// Everything a frame changes, before it is journalled.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) events: Vec<Event>,
    pub(crate) ingested: Ingested,
    pub(crate) undo: Vec<(Endpoint, Option<Newest>)>,
    pub(crate) next_oid: u64,
    pub(crate) endpoints: u64,
    /// When documents are last seen again by the sightings among the events.
    pub(crate) seen: HashMap<u64, Timestamp>,
}

impl Plan {
    /// Decides about one observation; returns what is known of its endpoint from now on.
    ///
    /// - `content`: what [`crate::late::content`] says of it.
    /// - `late`: what it means among the older ones; asked only where it is not the newest.
    pub(crate) fn take(
        &mut self,
        observation: &Observation,
        content: u64,
        known: Option<Newest>,
        late: impl FnOnce(&Self, &Newest) -> Result<Late, StoreError>,
    ) -> Result<Newest, StoreError> {
        let time = observation.time;
        let Some(mut newest) = known else {
            self.endpoints += 1;
            self.ingested.new_endpoints += 1;
            let oid = self.document(None, time);
            return Ok(Newest { oid, last_seen: time, content, first_seen: time, root: oid });
        };
        let same = content == newest.content;
        let meaning = match time.cmp(&newest.last_seen) {
            Ordering::Greater if same => Late::Sighting(newest.oid),
            Ordering::Greater => Late::Changed,
            // The most frequent repetition needs no look at the documents.
            Ordering::Equal if same => Late::Repeated,
            _ => late(self, &newest)?,
        };
        if meaning == Late::Repeated {
            self.outcomes.push(Outcome::Repeated);
            self.ingested.repeated += 1;
            return Ok(newest);
        }
        if time < newest.first_seen {
            newest.first_seen = time;
            self.events.push(Event::FirstSeen { oid: newest.root, time });
        }
        if let Late::Sighting(oid) = meaning {
            if oid == newest.oid {
                newest.last_seen = newest.last_seen.max(time);
            }
            self.events.push(Event::Sighting { oid, time });
            let last = self.seen.entry(oid).or_insert(time);
            *last = time.max(*last);
            self.outcomes.push(Outcome::Sighting);
            self.ingested.sightings += 1;
            return Ok(newest);
        }
        let oid = self.document(Some(newest.root), newest.first_seen);
        Ok(if time >= newest.last_seen {
            self.events.push(Event::Superseded { oid: newest.oid });
            Newest { oid, last_seen: time, content, ..newest }
        } else {
            // It came late: what is known already is newer.
            self.events.push(Event::Superseded { oid });
            newest
        })
    }

    /// When document `oid` is last seen again by what is planned.
    pub(crate) fn last_seen(&self, oid: u64) -> Option<Timestamp> {
        self.seen.get(&oid).copied()
    }

    fn document(&mut self, root: Option<u64>, first_seen: Timestamp) -> u64 {
        let oid = self.next_oid;
        self.next_oid += 1;
        self.outcomes.push(Outcome::Document { oid, root: root.unwrap_or(oid), first_seen });
        self.ingested.stored += 1;
        oid
    }
}

/// The stored forms of as many observations as make a frame, at least one.
pub(crate) fn encode_frame(batch: &[Observation]) -> Vec<Vec<u8>> {
    let mut bytes = 0;
    let mut forms = Vec::new();
    for observation in batch.iter().take(FRAME_OBSERVATIONS_MAX) {
        let mut form = Vec::with_capacity(512);
        stored::encode(observation, &mut form);
        bytes += form.len();
        if bytes > FRAME_BYTES_SOFT_MAX && !forms.is_empty() {
            break;
        }
        forms.push(form);
    }
    forms
}

/// A frame: its number, then each stored form after its length.
pub(crate) fn join_frame(number: u64, forms: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(16 + forms.iter().map(|form| form.len() + 3).sum::<usize>());
    stored::write_number(&mut frame, number);
    for form in forms {
        stored::write_number(&mut frame, form.len() as u64);
        frame.extend(form);
    }
    frame
}

/// Takes a frame apart: its number and the stored forms.
pub fn split_frame(frame: &[u8]) -> Option<(u64, Vec<&[u8]>)> {
    let (number, used) = stored::read_number(frame)?;
    let mut rest = frame.get(used..)?;
    let mut forms = Vec::new();
    while !rest.is_empty() {
        let (length, used) = stored::read_number(rest)?;
        let (form, after) = rest.get(used..)?.split_at_checked(usize::try_from(length).ok()?)?;
        forms.push(form);
        rest = after;
    }
    Some((number, forms))
}
