//! Errors as problem details, RFC 9457.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nightlatch_gate::{Refused, Words};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{shodan::is_json, trouble::Trouble};

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The sort of problem; `about:blank` means that the status says it.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, in one line.
    detail: String,
    /// The parameter or field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
}

fn problem(
    status: StatusCode,
    detail: &str,
    parameter: Option<String>,
    retry_after: Option<u32>,
) -> Response {
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        // What was not found is named as it was asked for, and that may have been a key.
        detail: nightlatch_gate::redact(detail).into_owned(),
        parameter,
    };
    let body = nightlatch_untrusted::json::to_string(&problem).unwrap_or_else(|_| "{}".to_owned());
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Writes the body of an error; an answer that is none is left as it is.
pub(super) async fn told(mut response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    if let Some(trouble) = response.extensions_mut().remove::<Trouble>() {
        return problem(trouble.status, &trouble.detail, trouble.about, trouble.retry_after);
    }
    if is_json(&response) {
        return response;
    }
    let detail = match status {
        StatusCode::UNAUTHORIZED => "send a key, as `Authorization: Bearer nl_...`",
        StatusCode::METHOD_NOT_ALLOWED => "this address does not take this method",
        StatusCode::BAD_REQUEST => "the address cannot be read",
        other => other.canonical_reason().unwrap_or("the request was refused"),
    };
    let mut told = problem(status, detail, None, None);
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        told.headers_mut().insert(header::ALLOW, allow);
    }
    told
}

/// What the gate refuses, as problem details. Pages may read what is here with their session.
pub(crate) struct Problems;

impl Words for Problems {
    fn refuse(&self, refused: &Refused) -> Response {
        problem(refused.status(), &refused.to_string(), None, None)
    }

    fn session_may_read(&self) -> bool {
        true
    }
}
