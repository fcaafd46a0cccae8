//! A server to knock at.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Form, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use jiff::Timestamp;
use nightlatch_app::{App, Archive, Parts};
use nightlatch_control::{Control, Key, KeySpec, NewKey, Role};
use nightlatch_enrich::Enricher;
use nightlatch_fingerprint::{Catalogue, Known};
use nightlatch_notify::Channels;
use nightlatch_scope::Scope;
use nightlatch_store::{MemoryStore, Snapshot, Store, StoreError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use crate::{Arrival, Caller, Gate, GateError, Refused, Settings, Words, bind};

struct Memory(Mutex<MemoryStore>);

impl Archive for Memory {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        Ok(Arc::from(self.0.lock().unwrap().snapshot()?))
    }

    fn writer(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(MemoryStore::new()))
    }
}

/// A server on a port of its own, and everything to look behind it.
pub(super) struct House {
    pub(super) data: tempfile::TempDir,
    pub(super) app: Arc<App>,
    pub(super) gate: Arc<Gate>,
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(super) serving: JoinHandle<Result<(), GateError>>,
}

/// Settings with a port of its own.
pub(super) fn settings() -> Settings {
    Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() }
}

pub(super) fn app(data: &std::path::Path) -> Arc<App> {
    let known = Known { dialogues: &[], complete: false };
    App::open(Parts {
        data: data.to_owned(),
        archive: Box::new(Memory(Mutex::default())),
        control: Control::open(data).unwrap(),
        catalogue: Catalogue::compile(&[], &known).unwrap(),
        scope: Scope::loopback_only(),
        enricher: Enricher::default(),
        channels: Channels::new(&nightlatch_notify::Settings::default()).unwrap(),
        settings: nightlatch_app::Settings::default(),
    })
    .unwrap()
}

impl House {
    pub(super) async fn open(settings: Settings) -> Self {
        let data = tempfile::tempdir().unwrap();
        let app = app(data.path());
        let gate = Gate::new(app.clone(), settings).unwrap();
        let bound = bind(&gate).await.unwrap();
        let address = bound.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = rooms(&gate);
        let serving = tokio::spawn(async move { bound.serve(router, async { drop(stopped.await) }).await });
        Self { data, app, gate, address, stop: Some(stop), serving }
    }

    pub(super) fn key(&self, spec: KeySpec) -> NewKey {
        self.app.control().create_key(&spec, Timestamp::now()).unwrap()
    }

    /// The text of a new key of that role.
    pub(super) fn key_text(&self, role: Role) -> String {
        self.key(KeySpec { label: "test".into(), role, ..KeySpec::default() }).text
    }

    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Asks with the lines given, without body.
    pub(super) async fn get(&self, target: &str, lines: &[&str]) -> Answer {
        self.send("GET", target, lines, "").await
    }

    pub(super) async fn post_form(&self, target: &str, lines: &[&str], form: &str) -> Answer {
        let lines = [lines, &["Content-Type: application/x-www-form-urlencoded"]].concat();
        self.send("POST", target, &lines, form).await
    }

    pub(super) async fn send(&self, method: &str, target: &str, lines: &[&str], body: &str) -> Answer {
        exchange(self.connect().await, method, target, lines, body).await
    }

    pub(super) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        self.gate.metrics.write(&mut text);
        let line = text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with(' '));
        line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
    }
}

/// Waits until something is so.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in 10 s: {what}");
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The cookie as a browser sends it back.
    pub(super) fn cookie(&self) -> String {
        format!("Cookie: {}", self.header("set-cookie").unwrap().split(';').next().unwrap())
    }
}

