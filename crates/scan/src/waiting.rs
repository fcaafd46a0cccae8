//! Open ports on their way to the conversations.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::mpsc;

use crate::sweep::Hit;

/// Hits that are handed over together at most: each hand-over costs more than to take a hit.
const TOGETHER: usize = 256;
/// Hand-overs that are on their way at once.
const QUEUE: usize = 16;
/// Hits that are held beside those. Sending pauses long before; but everybody who was asked by then may answer at once,
/// and a hostile network does.
const FOUND_MAX: usize = 1 << 17;
/// Stretches of hits whose lowest position is known; older ones are put together when there are more.
const STRETCHES_MAX: usize = 4096;

/// The end of the queue at which hits come out, in the order in which they were found.
#[derive(Debug)]
pub(crate) struct Hits {
    more: mpsc::Receiver<Vec<Hit>>,
    next: std::vec::IntoIter<Hit>,
}

impl Hits {
    /// The next one, as soon as there is one; `None` when nothing more comes. Nothing is lost when this is given up.
    pub(crate) async fn next(&mut self) -> Option<Hit> {
        loop {
            if let Some(hit) = self.next.next() {
                return Some(hit);
            }
            self.next = self.more.recv().await?.into_iter();
        }
    }

    /// Those that are there already and came together with the last one.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Hit> {
        self.next.by_ref()
    }
}

/// What both ends of the queue know of it.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Hits that wait.
    waiting: AtomicU64,
    /// Hits that somebody has taken charge of, since the beginning.
    taken: AtomicU64,
    /// No hit that waits, and none that found no room, has a lower position.
    low: AtomicU64,
    /// Hits that found no room.
    left_out: AtomicU64,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            waiting: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            low: AtomicU64::new(u64::MAX),
            left_out: AtomicU64::new(0),
        }
    }
}

impl Backlog {
    /// Hits that wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// A run that is interrupted has to go on at this position or before it.
    pub(crate) fn low(&self) -> u64 {
        self.low.load(Relaxed)
    }

    /// Hits that found no room.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    /// Somebody answers for `count` more of the hits that were handed over, in the order in which they were.
    pub(crate) fn take(&self, count: u64) {
        self.taken.fetch_add(count, Relaxed);
    }

    /// All that waited was taken, and nothing more comes.
    pub(crate) fn empty(&self) {
        self.waiting.store(0, Relaxed);
    }
}

/// The end of the queue at which hits come in. It takes no more memory than [`FOUND_MAX`] hits do, whatever arrives.
///
/// A hit that finds no room is not lost: the run cannot be called complete then, and goes on at its position.
#[derive(Debug)]
pub(crate) struct Waiting {
    give: mpsc::Sender<Vec<Hit>>,
    /// Those that are not handed over yet, and how many they are.
    found: VecDeque<Vec<Hit>>,
    held: usize,
    room: usize,
    /// Hits so far.
    count: u64,
    /// The lowest position since the last stretch.
    lowest: u64,
    /// For stretches of hits that are not taken yet: how many hits there were at its end, and its lowest position.
    stretches: VecDeque<(u64, u64)>,
    lowest_left_out: u64,
    left_out: u64,
}

impl Waiting {
    /// Both ends.
    pub(crate) fn new() -> (Self, Hits) {
        Self::with_room(FOUND_MAX)
    }

    fn with_room(room: usize) -> (Self, Hits) {
        let (give, more) = mpsc::channel(QUEUE);
        let waiting = Self {
            give,
            found: VecDeque::new(),
            held: 0,
            room,
            count: 0,
            lowest: u64::MAX,
            stretches: VecDeque::new(),
            lowest_left_out: u64::MAX,
            left_out: 0,
        };
        (waiting, Hits { more, next: Vec::new().into_iter() })
    }

    /// Takes one that was just found.
    #[inline]
    pub(crate) fn add(&mut self, hit: Hit) {
        if self.held >= self.room {
            self.lowest_left_out = self.lowest_left_out.min(hit.position);
            self.left_out += 1;
            return;
        }
        self.count += 1;
        self.lowest = self.lowest.min(hit.position);
        self.held += 1;
        match self.found.back_mut() {
            Some(last) if last.len() < TOGETHER => last.push(hit),
            _ => {
                let mut hits = Vec::with_capacity(TOGETHER);
                hits.push(hit);
                self.found.push_back(hits);
            }
        }
    }

