//! What every request passes first and every answer last: names, headers, numbers, log.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::HttpBody,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    Arrival, Gate, PlainWords, Refused,
    admit::{KeyId, bounded, calm},
    arrival::Peer,
    crowd::Counted,
    metrics::metric,
    redact::redact_path,
    refused::{RefusedCode, refuse},
    security_headers,
    trace_parent::TraceParent,
};

/// For how long the answer of `/readyz` is repeated before it is looked again.
const READY_FRESH: Duration = Duration::from_secs(1);
/// How long `/readyz` looks.
const READY_PATIENCE: Duration = Duration::from_secs(5);
/// Longest path that is logged, in bytes.
const PATH_BYTES_MAX: usize = 256;
/// How the log calls a request whose client went away before it was answered.
const CLIENT_GONE: u16 = 499;

impl Gate {
    /// Adds what every answer has to the routers of all rooms: `/healthz`, `/readyz`, `/metrics`, the check of the
    /// host name, security headers, numbers and the log. [`crate::Bound::serve`] does this itself.
    ///
    /// - `/healthz` says that the process lives, `/readyz` that it can answer; both need no key and tell no details;
    /// - `/metrics` needs a key of any role or a session, or nothing from this machine with `metrics_open = true`.
    pub fn finish(self: &Arc<Self>, router: Router) -> Router {
        let own = Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.clone());
        router
            .merge(own)
            .layer(DefaultBodyLimit::max(self.settings.body_bytes_max))
            .layer(from_fn_with_state(self.clone(), around))
    }

    /// Whether store and control database can be read. One looks at a time: when looking hangs, others wait without
    /// holding a thread.
    async fn is_ready(self: &Arc<Self>) -> bool {
        let mut known = self.ready.clone().lock_owned().await;
        if let Some((when, good)) = *known
            && when.elapsed() < READY_FRESH
        {
            return good;
        }
        let app = self.app.clone();
        let look = self.app.blocking(move || {
            let snapshot = app.snapshot();
            let store = snapshot.after(snapshot.last_id().saturating_sub(1), 1).is_ok();
            let good = store && app.control().data_version().is_ok();
            *known = Some((Instant::now(), good));
            good
        });
        look.await.unwrap_or(false)
    }

    fn write_metrics(&self) -> String {
        let mut out = String::new();
        self.metrics.write(&mut out);
        let gauge =
            |out: &mut String, name: &str, help: &str, value: u64| metric(out, name, "gauge", help, value);
        gauge(&mut out, "nightlatch_streams", "Open streams.", self.streams.open() as u64);
        let listeners = self.app.hub().listeners() as u64;
        gauge(&mut out, "nightlatch_hub_listeners", "Listeners to live observations.", listeners);
        let told = self.app.hub().told();
        metric(&mut out, "nightlatch_observations_told_total", "counter", "Live observations told.", told);
        gauge(&mut out, "nightlatch_runs_live", "Runs of this process.", self.app.live_runs().len() as u64);
        if let Ok(Some(finished)) = self.app.last_finished() {
            metric(
                &mut out,
                "nightlatch_run_finished_seconds",
                "gauge",
                "When the last run finished that was no second look, since 1970.",
                finished.as_second(),
            );
        }
        if let Ok(status) = self.app.snapshot().status() {
            gauge(&mut out, "nightlatch_store_observations", "Observations stored.", status.observations);
            gauge(&mut out, "nightlatch_store_endpoints", "Endpoints stored.", status.endpoints);
            gauge(&mut out, "nightlatch_store_bytes", "Bytes of the store on disk.", status.bytes);
        }
        if let Ok([queued, delivered, dead]) = self.app.control().delivery_counts() {
            gauge(&mut out, "nightlatch_deliveries_queued", "Messages that wait to be delivered.", queued);
            gauge(
                &mut out,
                "nightlatch_deliveries_delivered",
                "Messages delivered and still kept.",
                delivered,
            );
            gauge(&mut out, "nightlatch_deliveries_dead", "Messages that were given up.", dead);
        }
        if let Some(certificate) = self.certificate.get() {
            let ends = u64::try_from(certificate.current().ends.as_second()).unwrap_or(0);
            gauge(
                &mut out,
                "nightlatch_certificate_ends_seconds",
                "When the certificate ends, since 1970.",
                ends,
            );
        }
        let started = u64::try_from(self.app.started().as_second()).unwrap_or(0);
        gauge(&mut out, "nightlatch_start_time_seconds", "When the server started, since 1970.", started);
        for collector in self.collectors.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            collector(&mut out);
        }
        out
    }
}

