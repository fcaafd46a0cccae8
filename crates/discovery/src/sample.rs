use std::{
    collections::{HashSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use crate::{Nanos, SECOND, network};

/// Targets in the sample at most.
const MEMBERS_MAX: usize = 256;
/// Below so many nobody is asked again: too few to judge by.
const MEMBERS_MIN: usize = 32;
/// Between two that are asked: 64 a second.
const APART: Nanos = SECOND / 64;
/// Probes for each that is asked again: they take 1 % of the packets at most.
const PROBES_EACH: u64 = 100;
/// From an answer on, and then between two questions to the same target.
const REST_FIRST: Nanos = SECOND;
const REST: Nanos = 4 * SECOND;
/// An answer that takes longer counts as lost.
const PATIENCE: Nanos = SECOND;
/// How often one target is asked again at most; then another takes its place.
pub(crate) const ASKS_MAX: u16 = 8;
/// Answers missing one after the other that end a membership: who went away says nothing of the network.
const MISSES_MAX: u8 = 2;

/// A target that has answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    pub(crate) position: u64,
    pub(crate) target: SocketAddr,
}

/// One in the sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Member {
    pub(crate) known: Known,
    /// How often it was asked again.
    pub(crate) asks: u16,
    misses: u8,
    due: Nanos,
}

#[derive(Debug)]
struct Asked {
    member: Member,
    until: Nanos,
    has_replied: bool,
}

/// Targets that have answered and are asked again now and then: how many of them answer once more shows what is lost on
/// the way at the present rate, also when nothing is probed twice.
///
/// There is one of each network (/24 or /64), so that no host and no firewall of one decides, and a bounded number of all.
/// Few are asked: 64 a second at most, and 1 % of the probes at most.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Who may be asked, in turn.
    members: VecDeque<Member>,
    /// Who was asked and may still answer; the oldest first.
    asked: VecDeque<Asked>,
    /// Networks of both.
    networks: HashSet<u64>,
    next_at: Nanos,
    /// How often anybody was asked.
    asks: u64,
}

impl Sample {
    /// How many more there is room for.
    pub(crate) fn wanted(&self) -> usize {
        MEMBERS_MAX.saturating_sub(self.networks.len())
    }

    /// Takes one that has just answered, unless its network is in already.
    pub(crate) fn add(&mut self, known: Known, now: Nanos) {
        if self.wanted() > 0 && self.networks.insert(network(known.target.ip())) {
            self.members.push_back(Member { known, asks: 0, misses: 0, due: now + REST_FIRST });
        }
    }

    /// Who is to be asked now. It has to be given back, by [`Sample::ask`] or [`Sample::put_back`].
    ///
    /// - `sent`: probes so far.
    pub(crate) fn take_due(&mut self, now: Nanos, sent: u64) -> Option<Member> {
        let is_time = now >= self.next_at && self.asks < sent / PROBES_EACH;
        if !is_time || self.networks.len() < MEMBERS_MIN {
            return None;
        }
        self.members.pop_front_if(|member| member.due <= now)
    }

    /// `member` is asked.
    pub(crate) fn ask(&mut self, mut member: Member, now: Nanos) {
        member.asks += 1;
        self.asks += 1;
        self.next_at = self.next_at.max(now.saturating_sub(APART)) + APART;
        self.asked.push_back(Asked { member, until: now + PATIENCE, has_replied: false });
    }

    /// `member` cannot be asked at the moment.
    pub(crate) fn put_back(&mut self, member: Member, now: Nanos) {
        self.members.push_back(Member { due: now + REST, ..member });
    }

    /// An answer to the question that was the `nth` to `target`, counted from 0.
    pub(crate) fn replied(&mut self, target: SocketAddr, nth: u16) {
        let is_it = |asked: &&mut Asked| {
            asked.member.known.target == target && asked.member.asks == nth.saturating_add(1)
        };
        if let Some(asked) = self.asked.iter_mut().find(is_it) {
            asked.has_replied = true;
        }
    }

    /// What became of those who had their time to answer since the last call: how many there were, and how many replied.
    pub(crate) fn settle(&mut self, now: Nanos) -> (u64, u64) {
        let (mut asked, mut replied) = (0, 0);
        while let Some(Asked { mut member, has_replied, .. }) =
            self.asked.pop_front_if(|asked| asked.until <= now)
        {
            asked += 1;
            replied += u64::from(has_replied);
            member.misses = if has_replied { 0 } else { member.misses + 1 };
            if member.misses < MISSES_MAX && member.asks < ASKS_MAX {
                self.put_back(member, now);
            } else {
                self.networks.remove(&network(member.known.target.ip()));
            }
        }
        (asked, replied)
    }
}

/// News for the sample.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// A target answered for the first time.
    Answered(Known),
    /// A target that was asked again, for the `nth` time.
    AnsweredAgain(SocketAddr, u16),
}

/// What the half that listens tells the other half; what does not fit is left out.
#[derive(Debug)]
pub(crate) struct Telling {
    wanted: Arc<AtomicUsize>,
    give: SyncSender<News>,
}

/// Its other end.
#[derive(Debug)]
pub(crate) struct Told {
    wanted: Arc<AtomicUsize>,
    take: Receiver<News>,
}

pub(crate) fn telling() -> (Telling, Told) {
    let (give, take) = sync_channel(4 * MEMBERS_MAX);
    let wanted = Arc::new(AtomicUsize::new(0));
    (Telling { wanted: wanted.clone(), give }, Told { wanted, take })
}

