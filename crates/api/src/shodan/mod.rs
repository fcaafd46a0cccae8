//! Shodan's API, one file for each resource. Errors are `{"error": text}`, and never 403: clients hide its text.

mod account;
mod alert;
mod dns;
mod host;
mod notifier;
mod queries;
mod scan;
mod search;
mod tools;
mod trends;
mod trigger;
mod words;

pub(crate) use alert::{change as change_alert, find as find_alert, new_id as new_alert_id};
pub(crate) use notifier::{
    add as add_notifier, find as find_notifier, find_own as find_own_notifier, forget as forget_notifier,
    read_provider, seen as seen_notifiers,
};
pub(crate) use scan::read as read_ips;
pub(crate) use trigger::read_one as read_trigger;
pub(crate) use words::read as read_tokens;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use nightlatch_gate::Refused;

use crate::{Api, answer, trouble::Trouble};

/// The routes, with their errors in Shodan's words.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api-info", get(account::info))
        .route("/account/profile", get(account::profile))
        .route("/shodan/host/search", get(search::search))
        .route("/shodan/host/count", get(search::count))
        .route("/shodan/host/search/facets", get(words::facets))
        .route("/shodan/host/search/filters", get(words::filters))
        .route("/shodan/host/search/tokens", get(words::tokens))
        .route("/shodan/host/{ips}", get(host::host))
        .route("/internetdb/{ip}", get(host::internetdb))
        .route("/shodan/ports", get(words::ports))
        .route("/shodan/protocols", get(words::protocols))
        .route("/shodan/services", get(words::services))
        .route("/shodan/scan", post(scan::submit))
        .route("/shodan/scan/internet", post(scan::internet))
        .route("/shodan/scans", get(scan::list))
        .route("/shodan/scan/{id}", get(scan::status))
        .route("/shodan/alert", post(alert::create))
        .route("/shodan/alert/info", get(alert::list))
        .route("/shodan/alert/triggers", get(trigger::list))
        .route("/shodan/alert/{id}", post(alert::edit).delete(alert::remove))
        .route("/shodan/alert/{id}/info", get(alert::info))
        .route("/shodan/alert/{id}/trigger/{triggers}", put(trigger::enable).delete(trigger::disable))
        .route(
            "/shodan/alert/{id}/trigger/{triggers}/ignore/{service}",
            put(trigger::ignore).delete(trigger::unignore),
        )
        .route("/shodan/alert/{id}/trigger/{triggers}/ignore/{service}/{vulns}", put(trigger::ignore_vulns))
        .route(
            "/shodan/alert/{id}/notifier/{notifier}",
            put(alert::add_notifier).delete(alert::drop_notifier),
        )
        .route("/notifier", get(notifier::list).post(notifier::create))
        .route("/notifier/provider", get(notifier::providers))
        .route("/notifier/{id}", get(notifier::info).put(notifier::edit).delete(notifier::remove))
        .route("/shodan/query", get(queries::list))
        .route("/shodan/query/search", get(queries::search))
        .route("/shodan/query/tags", get(queries::tags))
        .route("/dns/domain/{domain}", get(dns::domain))
        .route("/dns/resolve", get(dns::resolve))
        .route("/dns/reverse", get(dns::reverse))
        .route("/tools/myip", get(tools::myip))
        .route("/tools/httpheaders", get(tools::httpheaders))
        .route("/api/v1/search", get(trends::search))
        .route("/api/v1/search/facets", get(words::facets))
        .route("/api/v1/search/filters", get(words::filters))
        .merge(crate::stream::router())
        .merge(absent())
        .with_state(api)
        .layer(middleware::map_response(told))
}

/// What the service has and we do not, and addresses that nobody has.
fn absent() -> Router<Arc<Api>> {
    const ORG: &str = "organisations are not kept here: keys and their roles are, under /api/v1/keys";
    const DATA: &str = "there are no bulk data files here: /api/v1/observations/export streams any query";
    const LABS: &str = "no honeypot score is computed here: search `tag:honeypot`";
    const EXPLOITS: &str = "there is no archive of exploits here";
    const NOTHING: &str = "there is nothing at this address; /api/docs lists what there is";
    let because = |why: &'static str| any(move || async move { Trouble::absent(why) });
    Router::new()
        .route("/org", because(ORG))
        .route("/org/{*rest}", because(ORG))
        .route("/shodan/data", because(DATA))
        .route("/shodan/data/{dataset}", because(DATA))
        .route("/labs/{*rest}", because(LABS))
        .route("/api/search", because(EXPLOITS))
        .route("/api/count", because(EXPLOITS))
        .route("/shodan/{*rest}", because(NOTHING))
        .route("/dns/{*rest}", because(NOTHING))
        .route("/tools/{*rest}", because(NOTHING))
        .route("/account/{*rest}", because(NOTHING))
}

/// Writes the body of an error; an answer that is none is left as it is.
pub(crate) async fn told(mut response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    match response.extensions_mut().remove::<Trouble>() {
        Some(trouble) => error(trouble.status, &trouble.detail, trouble.retry_after),
        // Somebody below has said it in JSON already.
        None if is_json(&response) => response,
        None => {
            let detail = match status {
                StatusCode::UNAUTHORIZED => "Invalid API key",
                StatusCode::METHOD_NOT_ALLOWED => "this address does not take this method",
                other => other.canonical_reason().unwrap_or("the request was refused"),
            };
            let mut told = error(status, detail, None);
            if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
                told.headers_mut().insert(header::ALLOW, allow);
            }
            told
        }
    }
}

pub(crate) fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.contains("json"))
}

/// `{"error": text}`. A role that does not allow something is a matter of the key: 401.
fn error(status: StatusCode, detail: &str, retry_after: Option<u32>) -> Response {
    let status = if status == StatusCode::FORBIDDEN { StatusCode::UNAUTHORIZED } else { status };
    let body = nightlatch_untrusted::json::to_string(
        &serde_json::json!({ "error": nightlatch_gate::redact(detail) }),
    );
    let mut response = answer::json_text(body.unwrap_or_else(|_| r#"{"error":"unknown"}"#.to_owned()));
    *response.status_mut() = status;
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What the gate refuses, in Shodan's words.
pub(crate) fn refuse(refused: &Refused) -> Response {
    let detail = match refused {
        // What the official client says itself where it gets no reason.
        Refused::NoKey | Refused::BadKey => "Invalid API key".to_owned(),
        other => other.to_string(),
    };
    error(refused.status(), &detail, None).into_response()
}

/// UTC with microseconds and without a zone, as Shodan writes times.
pub(crate) fn time(time: jiff::Timestamp) -> String {
    format!("{:.6}", jiff::tz::TimeZone::UTC.to_datetime(time))
}
