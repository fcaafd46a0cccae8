use crate::{Nanos, SECOND};

/// Longest burst: what one millisecond has room for.
const BURST: Nanos = 1_000_000;
/// Time that was missed, because the machine was busy, and may still be made up for.
const MADE_UP_MAX: Nanos = SECOND / 2;
/// How much faster than the rate it may go meanwhile, in 1/16.
const HASTE: u64 = 20;

/// Says how many packets may go, so that there are `rate` a second on average and never more than a millisecond's
/// worth at once.
///
/// A schedule that is not met is made up for, by at most a quarter more than the rate, for a pause of up to half a
/// second; what is older is given up.
#[derive(Clone, Debug)]
pub struct Pacer {
    rate_pps: u64,
    /// When the next packet is due, and the part of a nanosecond that is left over, in 1/rate.
    due: Nanos,
    rest: u64,
    /// Before this nothing goes, so that making up is not a burst.
    not_before: Nanos,
}

impl Pacer {
    /// - `rate_pps`: packets a second; 0 counts as 1.
    /// - `now`: the first packet is due at once.
    pub fn new(rate_pps: u64, now: Nanos) -> Self {
        Self { rate_pps: rate_pps.max(1), due: now, rest: 0, not_before: now }
    }

    /// The rate.
    pub fn rate_pps(&self) -> u64 {
        self.rate_pps
    }

    /// Goes on at another rate from now on.
    pub fn set_rate(&mut self, rate_pps: u64, now: Nanos) {
        self.rate_pps = rate_pps.max(1);
        self.due = self.due.max(now.saturating_sub(BURST));
        self.rest = 0;
    }

    /// How many may go now: at most a millisecond's worth, at least one when one is due.
    pub fn allowance(&mut self, now: Nanos) -> u64 {
        if now < self.due || now < self.not_before {
            return 0;
        }
        if self.due < now.saturating_sub(MADE_UP_MAX) {
            (self.due, self.rest) = (now - MADE_UP_MAX, 0);
        }
        let late = u128::from(now - self.due) * u128::from(self.rate_pps);
        let Some(late) = late.checked_sub(u128::from(self.rest)) else { return 0 };
        let due = late / u128::from(SECOND) + 1;
        let most = (self.rate_pps * (BURST / 1000) / (SECOND / 1000)).max(1);
        u64::try_from(due).unwrap_or(u64::MAX).min(most)
    }

    /// `count` packets went.
    pub fn sent(&mut self, count: u64, now: Nanos) {
        let wide = u128::from(count) * u128::from(SECOND) + u128::from(self.rest);
        let time = (wide / u128::from(self.rate_pps)) as Nanos;
        self.rest = (wide % u128::from(self.rate_pps)) as u64;
        self.due += time;
        self.not_before = now + time * 16 / HASTE;
    }

    /// When [`Pacer::allowance`] is worth asking for again.
    pub fn next_at(&self) -> Nanos {
        (self.due + u64::from(self.rest > 0)).max(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a pacer for `seconds` with a clock that oversleeps by up to `late` nanoseconds; when each packet went.
    fn run(rate: u64, seconds: u64, late: impl Fn(u64) -> Nanos) -> Vec<Nanos> {
        let (mut now, mut pacer, mut times) = (SECOND, Pacer::new(rate, SECOND), Vec::new());
        for turn in 0.. {
            if now >= SECOND + seconds * SECOND {
                break;
            }
            let count = pacer.allowance(now);
            times.extend((0..count).map(|_| now));
            pacer.sent(count, now);
            now = pacer.next_at().max(now) + late(turn) + 1;
        }
        times
    }

    fn is_exact(rate: u64, seconds: u64, times: &[Nanos]) {
        let wanted = rate * seconds;
        let allowed = (wanted / 100).max(1);
        assert!(times.len() as u64 >= wanted.saturating_sub(allowed), "{rate}: {} of {wanted}", times.len());
        assert!(times.len() as u64 <= wanted + allowed, "{rate}: {} of {wanted}", times.len());
    }

    /// No millisecond holds more than two bursts of one: what the schedule gives, and what is made up for.
    fn has_no_bursts(rate: u64, times: &[Nanos]) {
        let most = (rate / 1000).max(1) as usize * 2 + 1;
        let mut first = 0;
        for (index, time) in times.iter().enumerate() {
            while times[first] + BURST < *time {
                first += 1;
            }
            assert!(index - first < most, "{rate}: {} in a millisecond", index - first + 1);
        }
    }

    #[test]
    fn every_rate_is_met_by_a_clock_that_oversleeps() {
        for rate in [1, 3, 10, 99, 1000, 12_345, 100_000, 1_000_000] {
            let seconds = if rate < 100 { 20 } else { 2 };
            let times = run(rate, seconds, |turn| turn * 7919 % 120_000);
            is_exact(rate, seconds, &times);
            has_no_bursts(rate, &times);
        }
    }

    #[test]
    fn a_busy_machine_is_made_up_for_and_a_long_sleep_is_not() {
        let times = run(100_000, 4, |turn| if turn % 5000 == 4999 { 20_000_000 } else { 50_000 });
        is_exact(100_000, 4, &times);
        has_no_bursts(100_000, &times);
        let mut pacer = Pacer::new(1000, 0);
        pacer.sent(pacer.clone().allowance(0), 0);
        let (mut went, mut now) = (0, 60 * SECOND);
        while now < 61 * SECOND {
            let count = pacer.allowance(now);
            pacer.sent(count, now);
            went += count;
            now = pacer.next_at().max(now + 1);
        }
        assert!((1000..=1250).contains(&went), "{went}");
    }

    proptest! {
        #[test]
        fn it_never_runs_ahead(rate in 1u64..5_000_000, steps in proptest::collection::vec(0u64..3_000_000, 1..300)) {
            let (mut pacer, mut now, mut sent) = (Pacer::new(rate, 0), 0u64, 0u64);
            for step in steps {
                now += step;
                let count = pacer.allowance(now);
                pacer.sent(count, now);
                sent += count;
                prop_assert!(u128::from(sent) <= u128::from(now) * u128::from(rate) / u128::from(SECOND) + 1);
            }
        }
    }
}