impl Telling {
    /// A target answered for the first time.
    #[inline]
    pub(crate) fn answered(&self, position: u64, target: SocketAddr) {
        let wanted = self.wanted.load(Ordering::Relaxed);
        if wanted > 0 {
            // The other half may have said something else meanwhile: then it says so again.
            self.wanted.store(wanted - 1, Ordering::Relaxed);
            let _ = self.give.try_send(News::Answered(Known { position, target }));
        }
    }

    pub(crate) fn answered_again(&self, target: SocketAddr, nth: u16) {
        let _ = self.give.try_send(News::AnsweredAgain(target, nth));
    }
}

impl Told {
    /// Brings `sample` up to date, and says whom it wants.
    pub(crate) fn pass_on(&self, sample: &mut Sample, now: Nanos) {
        for news in self.take.try_iter().take(4 * MEMBERS_MAX) {
            match news {
                News::Answered(known) => sample.add(known, now),
                News::AnsweredAgain(target, nth) => sample.replied(target, nth),
            }
        }
        self.wanted.store(sample.wanted(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn known(network: u32, host: u8) -> Known {
        let ip = (0x0a00_0000 | network << 8 | u32::from(host)).to_be_bytes();
        Known { position: u64::from(network), target: (ip, 80).into() }
    }

    /// A sample of so many networks.
    fn of(networks: u32) -> Sample {
        let mut sample = Sample::default();
        (0..networks).for_each(|network| sample.add(known(network, 1), 0));
        sample
    }

    #[test]
    fn few_answerers_are_left_alone() {
        let mut few = of(MEMBERS_MIN as u32 - 1);
        assert_eq!(few.take_due(10 * SECOND, u64::MAX), None);
        (0..=255).for_each(|host| few.add(known(3, host), 0));
        assert_eq!(few.take_due(10 * SECOND, u64::MAX), None, "one of each network");
        few.add(known(1000, 1), 0);
        assert!(few.take_due(10 * SECOND, u64::MAX).is_some());
    }

    #[test]
    fn who_is_silent_twice_is_dropped_and_who_answered_often_is_replaced() {
        let mut sample = of(MEMBERS_MIN as u32);
        let (mut now, mut asked) = (2 * SECOND, BTreeMap::new());
        for _ in 0..4000 {
            if let Some(member) = sample.take_due(now, u64::MAX) {
                *asked.entry(member.known.position).or_insert(0) += 1;
                let nth = member.asks;
                sample.ask(member, now);
                if member.known.position != 7 {
                    sample.replied(member.known.target, nth);
                }
            }
            sample.settle(now);
            // The others are replaced by their like, so that there are enough.
            (0..MEMBERS_MIN as u32).filter(|n| *n != 7).for_each(|n| sample.add(known(n + 100, 1), now));
            now += APART;
        }
        assert_eq!(asked.get(&7), Some(&2));
        assert!((0..32).filter(|n| *n != 7).all(|n| asked.get(&n) == Some(&8)), "{asked:?}");
    }

    #[test]
    fn an_answer_to_another_question_or_too_late_does_not_count() {
        let mut sample = of(40);
        let member = sample.take_due(2 * SECOND, 1000).unwrap();
        let target = member.known.target;
        sample.ask(member, 2 * SECOND);
        sample.replied(target, 1);
        sample.replied(known(39, 1).target, 0);
        assert_eq!(sample.settle(3 * SECOND - 1), (0, 0));
        assert_eq!(sample.settle(3 * SECOND), (1, 0));
        sample.replied(target, 0);
        let member = sample.take_due(3 * SECOND, 1000).unwrap();
        sample.ask(member, 3 * SECOND);
        sample.replied(member.known.target, 0);
        sample.replied(member.known.target, 0);
        assert_eq!(sample.settle(9 * SECOND), (1, 1));
    }

    proptest! {
        #[test]
        fn it_stays_small_and_slow(
            steps in proptest::collection::vec((0u64..400_000_000, 0u32..400, any::<u8>(), 0u8..4), 1..800),
            per_step in 0u64..5000,
        ) {
            let (mut sample, mut now, mut sent, mut asks, mut counted) = (of(100), 0, 0, Vec::new(), (0, 0));
            let mut last: BTreeMap<SocketAddr, Nanos> = BTreeMap::new();
            for (step, network, host, what) in steps {
                now += step;
                sent += per_step;
                sample.add(known(network, host), now);
                while let Some(member) = sample.take_due(now, sent) {
                    if what == 0 {
                        sample.put_back(member, now);
                        break;
                    }
                    let target = member.known.target;
                    if member.asks > 0 {
                        prop_assert!(now - last[&target] >= REST, "no rest");
                    }
                    last.insert(target, now);
                    sample.ask(member, now);
                    asks.push(now);
                    if what > 1 {
                        sample.replied(target, member.asks);
                    }
                }
                let (asked, replied) = sample.settle(now);
                counted = (counted.0 + asked, counted.1 + replied);
                let networks: BTreeSet<u64> = sample
                    .members
                    .iter()
                    .chain(sample.asked.iter().map(|asked| &asked.member))
                    .map(|member| crate::network(member.known.target.ip()))
                    .collect();
                prop_assert_eq!(networks.len(), sample.members.len() + sample.asked.len());
                prop_assert_eq!(networks.len(), sample.networks.len());
                prop_assert!(networks.len() <= MEMBERS_MAX);
                prop_assert!(asks.len() as u64 <= sent / 100);
            }
            prop_assert!(counted.1 <= counted.0 && counted.0 <= asks.len() as u64);
            // Never more than 64 in a second, but for the one that a pause leaves over.
            for (at, time) in asks.iter().enumerate() {
                let since = asks[..at].iter().filter(|earlier| **earlier + SECOND > *time).count();
                prop_assert!(since <= 65, "{} in a second", since + 1);
            }
        }
    }
}