pub(super) async fn exchange(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    target: &str,
    lines: &[&str],
    body: &str,
) -> Answer {
    let host = if lines.iter().any(|line| line.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
    let mut text = format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if !lines.iter().any(|line| line.starts_with("Transfer-Encoding") || line.starts_with("Content-Length")) {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    // A server that has heard enough may close while the rest is being written.
    let _ = io.write_all(format!("{text}\r\n{body}").as_bytes()).await;
    read(io).await
}

/// Reads until the end.
pub(super) async fn read(mut io: impl AsyncRead + Unpin) -> Answer {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), io.read_to_end(&mut bytes)).await;
    let _ = reading.expect("the server must answer or close");
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// The words of a room of programs.
pub(super) fn json_words(refused: &Refused) -> Response {
    (refused.status(), axum::Json(serde_json::json!({"error": refused.to_string()}))).into_response()
}

struct ReadingWords;

impl Words for ReadingWords {
    fn refuse(&self, refused: &Refused) -> Response {
        json_words(refused)
    }

    fn session_may_read(&self) -> bool {
        true
    }
}

fn rooms(gate: &Arc<Gate>) -> Router {
    let api = Router::new()
        .route("/echo", any(echo))
        .route("/host/{ip}", get(|| async { "a host" }))
        .route("/admin", get(admin))
        .route("/panic", get(panics))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_millis(1500)).await }))
        .route("/large", get(|| async { "x".repeat(64 << 20) }))
        .route("/stream", get(stream))
        .route("/bytes", post(|bytes: Bytes| async move { bytes.len().to_string() }));
    let own = Router::new().route("/api/v1/echo", any(|| async { "read" }));
    let pages = Router::new()
        .route("/", get(|| async { "home" }))
        .route("/csrf", get(|caller: Caller| async move { caller.csrf().to_owned() }))
        .route("/change", post(|Form(form): Form<Vec<(String, String)>>| async move { format!("{form:?}") }))
        .route("/logout", post(logout));
    let open = Router::new()
        .route(
            "/login",
            get(|caller: Option<Caller>| async move { format!("{}", caller.is_some()) }).post(login),
        )
        .route("/app.css", get(|| async { ([(header::CACHE_CONTROL, "max-age=60")], "body {}") }));
    Router::new()
        .merge(gate.api(api, json_words))
        .merge(gate.api(own, ReadingWords))
        .merge(gate.open(open, crate::PlainWords))
        .merge(gate.pages(pages, crate::PlainWords))
        .with_state(gate.clone())
}

/// Everything a handler can see.
async fn echo(caller: Caller, request: Request) -> String {
    let Key { id, role, .. } = &caller.key;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 2 << 20).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    format!("{id} {role} {} {} {:?} {body}", caller.source, parts.uri, parts.headers)
}

async fn admin(caller: Caller) -> Response {
    match caller.require(Role::Admin) {
        Ok(()) => caller.results(5000).to_string().into_response(),
        Err(refused) => json_words(&refused),
    }
}

async fn panics() -> StatusCode {
    panic!("on purpose")
}

async fn stream(State(gate): State<Arc<Gate>>, caller: Caller) -> Response {
    let mut pass = match gate.stream(&caller) {
        Ok(pass) => pass,
        Err(refused) => return json_words(&refused),
    };
    let (sender, body) = tokio::io::duplex(64);
    tokio::spawn(async move {
        let mut sender = sender;
        loop {
            tokio::select! {
                () = pass.ended() => return,
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            if sender.write_all(b"tick\n").await.is_err() {
                return;
            }
        }
    });
    Response::new(Body::new(Ticks(body)))
}

struct Ticks(tokio::io::DuplexStream);

impl axum::body::HttpBody for Ticks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        let mut bytes = [0; 64];
        let mut buffer = tokio::io::ReadBuf::new(&mut bytes);
        std::task::ready!(std::pin::Pin::new(&mut self.0).poll_read(context, &mut buffer))?;
        let read = Bytes::copy_from_slice(buffer.filled());
        std::task::Poll::Ready((!read.is_empty()).then(|| Ok(hyper::body::Frame::data(read))))
    }
}

async fn login(
    State(gate): State<Arc<Gate>>,
    arrival: Arrival,
    Form(form): Form<std::collections::HashMap<String, String>>,
) -> Response {
    match gate.login(form.get("key").map_or("", String::as_str), &arrival).await {
        Ok(inside) => ([(header::SET_COOKIE, inside.cookie)], "welcome").into_response(),
        Err(refused) => (refused.status(), refused.to_string()).into_response(),
    }
}

async fn logout(
    State(gate): State<Arc<Gate>>,
    arrival: Arrival,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let cookie = gate.logout(&caller, &headers, &arrival).await.unwrap();
    ([(header::SET_COOKIE, cookie)], "bye").into_response()
}
