use serde::{Deserialize, Serialize};

/// What became of endpoints. The sum is the number of endpoints that are done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Accepted the connection.
    pub open: u64,
    /// Answered that nothing listens.
    pub closed: u64,
    /// Did not answer, or no way leads there.
    pub filtered: u64,
    /// Could not be asked: the local system forbade it or failed, or the conversation hit a bug.
    pub failed: u64,
    /// Not asked: the scope no longer allows it.
    pub refused: u64,
}

impl Tally {
    /// Endpoints that are done.
    pub fn done(&self) -> u64 {
        self.open + self.closed + self.filtered + self.failed + self.refused
    }

    pub(crate) fn as_array(&self) -> [u64; 5] {
        [self.open, self.closed, self.filtered, self.failed, self.refused]
    }

    pub(crate) fn from_array([open, closed, filtered, failed, refused]: [u64; 5]) -> Self {
        Self { open, closed, filtered, failed, refused }
    }
}

/// What became of one endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Open,
    Closed,
    Filtered,
    Failed,
    Refused,
}

/// How far the earliest unfinished endpoint may lie behind the latest that was begun. A conversation is
/// bounded in time, so at full speed this much is begun beside the slowest; the bitmap takes 128 KiB.
pub(crate) const WINDOW: u64 = 1 << 20;
const WORDS: usize = (WINDOW / 64) as usize;

/// Which positions of the shuffled order were handed out and which are done.
///
/// Everything below `low` is done; above it a ring of bits tells. Nothing at or above `low + WINDOW` is handed
/// out, so memory and the stored checkpoint are bounded however slow a single endpoint is.
#[derive(Debug)]
pub(crate) struct Ledger {
    total: u64,
    low: u64,
    /// The next position to hand out.
    next: u64,
    /// Above all bits that are set: ahead of `next` right after a resume.
    high: u64,
    bits: Vec<u64>,
    tally: Tally,
    /// Counts changes, so that an unchanged ledger is not stored again.
    version: u64,
}

/// What is next to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    Position(u64),
    /// The window is full; wait until the slowest is done.
    Wait,
    /// Everything was handed out.
    End,
}

/// A ledger at rest: positions below `low` are done, and those whose bit is set in `bits`, counted from `low`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Marks {
    pub(crate) total: u64,
    pub(crate) low: u64,
    pub(crate) bits: Vec<u64>,
    pub(crate) tally: Tally,
}

impl Ledger {
    pub(crate) fn new(total: u64) -> Self {
        Self { total, low: 0, next: 0, high: 0, bits: vec![0; WORDS], tally: Tally::default(), version: 0 }
    }

    /// Goes on where `marks` were made; bits beyond the window or the total are not looked at.
    pub(crate) fn from_marks(marks: &Marks) -> Self {
        let mut ledger = Self::new(marks.total);
        ledger.low = marks.low.min(marks.total);
        ledger.next = ledger.low;
        ledger.tally = marks.tally;
        for offset in 0..(marks.bits.len() as u64 * 64).min(WINDOW) {
            let set =
                marks.bits.get((offset / 64) as usize).is_some_and(|word| word >> (offset % 64) & 1 == 1);
            if set && ledger.low + offset < marks.total {
                ledger.set(ledger.low + offset);
            }
        }
        ledger.raise_low();
        ledger
    }

    pub(crate) fn take(&mut self) -> Next {
        loop {
            if self.next >= self.total {
                return Next::End;
            }
            if self.next >= self.low + WINDOW {
                return Next::Wait;
            }
            let position = self.next;
            self.next += 1;
            // Done before the interruption that this run resumes from.
            if !self.is_set(position) {
                return Next::Position(position);
            }
        }
    }

