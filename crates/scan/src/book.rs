use std::{collections::BTreeSet, sync::Arc};

use crate::{
    Tally,
    ledger::{Fate, Ledger, Marks, Next},
    sweep::Tracks,
};

/// Which endpoints are done: one by one where each is connected to, by how far the sweep is where packets are sent.
#[derive(Debug)]
pub(crate) enum Book {
    Each(Ledger),
    Sweep(SweepBook),
}

impl Book {
    pub(crate) fn take(&mut self) -> Next {
        match self {
            Self::Each(ledger) => ledger.take(),
            Self::Sweep(_) => Next::End,
        }
    }

    pub(crate) fn complete(&mut self, position: u64, fate: Fate) {
        match self {
            Self::Each(ledger) => ledger.complete(position, fate),
            Self::Sweep(book) => book.complete(position, fate),
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Each(ledger) => ledger.is_complete(),
            Self::Sweep(book) => book.is_complete(),
        }
    }

    pub(crate) fn is_handed_out(&self) -> bool {
        match self {
            Self::Each(ledger) => ledger.is_handed_out(),
            Self::Sweep(_) => true,
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        match self {
            Self::Each(ledger) => ledger.tally(),
            Self::Sweep(book) => book.tally(),
        }
    }

    /// Changes when what [`Book::marks`] says may have changed.
    pub(crate) fn version(&self) -> u64 {
        match self {
            Self::Each(ledger) => ledger.version(),
            Self::Sweep(book) => book.version(),
        }
    }

    pub(crate) fn marks(&self) -> Marks {
        match self {
            Self::Each(ledger) => ledger.marks(),
            Self::Sweep(book) => book.marks(),
        }
    }

    /// An open port was found, and is asked from now on.
    pub(crate) fn begin(&mut self, position: u64) {
        if let Self::Sweep(book) = self {
            book.pending.insert(position);
        }
    }
}

/// What a sweep has behind it. Where it goes on after an interruption is one number: below it every target had all its
/// probes, and everything open was asked.
#[derive(Debug)]
pub(crate) struct SweepBook {
    total: u64,
    tracks: Arc<Tracks>,
    before: Tally,
    /// Open ports that are being asked.
    pending: BTreeSet<u64>,
    asked: Tally,
    version: u64,
}

impl SweepBook {
    /// - `before`: what earlier sessions of the run found.
    pub(crate) fn new(total: u64, before: Tally, tracks: Arc<Tracks>) -> Self {
        Self { total, tracks, before, pending: BTreeSet::new(), asked: Tally::default(), version: 0 }
    }

    fn complete(&mut self, position: u64, fate: Fate) {
        self.pending.remove(&position);
        let count = match fate {
            // It accepted a connection a moment ago: that it does not now is no reason to call it shut.
            Fate::Open | Fate::Closed | Fate::Filtered => &mut self.asked.open,
            Fate::Failed => &mut self.asked.failed,
            Fate::Refused => &mut self.asked.refused,
        };
        *count += 1;
        self.version += 1;
    }

    fn is_complete(&self) -> bool {
        let backlog = &self.tracks.backlog;
        let is_asked = self.pending.is_empty() && backlog.waiting() == 0 && backlog.left_out() == 0;
        self.tracks.is_complete() && is_asked
    }

    fn tally(&self) -> Tally {
        let (before, asked) = (self.before, self.asked);
        let (closed, refused) = (self.tracks.closed(), self.tracks.refused());
        // What is neither open nor closed is silent or turned back; known once every probe was sent.
        let walked = self.low().saturating_sub(self.tracks.start);
        let walked = if self.tracks.is_complete() { self.tracks.end - self.tracks.start } else { walked };
        let known = self.tracks.open() + closed + refused;
        Tally {
            open: before.open + asked.open,
            closed: before.closed + closed,
            filtered: before.filtered + walked.saturating_sub(known),
            failed: before.failed + asked.failed,
            refused: before.refused + refused + asked.refused,
        }
    }

    fn low(&self) -> u64 {
        let low = self.tracks.low().min(self.tracks.backlog.low());
        self.pending.first().map_or(low, |first| low.min(*first))
    }

    fn version(&self) -> u64 {
        self.version.wrapping_add(self.tracks.low()).wrapping_add(self.tracks.closed())
    }

    fn marks(&self) -> Marks {
        let low = if self.is_complete() { self.total } else { self.low() };
        Marks { total: self.total, low, bits: Vec::new(), tally: self.tally() }
    }
}
