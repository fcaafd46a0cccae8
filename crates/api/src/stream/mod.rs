//! Streams: every observation as it is made, one banner a line, to whoever listens.
//!
//! A listener costs a task and a short queue. One that takes its lines too slowly is let go, so that the others and
//! the scan never wait for it.

mod body;
mod filter;
mod recent;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use nightlatch_app::{Live, Subscription};
use nightlatch_asset::Record;
use nightlatch_banner::to_banner;
use nightlatch_gate::{Caller, StreamPass};
use tokio::sync::mpsc;

use self::{
    body::{Item, Lines, QUEUE_ITEMS},
    filter::{Filter, Taken},
    recent::Recent,
};
use crate::{
    Api,
    params::Params,
    trouble::{Reply, Trouble, shown},
};

/// How often something is sent when there is nothing to tell.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a listener may take nothing while lines wait.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How often alerts are read anew.
const ALERTS_EVERY: Duration = Duration::from_secs(5);
/// How often the stream of a young alert looks at what is stored.
const LOOK_BACK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/shodan/banners", get(banners))
        .route("/shodan/ports/{list}", get(ports))
        .route("/shodan/asn/{list}", get(asn))
        .route("/shodan/countries/{list}", get(countries))
        .route("/shodan/tags/{list}", get(tags))
        .route("/shodan/vulns/{list}", get(vulns))
        .route("/shodan/custom", get(custom))
        .route("/shodan/alert", get(alerts))
        .route("/shodan/alert/{id}", get(alert))
}

/// Reads a list as each kind of stream does; the first that refuses it says why.
pub(crate) fn read_list(list: &str) -> Result<(), Trouble> {
    for filter in [
        Filter::ports(list),
        Filter::asn(list),
        Filter::countries(list),
        Filter::tags(list),
        Filter::vulns(list),
    ] {
        filter?;
    }
    Ok(())
}

/// How lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Manner {
    heartbeat: bool,
    /// Server-sent events instead of lines of JSON.
    events: bool,
    /// Whether the last line tells why the stream ended.
    debug: bool,
}

impl Manner {
    fn of(params: &Params) -> Result<Self, Trouble> {
        let events = match params.text("t").filter(|text| !text.is_empty()) {
            None | Some("json") => false,
            Some("sse") => true,
            Some(other) => {
                return Err(Trouble::bad_value("t", format!("must be json or sse, not `{}`", shown(other))));
            }
        };
        Ok(Self { heartbeat: params.flag("heartbeat", true)?, events, debug: params.flag("debug", false)? })
    }
}

type Asked = (State<Arc<Api>>, Caller, Params);

async fn banners((State(api), caller, params): Asked) -> Reply {
    open(&api, caller, &params, Filter::All)
}

async fn ports(asked: Asked, Path(list): Path<String>) -> Reply {
    let (State(api), caller, params) = asked;
    open(&api, caller, &params, Filter::ports(&list)?)
}

async fn asn(asked: Asked, Path(list): Path<String>) -> Reply {
    let (State(api), caller, params) = asked;
    open(&api, caller, &params, Filter::asn(&list)?)
}

async fn countries(asked: Asked, Path(list): Path<String>) -> Reply {
    let (State(api), caller, params) = asked;
    open(&api, caller, &params, Filter::countries(&list)?)
}

async fn tags(asked: Asked, Path(list): Path<String>) -> Reply {
    let (State(api), caller, params) = asked;
    open(&api, caller, &params, Filter::tags(&list)?)
}

async fn vulns(asked: Asked, Path(list): Path<String>) -> Reply {
    let (State(api), caller, params) = asked;
    open(&api, caller, &params, Filter::vulns(&list)?)
}

async fn custom((State(api), caller, params): Asked) -> Reply {
    let query = params.required("query")?;
    open(&api, caller, &params, Filter::query(query, Timestamp::now())?)
}

async fn alerts((State(api), caller, params): Asked) -> Reply {
    let who = caller.clone();
    let filter = api.read(move |app, now| Filter::alerts(app, &who, None, now)).await?;
    open(&api, caller, &params, filter)
}

async fn alert(asked: Asked, Path(id): Path<String>) -> Reply {
    let (State(api), caller, params) = asked;
    let who = caller.clone();
    let (filter, recent) = api
        .read(move |app, now| {
            let filter = Filter::alerts(app, &who, Some(&id), now)?;
            Ok((filter, Recent::of(&crate::shodan::find_alert(app, &who, &id)?, now)))
        })
        .await?;
    open_with(&api, caller, &params, filter, recent)
}

fn open(api: &Arc<Api>, caller: Caller, params: &Params, filter: Filter) -> Reply {
    open_with(api, caller, params, filter, None)
}

/// Begins a stream: the head of the answer goes out at once, whatever there is to tell.
fn open_with(
    api: &Arc<Api>,
    caller: Caller,
    params: &Params,
    filter: Filter,
    recent: Option<Recent>,
) -> Reply {
    let manner = Manner::of(params)?;
    let pass = api.gate.stream(&caller)?;
    let (sender, lines) = mpsc::channel(QUEUE_ITEMS);
    let subscription = api.app.hub().subscribe();
    let stream = Stream { subscription, api: api.clone(), caller, filter, manner, sender, recent };
    tokio::spawn(stream.run(pass));
    let kind = if manner.events { "text/event-stream" } else { "application/x-ndjson" };
    let mut response = Response::new(axum::body::Body::new(Lines::new(lines, manner.events)));
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    response.headers_mut().extend(headers.map(|(name, value)| (name, value.parse_static())));
    Ok(response.into_response())
}

