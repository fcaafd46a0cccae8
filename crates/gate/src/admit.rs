//! The three ways into a room, as layers of its router.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http_body_util::Limited;
use subtle::ConstantTimeEq;

use crate::{
    Arrival, Caller, Gate, Refused, Words,
    credential::{self, STRANGERS_BYTES_MAX},
    refused::refuse,
    unread::Unread,
};

/// A layer's state.
struct Way {
    gate: Arc<Gate>,
    words: Arc<dyn Words>,
    kind: Kind,
}

impl Clone for Way {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), words: self.words.clone(), kind: self.kind }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Api,
    Pages,
    Open,
}

/// Id of the key in a response's extensions, for the log.
#[derive(Clone, Debug)]
pub(crate) struct KeyId(pub(crate) String);

/// Where people log in.
const LOGIN: &str = "/login";

impl Gate {
    /// A router for programs: every request needs a key, and everything that is refused is refused in the room's
    /// words. Handlers find a [`Caller`]; the key itself is taken out of address, form and headers before.
    pub fn api<S: Clone + Send + Sync + 'static>(
        self: &Arc<Self>,
        router: Router<S>,
        words: impl Words,
    ) -> Router<S> {
        self.guard(router, words, Kind::Api)
    }

    /// A router of pages: every request needs a session, else the browser is sent to `/login?next=...`. Whatever is not
    /// `GET` or `HEAD` must be a form with the field `csrf` (see [`Caller::csrf`]), or carry the header
    /// `X-Csrf-Token`, and must not come from another site's page.
    pub fn pages<S: Clone + Send + Sync + 'static>(
        self: &Arc<Self>,
        router: Router<S>,
        words: impl Words,
    ) -> Router<S> {
        self.guard(router, words, Kind::Pages)
    }

    /// A router for everybody: the login page, style sheets. Handlers find a `Caller` where there is a session
    /// (`Option<Caller>`); requests without one are counted by address. Changes must not come from another site's page.
    pub fn open<S: Clone + Send + Sync + 'static>(
        self: &Arc<Self>,
        router: Router<S>,
        words: impl Words,
    ) -> Router<S> {
        self.guard(router, words, Kind::Open)
    }

    fn guard<S: Clone + Send + Sync + 'static>(
        self: &Arc<Self>,
        router: Router<S>,
        words: impl Words,
        kind: Kind,
    ) -> Router<S> {
        let way = Way { gate: self.clone(), words: Arc::new(words), kind };
        router.layer(from_fn_with_state(way, pass))
    }

    /// A program's key, or for reading a session where the room allows it.
    pub(crate) async fn admit_program(
        &self,
        request: Request,
        session_may_read: bool,
    ) -> Result<(Request, Caller), Refused> {
        let arrival = self.arrival(&request);
        let (request, key) =
            credential::take(request, self.settings.body_bytes_max, &self.large_forms).await?;
        let caller = match key {
            Some(key) => self.caller_of_key(&key, arrival.source).await?,
            None => {
                let session = match session_may_read {
                    true => self.session_of(request.headers(), &arrival).await?,
                    false => None,
                };
                let Some(caller) = session else {
                    self.take_of_stranger(arrival.source)?;
                    return Err(Refused::NoKey);
                };
                if !is_reading(request.method()) {
                    return Err(Refused::SessionReads);
                }
                self.hosts.check_origin(request.uri(), request.headers())?;
                caller
            }
        };
        self.take_of_key(&caller)?;
        Ok((request, caller))
    }

    async fn caller_of_key(&self, key: &str, source: IpAddr) -> Result<Caller, Refused> {
        let mut recalled = self.keyring.recall(key).await;
        if matches!(recalled, Ok(None)) && self.keyring.wait_for_proof(key).await {
            recalled = self.keyring.recall(key).await;
        }
        let known = match recalled {
            Ok(Some(key)) => key,
            Ok(None) => {
                self.take_of_stranger(source)?;
                self.keyring.prove(key.to_owned(), source).await?
            }
            Err(refused) => {
                self.take_of_stranger(source)?;
                return Err(refused);
            }
        };
        Ok(self.caller(known, source, None))
    }

    /// A session of the pages; nobody is a reason to log in.
    async fn admit_person(&self, mut request: Request) -> Result<(Request, Option<Caller>), Refused> {
        let arrival = self.arrival(&request);
        let Some(caller) = self.session_of(request.headers(), &arrival).await? else {
            self.take_of_stranger(arrival.source)?;
            return Ok((request, None));
        };
        self.take_of_key(&caller)?;
        if !is_reading(request.method()) {
            self.hosts.check_origin(request.uri(), request.headers())?;
            let sent = match csrf_header(request.headers()) {
                Some(token) => Some(token),
                None => {
                    let bytes_max = self.settings.body_bytes_max;
                    let (whole, token) = credential::form_field(request, "csrf", bytes_max).await?;
                    request = whole;
                    token
                }
            };
            let own = caller.csrf().as_bytes();
            if own.is_empty() || !bool::from(sent.unwrap_or_default().as_bytes().ct_eq(own)) {
                return Err(Refused::Forged);
            }
        }
        Ok((request, Some(caller)))
    }

    async fn admit_anybody(&self, request: Request) -> Result<(Request, Option<Caller>), Refused> {
        let arrival = self.arrival(&request);
        let caller = self.session_of(request.headers(), &arrival).await?;
        let mut request = request;
        if caller.is_none() {
            self.take_of_stranger(arrival.source)?;
            // Thousands of slow clients could have the server hold a large body each.
            request = request.map(|body| Body::new(Limited::new(body, STRANGERS_BYTES_MAX)));
        }
        if !is_reading(request.method()) {
            self.hosts.check_origin(request.uri(), request.headers())?;
        }
        Ok((request, caller))
    }

    pub(crate) fn arrival(&self, request: &Request) -> Arrival {
        let known = request.extensions().get::<Arrival>().copied();
        known.unwrap_or_else(|| Arrival::of(&self.settings, None, request.headers()))
    }
}

