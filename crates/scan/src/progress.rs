use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Tally, ledger::Fate, sweep::Tracks};

/// How a scan is getting on; written by the scan, read by whoever shows it. All numbers include what earlier
/// sessions of the same run did, except where said.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    total: AtomicU64,
    fates: [AtomicU64; 5],
    sent: AtomicU64,
    in_flight: AtomicU64,
    identified: AtomicU64,
    observations: AtomicU64,
    samples: Mutex<VecDeque<(Instant, u64)>>,
    sweep: OnceLock<Arc<Tracks>>,
}

/// How a discovery by raw packets is getting on, in this session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepSnapshot {
    /// Packets that left.
    pub sent: u64,
    /// Packets a second that are meant to leave.
    pub rate_pps: u64,
    /// Open, closed, and turned back by somebody.
    pub open: u64,
    /// See `open`.
    pub closed: u64,
    /// See `open`.
    pub unreachable: u64,
    /// Of those, the ones that a filter turned back.
    pub prohibited: u64,
    /// Open ports that wait to be asked.
    pub waiting: u64,
    /// Answers that this machine had no room for.
    pub drops: u64,
    /// Second probes that were not needed.
    pub saved: u64,
    /// Targets that answered only to a second probe.
    pub second_answers: u64,
    /// Packets that asked known answerers again and have had their time to be answered; they are among `sent`.
    pub again_judged: u64,
    /// Of those, the ones that were answered.
    pub again_replied: u64,
    /// Answers that came again.
    pub duplicates: u64,
    /// Packets that pretended to be answers.
    pub forged: u64,
    /// Answers that came too late to count.
    pub outside: u64,
    /// Packets that were damaged.
    pub damaged: u64,
    /// Targets that this machine refused to send to, or frames that the device did not take.
    pub unsent: u64,
    /// The first of those, and why.
    pub first_unsent: Option<String>,
}

/// One look at a [`Progress`].
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Endpoints of the run.
    pub total: u64,
    /// Endpoints that are done.
    pub done: u64,
    /// What became of those that are done, conversations included.
    pub tally: Tally,
    /// Connections attempted by discovery in this session, retries included.
    pub sent: u64,
    /// Endpoints being asked at this moment.
    pub in_flight: u64,
    /// Observations that name a product, in this session.
    pub identified: u64,
    /// Observations acknowledged by the store, in this session.
    pub observations: u64,
    /// Since the session began.
    pub elapsed: Duration,
    /// Endpoints done a second, over the last few seconds.
    pub rate: f64,
    /// Time to go at that rate; `None` while nothing can be said.
    pub eta: Option<Duration>,
    /// Of a discovery by raw packets; absent where endpoints are connected to.
    pub sweep: Option<SweepSnapshot>,
}

/// How far back the rate looks.
const RATE_OVER: Duration = Duration::from_secs(5);
/// Samples closer together than this are not kept.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Nothing done yet. The clock starts.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            total: AtomicU64::new(0),
            fates: Default::default(),
            sent: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            identified: AtomicU64::new(0),
            observations: AtomicU64::new(0),
            samples: Mutex::default(),
            sweep: OnceLock::new(),
        }
    }

    /// Where the scan stands. Cheap; meant to be called a few times a second.
    pub fn snapshot(&self) -> Snapshot {
        let tally = Tally::from_array(std::array::from_fn(|n| {
            self.fates.get(n).map_or(0, |count| count.load(Relaxed))
        }));
        let sweep = self.sweep.get();
        let done = sweep.map_or(tally.done(), |tracks| tracks.walked() + self.before_sweep(tracks));
        let total = self.total.load(Relaxed);
        let rate = self.rate(done);
        let left = total.saturating_sub(done) as f64;
        let eta = (rate > 0.0).then(|| Duration::try_from_secs_f64(left / rate).ok()).flatten();
        Snapshot {
            total,
            tally,
            sent: self.sent.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            identified: self.identified.load(Relaxed),
            observations: self.observations.load(Relaxed),
            elapsed: self.started.elapsed(),
            rate,
            eta,
            done,
            sweep: sweep.map(|tracks| tracks.snapshot()),
        }
    }

    /// What the user should be told, since the last call; at most a few lines.
    pub fn take_notes(&self) -> Vec<String> {
        self.sweep.get().map_or_else(Vec::new, |tracks| tracks.take_notes())
    }

    /// What earlier sessions of the run did.
    fn before_sweep(&self, tracks: &Tracks) -> u64 {
        self.total.load(Relaxed).saturating_sub(tracks.end - tracks.start)
    }

    /// Takes what a discovery by raw packets says into account.
    ///
    /// - `total`: endpoints of the run, of the shard where it is one.
    pub(crate) fn begin_sweep(&self, tracks: Arc<Tracks>, total: u64) {
        self.total.store(total, Relaxed);
        // There is one for each session, and one session for each progress.
        let _ = self.sweep.set(tracks);
    }

    fn rate(&self, done: u64) -> f64 {
        let now = Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE_EVERY) {
            samples.push_back((now, done));
        }
        while samples.len() > 2 && samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER)
        {
            samples.pop_front();
        }
        let (since, before) = *samples.front().unwrap_or(&(now, done));
        let seconds = now.duration_since(since).as_secs_f64();
        if seconds > 0.0 { done.saturating_sub(before) as f64 / seconds } else { 0.0 }
    }

    pub(crate) fn begin(&self, total: u64, before: Tally) {
        self.total.store(total, Relaxed);
        for (count, value) in self.fates.iter().zip(before.as_array()) {
            count.store(value, Relaxed);
        }
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.clear();
        samples.push_back((Instant::now(), before.done()));
    }

    pub(crate) fn count(&self, fate: Fate) {
        if let Some(count) = self.fates.get(fate as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn count_sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn begin_endpoint(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn end_endpoint(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(crate) fn count_identified(&self, count: u64) {
        self.identified.fetch_add(count, Relaxed);
    }

    pub(crate) fn count_stored(&self, count: u64) {
        self.observations.fetch_add(count, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rate_and_time_to_go_follow_the_last_seconds() {
        let progress = Progress::new();
        progress.begin(2000, Tally { closed: 500, ..Tally::default() });
        assert_eq!(progress.snapshot().eta, None);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            for _ in 0..10 {
                progress.count(Fate::Closed);
            }
            progress.snapshot();
        }
        let now = progress.snapshot();
        assert_eq!(now.tally.closed, 1500);
        assert!((99.0..101.0).contains(&now.rate), "{now:?}");
        assert_eq!(now.eta.unwrap().as_secs_f64().round(), 5.0);
        tokio::time::advance(Duration::from_secs(20)).await;
        progress.snapshot();
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(progress.snapshot().rate < 1.0);
    }
}
