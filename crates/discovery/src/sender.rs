use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet, VecDeque},
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use nightlatch_scope::{AuthorizedTarget, Scope, Shuffled, TargetSet};

use crate::{
    Board, Caps, Cookie, Counts, Key, Nanos, Settings,
    sample::{ASKS_MAX, Sample, Told},
    sweep::{add_alone, add_some_alone},
};

/// How exactly it is remembered when a position was sent to.
const MARK_EVERY: Nanos = 5_000_000;
/// Targets that may be out of step because their network had no slot; when as many are, the sweep waits.
const WAITING_MAX: usize = 1 << 14;
/// Positions looked at in one call at most, so that long stretches of answered ones do not hold the caller.
const LOOKS_MAX: u32 = 4096;

/// Members of the sample that are looked at in one call, where caps hold the first ones up.
const AGAIN_LOOKS_MAX: u32 = 4;

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// This goes out now. It counts as sent.
    Probe(Probe),
    /// Nothing until then.
    Wait(Nanos),
    /// Everything was sent, and answers were waited for.
    Done,
}

/// One packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Where in the order.
    pub position: u64,
    /// To whom.
    pub target: AuthorizedTarget,
    /// What proves the reply.
    pub cookie: Cookie,
}

/// The half that says what goes out.
///
/// Each target's probes are that many walks over the same order, each behind the one before it by the time between two
/// probes. Later walks go first: so the distance, and with it what has to be remembered, stays as small as it can be. Only
/// when all that is left takes no longer than that time, earlier walks do: else the last one would have to wait at the end.
#[derive(Debug)]
pub struct Sender {
    targets: Arc<TargetSet>,
    scope: Arc<Scope>,
    order: Shuffled,
    key: Key,
    board: Arc<Board>,
    counts: Arc<Counts>,
    sample: Sample,
    told: Told,
    caps: Caps,
    end: u64,
    walks: Vec<Walk>,
    /// How far the first walk may be ahead of the last.
    room: u64,
    gap: Nanos,
    pace: Pace,
    /// Out of step with the walks, because the cap of their network held them up: when something may be done about
    /// each, and how many probes it has had.
    waiting: BinaryHeap<Reverse<(Nanos, u64, usize)>>,
    /// The same positions: the walks leave them alone.
    late: HashSet<u64>,
    cooldown: Nanos,
    done_at: Option<Nanos>,
    low_when_stopped: Option<u64>,
    positions: u64,
}

/// How fast it goes.
#[derive(Debug)]
struct Pace {
    at: Nanos,
    sent: u64,
    /// Probes in the time between two to one target, as an average.
    each_gap: u64,
}

impl Pace {
    fn measure(&mut self, sent: u64, gap: Nanos, now: Nanos) {
        let elapsed = now.saturating_sub(self.at).max(1);
        let went = u128::from(sent.saturating_sub(self.sent)) * u128::from(gap) / u128::from(elapsed);
        let went = u64::try_from(went).unwrap_or(u64::MAX >> 3);
        *self = Self {
            at: now,
            sent,
            each_gap: (self.each_gap.min(u64::MAX >> 3) * 7 + went.min(u64::MAX >> 3)) / 8,
        };
    }
}

/// Targets that a walk looks up at once.
const AHEAD: usize = 32;

/// One walk over the order.
#[derive(Debug)]
struct Walk {
    /// Numbers of the targets at the positions from `ahead_from` on.
    ahead: [u64; AHEAD],
    ahead_from: u64,
    ahead_count: usize,
    next: u64,
    /// Above what the walk before has done long enough ago.
    allowed: u64,
    /// How far the walk before was, and when; oldest first.
    marks: VecDeque<(Nanos, u64)>,
}

impl Walk {
    fn new(start: u64, allowed: u64) -> Self {
        Self {
            ahead: [0; AHEAD],
            ahead_from: 0,
            ahead_count: 0,
            next: start,
            allowed,
            marks: VecDeque::new(),
        }
    }

    /// The number of the target at `position`, which is asked for in ascending order.
    #[inline]
    fn target(&mut self, order: &Shuffled, position: u64) -> Option<u64> {
        let mut at = position.wrapping_sub(self.ahead_from);
        if at >= self.ahead_count as u64 {
            self.ahead_from = position;
            self.ahead_count = order.fill(position, &mut self.ahead);
            at = 0;
        }
        self.ahead.get(..self.ahead_count)?.get(at as usize).copied()
    }
}

