use std::collections::VecDeque;

use crate::Nanos;

/// Seconds' worth of packets that a judgement needs at least, in nanoseconds.
const EVERY: Nanos = 200_000_000;
/// The same while the highest rate is searched for: what this machine itself drops is known at once, and that is what a
/// search meets first.
const EVERY_IN_SEARCH: Nanos = 20_000_000;
/// Targets that answered in an interval, below which nothing can be said about loss.
const ANSWERS_MIN: u64 = 50;
/// Share of answers that needed a second probe, above which packets are being lost, in 1/1000.
const LOSS_PER_MILLE: u64 = 20;
/// Second probes for each first one, up to which the answers to both are compared.
const LATER_MAX: u64 = 2;
/// Known answerers that are asked again before what they say counts; fewer may be enough where it is clear.
const SAMPLE: u64 = 64;
const SAMPLE_MIN: u64 = 48;
/// Of them, those that may be silent whatever was tolerated before: 64 that lose a fiftieth each lose more in one of
/// thirty thousand cases.
const MISSES: u64 = 7;
/// Intervals since the asking of those who are judged, on average: a second of patience, and half of what a sample takes.
const SAMPLE_AGE: usize = 8;
/// Times the usual share of probes that are turned back, above which somebody objects.
const OBJECTIONS: u64 = 3;
/// Packets dropped by the kernel in an interval, up to which they may be anybody's.
const KERNEL_DROPS_MIN: u64 = 16;
/// How long a loss that a lower rate did not lessen is taken for the network's own, the first time.
const TOLERATED_FOR: Nanos = 30_000_000_000;
/// After a cut nothing is judged for so long: what is seen then was caused before.
const SETTLE: Nanos = 1_500_000_000;

/// What happened since the sweep began; all counts only grow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Probes sent.
    pub sent: u64,
    /// Targets whose first probe was sent, and those whose second was, or was not needed.
    pub first: u64,
    /// See `first`.
    pub later: u64,
    /// Targets that answered.
    pub answered: u64,
    /// Of those, the ones that did only when asked again.
    pub second_answers: u64,
    /// Probes that somebody turned back.
    pub unreachable: u64,
    /// Packets that found no room in the receive ring.
    pub ring_drops: u64,
    /// Packets that this machine's kernel dropped before it looked at them.
    pub kernel_drops: u64,
    /// Targets that had answered, were asked again, and have had their time to answer: counted in the order in which
    /// they were asked.
    pub again_judged: u64,
    /// Of those, the ones that did.
    pub again_replied: u64,
}

/// Why the rate was cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The receive ring overflowed by so many packets.
    Ring(u64),
    /// The kernel dropped so many packets before looking at them.
    Kernel(u64),
    /// So many in a thousand answers needed a second probe.
    Loss(u64),
    /// Of so many targets that are known to answer and were asked again, only so many did.
    Sample {
        /// Asked again.
        asked: u64,
        /// Answered.
        replied: u64,
    },
    /// So many in a thousand probes were turned back, several times what was usual.
    Objections(u64),
}

