//! The overview of everything, counted once for everybody: it belongs to no user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use nightlatch_asset::{Exposure, Field, Severity};
use nightlatch_query::Expr;
use nightlatch_store::{Facet, Snapshot, Sort, StoreError};

use crate::{ask, charts::Country, words};

/// Steps of the charts over time, at most.
const STEPS_MAX: i64 = 27;
/// Seconds of a step: the smallest with which all of time fits is taken, or the last.
const STEP_SECONDS: [i64; 6] = [3_600, 6 * 3_600, 86_400, 7 * 86_400, 30 * 86_400, 91 * 86_400];
/// Values of a bar chart.
const BARS: usize = 8;
/// More fingerprints than there are.
const FINGERPRINTS: usize = 1_000;
/// More countries than there are.
const COUNTRIES: usize = 300;

/// A value, how many doors have it, and how many of them are open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) doors: u64,
    pub(crate) open: u64,
}

/// One step of time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) label: String,
    /// By [`Exposure`].
    pub(crate) states: [u64; 5],
    /// By [`Severity`].
    pub(crate) severities: [u64; 5],
}

/// Everything that the overview counts.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) as_of: Timestamp,
    pub(crate) doors: u64,
    pub(crate) hosts: u64,
    pub(crate) new: u64,
    pub(crate) changed: u64,
    pub(crate) states: [u64; 5],
    pub(crate) severities: [u64; 5],
    /// By fingerprint, then by [`Exposure`].
    pub(crate) fingerprints: HashMap<String, [u64; 5]>,
    pub(crate) products: Vec<Share>,
    pub(crate) owners: Vec<Share>,
    pub(crate) countries: Vec<Country>,
    pub(crate) moments: Vec<Moment>,
    /// Length of a step of `moments`.
    pub(crate) step: SignedDuration,
}

impl Book {
    /// Doors through which a stranger reads or more.
    pub(crate) fn open(&self) -> u64 {
        self.states[Exposure::Readable as usize] + self.states[Exposure::Controllable as usize]
    }

    /// Counts everything. Costs about forty facets: not for every visitor.
    pub(crate) fn read(snapshot: &dyn Snapshot, now: Timestamp) -> Result<Self, StoreError> {
        let everything = ask::latest(Expr::All);
        let open = ask::latest(ask::open());
        let yesterday = now - SignedDuration::from_hours(24);
        let shares = |field| -> Result<Vec<Share>, StoreError> {
            // Those with the most open doors first: what is open is what matters.
            let wide = snapshot.facet(&everything, field, 1_000)?;
            let narrow = snapshot.facet(&open, field, 1_000)?;
            let count = |name: &str| narrow.buckets.iter().find(|b| b.value == name).map_or(0, |b| b.count);
            let mut shares: Vec<Share> = wide
                .buckets
                .into_iter()
                .map(|b| Share { open: count(&b.value), name: b.value, doors: b.count })
                .collect();
            shares.sort_by_key(|share| std::cmp::Reverse((share.open, share.doors)));
            shares.truncate(BARS);
            Ok(shares)
        };
        let countries = {
            let narrow = snapshot.facet(&open, Field::Country, COUNTRIES)?;
            let count = |code: &str| narrow.buckets.iter().find(|b| b.value == code).map_or(0, |b| b.count);
            let wide = snapshot.facet(&everything, Field::Country, COUNTRIES)?.buckets.into_iter();
            wide.map(|b| Country { open: count(&b.value), code: b.value, doors: b.count }).collect()
        };
        let (moments, step) = moments(snapshot, now)?;
        Ok(Self {
            as_of: now,
            doors: snapshot.count(&everything)?,
            hosts: snapshot.distinct_hosts(&everything)?,
            new: snapshot.count(&ask::latest(ask::since(Field::FirstSeen, yesterday)))?,
            changed: snapshot.count(&ask::latest(ask::since(Field::Time, yesterday)))?,
            states: ladder(&snapshot.facet(&everything, Field::Exposure, 5)?, &Exposure::WORDS),
            severities: ladder(
                &snapshot.facet(&everything, Field::Severity, 5)?,
                &Severity::ALL.map(Severity::as_str),
            ),
            fingerprints: fingerprints(snapshot)?,
            products: shares(Field::Product)?,
            owners: shares(Field::Owner)?,
            countries,
            moments,
            step,
        })
    }
}

/// Doors of every fingerprint, by state: one facet a state.
fn fingerprints(snapshot: &dyn Snapshot) -> Result<HashMap<String, [u64; 5]>, StoreError> {
    let mut found: HashMap<String, [u64; 5]> = HashMap::new();
    for state in 0..Exposure::ALL.len() {
        let selection = ask::latest(ask::step(Field::Exposure, state));
        for bucket in snapshot.facet(&selection, Field::Fingerprint, FINGERPRINTS)?.buckets {
            found.entry(bucket.value).or_default()[state] = bucket.count;
        }
    }
    Ok(found)
}

fn ladder(facet: &Facet, words: &[&str; 5]) -> [u64; 5] {
    words.map(|word| facet.buckets.iter().find(|b| b.value == word).map_or(0, |b| b.count))
}

