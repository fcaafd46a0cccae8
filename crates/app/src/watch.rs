//! The watcher: reads the book on, notes what changed, looks again at what is new, and puts messages on the list.
//!
//! How far it has read and what it found are written together, so after a crash nothing is missed and nothing is
//! noted twice.

use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    net::IpAddr,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use nightlatch_alert::{Alert, Change, ChangeKind, Compiled, Message, TriggerSet, previous_of};
use nightlatch_asset::{Endpoint, Exposure, Record, RunId};
use nightlatch_control::{ControlError, Event, EventState, Kept, NewDelivery, Transaction};
use nightlatch_scan::{Plan, Start, State};
use nightlatch_scope::{Target, TargetSet, TargetSetBuilder};
use nightlatch_store::{Selection, Snapshot, View};
use serde::{Deserialize, Serialize};

use crate::{App, AppError, Look, Origin, SERVE};

/// Names of values in the control database.
const READ_TO: &str = "watch.read-to";
const CERTIFICATES_AT: &str = "watch.certificates-at";
/// Records read on at a time.
const BATCH: usize = 500;
/// Events looked at again at a time.
const RECHECKS_MAX: u32 = 2_000;
/// How often certificates are looked at.
const CERTIFICATES_EVERY: SignedDuration = SignedDuration::from_mins(15);
/// After this long an event that cannot be looked at again is believed.
const BELIEVED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How often it is looked whether what was gone is back, and for how many endpoints; the end of a run of this server
/// looks for all.
const MISSING_EVERY: Duration = Duration::from_secs(5);
const MISSING_MAX: usize = 2_000;
/// Who asks when the watcher looks again.
pub(crate) const WATCHER: &str = "watch";

/// An endpoint that does not answer any more, until it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Missing {
    id: String,
    endpoint: Endpoint,
    record: u64,
    since: Timestamp,
}

impl Kept for Missing {
    const KIND: &'static str = "missing";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The alerts, ready to be asked.
#[derive(Default)]
pub(crate) struct Watchers {
    compiled: Mutex<Vec<Compiled>>,
    /// Whether servers began a run.
    runs: Mutex<HashMap<RunId, bool>>,
    looked_for_missing: Mutex<Option<Instant>>,
}

impl App {
    /// One round of the watcher. Blocks.
    pub(crate) fn watch_once(&self) -> Result<(), AppError> {
        let snapshot = self.snapshot();
        let last = snapshot.last_id();
        let Some(mut read_to) = self.control().meta::<u64>(READ_TO)? else {
            // What is stored when the first server starts is what there is, not what is new.
            return Ok(self.control().set_meta(READ_TO, &last)?);
        };
        if read_to > last {
            tracing::warn!(
                read_to,
                last,
                "the store was exchanged for an older one; changes count from now on"
            );
            return Ok(self.control().set_meta(READ_TO, &last)?);
        }
        while read_to < last {
            let batch = snapshot.after(read_to, BATCH)?;
            let Some(end) = batch.last().map(|record| record.id) else { break };
            // What another process scanned or imported is told to whoever listens as well.
            batch
                .iter()
                .filter(|record| !self.has_told(&record.observation.run))
                .for_each(|record| self.hub().tell(record));
            self.note(snapshot.as_ref(), &batch, end)?;
            read_to = end;
        }
        self.look_for_some_missing(snapshot.as_ref())?;
        self.look_at_certificates(snapshot.as_ref())
    }

