//! What goes wrong while a request is answered, before it is told in the words of the API that was asked.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use nightlatch_alert::AlertError;
use nightlatch_app::AppError;
use nightlatch_control::ControlError;
use nightlatch_gate::Refused;
use nightlatch_query::QueryError;
use nightlatch_store::StoreError;

/// What handlers give back.
pub(crate) type Reply = Result<Response, Trouble>;

/// Seconds after which a busy server may be asked again.
const BUSY_SECONDS: u32 = 5;

/// Why a request is refused or failed. As a response it is empty: the layer of each API writes the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) status: StatusCode,
    /// One line for people; safe to show.
    pub(crate) detail: String,
    /// The parameter or field it is about.
    pub(crate) about: Option<String>,
    /// Seconds after which it may be tried again.
    pub(crate) retry_after: Option<u32>,
}

impl Trouble {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), about: None, retry_after: None }
    }

    /// The request makes no sense.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The value of a parameter or field makes no sense.
    pub(crate) fn bad_value(name: &str, why: impl std::fmt::Display) -> Self {
        let name = shown(name);
        Self { about: Some(name.clone()), ..Self::bad(format!("`{name}` {why}")) }
    }

    /// What was asked for is not there.
    pub(crate) fn absent(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// There is no such thing, or none that the caller may see.
    pub(crate) fn unknown(kind: &str, id: &str) -> Self {
        Self::absent(format!("there is no {kind} `{}`", shown(id)))
    }

    /// The caller's role does not allow it.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// A query that cannot be read, with the place and the nearest name.
    pub(crate) fn query(name: &str, error: &QueryError, query: &str) -> Self {
        Self { about: Some(name.to_owned()), ..Self::bad(query_error(error, query)) }
    }

    /// A mistake of ours: the log has the reason, the caller does not.
    pub(crate) fn bug(why: &dyn std::fmt::Display) -> Self {
        tracing::error!(reason = %nightlatch_untrusted::log_field(&why.to_string()), "a request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "this is a mistake in nightlatch; the log says more")
    }
}

/// Foreign text as messages repeat it: cut, and harmless where it is shown.
pub(crate) fn shown(text: &str) -> String {
    nightlatch_untrusted::terminal_cut(text, 60)
}

/// The error of a query in one line, with the character it is about.
pub(crate) fn query_error(error: &QueryError, query: &str) -> String {
    let at = query.get(..error.span.start).map_or(0, |before| before.chars().count()) + 1;
    let mut text = format!("{error} (character {at})");
    if let Some(nearest) = &error.nearest {
        text.push_str(&format!("; did you mean `{}`?", shown(nearest)));
    }
    if !error.hint.is_empty() {
        text.push_str(&format!("; {}", nightlatch_untrusted::terminal(&error.hint)));
    }
    text
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AppError> for Trouble {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Store(error) => error.into(),
            AppError::Control(error) => error.into(),
            AppError::Busy => Self {
                retry_after: Some(BUSY_SECONDS),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string())
            },
            AppError::Invalid(text) | AppError::OutOfScope(text) => Self::bad(text),
            AppError::Unknown { .. } => Self::absent(error.to_string()),
            AppError::Conflict(text) => Self::new(StatusCode::CONFLICT, text),
            AppError::World(text) => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
            _ => Self::bug(&error),
        }
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        let seconds =
            refused.retry_after().map(|wait| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1));
        Self { retry_after: seconds, ..Self::new(refused.status(), refused.to_string()) }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooBroad { .. } | StoreError::NotAFacet { .. } => Self::bad(error.to_string()),
            StoreError::Locked { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            error => Self::bug(&error),
        }
    }
}

impl From<ControlError> for Trouble {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Unknown { .. } => Self::absent(error.to_string()),
            ControlError::Full { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no space left on the server's disk")
            }
            error => Self::bug(&error),
        }
    }
}

impl From<AlertError> for Trouble {
    fn from(error: AlertError) -> Self {
        Self::bad(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_errors_tell_place_and_nearest_name() {
        let query = "größe produkt:x";
        let error = nightlatch_query::parse(query, jiff::Timestamp::UNIX_EPOCH).unwrap_err();
        let text = query_error(&error, query);
        assert!(text.contains("(character 7)") && text.contains("did you mean `product`?"), "{text}");
    }
}
