//! Logging in and out, and what the gate says when it lets nobody through.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Query, RawForm, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use nightlatch_gate::{Arrival, Caller, Gate, Refused, Words, safe_next};
use serde::Deserialize;

use crate::{assets, fault::show, frame::Theme};

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct Page {
    theme: Theme,
    next: String,
    failed: Option<String>,
}

impl Page {
    fn style(&self) -> &'static str {
        assets::STYLE.path
    }

    fn icon(&self) -> &'static str {
        assets::ICON.path
    }
}

#[derive(Debug, Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    what: String,
}

impl RefusedPage {
    fn style(&self) -> &'static str {
        assets::STYLE.path
    }

    fn icon(&self) -> &'static str {
        assets::ICON.path
    }
}

/// The gate's refusals, as pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageWords;

impl Words for PageWords {
    fn refuse(&self, refused: &Refused) -> Response {
        (refused.status(), show(&RefusedPage { what: refused.to_string() })).into_response()
    }
}

/// What anybody may see: the way in.
pub(crate) fn open(gate: Arc<Gate>) -> Router {
    Router::new().route("/login", get(form).post(login)).with_state(gate)
}

/// The way out, for those who are in.
pub(crate) fn out(gate: Arc<Gate>) -> Router {
    Router::new().route("/logout", post(logout)).with_state(gate)
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
}

async fn form(caller: Option<Caller>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let next = safe_next(&asked.next);
    if caller.is_some_and(|caller| caller.session.is_some()) {
        return Redirect::to(next).into_response();
    }
    show(&Page { theme: Theme::of(&headers), next: next.to_owned(), failed: None })
}

async fn login(
    State(gate): State<Arc<Gate>>,
    arrival: Arrival,
    headers: HeaderMap,
    RawForm(bytes): RawForm,
) -> Response {
    let field = |wanted: &str| {
        form_urlencoded::parse(&bytes)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let next = safe_next(&field("next")).to_owned();
    match gate.login(&field("key"), &arrival).await {
        Ok(logged_in) => {
            let mut response = Redirect::to(&next).into_response();
            response.headers_mut().append(header::SET_COOKIE, logged_in.cookie);
            response
        }
        Err(refused) => {
            let status = match refused {
                Refused::NoKey => StatusCode::BAD_REQUEST,
                _ => refused.status(),
            };
            let what = match refused {
                Refused::NoKey => "Type a key.".to_owned(),
                Refused::BadKey => "This key is not known here, was revoked, or has expired.".to_owned(),
                _ => refused.to_string(),
            };
            let page = Page { theme: Theme::of(&headers), next, failed: Some(what) };
            (status, show(&page)).into_response()
        }
    }
}

async fn logout(
    State(gate): State<Arc<Gate>>,
    caller: Caller,
    arrival: Arrival,
    headers: HeaderMap,
) -> Response {
    match gate.logout(&caller, &headers, &arrival).await {
        Ok(cookie) => {
            let mut response = Redirect::to("/login").into_response();
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(refused) => PageWords.refuse(&refused),
    }
}