    /// Notes what a batch of new records changed.
    fn note(&self, snapshot: &dyn Snapshot, batch: &[Record], end: u64) -> Result<(), AppError> {
        let mut found: Vec<(Change, Record)> = Vec::new();
        let mut hosts: BTreeMap<IpAddr, Vec<Record>> = BTreeMap::new();
        for record in batch {
            let is_first = record.first_seen >= record.observation.time && record.latest;
            let history: &[Record] = if is_first {
                &[]
            } else {
                match hosts.entry(record.observation.ip) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        place.insert(snapshot.host(record.observation.ip, View::History)?)
                    }
                }
            };
            let of_endpoint: Vec<Record> = history
                .iter()
                .filter(|other| other.observation.endpoint() == record.observation.endpoint())
                .cloned()
                .collect();
            // What is stored late says nothing about now.
            let is_late = of_endpoint
                .iter()
                .any(|other| other.id < record.id && other.observation.time > record.observation.time);
            if !is_late {
                let previous = previous_of(&of_endpoint, record);
                let changes = nightlatch_alert::changes(previous, record);
                // A certificate that is shown for the first time may be near its end already.
                let is_shown_first = changes
                    .iter()
                    .any(|change| matches!(change.kind, ChangeKind::NewService | ChangeKind::Certificate));
                let days = self.settings().watch.certificate_days;
                let by_time = is_shown_first
                    .then(|| nightlatch_alert::by_time(record, None, record.observation.time, days));
                let all = changes.into_iter().chain(by_time.into_iter().flatten());
                found.extend(all.map(|change| (change, record.clone())));
            }
        }
        let compiled = self.compiled_alerts()?;
        let now = Timestamp::now();
        let recheck = SignedDuration::from_secs(i64::from(self.settings().watch.recheck_seconds));
        let own = self.own_runs(batch)?;
        self.control().transaction(|t| {
            for (change, record) in &found {
                let wait = !recheck.is_zero() && own.contains(&change.run) && is_alarming(change);
                self.add_change(t, change, record, wait.then(|| now + recheck), &compiled, now)?;
            }
            t.set_meta(READ_TO, &end)
        })?;
        Ok(())
    }

    /// Notes a change; when it need not be looked at again, puts its messages on the list, too.
    ///
    /// - `due`: when it is to be looked at again, absent to believe it.
    fn add_change(
        &self,
        t: &Transaction<'_>,
        change: &Change,
        record: &Record,
        due: Option<Timestamp>,
        compiled: &[Compiled],
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let state = if due.is_some() { EventState::Pending } else { EventState::Confirmed };
        let Some(event) = t.add_event(change, state, due.unwrap_or(now))? else { return Ok(()) };
        if due.is_none() {
            self.queue(t, event, change, record, compiled, now)?;
        }
        Ok(())
    }

    /// Puts the messages that a change sets off on the list of deliveries.
    fn queue(
        &self,
        t: &Transaction<'_>,
        event: i64,
        change: &Change,
        record: &Record,
        compiled: &[Compiled],
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let candidates = TriggerSet::fired_by(change, record);
        for alert in compiled {
            for trigger in alert.fired(change, record, candidates, now) {
                let message = Message::new(
                    alert.alert(),
                    trigger,
                    change.clone(),
                    alert_banner(record, alert.alert(), trigger.as_str()),
                    self.link(change.ip),
                );
                let Ok(body) = serde_json::to_string(&message) else { continue };
                for notifier in &alert.alert().notifiers {
                    t.add_delivery(
                        &NewDelivery {
                            key: &format!("{}.{notifier}", message.key),
                            event,
                            alert: alert.alert().id.as_str(),
                            trigger: trigger.as_str(),
                            notifier,
                            body: &body,
                        },
                        now,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Address of our own page about a host.
    pub(crate) fn link(&self, ip: IpAddr) -> Option<String> {
        let base = self.settings().watch.public_url.as_ref()?;
        Some(format!("{}/host/{ip}", base.trim_end_matches('/')))
    }

    /// All alerts, ready to be asked; one that cannot be read any more is left out, and said so.
    fn compiled_alerts(&self) -> Result<Vec<Compiled>, AppError> {
        let now = Timestamp::now();
        let alerts = self.control().all::<Alert>()?;
        let mut known = self.watchers.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut compiled = Vec::with_capacity(alerts.len());
        for alert in alerts {
            if alert.expired(now) {
                continue;
            }
            let same = known.iter().find(|known| known.alert() == &alert && !known.is_stale(now));
            match same.map_or_else(|| Compiled::new(alert.clone(), now), |same| Ok(same.clone())) {
                Ok(ready) => compiled.push(ready),
                Err(error) => {
                    tracing::error!(alert = %alert.id, error = %error, "the query of an alert cannot be read");
                }
            }
        }
        known.clone_from(&compiled);
        Ok(compiled)
    }

    /// The runs of a batch that servers began on behalf of people and schedules: what they find is looked at again.
    /// What a command found was looked at by somebody, and what was imported cannot be.
    fn own_runs(&self, batch: &[Record]) -> Result<HashSet<RunId>, AppError> {
        let mut known = self.watchers.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.iter().any(|record| !known.contains_key(&record.observation.run)) {
            known.clear();
            for record in self.listed_runs()? {
                let own = record.command == SERVE && record.user != WATCHER;
                known.insert(record.id, own);
            }
            batch.iter().for_each(|record| {
                known.entry(record.observation.run.clone()).or_insert(false);
            });
        }
        Ok(known.iter().filter(|(_, own)| **own).map(|(run, _)| run.clone()).collect())
    }

    /// Looks again at everything that waits for it.
    pub(crate) async fn recheck_once(self: &Arc<Self>) -> Result<(), AppError> {
        let now = Timestamp::now();
        let app = self.clone();
        let due = self.blocking(move || app.control().pending_events(now, RECHECKS_MAX)).await??;
        if due.is_empty() {
            return Ok(());
        }
        let scope = self.scope();
        let mut builder = TargetSetBuilder::default();
        let (mut asked, mut old) = (Vec::new(), Vec::new());
        for event in due {
            let endpoint = event.change.endpoint();
            let socket = std::net::SocketAddr::new(endpoint.ip, endpoint.port);
            let allowed = scope.authorize(socket).is_ok();
            if allowed && now.duration_since(event.change.time) < BELIEVED_AFTER * 24 {
                builder.add(&Target::Endpoint(socket), &[]);
                asked.push(event);
            } else {
                // Nobody may ask there any more, or the server slept for a day: it is told as it was seen.
                old.push(event);
            }
        }
        let mut looked_at = None;
        if !asked.is_empty() {
            looked_at = self.look_again(builder, scope, asked.len()).await?;
            if looked_at.is_none() {
                // Such as while another process writes: later, unless that has been said for long.
                let app = self.clone();
                let events = std::mem::take(&mut asked);
                let late = self.blocking(move || app.put_off(&events)).await??;
                old.extend(late);
            }
        }
        let app = self.clone();
        self.blocking(move || app.settle(&asked, looked_at, &old)).await?
    }

    /// Asks the endpoints once more. Gives when it began; none when it could not.
    async fn look_again(
        self: &Arc<Self>,
        builder: TargetSetBuilder,
        scope: Arc<nightlatch_scope::Scope>,
        count: usize,
    ) -> Result<Option<Timestamp>, AppError> {
        let set = builder.build().map_err(|error| AppError::Invalid(error.to_string()))?;
        let targets = match scope.admit(&set) {
            Ok(admitted) => admitted.targets,
            Err(refused) => return Err(AppError::OutOfScope(refused.to_string())),
        };
        let plan = Plan::new(Arc::new(targets), scope, Plan::random_seed());
        let start = Start {
            command: SERVE.map(str::to_owned).to_vec(),
            asked: vec![format!("{count} endpoints where something changed, once more")],
            user: WATCHER.to_owned(),
            rate_pps: None,
            rate_per_network_pps: Some(256),
            sweep: None,
        };
        let pace = nightlatch_netio::Pace { rate_pps: None, prefix_pps: Some(256) };
        let began = Timestamp::now();
        let (_, ended) = self.begin(plan, start, pace, Origin::Recheck, Look::Only).await?;
        let ended = ended.await.map_err(|_| AppError::Bug)?;
        Ok((ended.state == State::Finished).then_some(began))
    }

    fn put_off(&self, events: &[Event]) -> Result<Vec<Event>, AppError> {
        let now = Timestamp::now();
        let (late, young): (Vec<Event>, Vec<Event>) =
            events.iter().cloned().partition(|e| now.duration_since(e.change.time) > BELIEVED_AFTER);
        self.control().transaction(|t| {
            young.iter().try_for_each(|e| t.put_off_event(e.id, now + SignedDuration::from_secs(30)))
        })?;
        Ok(late)
    }

    /// Says of each event whether it holds.
    ///
    /// - `asked`: looked at again from `looked_at` on;
    /// - `believed`: told as they were seen.
    fn settle(
        &self,
        asked: &[Event],
        looked_at: Option<Timestamp>,
        believed: &[Event],
    ) -> Result<(), AppError> {
        self.book().renew()?;
        let snapshot = self.snapshot();
        let compiled = self.compiled_alerts()?;
        let now = Timestamp::now();
        let looks = asked.iter().map(|event| (event, looked_at));
        for (event, looked_at) in looks.chain(believed.iter().map(|event| (event, None))) {
            let history = snapshot.host(event.change.ip, View::History)?;
            let of_endpoint = |record: &&Record| record.observation.endpoint() == event.change.endpoint();
            let newest = history.iter().filter(of_endpoint).find(|record| record.latest);
            let named = history.iter().find(|record| record.id == event.change.record).or(newest);
            let holds = looked_at.is_none_or(|at| confirmed(&event.change, newest, at));
            let state = if holds { EventState::Confirmed } else { EventState::Dropped };
            self.control().transaction(|t| {
                if !t.settle_event(event.id, state)? {
                    return Ok(());
                }
                if let Some(record) = named.filter(|_| holds) {
                    self.queue(t, event.id, &event.change, record, &compiled, now)?;
                    if event.change.kind == ChangeKind::Gone {
                        t.put(&missing(&event.change), now)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// After a run over `targets` has finished: what it should have met and did not is gone, what was gone and
    /// answers again is back.
    pub(crate) async fn after_run(
        self: &Arc<Self>,
        run: &RunId,
        targets: &Arc<TargetSet>,
        started: Timestamp,
    ) {
        let (app, targets) = (self.clone(), targets.clone());
        let done = self.blocking(move || app.compare_with_run(&targets, started)).await;
        if let Err(error) = done.and_then(|result| result) {
            tracing::error!(run = %run, error = %error, "what a run did not meet cannot be told");
        }
    }

    fn compare_with_run(&self, targets: &TargetSet, started: Timestamp) -> Result<(), AppError> {
        let snapshot = self.snapshot();
        let compiled = self.compiled_alerts()?;
        let now = Timestamp::now();
        let missing: Vec<Missing> = self.control().all::<Missing>()?;
        self.look_for_missing(snapshot.as_ref(), &missing, &compiled)?;
        let gone: HashSet<Endpoint> = missing.iter().map(|known| known.endpoint).collect();
        let covered = Covered::new(targets);
        // The language compares to the second; what is closer is told apart below.
        let query = format!("last_seen:<={}", started.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let Ok(parsed) = nightlatch_query::parse(&query, now) else { return Err(AppError::Bug) };
        let mut unmet = Vec::new();
        snapshot.export(&Selection { expr: parsed.expr, view: View::Latest }, &mut |record| {
            let endpoint = record.observation.endpoint();
            if covered.contains(endpoint) && !gone.contains(&endpoint) && record.last_seen < started {
                unmet.push(record);
            }
            // A whole estate that vanishes is a broken network, and is looked at again before it is told.
            if unmet.len() >= 100_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let recheck = SignedDuration::from_secs(i64::from(self.settings().watch.recheck_seconds));
        for record in &unmet {
            let change = nightlatch_alert::gone(record, now);
            let due = (!recheck.is_zero()).then(|| now + recheck);
            self.control().transaction(|t| {
                self.add_change(t, &change, record, due, &compiled, now)?;
                if due.is_none() {
                    t.put(&self::missing(&change), now)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Notes which of the endpoints that were gone answer again: an answer that is unchanged is no new record, so
    /// reading on does not show it.
    fn look_for_missing(
        &self,
        snapshot: &dyn Snapshot,
        missing: &[Missing],
        compiled: &[Compiled],
    ) -> Result<(), AppError> {
        let now = Timestamp::now();
        for known in missing {
            let host = snapshot.host(known.endpoint.ip, View::Latest)?;
            let seen = host.iter().find(|record| record.observation.endpoint() == known.endpoint);
            let Some(record) = seen.filter(|record| record.last_seen > known.since) else { continue };
            let change = nightlatch_alert::back(record, known.since, record.last_seen);
            self.control().transaction(|t| self.add_change(t, &change, record, None, compiled, now))?;
            self.control().remove::<Missing>(&known.id)?;
        }
        Ok(())
    }

    /// As [`App::look_for_missing`], now and then, for what a command has scanned.
    fn look_for_some_missing(&self, snapshot: &dyn Snapshot) -> Result<(), AppError> {
        {
            let mut looked = self.watchers.looked_for_missing.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|looked| looked.elapsed() < MISSING_EVERY) {
                return Ok(());
            }
            *looked = Some(Instant::now());
        }
        let mut missing: Vec<Missing> = self.control().all::<Missing>()?;
        missing.truncate(MISSING_MAX);
        if missing.is_empty() {
            return Ok(());
        }
        let compiled = self.compiled_alerts()?;
        self.look_for_missing(snapshot, &missing, &compiled)
    }

    /// Certificates that end soon or have ended since it was last looked.
    fn look_at_certificates(&self, snapshot: &dyn Snapshot) -> Result<(), AppError> {
        let now = Timestamp::now();
        let since = self.control().meta::<Timestamp>(CERTIFICATES_AT)?;
        // One that is still to come was written while the clock ran ahead.
        if since.is_some_and(|since| since <= now && now.duration_since(since) < CERTIFICATES_EVERY) {
            return Ok(());
        }
        let days = self.settings().watch.certificate_days;
        let until = now + SignedDuration::from_hours(24 * (i64::from(days) + 1));
        let from = since.map_or(now, |since| since.min(now)) - SignedDuration::from_hours(48);
        let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
        let query = format!("ssl.cert.not_after:>={} ssl.cert.not_after:<={}", day(from), day(until));
        let Ok(parsed) = nightlatch_query::parse(&query, now) else { return Err(AppError::Bug) };
        let mut found = Vec::new();
        snapshot.export(&Selection { expr: parsed.expr, view: View::Latest }, &mut |record| {
            // At the first look only what is still to come is news.
            let changes = nightlatch_alert::by_time(&record, since, now, days);
            found.extend(changes.into_iter().map(|change| (change, record.clone())));
            ControlFlow::Continue(())
        })?;
        let compiled = self.compiled_alerts()?;
        self.control().transaction(|t| {
            for (change, record) in &found {
                self.add_change(t, change, record, None, &compiled, now)?;
            }
            t.set_meta(CERTIFICATES_AT, &now)
        })?;
        Ok(())
    }
}

/// Whether people would get up for it: what is seen once may have been a mistake.
fn is_alarming(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::NewService | ChangeKind::StateUp | ChangeKind::Product)
}

/// Whether a change still holds once the endpoint was asked again.
///
/// - `newest`: the newest record of the endpoint;
/// - `looked_at`: when the second look began.
fn confirmed(change: &Change, newest: Option<&Record>, looked_at: Timestamp) -> bool {
    let answered = newest.filter(|record| record.last_seen >= looked_at);
    match (change.kind, answered) {
        (ChangeKind::Gone, answered) => answered.is_none(),
        (_, None) => false,
        (ChangeKind::StateUp, Some(record)) => record.observation.verdict.exposure >= change.exposure,
        (ChangeKind::Product, Some(record)) => {
            let product = record.observation.verdict.product.as_ref();
            product.map(|p| p.raw()) == change.product.as_ref().map(|p| p.raw())
        }
        (ChangeKind::NewService, Some(record)) => {
            // An open door that is shut a moment later was none.
            change.exposure < Exposure::Readable || record.observation.verdict.exposure >= Exposure::Readable
        }
        (_, Some(_)) => true,
    }
}

fn missing(change: &Change) -> Missing {
    let endpoint = change.endpoint();
    Missing {
        id: format!("{}.{}.{}", endpoint.ip, endpoint.port, endpoint.transport),
        endpoint,
        record: change.record,
        since: change.time,
    }
}

/// The banner of a record with the words of the alert in it, as Shodan's webhooks and alert streams have them.
pub fn alert_banner(record: &Record, alert: &Alert, trigger: &str) -> String {
    let Ok(mut banner) = serde_json::to_value(nightlatch_banner::to_banner(record)) else {
        return "{}".to_owned();
    };
    if let Some(part) = banner.get_mut("_shodan").and_then(serde_json::Value::as_object_mut) {
        let words = serde_json::json!({ "id": alert.id.as_str(), "name": alert.name, "trigger": trigger });
        part.insert("alert".to_owned(), words);
    }
    banner.to_string()
}

/// The endpoints of a plan, to be asked about quickly.
struct Covered<'t> {
    targets: &'t TargetSet,
    single: HashSet<std::net::SocketAddr>,
}

impl<'t> Covered<'t> {
    fn new(targets: &'t TargetSet) -> Self {
        Self { targets, single: targets.endpoints().iter().copied().collect() }
    }

    fn contains(&self, endpoint: Endpoint) -> bool {
        let socket = std::net::SocketAddr::new(endpoint.ip, endpoint.port);
        self.single.contains(&socket)
            || (self.targets.ports().contains(endpoint.port)
                && self.targets.addresses().contains(endpoint.ip))
    }
}

/// How often the watcher reads on.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(1);
