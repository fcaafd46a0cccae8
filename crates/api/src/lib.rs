//! What programs speak with: Shodan's API and streams, and our own under `/api/v1`.
//!
//! Handlers read a request, ask `nightlatch-app`, and write JSON. What can be decided without a request is in pure
//! functions over a `Snapshot`; nothing that blocks runs on a thread of the runtime.

mod answer;
mod caller;
mod facet;
mod intake;
mod members;
mod own;
mod params;
mod places;
mod question;
mod saved_query;
mod shodan;
mod stream;
mod trouble;

pub use intake::take_in;
pub use own::openapi;
pub use params::Params;
pub use saved_query::SavedQuery;

use std::sync::Arc;

use axum::Router;
use nightlatch_app::App;
use nightlatch_gate::Gate;

use crate::places::Places;

/// What handlers share.
pub(crate) struct Api {
    pub(crate) app: Arc<App>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) places: Places,
    pub(crate) exports: Arc<own::ExportPlaces>,
}

/// All addresses for programs, each behind the gate and refused in its own words.
pub fn router(gate: &Arc<Gate>) -> Router {
    let api = Arc::new(Api {
        app: gate.app().clone(),
        gate: gate.clone(),
        places: Places::default(),
        exports: Arc::default(),
    });
    Router::new()
        .merge(gate.api(shodan::router(api.clone()), shodan::refuse))
        .merge(gate.api(own::router(api), own::Problems))
}

#[cfg(test)]
mod house;
#[cfg(test)]
mod own_tests;
#[cfg(test)]
mod shodan_tests;
#[cfg(test)]
mod stream_tests;
