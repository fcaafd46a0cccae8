//! Limits of requests: one bucket of tokens for each key and for each address.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Buckets that are remembered; more are made room for by forgetting those that are full again, then any.
const BUCKETS_MAX: usize = 50_000;

/// Buckets of tokens, full at first, each as large as the limit of a minute and filled within a minute.
pub(crate) struct Buckets<K> {
    buckets: Mutex<HashMap<K, Bucket>>,
}

struct Bucket {
    tokens: f64,
    per_minute: u32,
    filled: Instant,
}

impl Bucket {
    fn fill(&mut self, per_minute: u32, now: Instant) {
        let limit = f64::from(per_minute);
        let minutes = now.saturating_duration_since(self.filled).as_secs_f64() / 60.0;
        // A limit that was raised counts at once.
        let raised = f64::from(per_minute.saturating_sub(self.per_minute));
        self.tokens = (self.tokens + raised + minutes * limit).min(limit);
        (self.per_minute, self.filled) = (per_minute, now);
    }
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    pub(crate) fn new() -> Self {
        Self { buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes a token.
    ///
    /// - returns how long to wait when there is none.
    pub(crate) fn take(&self, key: K, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(&key) {
            make_room(&mut buckets, now);
        }
        let full = || Bucket { tokens: f64::from(per_minute), per_minute, filled: now };
        let bucket = buckets.entry(key).or_insert_with(full);
        bucket.fill(per_minute, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.tokens) * 60.0 / f64::from(per_minute.max(1));
        Err(Duration::from_secs_f64(wait))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn make_room<K: Eq + Hash + Clone>(buckets: &mut HashMap<K, Bucket>, now: Instant) {
    if buckets.len() < BUCKETS_MAX {
        return;
    }
    // After a minute every bucket is full, and a full one says nothing.
    buckets.retain(|_, bucket| now.saturating_duration_since(bucket.filled) < Duration::from_secs(60));
    if buckets.len() >= BUCKETS_MAX {
        let some: Vec<K> = buckets.keys().take(BUCKETS_MAX / 10).cloned().collect();
        for key in &some {
            buckets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_the_limit() {
        let (buckets, start) = (Buckets::new(), Instant::now());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        for _ in 0..60 {
            buckets.take("k", 60, at(0.0)).unwrap();
        }
        assert_eq!(buckets.take("k", 60, at(0.0)), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take("k", 60, at(0.5)), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take("k", 60, at(1.0)), Ok(()));
        assert!(buckets.take("k", 60, at(1.0)).is_err());
        assert_eq!(buckets.take("other", 60, at(1.0)), Ok(()), "others have their own");
        let after_a_day = (0..1000).filter(|_| buckets.take("k", 60, at(86_400.0)).is_ok()).count();
        assert_eq!(after_a_day, 60, "what was not used is not saved up");
    }

    #[test]
    fn a_limit_may_change_or_be_zero() {
        let (buckets, now) = (Buckets::new(), Instant::now());
        buckets.take("k", 1, now).unwrap();
        assert!(buckets.take("k", 1, now).is_err());
        assert_eq!(buckets.take("k", 2, now), Ok(()), "raised");
        assert_eq!(buckets.take("none", 0, now), Err(Duration::from_secs(60)));
    }

    #[test]
    fn memory_is_bounded() {
        let (buckets, now) = (Buckets::new(), Instant::now());
        for key in 0..BUCKETS_MAX * 2 {
            buckets.take(key, 1, now).unwrap();
        }
        assert!(buckets.len() <= BUCKETS_MAX);
    }
}
