use std::{collections::HashMap, net::IpAddr};

use crate::{Nanos, SECOND};
use nightlatch_scope::AuthorizedTarget;

/// From so many a second on a cap is none: a batch leaves within the time between two packets.
const NONE_FROM_PPS: u32 = 1_000_000;
/// Slots of the table; two networks that share one hold each other up, which is only politer.
const SLOTS: usize = 1 << 18;

/// The /24 (IPv4) or /64 (IPv6) that `ip` is in, as a number.
pub fn network(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

/// Keeps probes to one network apart, and those to a block of the scope that names a rate.
///
/// In constant memory: a table of times by a hash of the network (2 MiB).
#[derive(Debug)]
pub struct Caps {
    /// Between two probes to one network; `None` for no cap.
    interval: Option<Nanos>,
    free_at: Box<[Nanos]>,
    blocks: HashMap<u32, Nanos>,
}

impl Caps {
    /// - `per_network_pps`: most probes a second to one /24 or /64; `None`, or a million and more, for no bound.
    pub fn new(per_network_pps: Option<u32>) -> Self {
        let bound = per_network_pps.filter(|rate| *rate < NONE_FROM_PPS);
        let interval = bound.map(|rate| SECOND / u64::from(rate.max(1)));
        let slots = if interval.is_some() { SLOTS } else { 0 };
        Self { interval, free_at: vec![0; slots].into_boxed_slice(), blocks: HashMap::new() }
    }

    /// Takes a slot for `target`, or says when one is free.
    ///
    /// # Errors
    /// When to ask again.
    #[inline]
    pub fn take(&mut self, target: AuthorizedTarget, now: Nanos) -> Result<(), Nanos> {
        let block = target.block().zip(target.rate_pps());
        let block_free = block.and_then(|(block, _)| self.blocks.get(&block)).copied().unwrap_or(0);
        let slot = self.interval.map(|interval| (interval, slot(target.socket().ip())));
        let network_free = slot.and_then(|(_, slot)| self.free_at.get(slot)).copied().unwrap_or(0);
        let free = block_free.max(network_free);
        if free > now {
            return Err(free);
        }
        if let Some((interval, slot)) = slot
            && let Some(free_at) = self.free_at.get_mut(slot)
        {
            // From when it was free, if that was just now: else the rounding of each wait would add up.
            *free_at = (*free_at).max(now.saturating_sub(interval)) + interval;
        }
        if let Some((block, rate)) = block {
            let interval = SECOND / u64::from(rate.max(1));
            let free_at = self.blocks.entry(block).or_default();
            *free_at = (*free_at).max(now.saturating_sub(interval)) + interval;
        }
        Ok(())
    }
}

/// Fibonacci hashing: neighbours end up far apart.
fn slot(ip: IpAddr) -> usize {
    (network(ip).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nightlatch_scope::Scope;

    use super::*;

    fn scope() -> Scope {
        let text = "[[block]]\nnet = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n[[block]]\nnet = \"10.9.0.0/16\"\nrate_pps = 5\n";
        Scope::parse(text, Path::new("scope.toml")).unwrap()
    }

    /// How many of the probes to `ips`, asked for as fast as can be, go in two seconds.
    fn went(cap: Option<u32>, ips: &[&str]) -> usize {
        let (scope, mut caps, mut count) = (scope(), Caps::new(cap), 0);
        for now in (0..2 * SECOND).step_by(100_000) {
            for ip in ips {
                let target = scope.authorize((ip.parse::<IpAddr>().unwrap(), 80).into()).unwrap();
                count += usize::from(caps.take(target, now).is_ok());
            }
        }
        count
    }

    #[test]
    fn a_network_has_a_cap_and_so_has_a_block() {
        assert!((200..=202).contains(&went(Some(100), &["10.1.2.3", "10.1.2.4"])));
        assert!((400..=404).contains(&went(Some(100), &["10.1.2.3", "10.1.3.4"])));
        assert!((200..=202).contains(&went(Some(100), &["2001:db8::1", "2001:db8::2"])));
        assert!((10..=11).contains(&went(Some(100), &["10.9.2.3", "10.9.3.4"])));
        assert!((10..=11).contains(&went(None, &["10.9.2.3", "10.9.3.4"])));
        assert_eq!(went(None, &["10.1.2.3"]), 20_000);
    }
}
