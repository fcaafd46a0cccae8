//! From a run to a message: recorded servers on loopback, scanned by runs of the server, with real files as receivers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nightlatch_alert::{Alert, AlertId, ChangeKind, Notifier, Provider, Trigger};
use nightlatch_app::{
    App, Archive, Background, Every, LISTED_ASKED_MAX, Origin, Parts, RunSpec, Schedule, Settings, Watch,
};
use nightlatch_asset::{RunId, Timestamp};
use nightlatch_control::{Control, EventFilter, EventState};
use nightlatch_enrich::{Config, Enricher};
use nightlatch_fingerprint::Catalogue;
use nightlatch_notify::{Channels, FileSettings};
use nightlatch_replay::{House, Recording, Street};
use nightlatch_scan::State;
use nightlatch_scope::Scope;
use nightlatch_store::{Ingested, MemoryStore, Snapshot, Store, StoreError, View};

const PATIENCE: Duration = Duration::from_secs(40);

/// A store in memory that outlives its writers.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<MemoryStore>>);

impl Archive for Shared {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        Ok(Arc::from(Store::snapshot(self)?))
    }

    fn writer(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.clone()))
    }
}

impl Store for Shared {
    fn ingest(&mut self, batch: &[nightlatch_asset::Observation]) -> Result<Ingested, StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ingest(batch)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).snapshot()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct World {
    dir: tempfile::TempDir,
    store: Shared,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), store: Shared::default() }
    }

    fn letters(&self) -> PathBuf {
        self.dir.path().join("letters")
    }

    fn app(&self, recheck_seconds: u32, schedules: Vec<Schedule>) -> Arc<App> {
        let names: Vec<&str> = nightlatch_probe::dialogue::dialogues().iter().map(|info| info.name).collect();
        fs::create_dir_all(self.letters()).unwrap();
        let notify = nightlatch_notify::Settings {
            file: Some(FileSettings { directory: self.letters() }),
            ..nightlatch_notify::Settings::default()
        };
        App::open(Parts {
            data: self.dir.path().to_owned(),
            archive: Box::new(self.store.clone()),
            control: Control::open(self.dir.path()).unwrap(),
            catalogue: Catalogue::embedded(&names).unwrap(),
            scope: Scope::loopback_only(),
            enricher: Enricher::open(&Config::default()).unwrap(),
            channels: Channels::new(&notify).unwrap(),
            settings: Settings {
                watch: Watch { recheck_seconds, ..Watch::default() },
                schedules,
                ..Settings::default()
            },
        })
        .unwrap()
    }

    /// An alert about `network` with all that matters here, told into a file; gives the path of the file.
    fn alert(&self, app: &App, network: &str, triggers: &[Trigger]) -> PathBuf {
        let notifier = Notifier {
            id: "file1".to_owned(),
            provider: Provider::File,
            description: "a file".into(),
            args: [("name", "letters.ndjson")].into_iter().collect(),
        };
        app.channels().check(&notifier).unwrap();
        let alert = Alert {
            id: AlertId::from_random([7; 16]),
            name: "street".into(),
            created: Timestamp::now(),
            expires: 0,
            networks: vec![range(network)],
            query: None,
            triggers: triggers.iter().map(|trigger| (*trigger, Default::default())).collect(),
            notifiers: vec!["file1".to_owned()],
            owner_key: String::new(),
        };
        app.control().put(&notifier, Timestamp::now()).unwrap();
        app.control().put(&alert, Timestamp::now()).unwrap();
        self.letters().join("letters.ndjson")
    }
}

fn range(text: &str) -> nightlatch_scope::AddressRange {
    match text.parse().unwrap() {
        nightlatch_scope::Target::Range(range) => range,
        other => panic!("{other:?}"),
    }
}

