//! Wrong keys: who sent too many is not listened to for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::network::Source;

/// Wrong keys after which an address is locked out for the first time.
const FREE: u32 = 5;
/// The first lock-out; each further wrong key doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest lock-out.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// After this long without a wrong key, the address begins anew.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Addresses that are remembered; the ones quiet for longest are forgotten first.
const SOURCES_MAX: usize = 20_000;

#[derive(Default)]
pub(crate) struct Tries {
    sources: Mutex<HashMap<Source, Tried>>,
}

struct Tried {
    wrong: u32,
    last: Instant,
    locked_until: Instant,
}

impl Tries {
    /// Whether the address may try a key; else how long it has to wait.
    pub(crate) fn check(&self, source: Source, now: Instant) -> Result<(), Duration> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        match sources.get(&source) {
            Some(tried) if now < tried.locked_until => Err(tried.locked_until - now),
            _ => Ok(()),
        }
    }

    /// A key was wrong.
    ///
    /// - returns for how long the address is locked out now, when it is.
    pub(crate) fn failed(&self, source: Source, now: Instant) -> Option<Duration> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&source) {
            make_room(&mut sources, now);
        }
        let tried = sources.entry(source).or_insert(Tried { wrong: 0, last: now, locked_until: now });
        if now.saturating_duration_since(tried.last) >= FORGOTTEN {
            tried.wrong = 0;
        }
        tried.wrong = tried.wrong.saturating_add(1);
        tried.last = now;
        let doublings = tried.wrong.checked_sub(FREE)?;
        let lock = FIRST.saturating_mul(1 << doublings.min(20)).min(LONGEST);
        tried.locked_until = now + lock;
        Some(lock)
    }

    /// A key was good: what was wrong before was a mistake.
    pub(crate) fn succeeded(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).remove(&source);
    }
}

fn make_room(sources: &mut HashMap<Source, Tried>, now: Instant) {
    sources.retain(|_, tried| now.saturating_duration_since(tried.last) < FORGOTTEN);
    if sources.len() < SOURCES_MAX {
        return;
    }
    let mut times: Vec<Instant> = sources.values().map(|tried| tried.last).collect();
    let (_, median, _) = times.select_nth_unstable(SOURCES_MAX / 2);
    let median = *median;
    sources.retain(|_, tried| tried.last > median);
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(n: u32) -> Source {
        IpAddr::V4(Ipv4Addr::from_bits(n)).into()
    }

    #[test]
    fn each_wrong_key_doubles_the_wait() {
        let (tries, mut now) = (Tries::default(), Instant::now());
        for _ in 1..FREE {
            assert_eq!(tries.failed(source(1), now), None);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let lock = Duration::from_secs(seconds);
            assert_eq!(tries.check(source(1), now), Ok(()));
            assert_eq!(tries.failed(source(1), now), Some(lock));
            assert_eq!(tries.check(source(1), now), Err(lock));
            assert_eq!(tries.check(source(2), now), Ok(()), "others may");
            now += lock;
        }
        assert_eq!(tries.check(source(1), now), Ok(()), "it may again");
        assert_eq!(tries.failed(source(1), now + FORGOTTEN), None, "an hour later it begins anew");
    }

    #[test]
    fn a_good_key_forgives() {
        let (tries, now) = (Tries::default(), Instant::now());
        for _ in 0..FREE {
            tries.failed(source(1), now);
        }
        tries.succeeded(source(1));
        assert_eq!(tries.check(source(1), now), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 0..SOURCES_MAX as u32 * 2 {
            tries.failed(source(n), now + Duration::from_millis(n.into()));
        }
        assert!(tries.sources.lock().unwrap().len() <= SOURCES_MAX);
    }
}