impl Reason {
    /// The share that was lost on the way, in 1/1000, and whether the sample says so.
    fn loss(&self) -> Option<(u64, bool)> {
        match *self {
            Self::Loss(share) => Some((share, false)),
            Self::Sample { asked, replied } => {
                Some((asked.saturating_sub(replied) * 1000 / asked.max(1), true))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ring(count) => write!(f, "{count} replies found no room in the receive ring"),
            Self::Kernel(count) => write!(f, "this machine dropped {count} packets unseen"),
            Self::Loss(share) => {
                write!(f, "{}.{} % of the answers came only to a second probe", share / 10, share % 10)
            }
            Self::Sample { asked, replied } => {
                write!(f, "of {asked} known answerers asked again, {replied} replied")
            }
            Self::Objections(share) => {
                write!(f, "{}.{} % of the probes were turned back, more than before", share / 10, share % 10)
            }
        }
    }
}

/// Lowers the rate when packets are lost or turned back, and raises it again when they are not.
///
/// A cut takes a quarter, or down to what gets through where the sample says how much that is; what was cut comes back
/// by a thirty-second every fifth of a second, and eight times as slowly near the rate at which something was lost. Where
/// no rate was asked for, it starts low and doubles every fiftieth of a second until the first sign of loss.
///
/// Two signs of loss on the way stand side by side. What the sample shows is known after a second or two, also with one
/// probe for each target and where few answer; but it is coarse, and there is none in a few networks. The answers that come
/// only to second probes are many where many answer, and show a fiftieth.
#[derive(Clone, Debug)]
pub struct Governor {
    ceiling: u64,
    rate: u64,
    is_searching: bool,
    last: Seen,
    looked_at: Nanos,
    quiet_until: Nanos,
    /// Usual share of probes that are turned back, in millionths, as a slow average; nothing before the
    /// first look.
    usual: Option<u64>,
    cuts: u64,
    /// Loss up to which nothing is done: what the network loses at any rate, as far as is known.
    tolerated: u64,
    tolerated_by_sample: u64,
    /// Until when, and how long it will be the next time: what was learnt may have been chance, or may have passed.
    tolerated_until: Nanos,
    tolerated_for: Nanos,
    /// What was still lost after cuts for the sample's sake, in 1/1000, on average.
    still_lost: u64,
    /// The last cut for loss, until it is known whether it helped.
    cut: Option<Cut>,
    /// What the sample had said when the present judgement of it began: asked, replied.
    sample_from: (u64, u64),
    /// About what gets through, after a cut for loss.
    bearable: Option<u64>,
    /// What the sample has just said was lost, in 1/1000.
    sample_share: Option<u64>,
    /// Packets a second that really went in the last intervals, the newest last.
    real: VecDeque<u64>,
}

/// A cut for loss, or several that followed each other.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// What was lost, in 1/1000.
    loss: u64,
    by_sample: bool,
    /// The rate before, and what it was cut to, in millionths.
    rate: u64,
    kept: u64,
}

/// Loss above which a single cut cannot show that slower helps, in 1/1000, and how far down the rate is cut then, in
/// millionths.
const NEARLY_ALL: u64 = 900;
const KEPT_MIN: u64 = 1_000_000 / 100;

impl Cut {
    /// Whether a loss of `share` afterwards says that slower does not help: that it is far nearer to the loss
    /// before than to what is to be expected if something was full.
    fn is_useless(&self, share: u64) -> bool {
        let through = 1000u64.saturating_sub(self.loss);
        let if_full = 1000u64.saturating_sub(through * 1_000_000 / self.kept.max(1));
        share * 4 >= self.loss * 3 + if_full && (share < NEARLY_ALL || self.kept <= KEPT_MIN)
    }
}

impl Governor {
    /// Holds `rate_pps` as long as nothing is lost.
    pub fn fixed(rate_pps: u64, now: Nanos) -> Self {
        Self {
            ceiling: rate_pps.max(1),
            rate: rate_pps.max(1),
            is_searching: false,
            last: Seen::default(),
            looked_at: now,
            quiet_until: now,
            usual: None,
            cuts: 0,
            tolerated: LOSS_PER_MILLE,
            tolerated_by_sample: LOSS_PER_MILLE,
            tolerated_until: now,
            tolerated_for: TOLERATED_FOR,
            still_lost: 0,
            cut: None,
            sample_from: (0, 0),
            bearable: None,
            sample_share: None,
            real: VecDeque::new(),
        }
    }

    /// Looks for the highest rate at which nothing is lost, from `start_pps` up.
    pub fn searching(start_pps: u64, now: Nanos) -> Self {
        Self { ceiling: u64::MAX / 4, is_searching: true, ..Self::fixed(start_pps, now) }
    }