/// What a sweep is about, and what both halves of it have.
pub(crate) struct Shared {
    pub(crate) targets: Arc<TargetSet>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) order: Shuffled,
    pub(crate) key: Key,
    pub(crate) board: Arc<Board>,
    pub(crate) counts: Arc<Counts>,
}

impl Sender {
    pub(crate) fn new(shared: Shared, told: Told, positions: Range<u64>, settings: &Settings) -> Self {
        let Shared { targets, scope, order, key, board, counts } = shared;
        let walk = |allowed| Walk::new(positions.start, allowed);
        let mut walks = vec![walk(positions.end)];
        walks.extend((1..settings.probes.clamp(1, 8)).map(|_| walk(positions.start)));
        Self {
            room: if walks.len() > 1 { board.room(positions.end) } else { u64::MAX },
            targets,
            scope,
            order,
            key,
            board,
            counts,
            sample: Sample::default(),
            told,
            caps: Caps::new(settings.per_network_pps),
            end: positions.end,
            walks,
            gap: settings.gap,
            pace: Pace { at: 0, sent: 0, each_gap: 0 },
            waiting: BinaryHeap::new(),
            late: HashSet::new(),
            cooldown: settings.cooldown,
            done_at: None,
            low_when_stopped: None,
            positions: positions.end - positions.start,
        }
    }

    /// Positions of this sweep.
    pub fn positions(&self) -> u64 {
        self.positions
    }

    /// Below this everything has had all its probes: where to go on after an interruption.
    pub fn low(&self) -> u64 {
        self.low_when_stopped.unwrap_or_else(|| self.low_now())
    }

    fn low_now(&self) -> u64 {
        let walked = self.walks.last().map_or(self.end, |walk| walk.next);
        self.waiting.iter().map(|Reverse((_, position, _))| *position).fold(walked, u64::min)
    }

    /// How far the first walk is.
    pub fn high(&self) -> u64 {
        self.walks.first().map_or(self.end, |walk| walk.next)
    }

    /// Sends nothing more, and waits for answers only.
    pub fn stop(&mut self, now: Nanos) {
        // Who waits for a slot of its network is forgotten below, and to be asked by whoever goes on.
        self.low_when_stopped = Some(self.low());
        self.end = 0;
        self.waiting.clear();
        self.late.clear();
        self.done_at.get_or_insert(now + self.cooldown);
    }

    /// What to do next.
    #[inline]
    pub fn next(&mut self, now: Nanos) -> Next {
        if let Some(probe) = self.take_waiting(now) {
            return Next::Probe(probe);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Next::Wait(self.earliest_waiting().unwrap_or(now));
        }
        for _ in 0..LOOKS_MAX {
            let Some((walk, position)) = self.step(now) else { return self.wait(now) };
            if walk > 0 && !self.late.is_empty() && self.late.contains(&position) {
                continue;
            }
            if walk > 0 && self.board.is_answered(position) {
                add_alone(&self.counts.saved);
                continue;
            }
            let number = self.walks[walk].target(&self.order, position);
            if let Some(probe) = number.and_then(|number| self.probe(position, number, walk, now)) {
                return Next::Probe(probe);
            }
        }
        Next::Wait(now)
    }

    /// A packet to a target that has answered, where it is time for one: what is lost of those shows what the present
    /// rate does. It is bounded (64 a second, 1 % of the probes), keeps to scope and caps, and counts apart. To be asked
    /// for some dozens of times a second; whoever never does has no sample.
    pub fn ask_again(&mut self, now: Nanos) -> Option<Probe> {
        self.told.pass_on(&mut self.sample, now);
        let (judged, replied) = self.sample.settle(now);
        add_some_alone(&self.counts.again_replied, replied);
        add_some_alone(&self.counts.again_judged, judged);
        if self.key.agains() < ASKS_MAX || self.walks.last().is_none_or(|walk| walk.next >= self.end) {
            return None;
        }
        let sent = self.counts.sent.load(Ordering::Relaxed);
        for _ in 0..AGAIN_LOOKS_MAX {
            let member = self.sample.take_due(now, sent)?;
            let socket = member.known.target;
            let target = self.scope.authorize(socket).ok();
            let Some(target) = target.filter(|target| self.caps.take(*target, now).is_ok()) else {
                self.sample.put_back(member, now);
                continue;
            };
            self.sample.ask(member, now);
            add_alone(&self.counts.asked_again);
            let cookie = self.key.cookie_again(socket, member.asks);
            return Some(Probe { position: member.known.position, target, cookie });
        }
        None
    }

