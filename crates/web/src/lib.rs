//! Server-rendered pages: state in the address bar, no script needed, charts as SVG.
//!
//! [`router`] gives the pages; the gate puts the [`Caller`](nightlatch_gate::Caller) into each request and the strict
//! headers onto each answer. Every value in a template leaves through one escaper ([`escape::Shown`]); every change is a
//! form with the token of the session; every page is made from counts, facets and at most a page of rows.

mod ask;
pub mod assets;
mod book;
mod change;
mod charts;
mod doors;
mod download;
pub mod escape;
mod fault;
mod frame;
mod hit;
mod link;
mod routes;
#[cfg(test)]
mod tests;
mod visit;
mod words;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use nightlatch_app::App;
use nightlatch_gate::Gate;

use crate::{book::Shelf, doors::PageWords};

/// What the pages share.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) app: Arc<App>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) everything: Arc<routes::Everything>,
    pub(crate) downloads: Arc<tokio::sync::Semaphore>,
}

/// The whole skin: pages behind a session; the way in and what pages load, for anybody.
pub fn router(app: Arc<App>, gate: &Arc<Gate>) -> Router {
    let open = doors::open(gate.clone()).merge(files());
    let shelf = Arc::<Shelf>::default();
    shelf.clone().prepare(app.clone());
    let pages = pages(app, shelf).merge(doors::out(gate.clone()));
    gate.open(open, PageWords).merge(gate.pages(pages, PageWords))
}

/// The pages. Each wants a [`Caller`](nightlatch_gate::Caller) in its request, and sends who has none to `/login`.
pub(crate) fn pages(app: Arc<App>, shelf: Arc<Shelf>) -> Router {
    let downloads = Arc::new(tokio::sync::Semaphore::new(download::DOWNLOADS_AT_ONCE));
    let everything = Arc::<routes::Everything>::default();
    everything.clone().keep_ready(&app);
    routes::router().with_state(Web { app, shelf, everything, downloads })
}

/// What pages load.
fn files() -> Router {
    // What has no link to the icon is asked for under this name by browsers.
    let icon = || async { serve(assets::ICON, "public, max-age=86400") };
    let router = Router::new().route("/favicon.ico", get(icon));
    assets::ASSETS.into_iter().fold(router, |router, asset| {
        router.route(asset.path, get(move || async move { serve(asset, FOR_EVER) }))
    })
}

/// For what changes its name with its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A file of the program.
fn serve(asset: assets::Asset, keep: &'static str) -> Response {
    let mut response = asset.body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}