    /// The rate to keep.
    pub fn rate_pps(&self) -> u64 {
        self.rate
    }

    /// How often the rate was cut.
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Looks at what happened; the reason when the rate was cut. To be called often; it judges five times a
    /// second, and twenty times while it searches.
    pub fn look(&mut self, seen: Seen, now: Nanos) -> Option<Reason> {
        let every = if self.is_searching { EVERY_IN_SEARCH } else { EVERY };
        if now < self.looked_at + every {
            return None;
        }
        let was = std::mem::replace(&mut self.last, seen);
        let elapsed = now - std::mem::replace(&mut self.looked_at, now);
        let sent = seen.sent.saturating_sub(was.sent);
        self.sample_share = None;
        if now >= self.tolerated_until {
            self.tolerate(LOSS_PER_MILLE, true);
        }
        let reason = self.judge(seen, was, sent);
        if now < self.quiet_until {
            self.sample_from = (seen.again_judged, seen.again_replied);
            return None;
        }
        // What really went is what was too much.
        let real = (u128::from(sent) * 1_000_000_000 / u128::from(elapsed.max(1))) as u64;
        self.real.push_back(real);
        if self.real.len() > SAMPLE_AGE {
            self.real.pop_front();
        }
        if let Some((share, cut)) = self.since_cut(reason) {
            if cut.is_useless(share) {
                // Slower did not help: the network loses as much at any rate.
                self.tolerate(share * 3 / 2, cut.by_sample);
                (self.cut, self.bearable) = (None, None);
                self.rate = cut.rate.min(self.ceiling);
                self.tolerated_until = now + self.tolerated_for;
                self.tolerated_for *= 2;
                return None;
            }
            if cut.by_sample && share < NEARLY_ALL {
                self.still_lost = self.still_lost.midpoint(share);
                self.tolerate(LOSS_PER_MILLE.max(self.still_lost * 3 / 2), true);
                self.tolerated_until = now + self.tolerated_for;
            }
        }
        if let Some(reason) = reason {
            self.slow_down(reason, real);
            self.quiet_until = now + SETTLE;
            return Some(reason);
        }
        self.climb(real);
        None
    }

    /// What second probes show depends on what was sent when: of the sample they prove nothing.
    fn tolerate(&mut self, share: u64, by_sample: bool) {
        self.tolerated = share;
        if by_sample {
            self.tolerated_by_sample = share;
        }
    }

    /// What was lost since the last cut for loss, in 1/1000, where the same sign says it.
    fn since_cut(&self, reason: Option<Reason>) -> Option<(u64, Cut)> {
        let cut = self.cut?;
        let share = match reason {
            _ if cut.by_sample => self.sample_share,
            Some(Reason::Loss(share)) => Some(share),
            _ => None,
        };
        Some((share?, cut))
    }

    /// - `real`: packets a second that really went.
    fn slow_down(&mut self, reason: Reason, real: u64) {
        let is_steady = !std::mem::take(&mut self.is_searching);
        let before = self.rate;
        let (loss, by_sample) = reason.loss().unwrap_or_default();
        let through = 1000 - loss.min(1000);
        // The sample says how much gets through; a little less leaves room for what is to come. And it speaks of the rate
        // at which it was asked.
        let (kept, real) = match by_sample {
            true => ((through * 15 / 16).clamp(250, 750), self.real.front().copied().unwrap_or(real)),
            false => (750, real),
        };
        let real = self.rate.min(real.max(1));
        self.rate = (real * kept / 1000).max(1);
        self.cuts += 1;
        // While the rate grows, what is lost was lost at another.
        let is_known = is_steady && reason.loss().is_some();
        let first = self.cut.filter(|cut| cut.by_sample == by_sample && loss >= NEARLY_ALL);
        let first = first.unwrap_or(Cut { loss, by_sample, rate: before, kept: 1_000_000 });
        self.cut = is_known.then_some(Cut { kept: first.kept * kept / 1000, ..first });
        self.bearable = is_known.then_some(real * through / 1000).or(self.bearable);
        self.real.clear();
    }