fn street(places: &[(&str, &str)]) -> Street {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    let house = |(recording, address): &(&str, &str)| {
        let path = root.join(recording);
        let recording = Recording::read(recording, &fs::read_to_string(path).unwrap()).unwrap();
        House::new(&recording, address.parse::<SocketAddr>().unwrap()).unwrap()
    };
    // A street that was closed a moment ago may still hold its port; a new one would take another.
    let began = Instant::now();
    loop {
        let street = Street::open(places.iter().map(house).collect()).unwrap();
        let wanted = places.iter().map(|(_, address)| address.parse::<SocketAddr>().unwrap());
        if street.endpoints().iter().map(|resident| resident.address).eq(wanted) {
            return street;
        }
        assert!(began.elapsed() < PATIENCE, "the port stays taken");
        drop(street);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn spec(target: &str, ports: &str) -> RunSpec {
    RunSpec { targets: vec![target.to_owned()], ports: Some(ports.to_owned()), ..RunSpec::default() }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn run(app: &Arc<App>, spec: &RunSpec) -> RunId {
    let id = app.start_run(spec, Origin::Key("k".into()), "test").await.unwrap();
    until("the run ends", || app.live_runs().iter().all(|run| run.id != id)).await;
    assert_eq!(app.listed_run(&id).unwrap().state, State::Finished);
    id
}

fn kinds(app: &App, state: EventState) -> Vec<ChangeKind> {
    let filter = EventFilter { state: Some(state), ..EventFilter::default() };
    let mut kinds: Vec<_> =
        app.control().events(&filter, 1000).unwrap().iter().map(|e| e.change.kind).collect();
    kinds.sort();
    kinds
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Until everything that was stored was read and nothing waits any more.
async fn settled(app: &Arc<App>) {
    until("the watcher has read everything and nothing waits", || {
        let read: Option<u64> = app.control().meta("watch.read-to").unwrap();
        let pending = kinds(app, EventState::Pending).len();
        let [queued, ..] = app.control().delivery_counts().unwrap();
        read == Some(app.snapshot().last_id()) && pending == 0 && queued == 0 && app.live_runs().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_gone_and_back_is_told_once() {
    let world = World::new();
    let app = world.app(1, Vec::new());
    let file = world.alert(
        &app,
        "127.66.1.0/24",
        &[Trigger::NewService, Trigger::Exposed, Trigger::OpenDatabase, Trigger::Gone],
    );
    let background = Background::start(app.clone()).await;
    settled(&app).await;
    let redis = street(&[("redis/open.json", "127.66.1.1:6379")]);
    let all = spec("127.66.1.1-3", "6379,9090");

    run(&app, &all).await;
    settled(&app).await;
    assert_eq!(kinds(&app, EventState::Confirmed), [ChangeKind::NewService]);
    let told = lines(&file);
    let triggers = ["new_service", "exposed", "open_database"];
    assert_eq!(told.len(), triggers.len(), "{told:#?}");
    for trigger in triggers {
        assert!(told.iter().any(|line| line.contains(&format!("\"{trigger}\""))), "{trigger}: {told:#?}");
    }

    run(&app, &all).await;
    settled(&app).await;
    assert_eq!(kinds(&app, EventState::Confirmed), [ChangeKind::NewService], "nothing has changed");
    assert_eq!(lines(&file).len(), told.len());

    drop(redis);
    run(&app, &all).await;
    settled(&app).await;
    assert_eq!(kinds(&app, EventState::Confirmed), [ChangeKind::NewService, ChangeKind::Gone]);
    run(&app, &all).await;
    settled(&app).await;
    assert_eq!(kinds(&app, EventState::Confirmed).len(), 2, "it is gone once");

    let _redis = street(&[("redis/open.json", "127.66.1.1:6379")]);
    run(&app, &all).await;
    settled(&app).await;
    assert_eq!(
        kinds(&app, EventState::Confirmed),
        [ChangeKind::NewService, ChangeKind::Gone, ChangeKind::Back]
    );
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_is_not_told() {
    let world = World::new();
    let app = world.app(3, Vec::new());
    let file = world.alert(&app, "127.66.2.0/24", &[Trigger::NewService, Trigger::Exposed]);
    let background = Background::start(app.clone()).await;
    settled(&app).await;
    let redis = street(&[("redis/open.json", "127.66.2.1:6379")]);
    run(&app, &spec("127.66.2.1", "6379")).await;
    until("it is noted", || kinds(&app, EventState::Pending).len() == 1).await;
    // Gone before it is looked at again.
    drop(redis);
    settled(&app).await;
    assert_eq!(kinds(&app, EventState::Dropped), [ChangeKind::NewService]);
    assert_eq!(lines(&file), Vec::<String>::new());
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_opens_further_is_an_event() {
    let world = World::new();
    let app = world.app(1, Vec::new());
    let background = Background::start(app.clone()).await;
    settled(&app).await;
    let shut = street(&[("docker-registry/htpasswd.json", "127.66.3.1:5000")]);
    run(&app, &spec("127.66.3.1", "5000")).await;
    settled(&app).await;
    drop(shut);
    let _open = street(&[("docker-registry/open.json", "127.66.3.1:5000")]);
    run(&app, &spec("127.66.3.1", "5000")).await;
    settled(&app).await;
    let seen = kinds(&app, EventState::Confirmed);
    assert!(seen.contains(&ChangeKind::StateUp), "{seen:?}");
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_begins_its_run_and_a_stopped_server_goes_on_with_it() {
    let world = World::new();
    let schedule = Schedule {
        name: "all".into(),
        every: "1h".parse::<Every>().unwrap(),
        timezone: "UTC".into(),
        // Slow enough to be met in the middle: 200 endpoints at 50 a second.
        targets: vec!["127.66.4.0-199".into()],
        exclude: Vec::new(),
        ports: Some("9".into()),
        rate: Some(50),
        rate_per_network: None,
        blackout: Vec::new(),
        enabled: true,
    };
    let app = world.app(0, vec![schedule.clone()]);
    let background = Background::start(app.clone()).await;
    until("the run is in the middle", || {
        app.live_runs().first().is_some_and(|run| run.standing.tally.closed >= 20)
    })
    .await;
    let id = app.live_runs()[0].id.clone();
    background.stop().await;
    assert_eq!(app.listed_run(&id).unwrap().state, State::Stopped);
    drop(app);

    let app = world.app(0, vec![schedule]);
    let background = Background::start(app.clone()).await;
    until("the run has ended", || app.listed_run(&id).unwrap().state == State::Finished).await;
    let record = app.listed_run(&id).unwrap();
    assert_eq!((record.tally.closed, record.resumed.len()), (200, 1));
    let standing = app.schedules().unwrap().remove(0);
    assert_eq!(standing.state.last_run, Some(id));
    assert!(standing.next.is_some_and(|next| next > Timestamp::now()), "the next is an hour away");
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_stopped_and_refused() {
    let world = World::new();
    let app = world.app(0, Vec::new());
    let background = Background::start(app.clone()).await;
    let slow = RunSpec { rate: Some(20), ..spec("127.66.5.0/24", "9") };
    let id = app.start_run(&slow, Origin::Key("k".into()), "test").await.unwrap();
    until("it runs", || app.live_runs().first().is_some_and(|run| run.standing.tally.closed > 0)).await;
    assert!(app.stop_run(&id) && !app.stop_run(&RunId("no-such-run".into())));
    until("it has stopped", || app.live_runs().is_empty()).await;
    assert_eq!(app.listed_run(&id).unwrap().state, State::Stopped);

    for (spec, expected) in [
        (spec("192.0.2.1", "80"), "192.0.2.1"),
        (spec("not a target", "80"), "not a target"),
        (spec("127.0.0.1", "80,nothing-known"), "nothing-known"),
        (RunSpec::default(), "the scope lists no range"),
        (RunSpec { rate: Some(0), ..spec("127.0.0.1", "80") }, "a rate is at least 1"),
    ] {
        let error = app.start_run(&spec, Origin::Key("k".into()), "test").await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_runs_shows_some_targets_and_a_run_all() {
    let world = World::new();
    let app = world.app(0, Vec::new());
    let targets: Vec<String> = (1..=30).map(|last| format!("127.66.7.{last}")).collect();
    let asked = RunSpec { targets: targets.clone(), ports: Some("9".into()), ..RunSpec::default() };
    let id = run(&app, &asked).await;
    for _ in 0..2 {
        let listed = app.listed_runs().unwrap().remove(0);
        assert_eq!(listed.asked, targets[..LISTED_ASKED_MAX]);
        assert_eq!(listed.asked_more, (targets.len() - LISTED_ASKED_MAX) as u64);
    }
    let whole = app.listed_run(&id).unwrap();
    assert_eq!((whole.asked, whole.asked_more), (targets, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sighting_by_a_command_brings_back_what_was_gone() {
    let world = World::new();
    let app = world.app(0, Vec::new());
    let background = Background::start(app.clone()).await;
    settled(&app).await;
    let redis = street(&[("redis/open.json", "127.66.6.1:6379")]);
    let all = spec("127.66.6.1", "6379");
    run(&app, &all).await;
    settled(&app).await;
    let mut seen = app.snapshot().host("127.66.6.1".parse().unwrap(), View::Latest).unwrap().remove(0);
    drop(redis);
    until("the street is closed", || std::net::TcpStream::connect("127.66.6.1:6379").is_err()).await;
    run(&app, &all).await;
    settled(&app).await;
    assert!(kinds(&app, EventState::Confirmed).contains(&ChangeKind::Gone));
    // The same answer again, as `nightlatch scan` stores it: a sighting, and no new record.
    seen.observation.time = Timestamp::now();
    let ingested = world.store.clone().ingest(&[seen.observation]).unwrap();
    assert_eq!((ingested.stored, ingested.sightings), (0, 1));
    until("it is back", || kinds(&app, EventState::Confirmed).contains(&ChangeKind::Back)).await;
    background.stop().await;
}
