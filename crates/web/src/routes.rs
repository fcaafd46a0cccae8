//! One file a page.

mod alerts;
mod complete;
mod finding;
mod findings;
mod help;
mod host;
mod keys;
mod overview;
mod products;
mod reports;
mod rules;
mod runs;
mod schedules;
mod scope;
mod search;
mod theme;

use axum::Router;
pub(crate) use search::Everything;

use crate::Web;

/// All pages.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .merge(overview::router())
        .merge(search::router())
        .merge(host::router())
        .merge(products::router())
        .merge(findings::router())
        .merge(finding::router())
        .merge(rules::router())
        .merge(runs::router())
        .merge(schedules::router())
        .merge(scope::router())
        .merge(alerts::router())
        .merge(reports::router())
        .merge(keys::router())
        .merge(help::router())
        .merge(complete::router())
        .merge(theme::router())
}