    fn climb(&mut self, real: u64) {
        // The cut helped; whether one for the sample's sake did is known when the next one is complete.
        self.cut = self.cut.filter(|cut| cut.by_sample && self.sample_share.is_none());
        let step = match self.bearable {
            Some(bearable) if self.rate >= bearable / 4 * 5 => self.rate / 64,
            Some(bearable) if self.rate >= bearable / 8 * 7 => self.rate / 256,
            _ => self.rate / 32,
        };
        let faster = if self.is_searching { self.rate * 2 } else { self.rate + step + 1 };
        // Nothing is learnt from a rate that was not reached.
        if real * 10 >= self.rate * 7 {
            self.rate = faster.min(self.ceiling);
        }
        // It was something that has passed.
        self.bearable = self.bearable.filter(|bearable| self.rate <= bearable * 2);
    }

    /// What the sample says when it is complete, or clear before: sets what was lost, and gives the reason to be slower.
    fn judge_sample(&mut self, seen: Seen) -> Option<Reason> {
        let asked = seen.again_judged.saturating_sub(self.sample_from.0);
        let replied = seen.again_replied.saturating_sub(self.sample_from.1).min(asked);
        let missed = asked - replied;
        let is_bad = asked >= SAMPLE_MIN && missed > MISSES.max(usual_misses(self.tolerated_by_sample));
        self.sample_share = (is_bad || asked >= SAMPLE).then(|| missed * 1000 / asked.max(1));
        if self.sample_share.is_some() {
            self.sample_from = (seen.again_judged, seen.again_replied);
        }
        is_bad.then_some(Reason::Sample { asked, replied })
    }

    fn judge(&mut self, seen: Seen, was: Seen, sent: u64) -> Option<Reason> {
        let answered = seen.answered.saturating_sub(was.answered);
        let second = seen.second_answers.saturating_sub(was.second_answers);
        let ring = seen.ring_drops.saturating_sub(was.ring_drops);
        let kernel = seen.kernel_drops.saturating_sub(was.kernel_drops);
        if ring > 0 {
            return Some(Reason::Ring(ring));
        }
        // Others on this machine lose packets too: a few say nothing.
        if kernel > (sent / 1000).max(KERNEL_DROPS_MIN) {
            return Some(Reason::Kernel(kernel));
        }
        if let Some(reason) = self.judge_sample(seen) {
            return Some(reason);
        }
        // After a cut second probes make up for what was sent faster: then nearly all answers come to them.
        let is_even =
            seen.later.saturating_sub(was.later) <= seen.first.saturating_sub(was.first) * LATER_MAX;
        if is_even && answered >= ANSWERS_MIN && second * 1000 / answered > self.tolerated {
            return Some(Reason::Loss(second * 1000 / answered));
        }
        let turned_back = seen.unreachable.saturating_sub(was.unreachable);
        let share = (turned_back * 1000).checked_div(sent).unwrap_or(0);
        let usual = self.usual.unwrap_or(share * 1000);
        self.usual = Some((usual * 15 + share * 1000) / 16);
        (turned_back >= ANSWERS_MIN && share > (usual * OBJECTIONS / 1000).max(50))
            .then_some(Reason::Objections(share))
    }
}