    /// Hands on what there is room for, and says how things stand.
    pub(crate) fn pass_on(&mut self, backlog: &Backlog) {
        while !self.found.is_empty()
            && let Ok(permit) = self.give.try_reserve()
            && let Some(hits) = self.found.pop_front()
        {
            self.held -= hits.len();
            permit.send(hits);
        }
        if self.lowest != u64::MAX {
            self.end_stretch();
        }
        let taken = backlog.taken.load(Relaxed);
        while self.stretches.front().is_some_and(|(end, _)| *end <= taken) {
            self.stretches.pop_front();
        }
        let low = self.stretches.iter().fold(self.lowest_left_out, |low, (_, lowest)| low.min(*lowest));
        backlog.low.store(low, Relaxed);
        backlog.left_out.store(self.left_out, Relaxed);
        backlog.waiting.store(self.count.saturating_sub(taken), Relaxed);
    }

    fn end_stretch(&mut self) {
        if self.stretches.len() < STRETCHES_MAX {
            self.stretches.push_back((self.count, self.lowest));
        } else if let Some((end, lowest)) = self.stretches.back_mut() {
            (*end, *lowest) = (self.count, self.lowest.min(*lowest));
        }
        self.lowest = u64::MAX;
    }

    /// Whether nothing is left to hand on.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether nobody takes anything any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.give.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn try_next(hits: &mut Hits) -> Option<Hit> {
        hits.next.next().or_else(|| {
            hits.next = hits.more.try_recv().ok()?.into_iter();
            hits.next.next()
        })
    }

    fn hit(position: u64) -> Hit {
        Hit { position, target: ([127, 0, 0, 1], 80).into(), time: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_waits_holds_the_run_back_until_it_is_taken() {
        let ((mut waiting, mut hits), backlog) = (Waiting::new(), Backlog::default());
        for positions in [vec![7, 5], vec![9], vec![3, 8]] {
            positions.into_iter().for_each(|position| waiting.add(hit(position)));
            waiting.pass_on(&backlog);
        }
        let mut lows = Vec::new();
        while let Some(hit) = try_next(&mut hits) {
            lows.push((hit.position, backlog.low(), backlog.waiting()));
            backlog.take(1);
            waiting.pass_on(&backlog);
        }
        assert_eq!(lows, [(7, 3, 5), (5, 3, 4), (9, 3, 3), (3, 3, 2), (8, 3, 1)]);
        assert_eq!((backlog.low(), backlog.waiting(), backlog.left_out()), (u64::MAX, 0, 0));
    }

    #[test]
    fn what_finds_no_room_is_gone_back_to() {
        const ROOM: usize = 50;
        let ((mut waiting, mut hits), backlog) = (Waiting::with_room(ROOM), Backlog::default());
        // Everybody at once: more than the queue and the room hold.
        let all = (QUEUE + ROOM + 100) as u64;
        for position in 0..all {
            waiting.add(hit(position));
            if position < QUEUE as u64 {
                waiting.pass_on(&backlog);
            }
        }
        waiting.pass_on(&backlog);
        assert_eq!(backlog.waiting(), (QUEUE + ROOM) as u64);
        assert_eq!((backlog.left_out(), backlog.low()), (100, 0));
        let mut got = 0;
        while let Some(hit) = try_next(&mut hits) {
            assert_eq!(hit.position, got);
            got += 1;
            backlog.take(1);
            waiting.pass_on(&backlog);
        }
        assert_eq!(got, all - 100);
        assert_eq!(backlog.low(), all - 100, "the first that found no room");
    }

    #[test]
    fn stretches_are_bounded_and_forget_nothing() {
        let ((mut waiting, mut hits), backlog) = (Waiting::new(), Backlog::default());
        for position in (0..3 * STRETCHES_MAX as u64).rev() {
            waiting.add(hit(position));
            waiting.pass_on(&backlog);
        }
        assert_eq!((waiting.stretches.len(), backlog.low()), (STRETCHES_MAX, 0));
        let mut last = u64::MAX;
        while let Some(hit) = try_next(&mut hits) {
            last = hit.position;
            backlog.take(1);
            waiting.pass_on(&backlog);
            // All positions below are still to come.
            assert!(last == 0 || backlog.low() == 0);
        }
        assert_eq!((last, backlog.low()), (0, u64::MAX));
    }
}
