//! Our own API under `/api/v1`, one file for each resource. Errors are problem details (RFC 9457).

mod alerts;
mod audit;
mod body;
mod cursor;
mod deliveries;
mod docs;
mod events;
mod export;
mod export_places;
mod findings;
mod hosts;
mod keys;
mod notifiers;
mod observations;
mod problem;
mod queries;
mod reports;
mod runs;
mod schedules;
mod scope;
mod shapes;
mod words;

pub use docs::openapi;
pub(crate) use export_places::ExportPlaces;
pub(crate) use problem::Problems;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{any, get, post},
};

use crate::{Api, trouble::Trouble};

/// The routes, with their errors as problem details.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api/v1/me", get(words::me))
        .route("/api/v1/observations/search", get(observations::search))
        .route("/api/v1/observations/count", get(observations::count))
        .route("/api/v1/observations/facets", get(observations::facets))
        .route("/api/v1/observations/histogram", get(observations::histogram))
        .route("/api/v1/observations/export", get(export::export))
        .route("/api/v1/hosts/{ip}", get(hosts::host))
        .route("/api/v1/endpoints/{ip}/{port}/{transport}", get(hosts::endpoint))
        .route("/api/v1/fields", get(words::fields))
        .route("/api/v1/complete", get(words::complete))
        .route("/api/v1/products", get(words::products))
        .route("/api/v1/triggers", get(words::triggers))
        .route("/api/v1/events", get(events::list))
        .route("/api/v1/findings", get(findings::list))
        .route("/api/v1/findings/{id}", get(findings::info))
        .route("/api/v1/runs", get(runs::list).post(runs::start))
        .route("/api/v1/runs/{id}", get(runs::info))
        .route("/api/v1/runs/{id}/stop", post(runs::stop))
        .route("/api/v1/runs/{id}/resume", post(runs::resume))
        .route("/api/v1/schedules", get(schedules::list).post(schedules::create))
        .route("/api/v1/schedules/{name}", get(schedules::info).put(schedules::put).delete(schedules::remove))
        .route("/api/v1/scope", get(scope::info))
        .route("/api/v1/scope/{ip}", get(scope::explain))
        .route("/api/v1/alerts", get(alerts::list).post(alerts::create))
        .route("/api/v1/alerts/{id}", get(alerts::info).put(alerts::put).delete(alerts::remove))
        .route("/api/v1/alerts/{id}/test", post(alerts::test))
        .route("/api/v1/notifiers", get(notifiers::list).post(notifiers::create))
        .route("/api/v1/notifiers/{id}", get(notifiers::info).delete(notifiers::remove))
        .route("/api/v1/deliveries", get(deliveries::list))
        .route("/api/v1/deliveries/{id}/retry", post(deliveries::retry))
        .route("/api/v1/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{id}", get(keys::info).delete(keys::revoke))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/queries", get(queries::list).post(queries::create))
        .route("/api/v1/queries/{id}", get(queries::info).delete(queries::remove))
        .route("/api/v1/reports/owners", get(reports::owners))
        .route("/api/v1/reports/landscape", get(reports::landscape))
        .route("/api/v1/openapi.json", get(docs::document))
        .route("/api/docs", get(docs::page))
        .route("/api/docs.css", get(docs::style))
        .route("/api/v1/{*rest}", any(async || Trouble::absent("there is nothing at this address")))
        .with_state(api)
        .layer(middleware::map_response(problem::told))
}

/// Reads a finding as the shape that describes it.
#[cfg(test)]
pub(crate) fn read_finding(value: &serde_json::Value) {
    serde_json::from_value::<shapes::AuditFinding>(value.clone()).unwrap();
}