/// One request through one of the ways.
async fn pass(State(way): State<Way>, request: Request, next: Next) -> Response {
    let (gate, words) = (way.gate.clone(), way.words.clone());
    let (request, unread) = Unread::of(request);
    bounded(&gate, words.as_ref(), Some(&unread), walk(way, request, next)).await
}

async fn walk(way: Way, request: Request, next: Next) -> Result<Response, Refused> {
    let bytes_max = way.gate.settings.body_bytes_max;
    // What says that it is too large is not waited for.
    if request.body().size_hint().lower() > bytes_max as u64 {
        return Err(Refused::BodyTooLarge { bytes_max });
    }
    let (mut request, caller) = match way.kind {
        Kind::Api => {
            let (request, caller) = way.gate.admit_program(request, way.words.session_may_read()).await?;
            (request, Some(caller))
        }
        Kind::Pages => {
            let (request, caller) = way.gate.admit_person(request).await?;
            if caller.is_none() {
                return to_login(&request);
            }
            (request, caller)
        }
        Kind::Open => way.gate.admit_anybody(request).await?,
    };
    let id = caller.as_ref().map(|caller| KeyId(caller.key.id.clone()));
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let mut response = next.run(request).await;
    if let Some(id) = id {
        response.extensions_mut().insert(id);
    }
    Ok(response)
}

/// Sends a browser to the login page; a script, which could make nothing of it, is told the plain truth.
fn to_login(request: &Request) -> Result<Response, Refused> {
    let mode = request.headers().get("sec-fetch-mode").map(|mode| mode.as_bytes());
    if matches!(mode, Some(b"cors" | b"same-origin" | b"no-cors")) {
        return Err(Refused::NoKey);
    }
    let next = if is_reading(request.method()) { next_page(request.uri()) } else { None };
    let place = match next {
        Some(next) => {
            format!("{LOGIN}?next={}", form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>())
        }
        None => LOGIN.to_owned(),
    };
    let place = HeaderValue::from_str(&place).unwrap_or(HeaderValue::from_static(LOGIN));
    Ok((axum::http::StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response())
}

fn next_page(uri: &Uri) -> Option<&str> {
    let next = uri.path_and_query()?.as_str();
    (next != "/" && crate::safe_next(next) == next).then_some(next)
}

/// Runs a request: for so long, and without a panic that reaches the connection.
///
/// - `unread`: the request's body, where it is read.
pub(crate) async fn bounded(
    gate: &Gate,
    words: &dyn Words,
    unread: Option<&Unread>,
    work: impl Future<Output = Result<Response, Refused>>,
) -> Response {
    let result = match tokio::time::timeout(gate.settings.request_time(), calm(work)).await {
        Ok(result) => result,
        Err(_) if unread.is_some_and(Unread::is_unread) => Err(Refused::BodySlow),
        Err(_) => Err(Refused::Slow),
    };
    result.unwrap_or_else(|refused| {
        if refused == Refused::Bug {
            gate.metrics.panics.fetch_add(1, Relaxed);
        }
        refuse(words, &refused)
    })
}

/// A panic becomes [`Refused::Bug`]. The panic hook has said where it happened.
pub(crate) async fn calm(work: impl Future<Output = Result<Response, Refused>>) -> Result<Response, Refused> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        // What the future borrows is not looked at again after a panic.
        match std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(payload) => {
                let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
                let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
                tracing::error!(target: "nightlatch::gate", panic = text, "a handler panicked: this is a bug");
                Poll::Ready(Err(Refused::Bug))
            }
        }
    })
    .await
}

fn csrf_header(headers: &HeaderMap) -> Option<String> {
    headers.get("x-csrf-token")?.to_str().ok().map(str::to_owned)
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