    /// The next position of the last walk that may go on; of the first at the end.
    #[inline]
    fn step(&mut self, now: Nanos) -> Option<(usize, u64)> {
        let last = self.walks.len() - 1;
        let is_end = self.end.saturating_sub(self.walks[last].next) <= self.pace.each_gap;
        for turn in 0..=last {
            let walk = if is_end { turn } else { last - turn };
            let position = self.walks[walk].next;
            if position >= self.end || !self.may_go(walk, now) {
                continue;
            }
            self.walks[walk].next += 1;
            if walk == 0 {
                self.board.advance(position);
            }
            self.mark(walk, position + 1, now);
            return Some((walk, position));
        }
        None
    }

    #[inline]
    fn may_go(&mut self, walk: usize, now: Nanos) -> bool {
        if walk == 0 {
            let last = self.walks.last().map_or(0, |last| last.next);
            return self.walks[0].next - last < self.room;
        }
        let gap = self.gap;
        let own = &mut self.walks[walk];
        while own.next >= own.allowed {
            match own.marks.front() {
                Some((time, position)) if time + gap <= now => {
                    own.allowed = *position;
                    own.marks.pop_front();
                }
                _ => return false,
            }
        }
        true
    }

    /// Tells the walk behind how far this one is.
    #[inline]
    fn mark(&mut self, walk: usize, done: u64, now: Nanos) {
        let end = self.end;
        if let Some(behind) = self.walks.get_mut(walk + 1) {
            // Marks are as old as the first position they cover the end of: the gap is never shorter than it should be.
            let is_due = behind.marks.back().is_none_or(|(time, _)| now - time >= MARK_EVERY);
            if is_due || done == end {
                behind.marks.push_back((now, done));
            }
            if walk == 0 && is_due {
                self.pace.measure(self.counts.sent.load(Ordering::Relaxed), self.gap, now);
            }
        }
    }

    /// - `number`: of the target at `position`.
    #[inline]
    fn probe(&mut self, position: u64, number: u64, walk: usize, now: Nanos) -> Option<Probe> {
        let socket = self.targets.get(number)?;
        let Ok(target) = self.scope.authorize(socket) else {
            if walk == 0 {
                add_alone(&self.counts.refused);
            }
            return None;
        };
        if let Err(free) = self.caps.take(target, now) {
            self.late.insert(position);
            self.waiting.push(Reverse((free, position, walk)));
            return None;
        }
        add_alone(&self.counts.sent);
        if walk == 0 {
            add_alone(&self.counts.probed);
        } else {
            self.board.probe_again(position);
        }
        Some(Probe { position, target, cookie: self.key.cookie(socket) })
    }

    /// A probe to a target that is out of step and whose time has come.
    fn take_waiting(&mut self, now: Nanos) -> Option<Probe> {
        while let Some(Reverse((free, position, walk))) = self.waiting.peek().copied()
            && free <= now
        {
            self.waiting.pop();
            let is_done = walk >= self.walks.len();
            if is_done || (walk > 0 && self.board.is_answered(position)) {
                if !is_done {
                    add_alone(&self.counts.saved);
                }
                // A walk that is behind must not take it for one of its own.
                if self.walks.last().is_some_and(|last| last.next > position) {
                    self.late.remove(&position);
                } else {
                    self.waiting.push(Reverse((now + self.gap.max(1), position, self.walks.len())));
                }
                continue;
            }
            let number = self.order.at(position);
            if let Some(probe) = number.and_then(|number| self.probe(position, number, walk, now)) {
                self.waiting.push(Reverse((now + self.gap, position, walk + 1)));
                return Some(probe);
            }
        }
        None
    }

    fn earliest_waiting(&self) -> Option<Nanos> {
        self.waiting.peek().map(|Reverse((free, _, _))| *free)
    }

    /// Nothing can go now: until when, or is it over?
    fn wait(&mut self, now: Nanos) -> Next {
        let by_gap = self.walks.iter().filter_map(|walk| walk.marks.front()).map(|(time, _)| time + self.gap);
        let earliest = by_gap.chain(self.earliest_waiting()).filter(|time| *time > now).min();
        if self.high() >= self.end && self.is_all_answered() {
            return Next::Done;
        }
        let is_sent = self.waiting.is_empty() && self.walks.iter().all(|walk| walk.next >= self.end);
        if !is_sent {
            return Next::Wait(earliest.unwrap_or(now + MARK_EVERY));
        }
        let done_at = *self.done_at.get_or_insert(now + self.cooldown);
        if now >= done_at { Next::Done } else { Next::Wait(done_at) }
    }

    fn is_all_answered(&self) -> bool {
        let counts = [&self.counts.open, &self.counts.closed, &self.counts.refused];
        counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>() >= self.positions
    }
}