    pub(crate) fn complete(&mut self, position: u64, fate: Fate) {
        debug_assert!(position >= self.low && position < self.next && !self.is_set(position));
        let count = match fate {
            Fate::Open => &mut self.tally.open,
            Fate::Closed => &mut self.tally.closed,
            Fate::Filtered => &mut self.tally.filtered,
            Fate::Failed => &mut self.tally.failed,
            Fate::Refused => &mut self.tally.refused,
        };
        *count += 1;
        self.version += 1;
        self.set(position);
        if position == self.low {
            self.raise_low();
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.low == self.total
    }

    pub(crate) fn is_handed_out(&self) -> bool {
        self.next >= self.total
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn marks(&self) -> Marks {
        let words = self.high.saturating_sub(self.low).div_ceil(64) as usize;
        let (first, shift) = ((self.low % WINDOW / 64) as usize, self.low % 64);
        let ring = |n: usize| self.bits[(first + n) % WORDS];
        let word = |n| match shift {
            0 => ring(n),
            shift => ring(n) >> shift | ring(n + 1) << (64 - shift),
        };
        Marks { total: self.total, low: self.low, bits: (0..words).map(word).collect(), tally: self.tally }
    }

    fn raise_low(&mut self) {
        while self.low < self.total && self.is_set(self.low) {
            let slot = self.low % WINDOW;
            self.bits[(slot / 64) as usize] &= !(1 << (slot % 64));
            self.low += 1;
        }
        self.next = self.next.max(self.low);
    }

    fn set(&mut self, position: u64) {
        let slot = position % WINDOW;
        self.bits[(slot / 64) as usize] |= 1 << (slot % 64);
        self.high = self.high.max(position + 1);
    }

    /// Meaningful for positions from `low` to below `low + WINDOW`.
    fn is_set(&self, position: u64) -> bool {
        let slot = position % WINDOW;
        self.bits[(slot / 64) as usize] >> (slot % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A ledger beside the plainest possible one.
    struct Model {
        ledger: Ledger,
        done: BTreeSet<u64>,
        flying: Vec<u64>,
    }

    impl Model {
        fn take(&mut self) -> Next {
            let next = self.ledger.take();
            if let Next::Position(position) = next {
                assert!(!self.done.contains(&position) && !self.flying.contains(&position));
                self.flying.push(position);
            }
            next
        }

        fn complete(&mut self, pick: usize) {
            if !self.flying.is_empty() {
                let position = self.flying.swap_remove(pick % self.flying.len());
                self.ledger.complete(position, Fate::Closed);
                self.done.insert(position);
            }
        }

        /// Stops and goes on: what was in flight is forgotten.
        fn resume(&mut self) {
            self.ledger = Ledger::from_marks(&self.ledger.marks());
            self.flying.clear();
        }
    }

    proptest! {
        #[test]
        fn nothing_is_handed_out_twice_and_nothing_is_lost(
            total in 1u64..700, steps in proptest::collection::vec((0u8..20, any::<usize>()), 0..800),
        ) {
            let mut model = Model { ledger: Ledger::new(total), done: BTreeSet::new(), flying: Vec::new() };
            for (step, pick) in steps {
                match step {
                    0 => model.resume(),
                    1..=10 => { model.take(); }
                    _ => model.complete(pick),
                }
                prop_assert_eq!(model.ledger.tally().done(), model.done.len() as u64);
            }
            model.resume();
            while model.take() != Next::End || !model.flying.is_empty() {
                model.complete(0);
            }
            prop_assert!(model.ledger.is_complete());
            prop_assert_eq!(model.done.len() as u64, total);
        }
    }

    #[test]
    fn a_slow_endpoint_holds_the_window_not_the_memory() {
        let mut ledger = Ledger::new(WINDOW * 3);
        assert_eq!(ledger.take(), Next::Position(0));
        for position in 1..WINDOW {
            assert_eq!(ledger.take(), Next::Position(position));
            ledger.complete(position, Fate::Closed);
        }
        assert_eq!(ledger.take(), Next::Wait);
        assert_eq!(Ledger::from_marks(&ledger.marks()).marks(), ledger.marks());
        ledger.complete(0, Fate::Open);
        assert_eq!(ledger.take(), Next::Position(WINDOW));
        assert_eq!(ledger.marks().low, WINDOW);
        assert_eq!(ledger.tally(), Tally { open: 1, closed: WINDOW - 1, ..Tally::default() });
    }
}
