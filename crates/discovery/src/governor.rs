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
/// Times the usual share of probes that are turned back, above which somebody objects.
const OBJECTIONS: u64 = 3;
/// Packets dropped by the kernel in an interval, up to which they may be anybody's.
const KERNEL_DROPS_MIN: u64 = 16;
/// After a cut nothing is judged for so long: what is seen then was caused before.
const SETTLE: Nanos = 1_500_000_000;

/// What happened since the sweep began; all counts only grow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Probes sent.
    pub sent: u64,
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
    /// So many in a thousand probes were turned back, several times what was usual.
    Objections(u64),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ring(count) => write!(f, "{count} replies found no room in the receive ring"),
            Self::Kernel(count) => write!(f, "this machine dropped {count} packets unseen"),
            Self::Loss(share) => {
                write!(f, "{}.{} % of the answers came only to a second probe", share / 10, share % 10)
            }
            Self::Objections(share) => {
                write!(f, "{}.{} % of the probes were turned back, more than before", share / 10, share % 10)
            }
        }
    }
}

/// Lowers the rate when packets are lost or turned back, and raises it again when they are not.
///
/// A cut takes a quarter; what was cut comes back by a thirty-second every fifth of a second. Where no rate was asked
/// for, it starts low and doubles every fiftieth of a second until the first sign of loss.
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
    /// The loss for which the rate was cut last, and the rate before.
    cut_for: Option<(u64, u64)>,
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
            cut_for: None,
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
        let reason = self.judge(seen, was, sent);
        if now < self.quiet_until {
            return None;
        }
        if let (Some(Reason::Loss(share)), Some((before, rate))) = (reason, self.cut_for)
            && share * 2 > before + loss_if_full(before)
        {
            // Slower did not help: the network loses as much at any rate.
            (self.tolerated, self.cut_for) = (share * 3 / 2, None);
            self.rate = rate.min(self.ceiling);
            return None;
        }
        if let Some(reason) = reason {
            let is_steady = !std::mem::take(&mut self.is_searching);
            self.cut_for = match reason {
                // While the rate grows, what is lost was lost at another.
                Reason::Loss(share) if is_steady => Some((share, self.rate)),
                _ => None,
            };
            // What really went is what was too much.
            let real = (u128::from(sent) * 1_000_000_000 / u128::from(elapsed.max(1))) as u64;
            self.rate = (self.rate.min(real.max(1)) * 3 / 4).max(1);
            self.quiet_until = now + SETTLE;
            self.cuts += 1;
            return Some(reason);
        }
        // The cut helped.
        self.cut_for = None;
        let faster = if self.is_searching { self.rate * 2 } else { self.rate + self.rate / 32 + 1 };
        // Nothing is learnt from a rate that was not reached.
        let reached =
            u128::from(sent) * 1_000_000_000 * 10 / u128::from(elapsed.max(1)) >= u128::from(self.rate) * 7;
        if reached {
            self.rate = faster.min(self.ceiling);
        }
        None
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
        if answered >= ANSWERS_MIN && second * 1000 / answered > self.tolerated {
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

/// The loss to expect after a cut, in 1/1000, if `before` was lost because something was full.
fn loss_if_full(before: u64) -> u64 {
    let through = 1000u64.saturating_sub(before);
    1000u64.saturating_sub(through * 4 / 3)
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
