//! The overview of everything, counted once for everybody: it belongs to no user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use nightlatch_app::{App, AppError};
use nightlatch_asset::{Exposure, Field, Severity};
use nightlatch_query::Expr;
use nightlatch_store::{Facet, Snapshot, Sort, StoreError};

use tokio::sync::watch;

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

/// How things stand.
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
}

/// How it went: counted apart, as it goes through all that was ever observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    pub(crate) moments: Vec<Moment>,
    /// Length of a step of `moments`.
    pub(crate) step: SignedDuration,
}

impl Book {
    /// Doors through which a stranger reads or more.
    pub(crate) fn open(&self) -> u64 {
        self.states[Exposure::Readable as usize] + self.states[Exposure::Controllable as usize]
    }

    /// Counts everything. Costs about fifteen facets: not for every visitor.
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

impl Course {
    /// Counts answers by the step in which they were seen. Costs two facets of the whole history for each.
    pub(crate) fn read(snapshot: &dyn Snapshot, now: Timestamp) -> Result<Self, StoreError> {
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
        Ok(Self { moments, step: SignedDuration::from_secs(step) })
    }
}

/// How old what is shown may be.
const FRESH: Duration = Duration::from_secs(20);
/// How old the way to it may be: what is past changes little.
const COURSE_FRESH: Duration = Duration::from_secs(120);
/// How long a page waits for the first course; later ones are there.
const COURSE_PATIENCE: Duration = Duration::from_millis(40);

/// The newest [`Book`] and [`Course`], counted behind everybody's back.
#[derive(Debug)]
pub(crate) struct Shelf {
    book: Mutex<Kept<Book>>,
    course: Mutex<Kept<Course>>,
    first_course: watch::Sender<bool>,
    counting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Kept<T> {
    newest: Option<Arc<T>>,
    read: Option<Instant>,
    busy: bool,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { newest: None, read: None, busy: false }
    }
}

impl<T> Kept<T> {
    /// The newest there is, and whether it is time to count again. Says so to one caller only.
    fn look(&mut self, fresh: Duration) -> (Option<Arc<T>>, bool) {
        let stale = self.read.is_none_or(|read| read.elapsed() > fresh) && !self.busy;
        self.busy |= stale;
        (self.newest.clone(), stale)
    }

    fn put(&mut self, counted: Option<Arc<T>>) {
        self.busy = false;
        if let Some(counted) = counted {
            self.newest = Some(counted);
            self.read = Some(Instant::now());
        }
    }
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            book: Mutex::default(),
            course: Mutex::default(),
            first_course: watch::Sender::new(false),
            counting: tokio::sync::Mutex::default(),
        }
    }
}

fn locked<T>(kept: &Mutex<Kept<T>>) -> MutexGuard<'_, Kept<T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(error: &AppError) {
    tracing::warn!(error = %nightlatch_untrusted::log_field(&error.to_string()), "the overview stays as it was");
}

impl Shelf {
    /// Counts before anybody asks, so that nobody waits for the first answer.
    pub(crate) fn prepare(self: Arc<Self>, app: Arc<App>) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Whoever asks first is told what is wrong.
                let _ = self.clone().book(app.clone(), Timestamp::now()).await;
                self.course(app, Timestamp::now()).await
            });
        }
    }

    /// How things stand: what was counted last, while it is counted again; waits only where nothing was counted yet.
    pub(crate) async fn book(self: Arc<Self>, app: Arc<App>, now: Timestamp) -> Result<Arc<Book>, AppError> {
        let (known, stale) = locked(&self.book).look(FRESH);
        if let Some(book) = known {
            if stale {
                tokio::spawn(async move {
                    if let Err(error) = self.count_book(&app, now).await {
                        told(&error);
                    }
                });
            }
            return Ok(book);
        }
        let _alone = self.counting.lock().await;
        let known = locked(&self.book).newest.clone();
        match known {
            Some(book) => Ok(book),
            None => self.count_book(&app, now).await,
        }
    }

    async fn count_book(&self, app: &App, now: Timestamp) -> Result<Arc<Book>, AppError> {
        let counted = app.ask(move |snapshot| Book::read(snapshot, now)).await.map(Arc::new);
        locked(&self.book).put(counted.as_ref().ok().cloned());
        counted
    }

    /// How it went; none while it is counted for the first time and takes longer than a page may wait.
    pub(crate) async fn course(self: Arc<Self>, app: Arc<App>, now: Timestamp) -> Option<Arc<Course>> {
        let (known, stale) = locked(&self.course).look(COURSE_FRESH);
        if stale {
            let shelf = self.clone();
            tokio::spawn(async move {
                let counted = app.ask(move |snapshot| Course::read(snapshot, now)).await.map(Arc::new);
                if let Err(error) = &counted {
                    told(error);
                }
                locked(&shelf.course).put(counted.ok());
                shelf.first_course.send_replace(true);
            });
        }
        if known.is_some() {
            return known;
        }
        let mut first = self.first_course.subscribe();
        // Too late is no failure: the page says that it is being counted.
        let _ = tokio::time::timeout(COURSE_PATIENCE, first.wait_for(|there| *there)).await;
        locked(&self.course).newest.clone()
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
        let course = Course::read(snapshot.as_ref(), now).unwrap();
        assert!(course.moments.len() as i64 <= STEPS_MAX && course.moments.len() > 3);
        assert_eq!(course.step, SignedDuration::from_secs(7 * 86_400), "five weeks are shown by week");
        for moment in &course.moments {
            assert_eq!(moment.states.iter().sum::<u64>(), moment.severities.iter().sum::<u64>());
        }
        assert!(course.moments.iter().any(|moment| moment.states[3] > 0), "{:?}", course.moments);
    }

    #[test]
    fn an_empty_book_can_be_read() {
        let store = MemoryStore::default();
        let book = Book::read(store.snapshot().unwrap().as_ref(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((book.doors, book.open(), book.countries.len()), (0, 0, 0));
    }
}
