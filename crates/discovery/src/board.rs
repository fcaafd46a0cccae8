use std::sync::atomic::{AtomicU64, Ordering};

/// Positions that are remembered at most: 2^25, which takes 8 MiB. A /8 on one port fits whole, and of more the last half minute at a
/// million probes a second.
const POSITIONS_MAX: u64 = 1 << 25;
const NOTHING: u64 = 0;
const TARGET: u64 = 1;
const SOMEBODY: u64 = 2;
const AGAIN: u64 = 3;
/// Positions of one word: two bits each.
const PER_WORD: u64 = 32;

/// What is known of each position, in two bits: nothing, that the target answered, that somebody said it cannot be
/// reached, or that it was silent and was probed again.
///
/// What does not fit is a ring: the oldest is forgotten when the sender goes on, and replies to it are too late. At a
/// million probes a second that is after half a minute.
#[derive(Debug)]
pub struct Board {
    words: Box<[AtomicU64]>,
    /// Above all positions that were sent to.
    head: AtomicU64,
    positions: u64,
}

/// Who answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum By {
    Target,
    Somebody,
}

/// What the board says of a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Noted {
    /// The first of its kind; `changed` when somebody had said that the target cannot be reached, `again` when it was
    /// silent until it was probed again.
    First { changed: bool, again: bool },
    /// There was one already.
    Again,
    /// Not sent to yet, or too long ago.
    Outside,
}

impl Board {
    /// A board for `total` positions of which those from `start` on are sent to.
    pub(crate) fn new(start: u64, total: u64) -> Self {
        Self::with_room(start, total, POSITIONS_MAX)
    }

    fn with_room(start: u64, total: u64, most: u64) -> Self {
        let positions = total.clamp(1, most).next_multiple_of(PER_WORD);
        let words = (0..positions / PER_WORD).map(|_| AtomicU64::new(0)).collect();
        Self { words, head: AtomicU64::new(start), positions }
    }

    /// How far the head may be ahead of the last position that still matters: a word less than there is room for.
    pub(crate) fn room(&self, total: u64) -> u64 {
        if total <= self.positions { u64::MAX } else { self.positions - PER_WORD }
    }

    /// Makes room for `position`, the next that is sent to.
    #[inline]
    pub(crate) fn advance(&self, position: u64) {
        if position.is_multiple_of(PER_WORD) && position >= self.positions {
            self.word(position).store(0, Ordering::Relaxed);
        }
        self.head.store(position + 1, Ordering::Release);
    }

    /// Whether the target, or somebody for it, answered.
    #[inline]
    pub(crate) fn is_answered(&self, position: u64) -> bool {
        matches!(self.word(position).load(Ordering::Relaxed) >> shift(position) & 3, TARGET | SOMEBODY)
    }

    /// The position is probed again.
    #[inline]
    pub(crate) fn probe_again(&self, position: u64) {
        self.change(position, |state| (state == NOTHING).then_some(AGAIN));
    }

    /// Changes a position's state, and returns what it was; `None` from `to` leaves it.
    #[inline]
    fn change(&self, position: u64, to: impl Fn(u64) -> Option<u64>) -> u64 {
        let (word, shift) = (self.word(position), shift(position));
        let mut now = word.load(Ordering::Relaxed);
        loop {
            let state = now >> shift & 3;
            let Some(new) = to(state) else { return state };
            let wanted = now & !(3 << shift) | new << shift;
            match word.compare_exchange_weak(now, wanted, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return state,
                Err(found) => now = found,
            }
        }
    }

    pub(crate) fn note(&self, position: u64, by: By) -> Noted {
        let head = self.head.load(Ordering::Acquire);
        // The word that is cleared next must not be written to any more.
        let oldest = head.saturating_sub(self.positions.saturating_sub(PER_WORD));
        if position >= head || (head > self.positions && position < oldest) {
            return Noted::Outside;
        }
        let before = match by {
            By::Target => self.change(position, |state| (state != TARGET).then_some(TARGET)),
            By::Somebody => {
                self.change(position, |state| matches!(state, NOTHING | AGAIN).then_some(SOMEBODY))
            }
        };
        match (before, by) {
            (NOTHING | AGAIN, _) => Noted::First { changed: false, again: before == AGAIN },
            (SOMEBODY, By::Target) => Noted::First { changed: true, again: false },
            _ => Noted::Again,
        }
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[(position % self.positions / PER_WORD) as usize]
    }
}

fn shift(position: u64) -> u64 {
    position % PER_WORD * 2
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_that_forgets_the_oldest(
            steps in proptest::collection::vec((any::<bool>(), 0u64..400, any::<bool>()), 0..800),
            start in 0u64..5,
        ) {
            let total = 4096;
            let board = Board::with_room(start, total, 128);
            let mut plain: HashMap<u64, (bool, bool)> = HashMap::new();
            let mut head = start;
            for (send, back, target) in steps {
                if send {
                    board.advance(head);
                    head += 1;
                    continue;
                }
                let Some(position) = head.checked_sub(back) else { continue };
                let noted = board.note(position, if target { By::Target } else { By::Somebody });
                let inside = back > 0 && (back <= 96 || head <= 128);
                if !inside {
                    prop_assert_eq!(noted, Noted::Outside);
                    continue;
                }
                let known = plain.entry(position).or_default();
                let wanted = match (target, *known) {
                    (true, (false, somebody)) => Noted::First { changed: somebody, again: false },
                    (false, (false, false)) => Noted::First { changed: false, again: false },
                    _ => Noted::Again,
                };
                if target { known.0 = true } else { known.1 = true }
                prop_assert_eq!(noted, wanted, "{} of {}", position, head);
                prop_assert!(board.is_answered(position));
            }
        }
    }

    #[test]
    fn who_was_silent_and_answers_later_is_known() {
        let board = Board::new(0, 100);
        (0..4).for_each(|position| board.advance(position));
        (0..3).for_each(|position| board.probe_again(position));
        assert!(!board.is_answered(0));
        assert_eq!(board.note(0, By::Target), Noted::First { changed: false, again: true });
        assert_eq!(board.note(1, By::Somebody), Noted::First { changed: false, again: true });
        assert_eq!(board.note(1, By::Target), Noted::First { changed: true, again: false });
        board.probe_again(1);
        assert_eq!(board.note(1, By::Target), Noted::Again);
        assert_eq!(board.note(3, By::Target), Noted::First { changed: false, again: false });
    }

    #[test]
    fn memory_is_bounded() {
        let board = Board::new(0, u64::MAX >> 8);
        assert_eq!(board.words.len() * 8, 8 << 20);
        assert_eq!(Board::new(0, 1).words.len(), 1);
    }
}