trait ParseStatic {
    fn parse_static(self) -> axum::http::HeaderValue;
}

impl ParseStatic for &'static str {
    fn parse_static(self) -> axum::http::HeaderValue {
        axum::http::HeaderValue::from_static(self)
    }
}

/// Why a stream ended, in words for its log line and its last line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The client went away: nobody to tell.
    Left,
    Stopped,
    TooSlow,
    AlertGone,
}

impl End {
    const fn reason(self) -> &'static str {
        match self {
            Self::Left => "the listener left",
            Self::Stopped => "the server stops, or the key is no longer good",
            Self::TooSlow => "the listener was too slow: observations came faster than it took them",
            Self::AlertGone => "the alert was removed",
        }
    }
}

struct Stream {
    api: Arc<Api>,
    caller: Caller,
    subscription: Subscription,
    filter: Filter,
    manner: Manner,
    sender: mpsc::Sender<Item>,
    recent: Option<Recent>,
}

impl Stream {
    async fn run(mut self, mut pass: StreamPass) {
        let end = tokio::select! {
            () = pass.ended() => End::Stopped,
            end = self.tell() => end,
        };
        if end != End::Left {
            tracing::info!(key = %self.caller.key.id, reason = end.reason(), "a stream ended");
        }
        if end == End::Left || !(self.manner.debug || self.manner.events) {
            return;
        }
        let last = serde_json::json!({ "error": end.reason() }).to_string();
        // A slow listener has no room for it either.
        let _ = self.sender.try_send(Item::Text(last.into()));
    }

    async fn tell(&mut self) -> End {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.reset();
        let mut anew = tokio::time::interval(ALERTS_EVERY);
        anew.reset();
        let mut look_back = tokio::time::interval(LOOK_BACK_EVERY);
        loop {
            tokio::select! {
                live = self.subscription.next() => {
                    let Some(live) = live else { return End::Stopped };
                    if self.subscription.lost() > 0 {
                        return End::TooSlow;
                    }
                    let items = self.items(&live.record, &live);
                    if let (Some(recent), false) = (&mut self.recent, items.is_empty()) {
                        recent.note(&live.record);
                    }
                    if let Some(end) = self.send(items).await {
                        return end;
                    }
                    heartbeat.reset();
                }
                _ = heartbeat.tick(), if self.manner.heartbeat => {
                    // A listener with lines in its queue needs no sign of life.
                    let _ = self.sender.try_send(Item::Heartbeat);
                }
                _ = look_back.tick(), if self.recent.is_some() => {
                    if let Some(end) = self.tell_recent().await {
                        return end;
                    }
                }
                _ = anew.tick(), if self.filter.is_of_alerts() => {
                    if !self.read_alerts().await {
                        return End::AlertGone;
                    }
                }
                () = self.sender.closed() => return End::Left,
            }
        }
    }

    /// Hands items over, and waits while the queue is full; why the stream ends, if it does.
    async fn send(&mut self, items: Vec<Item>) -> Option<End> {
        for item in items {
            match tokio::time::timeout(STALL_MAX, self.sender.send(item)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Some(End::Left),
                Err(_) => return Some(End::TooSlow),
            }
        }
        None
    }

    /// What of an observation is told: a stream of alerts tells it once for each alert that it is about.
    fn items(&self, record: &Record, live: &Arc<Live>) -> Vec<Item> {
        match self.filter.takes(record) {
            Taken::No => Vec::new(),
            Taken::Yes => vec![Item::Live(live.clone())],
            Taken::By(alerts) => {
                alerts.iter().map(|alert| Item::Text(alert.line(&live.line, record).into())).collect()
            }
        }
    }

    /// Tells what was stored since the alert was made and did not come this way.
    async fn tell_recent(&mut self) -> Option<End> {
        let recent = self.recent.take()?;
        if recent.is_over(Timestamp::now()) {
            return None;
        }
        let selection = recent.selection();
        let asked = self.api.app.ask(move |snapshot| recent::records(snapshot, &selection)).await;
        let mut items = Vec::new();
        let mut recent = recent;
        // What cannot be read now is asked for again in a second.
        for record in asked.unwrap_or_default() {
            if !recent.note(&record) {
                continue;
            }
            if let Ok(line) = serde_json::to_string(&to_banner(&record)) {
                let live = Arc::new(Live { line: line.into(), record });
                items.extend(self.items(&live.record, &live));
            }
        }
        self.recent = Some(recent);
        self.send(items).await
    }

    /// Reads the alerts anew; false when the one that is listened to is not there any more.
    async fn read_alerts(&mut self) -> bool {
        let (caller, wanted) = (self.caller.clone(), self.filter.alert_id().map(str::to_owned));
        let read = self.api.read(move |app, now| Filter::alerts(app, &caller, wanted.as_deref(), now)).await;
        match read {
            Ok(filter) => self.filter = filter,
            Err(trouble) if trouble.status == axum::http::StatusCode::NOT_FOUND => return false,
            // Those known go on until they can be read.
            Err(_) => {}
        }
        true
    }
}
