//! The pages as a router, over a store in memory.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use nightlatch_app::{App, Archive, Parts, Settings};
use nightlatch_asset::{Observation, Timestamp};
use nightlatch_control::{Control, Key, KeySpec, Role, Session};
use nightlatch_gate::Caller;
use nightlatch_store::{MemoryStore, Snapshot, Store, StoreError, synthetic};
use tower::ServiceExt;

mod hostile;
mod markup;
mod pages;

/// A store in memory that an [`App`] reads.
struct Shelved(Arc<dyn Snapshot>);

impl Archive for Shelved {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        Ok(self.0.clone())
    }

    fn writer(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(MemoryStore::default()))
    }
}

/// The pages over some observations, and what keeps their data directory.
struct House {
    app: Arc<App>,
    pages: Router,
    _data: tempfile::TempDir,
}

/// An answer.
struct Answer {
    status: StatusCode,
    location: String,
    kind: String,
    body: String,
}

fn catalogue() -> nightlatch_fingerprint::Catalogue {
    let names: Vec<&str> = nightlatch_probe::dialogue::dialogues().iter().map(|info| info.name).collect();
    nightlatch_fingerprint::Catalogue::embedded(&names).unwrap()
}

const CSRF: &str = "the-token-of-the-session";

fn house(observations: &[Observation]) -> House {
    let data = tempfile::tempdir().unwrap();
    let mut store = MemoryStore::default();
    store.ingest(observations).unwrap();
    let snapshot: Arc<dyn Snapshot> = store.snapshot().unwrap().into();
    let scope = nightlatch_scope::Scope::parse(
        "contact = \"security@example.org\"\nexclude = [\"192.0.2.66\"]\n[[block]]\nnet = [\"192.0.2.0/24\", \"10.0.0.0/8\"]\nowner = \"platform team\"\nt3 = true\n",
        std::path::Path::new("scope.toml"),
    )
    .unwrap();
    let app = App::open(Parts {
        data: data.path().to_owned(),
        archive: Box::new(Shelved(snapshot)),
        control: Control::open(data.path()).unwrap(),
        catalogue: catalogue(),
        scope,
        enricher: nightlatch_enrich::Enricher::default(),
        channels: nightlatch_notify::Channels::new(&nightlatch_notify::Settings::default()).unwrap(),
        settings: Settings::default(),
    })
    .unwrap();
    House { pages: crate::pages(app.clone(), Arc::default()), app, _data: data }
}

fn synthetic_house() -> House {
    let batch: Vec<Observation> = synthetic::observations(11, 1_500).collect();
    house(&batch)
}

fn caller(role: Role) -> Caller {
    let now = Timestamp::now();
    Caller {
        key: Key {
            id: "k3vdq8ap".into(),
            label: "laptop".into(),
            role,
            created: now,
            expires: None,
            revoked: None,
            last_used: None,
            requests_per_minute: None,
            results_max: None,
        },
        source: IpAddr::from([127, 0, 0, 1]),
        session: Some(Session {
            key: "k3vdq8ap".into(),
            csrf: CSRF.into(),
            created: now,
            expires: now + jiff::SignedDuration::from_hours(1),
        }),
        results_max: 100,
    }
}

impl House {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.pages.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let text = |name| {
            let value = response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            value.unwrap_or_default()
        };
        let (location, kind) = (text(header::LOCATION), text(header::CONTENT_TYPE));
        let body = axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap();
        Answer { status, location, kind, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn get_as(&self, role: Role, path: &str) -> Answer {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(caller(role));
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_as(Role::Admin, path).await
    }

    /// A form; the token is added unless the form has one.
    async fn post_as(&self, role: Role, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        if !fields.iter().any(|(name, _)| *name == "csrf") {
            form.append_pair("csrf", CSRF);
        }
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))
            .unwrap();
        request.extensions_mut().insert(caller(role));
        self.send(request).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_as(Role::Admin, path, fields).await
    }

    /// A key that really is in the database, so that its deeds can be told.
    fn key(&self) -> Key {
        let spec = KeySpec { label: "ci".into(), role: Role::Viewer, ..KeySpec::default() };
        self.app.control().create_key(&spec, Timestamp::now()).unwrap().key
    }
}