fn moments(snapshot: &dyn Snapshot, now: Timestamp) -> Result<(Vec<Moment>, SignedDuration), StoreError> {
    let everything = ask::history(Expr::All);
    let first = snapshot.search(&everything, Sort::Oldest, 0, 1)?;
    let first = first.first().map_or(now, |record| record.observation.time).as_second();
    let step = STEP_SECONDS
        .into_iter()
        .find(|step| now.as_second().div_euclid(*step) - first.div_euclid(*step) < STEPS_MAX)
        .unwrap_or(STEP_SECONDS[STEP_SECONDS.len() - 1]);
    let last = now.as_second().div_euclid(step);
    let words = Severity::ALL.map(Severity::as_str);
    let mut moments = Vec::new();
    for number in (last + 1 - STEPS_MAX).max(first.div_euclid(step))..=last {
        let at = |number: i64| Timestamp::from_second(number * step).unwrap_or(Timestamp::UNIX_EPOCH);
        let seen = ask::history(ask::seen_between(at(number), at(number + 1)));
        moments.push(Moment {
            label: if step < 86_400 { words::minute(at(number)) } else { words::day(at(number)) },
            states: ladder(&snapshot.facet(&seen, Field::Exposure, 5)?, &Exposure::WORDS),
            severities: ladder(&snapshot.facet(&seen, Field::Severity, 5)?, &words),
        });
    }
    Ok((moments, SignedDuration::from_secs(step)))
}

/// How old what is shown may be.
const FRESH: Duration = Duration::from_secs(20);

/// The newest [`Book`], counted behind everybody's back.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    counting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    book: Option<Arc<Book>>,
    read: Option<Instant>,
    busy: bool,
}

impl Shelf {
    /// The newest book there is, and whether it is time to count again. Says so to one caller only.
    fn look(&self) -> (Option<Arc<Book>>, bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = state.read.is_none_or(|read| read.elapsed() > FRESH) && !state.busy;
        state.busy |= stale;
        (state.book.clone(), stale)
    }

    fn put(&self, book: Option<Arc<Book>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy = false;
        if let Some(book) = book {
            state.book = Some(book);
            state.read = Some(Instant::now());
        }
    }

    /// Counts before anybody asks, so that nobody waits for the first answer.
    pub(crate) fn prepare(self: Arc<Self>, app: Arc<nightlatch_app::App>) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Whoever asks first is told what is wrong.
            runtime.spawn(async move { self.book(app, Timestamp::now()).await.map(drop) });
        }
    }

    /// The overview: what was counted last, while it is counted again; waits only where nothing was counted yet.
    pub(crate) async fn book(
        self: Arc<Self>,
        app: Arc<nightlatch_app::App>,
        now: Timestamp,
    ) -> Result<Arc<Book>, nightlatch_app::AppError> {
        let (known, stale) = self.look();
        if let Some(book) = known {
            if stale {
                tokio::spawn(async move {
                    let counted = self.count(&app, now).await;
                    if let Err(error) = counted {
                        tracing::warn!(error = %nightlatch_untrusted::log_field(&error.to_string()), "the overview stays as it was");
                    }
                });
            }
            return Ok(book);
        }
        let _alone = self.counting.lock().await;
        match self.look().0 {
            Some(book) => Ok(book),
            None => self.count(&app, now).await,
        }
    }

    async fn count(
        &self,
        app: &nightlatch_app::App,
        now: Timestamp,
    ) -> Result<Arc<Book>, nightlatch_app::AppError> {
        let counted = app.ask(move |snapshot| Book::read(snapshot, now)).await.map(Arc::new);
        self.put(counted.as_ref().ok().cloned());
        counted
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store, synthetic};

    use super::*;

    #[test]
    fn the_numbers_of_the_overview_agree_with_each_other() {
        let mut store = MemoryStore::default();
        let batch: Vec<_> = synthetic::observations(7, 2_000).collect();
        let now = batch.last().unwrap().time + SignedDuration::from_hours(1);
        store.ingest(&batch).unwrap();
        let snapshot = store.snapshot().unwrap();
        let book = Book::read(snapshot.as_ref(), now).unwrap();
        assert_eq!(book.states.iter().sum::<u64>(), book.doors);
        assert_eq!(book.severities.iter().sum::<u64>(), book.doors);
        assert_eq!(book.open(), snapshot.count(&ask::latest(ask::open())).unwrap());
        let named: u64 = book.fingerprints.values().flatten().sum();
        let everything = ask::latest(Expr::All);
        let facet = snapshot.facet(&everything, Field::Fingerprint, 1).unwrap();
        assert_eq!(named, facet.total - facet.missing);
        assert!(book.products.is_sorted_by(|a, b| a.open >= b.open));
        assert!(book.products.iter().all(|share| share.open <= share.doors && share.doors > 0));
        assert!(book.moments.len() as i64 <= STEPS_MAX && book.moments.len() > 3);
        assert_eq!(book.step, SignedDuration::from_secs(7 * 86_400), "five weeks are shown by week");
        for moment in &book.moments {
            assert_eq!(moment.states.iter().sum::<u64>(), moment.severities.iter().sum::<u64>());
        }
        assert!(book.moments.iter().any(|moment| moment.states[3] > 0), "{:?}", book.moments);
    }

    #[test]
    fn an_empty_book_can_be_read() {
        let store = MemoryStore::default();
        let book = Book::read(store.snapshot().unwrap().as_ref(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((book.doors, book.open(), book.countries.len()), (0, 0, 0));
    }
}
