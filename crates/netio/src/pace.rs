use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Lets one through at a time, each at least `1 / rate` after the last. Exact on average and never ahead of
/// the average: time that was not used is not made up for.
///
/// Slots are handed out in advance, so that many waiters share one rate without waking each other.
#[derive(Debug)]
pub struct RateLimiter {
    start: Instant,
    interval_ns: u64,
    /// Nanoseconds after `start` at which the next slot begins.
    next_ns: AtomicU64,
}

impl RateLimiter {
    /// A limiter of `rate_pps` a second; 0 counts as 1.
    pub fn new(rate_pps: u32) -> Self {
        Self { start: Instant::now(), interval_ns: interval_ns(rate_pps), next_ns: AtomicU64::new(0) }
    }

    /// Waits for a slot. Dropping the future gives the slot up.
    pub async fn ready(&self) {
        let now = since(self.start);
        let mut slot = 0;
        // The update always succeeds; the slot is what it read.
        let _ = self.next_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            slot = next.max(now);
            Some(slot.saturating_add(self.interval_ns))
        });
        wait_until(self.start, slot, now).await;
    }
}

/// The same for every network by itself: a /24 of IPv4, a /64 of IPv6.
///
/// Memory grows with the networks that were sent to within the last `1 / rate`, not with those ever seen.
#[derive(Debug)]
pub struct PrefixCap {
    start: Instant,
    interval_ns: u64,
    slots: Mutex<Slots>,
}

#[derive(Debug)]
struct Slots {
    next_ns: HashMap<u64, u64>,
    /// When the map reaches this size, networks that are free again are forgotten.
    sweep_at: usize,
}

/// Networks below which no sweep happens.
const SWEEP_AT_LEAST: usize = 1 << 14;

impl PrefixCap {
    /// A cap of `rate_pps` a second for each network; 0 counts as 1.
    pub fn new(rate_pps: u32) -> Self {
        let slots = Slots { next_ns: HashMap::new(), sweep_at: SWEEP_AT_LEAST };
        Self { start: Instant::now(), interval_ns: interval_ns(rate_pps), slots: Mutex::new(slots) }
    }

    /// Waits for a slot of the network that `ip` is in. Dropping the future gives the slot up.
    pub async fn ready(&self, ip: IpAddr) {
        let now = since(self.start);
        let slot = self.reserve(network(ip), now);
        wait_until(self.start, slot, now).await;
    }

    fn reserve(&self, network: u64, now: u64) -> u64 {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.next_ns.len() >= slots.sweep_at {
            slots.next_ns.retain(|_, next| *next > now);
            slots.sweep_at = SWEEP_AT_LEAST.max(slots.next_ns.len() * 2);
        }
        let next = slots.next_ns.entry(network).or_default();
        let slot = now.max(*next);
        *next = slot.saturating_add(self.interval_ns);
        slot
    }

    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.slots.lock().unwrap().next_ns.len()
    }
}

/// The /24 or /64 that `ip` is in. The upper half of an IPv6 address in use is never as small as a /24's number.
fn network(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

fn interval_ns(rate_pps: u32) -> u64 {
    1_000_000_000 / u64::from(rate_pps.max(1))
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

async fn wait_until(start: Instant, slot_ns: u64, now_ns: u64) {
    if slot_ns > now_ns {
        sleep_until(start + Duration::from_nanos(slot_ns)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Seconds that `count` waiters need together, on the fake clock.
    async fn seconds<F: Future<Output = ()> + Send + 'static>(count: u32, wait: impl Fn(u32) -> F) -> f64 {
        let start = Instant::now();
        let waiters: Vec<_> = (0..count).map(|n| tokio::spawn(wait(n))).collect();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_exactly() {
        for rate in [1, 7, 1000, 50_000] {
            let limiter = Arc::new(RateLimiter::new(rate));
            let count = (rate * 3).min(30_000);
            let took = seconds(count, |_| {
                let limiter = limiter.clone();
                async move { limiter.ready().await }
            });
            // The first goes at once, and the clock of the runtime counts milliseconds.
            let expected = f64::from(count - 1) / f64::from(rate);
            let took = took.await;
            assert!((expected - 0.001..=expected + 0.002).contains(&took), "{rate}: {took} for {expected}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_not_made_up_for() {
        let limiter = RateLimiter::new(10);
        limiter.ready().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..11 {
            limiter.ready().await;
        }
        assert!(start.elapsed() >= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn every_network_has_a_cap_of_its_own() {
        let cap = Arc::new(PrefixCap::new(10));
        let spread = seconds(100, |n| {
            let cap = cap.clone();
            async move { cap.ready(IpAddr::from([192, 0, n as u8, 7])).await }
        });
        assert!(spread.await < 0.01);
        let dense = seconds(31, |n| {
            let cap = cap.clone();
            async move { cap.ready(IpAddr::from([198, 51, 100, n as u8])).await }
        });
        assert!((2.99..3.01).contains(&dense.await));
        let v6 = seconds(11, |n| {
            let cap = cap.clone();
            async move { cap.ready(IpAddr::from([0x2001, 0xdb8, 0, 1, n as u16, 0, 0, 1])).await }
        });
        assert!((0.99..1.01).contains(&v6.await));
    }

    #[tokio::test(start_paused = true)]
    async fn networks_that_are_free_again_are_forgotten() {
        let cap = PrefixCap::new(1000);
        for n in 0..200_000u32 {
            cap.ready(IpAddr::from((n << 8).to_be_bytes())).await;
            if n % 10_000 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert!(cap.remembered() <= SWEEP_AT_LEAST * 2, "{}", cap.remembered());
    }
}