async fn ready(State(gate): State<Arc<Gate>>) -> Response {
    if gate.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    // A question that hangs is an answer.
    match tokio::time::timeout(READY_PATIENCE, gate.is_ready()).await {
        Ok(true) => "ready\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn metrics(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    bounded(&gate, &PlainWords, None, async {
        let arrival = gate.arrival(&request);
        // `Settings::check` refuses `metrics_open` together with a proxy, so the source is the peer.
        let is_open = gate.settings.metrics_open && arrival.peer.is_loopback();
        let key = match is_open {
            true => None,
            false => Some(KeyId(gate.admit_program(request, true).await?.1.key.id)),
        };
        let own = gate.clone();
        let text = gate.app.blocking(move || own.write_metrics()).await.map_err(|_| Refused::Bug)?;
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
        let mut response = (kind, text).into_response();
        if let Some(key) = key {
            response.extensions_mut().insert(key);
        }
        Ok(response)
    })
    .await
}

async fn around(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let arrival = Arrival::of(&gate.settings, peer, request.headers());
    request.extensions_mut().insert(arrival);
    let mut note = Note::begin(&gate, &request, arrival);
    let _in_flight = Counted::request(&gate.metrics);
    let path = request.uri().path();
    // Those who ask whether the server lives know it by many names, and are told nothing else.
    let is_any_name = matches!(path, "/healthz" | "/readyz");
    let named = gate.hosts.check(request.uri(), request.headers(), &gate.certificate_names());
    let mut response = match named {
        Err(refused) if !is_any_name => refuse(&PlainWords, &refused),
        _ => match calm(async { Ok(next.run(request).await) }).await {
            Ok(response) => response,
            Err(refused) => {
                gate.metrics.panics.fetch_add(1, Relaxed);
                refuse(&PlainWords, &refused)
            }
        },
    };
    if is_nothing(&response) {
        response = (StatusCode::NOT_FOUND, "there is nothing at this address\n").into_response();
    }
    security_headers::add(&mut response, arrival.secure);
    response.headers_mut().remove(header::SERVER);
    if gate.is_stopping() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    note.answered(&response);
    response
}

/// The answer to an address of no room.
fn is_nothing(response: &Response) -> bool {
    let is_empty = response.body().size_hint().exact() == Some(0);
    response.status() == StatusCode::NOT_FOUND
        && is_empty
        && !response.headers().contains_key(header::CONTENT_TYPE)
}

/// One line of the log and one number, also when the client goes away before it is answered.
struct Note {
    gate: Arc<Gate>,
    begun: Instant,
    route: Option<MatchedPath>,
    method: axum::http::Method,
    path: String,
    source: String,
    trace: Option<TraceParent>,
    status: u16,
    key: String,
    refused: &'static str,
}

impl Note {
    fn begin(gate: &Arc<Gate>, request: &Request, arrival: Arrival) -> Self {
        let path = request.uri().path();
        // A key in a path is in the wrong place; the log keeps it to itself. The query is never logged.
        let path = redact_path(path);
        Self {
            gate: gate.clone(),
            begun: Instant::now(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            method: request.method().clone(),
            path: path[..path.floor_char_boundary(PATH_BYTES_MAX)].to_owned(),
            source: arrival.source.to_string(),
            trace: TraceParent::of(request.headers()),
            status: CLIENT_GONE,
            key: String::new(),
            refused: "",
        }
    }

    fn answered(&mut self, response: &Response) {
        self.status = response.status().as_u16();
        let extensions = response.extensions();
        self.key = extensions.get::<KeyId>().map(|id| id.0.clone()).unwrap_or_default();
        self.refused = extensions.get::<RefusedCode>().map_or("", |code| code.0);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let route = self.route.as_ref().map(MatchedPath::as_str);
        self.gate.metrics.request(route, self.method.as_str(), self.status, took);
        if !self.refused.is_empty() {
            self.gate.metrics.refusal(self.refused);
        }
        let trace = self.trace.as_ref();
        tracing::info!(
            target: "nightlatch::access",
            {
                http.request.method = self.method.as_str(),
                url.path = self.path.as_str(),
                http.route = route.unwrap_or(""),
                http.response.status_code = self.status,
                client.address = self.source.as_str(),
                http.server.request.duration = took.as_secs_f64(),
                nightlatch.key_id = self.key.as_str(),
                nightlatch.refused = self.refused,
                trace_id = trace.map_or("", |parent| &parent.trace),
                span_id = trace.map_or("", |parent| &parent.span)
            },
            "request"
        );
    }
}