/// Misses of a sample that is judged, which are hardly ever exceeded where each is lost with `share` in 1/1000: what is
/// expected, and four times what that varies by.
fn usual_misses(share: u64) -> u64 {
    let share = share.min(1000);
    let expected = SAMPLE * share / 1000;
    expected + 4 * (SAMPLE * share * (1000 - share) / 1_000_000).isqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SECOND;

    /// A network that loses whatever is beyond `room` packets a second, seen only by whoever asks again.
    fn settle(mut governor: Governor, room: u64, seconds: u64) -> (Governor, Vec<Reason>) {
        let (mut seen, mut reasons) = (Seen::default(), Vec::new());
        let mut late = std::collections::VecDeque::from(vec![0u64; 5]);
        for step in 1..=seconds * 5 {
            let went = governor.rate_pps() / 5;
            let lost = went.saturating_sub(room / 5);
            seen.sent += went;
            late.push_back(lost);
            let second = late.pop_front().unwrap();
            seen.second_answers += second;
            seen.answered += went - lost + second;
            reasons.extend(governor.look(seen, step * EVERY));
        }
        (governor, reasons)
    }

    #[test]
    fn a_rate_that_is_borne_is_kept() {
        let (governor, reasons) = settle(Governor::fixed(100_000, 0), 200_000, 30);
        assert_eq!((governor.rate_pps(), reasons), (100_000, vec![]));
    }

    #[test]
    fn a_rate_that_is_too_much_is_cut_and_comes_back() {
        let (governor, reasons) = settle(Governor::fixed(1_000_000, 0), 300_000, 60);
        assert!(matches!(reasons[0], Reason::Loss(share) if share > 500), "{reasons:?}");
        assert!((200_000..420_000).contains(&governor.rate_pps()), "{governor:?}");
    }

    #[test]
    fn the_highest_rate_is_found() {
        let (governor, reasons) = settle(Governor::searching(50_000, 0), 900_000, 30);
        assert!(!reasons.is_empty());
        assert!((500_000..1_300_000).contains(&governor.rate_pps()), "{governor:?}");
    }

    #[test]
    fn a_network_that_loses_at_any_rate_is_not_slowed_down_for_ever() {
        let (mut governor, mut seen, mut cuts) = (Governor::fixed(100_000, 0), Seen::default(), 0);
        for step in 1..300 {
            let went = governor.rate_pps() / 5;
            seen.sent += went;
            seen.answered += went;
            seen.second_answers += went / 20;
            cuts += u32::from(governor.look(seen, step * EVERY).is_some());
        }
        assert!((1..5).contains(&cuts) && governor.rate_pps() > 90_000, "{cuts} {governor:?}");
    }

    /// A network that loses by `loss(rate)` in 1/1000, seen only by a sample of so many a second; what was sent and what
    /// arrived, after the first ten seconds.
    fn sampled(
        governor: &mut Governor,
        seed: u64,
        (a_second, seconds): (u64, u64),
        loss: impl Fn(u64, u64) -> u64,
    ) -> (Vec<(u64, Reason)>, u64, u64) {
        let (mut seen, mut reasons, mut sent, mut arrived) = (Seen::default(), Vec::new(), 0, 0);
        let mut late = std::collections::VecDeque::from(vec![(0u64, 0u64); 5]);
        let mut roll = seed;
        for step in 1..=seconds * 5 {
            let rate = governor.rate_pps();
            seen.sent += rate / 5;
            let lost = loss(rate, step / 5);
            let asked = a_second * step / 5 - a_second * (step - 1) / 5;
            let mut replied = 0;
            for _ in 0..asked {
                roll = roll.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                replied += u64::from((roll >> 33) % 1000 >= lost);
            }
            late.push_back((asked, replied));
            let (asked, replied) = late.pop_front().unwrap();
            seen.again_judged += asked;
            seen.again_replied += replied;
            reasons.extend(governor.look(seen, step * EVERY).map(|reason| (step, reason)));
            if step > 50 {
                sent += rate / 5;
                arrived += rate / 5 * (1000 - lost) / 1000;
            }
        }
        (reasons, sent, arrived)
    }

    #[test]
    fn a_sample_finds_what_gets_through_and_keeps_to_it() {
        for (asked, room) in [(100_000, 30_000), (10_000, 6_000), (200_000, 40_000), (50_000, 40_000)] {
            for seed in 0..50 {
                let mut governor = Governor::fixed(asked, 0);
                let full = |rate: u64, _| 1000 - (room * 1000 / rate).min(1000);
                let (reasons, sent, arrived) = sampled(&mut governor, seed, (64, 120), full);
                let (first, reason) = reasons[0];
                assert!(first <= 15, "{asked}: seen after {first} fifths of a second");
                let Reason::Sample { asked: of, replied } = reason else { panic!("{reason:?}") };
                assert!(of >= 32 && replied < of - 7, "{reason}");
                let average = sent / 110;
                assert!((room * 7 / 10..room * 13 / 10).contains(&average), "{asked} {room}: {average}");
                assert!(arrived * 100 >= sent * 90, "{asked} {room}: {arrived} of {sent}");
            }
        }
        let text = Reason::Sample { asked: 64, replied: 41 }.to_string();
        assert_eq!(text, "of 64 known answerers asked again, 41 replied");
    }

    #[test]
    fn a_sample_that_loses_at_any_rate_slows_nothing_down_for_long() {
        for lost in [0, 10, 20, 80, 300, 700, 1000] {
            for seed in 0..50 {
                let mut governor = Governor::fixed(100_000, 0);
                let (reasons, sent, _) = sampled(&mut governor, seed, (64, 300), |_, _| lost);
                assert!(reasons.len() <= if lost <= 20 { 1 } else { 16 }, "{lost}: {reasons:?}");
                assert!(sent / 290 > 85_000, "{lost}: {} a second", sent / 290);
            }
        }
    }

    #[test]
    fn a_rate_comes_back_when_what_was_in_the_way_is_gone() {
        let mut governor = Governor::fixed(100_000, 0);
        let passing = |rate: u64, second| if second < 20 { 1000 - (30_000_000 / rate).min(1000) } else { 0 };
        let (reasons, ..) = sampled(&mut governor, 1, (64, 70), passing);
        assert!(!reasons.is_empty() && governor.rate_pps() == 100_000, "{governor:?}");
    }

    #[test]
    fn second_probes_that_catch_up_are_no_loss() {
        let mut governor = Governor::fixed(10_000, 0);
        let mut seen = Seen::default();
        for (step, later) in [2000, 2000, 4001, 10_000].into_iter().enumerate() {
            seen.first += 2000;
            seen.later += later;
            seen.answered += 100;
            seen.second_answers += if later > 2000 { 90 } else { 1 };
            assert_eq!(governor.look(seen, (step as u64 + 1) * EVERY), None, "{later}");
        }
        (seen.first, seen.later) = (seen.first + 2000, seen.later + 2000);
        (seen.answered, seen.second_answers) = (seen.answered + 100, seen.second_answers + 90);
        assert_eq!(governor.look(seen, 5 * EVERY), Some(Reason::Loss(900)));
    }

    #[test]
    fn no_sample_and_a_small_one_say_nothing() {
        for a_second in [0, 1] {
            let mut governor = Governor::fixed(100_000, 0);
            let (reasons, ..) = sampled(&mut governor, 1, (a_second, 30), |_, _| 900);
            assert!(reasons.is_empty(), "{reasons:?}");
        }
    }

    #[test]
    fn drops_and_objections_cut_at_once() {
        let mut governor = Governor::fixed(1000, 0);
        let seen = Seen { sent: 200, ring_drops: 3, ..Seen::default() };
        assert_eq!(governor.look(seen, EVERY), Some(Reason::Ring(3)));
        assert_eq!(governor.rate_pps(), 750);
        let mut governor = Governor::fixed(10_000, 0);
        let mut seen = Seen::default();
        for step in 1..20 {
            seen.sent += 2000;
            seen.unreachable += 20;
            assert_eq!(governor.look(seen, step * EVERY), None, "{step}");
        }
        seen.sent += 2000;
        seen.unreachable += 400;
        assert_eq!(governor.look(seen, 20 * EVERY), Some(Reason::Objections(200)));
        assert!(governor.look(seen, 20 * EVERY + SECOND).is_none());
    }
}
