//! A whole server in memory for tests: a synthetic book, keys of every role, and the real gate.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use jiff::Timestamp;
use nightlatch_app::{App, Archive, Parts, Settings};
use nightlatch_asset::Observation;
use nightlatch_control::{Control, KeySpec, Role};
use nightlatch_enrich::{Config, Enricher};
use nightlatch_fingerprint::Catalogue;
use nightlatch_gate::Gate;
use nightlatch_notify::Channels;
use nightlatch_scope::Scope;
use nightlatch_store::{Ingested, MemoryStore, Snapshot, Store, StoreError, synthetic};
use serde_json::Value;
use tower::ServiceExt;

/// A store in memory that outlives its writers.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<MemoryStore>>);

impl Archive for Shared {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        Ok(Arc::from(Store::snapshot(self)?))
    }

    fn writer(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.clone()))
    }
}

impl Store for Shared {
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ingest(batch)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).snapshot()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) store: Shared,
    keys: BTreeMap<Role, String>,
    _data: tempfile::TempDir,
}

/// An answer as tests look at it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The text of an error in Shodan's words.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.json())).to_owned()
    }
}

/// What the scope of the house lists, so that nothing is ever sent: documentation addresses are reserved, loopback
/// is allowed.
const SCOPE: &str = "contact = \"soc@example.com\"\n[[block]]\nnet = [\"127.0.0.0/30\"]\nowner = \"lab\"\n";

impl House {
    pub(crate) fn with(observations: &[Observation]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let dialogues: Vec<&str> =
            nightlatch_probe::dialogue::dialogues().iter().map(|info| info.name).collect();
        let mut store = Shared::default();
        store.ingest(observations).unwrap();
        let app = App::open(Parts {
            data: data.path().to_owned(),
            archive: Box::new(store.clone()),
            control: Control::open(data.path()).unwrap(),
            catalogue: Catalogue::embedded(&dialogues).unwrap(),
            scope: Scope::parse(SCOPE, Path::new("scope.toml")).unwrap(),
            enricher: Enricher::open(&Config::default()).unwrap(),
            channels: Channels::new(&nightlatch_notify::Settings::default()).unwrap(),
            settings: Settings::default(),
        })
        .unwrap();
        let make = |role| {
            let spec = KeySpec { label: format!("the {role}"), role, ..KeySpec::default() };
            (role, app.control().create_key(&spec, Timestamp::now()).unwrap().text)
        };
        let keys = Role::ALL.into_iter().map(make).collect();
        let settings = nightlatch_gate::Settings { requests_per_minute: 1_000_000, ..Default::default() };
        let gate = Gate::new(app.clone(), settings).unwrap();
        Self { app, router: crate::router(&gate), store, keys, _data: data }
    }

    /// Five hundred observations, over several weeks.
    pub(crate) fn ordinary() -> Self {
        Self::with(&synthetic::observations(7, 500).collect::<Vec<_>>())
    }

    pub(crate) fn key(&self, role: Role) -> &str {
        &self.keys[&role]
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Asks with the key of `role` in the address, as Shodan's client does.
    pub(crate) async fn ask(&self, role: Role, method: &str, path: &str) -> Answer {
        self.send(self.request(role, method, path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Role::Admin, "GET", path).await
    }

    /// A form with the key in it.
    pub(crate) async fn form(&self, role: Role, path: &str, form: &str) -> Answer {
        let body = format!("{form}&key={}", self.key(role));
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn json(&self, role: Role, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(role, method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    pub(crate) fn request(&self, role: Role, method: &str, path: &str) -> axum::http::request::Builder {
        let sign = if path.contains('?') { '&' } else { '?' };
        Request::builder().method(method).uri(format!("{path}{sign}key={}", self.key(role)))
    }
}
