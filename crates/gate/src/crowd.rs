//! How many connections are open, in all and from each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{metrics::Metrics, network::Source};

pub(crate) struct Crowd {
    most: usize,
    metrics: Arc<Metrics>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_source: HashMap<Source, usize>,
}

/// The place of one connection; given back when dropped.
pub(crate) struct Ticket {
    crowd: Arc<Crowd>,
    source: Option<Source>,
}

impl Crowd {
    pub(crate) fn new(most: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { most, metrics, open: Mutex::default() })
    }

    /// A place for one more connection, if there is one.
    ///
    /// - `proxied`: it comes from a trusted proxy, which speaks for many.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr, proxied: bool) -> Option<Ticket> {
        let source = (!proxied).then(|| Source::from(ip));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = source.and_then(|source| open.by_source.get(&source).copied()).unwrap_or(0);
        // One address may have half of the places: the others are not locked out by it.
        if open.all >= self.most || own >= self.most.div_ceil(2) {
            self.metrics.connections_refused.fetch_add(1, Relaxed);
            return None;
        }
        open.all += 1;
        if let Some(source) = source {
            open.by_source.insert(source, own + 1);
        }
        self.metrics.connections.store(open.all as u64, Relaxed);
        Some(Ticket { crowd: self.clone(), source })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.crowd.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(source) = self.source
            && let Some(own) = open.by_source.get_mut(&source)
        {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.by_source.remove(&source);
            }
        }
        self.crowd.metrics.connections.store(open.all as u64, Relaxed);
    }
}

/// Counts up while it lives.
pub(crate) struct Counted(Arc<Metrics>);

impl Counted {
    /// One more request in work.
    pub(crate) fn request(metrics: &Arc<Metrics>) -> Self {
        metrics.in_flight.fetch_add(1, Relaxed);
        Self(metrics.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _: u64 = AtomicU64::fetch_sub(&self.0.in_flight, 1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_half_of_the_places() {
        let crowd = Crowd::new(4, Arc::default());
        let [a, b, proxy] = ["192.0.2.1", "192.0.2.2", "127.0.0.1"].map(|ip| ip.parse().unwrap());
        let first = crowd.enter(a, false).unwrap();
        let _second = crowd.enter(a, false).unwrap();
        assert!(crowd.enter(a, false).is_none());
        let _third = crowd.enter(b, false).unwrap();
        let fourth = crowd.enter(proxy, true).unwrap();
        assert!(crowd.enter(b, false).is_none(), "full");
        drop(fourth);
        assert!(crowd.enter(a, false).is_none());
        drop(first);
        let again = crowd.enter(a, false);
        assert!(again.is_some());
        assert_eq!(crowd.metrics.connections_refused.load(Relaxed), 3);
        assert_eq!(crowd.metrics.connections.load(Relaxed), 3);
    }
}
