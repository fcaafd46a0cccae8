//! What went wrong, as a page.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use nightlatch_app::AppError;
use nightlatch_control::Role;

use crate::{frame::Frame, visit::Visit};

/// A page that says what went wrong. Boxed: it is rare, and every handler carries it.
#[derive(Debug)]
pub(crate) struct Fault(Box<Told>);

#[derive(Debug)]
struct Told {
    status: StatusCode,
    page: Page,
}

#[derive(Debug, Template)]
#[template(path = "fault.html")]
struct Page {
    frame: Frame,
    what: String,
    hint: &'static str,
}

impl Fault {
    fn new(visit: &Visit, status: StatusCode, what: impl Into<String>, hint: &'static str) -> Self {
        let title = status.canonical_reason().unwrap_or("Failed");
        let mut frame = Frame::new(visit, "", title);
        // A failed change is not something to come back to.
        frame.said = None;
        Self(Box::new(Told { status, page: Page { frame, what: what.into(), hint } }))
    }

    pub(crate) fn of(visit: &Visit, error: AppError) -> Self {
        use nightlatch_store::StoreError;
        let (status, hint) = match &error {
            AppError::Unknown { .. } => (StatusCode::NOT_FOUND, "It may have been deleted meanwhile."),
            AppError::Invalid(_)
            | AppError::Store(StoreError::TooBroad { .. } | StoreError::NotAFacet { .. }) => {
                (StatusCode::BAD_REQUEST, "Go back, change what is wrong, and try again.")
            }
            AppError::OutOfScope(_) => {
                (StatusCode::BAD_REQUEST, "Nothing is sent to an address that the scope file does not list.")
            }
            AppError::Conflict(_) => (StatusCode::CONFLICT, ""),
            AppError::Busy => (StatusCode::SERVICE_UNAVAILABLE, ""),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "The log of the server says more."),
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %nightlatch_untrusted::log_field(&error.to_string()), "a page failed");
        }
        let what = match &error {
            // Paths of the server and the like are for its log.
            AppError::Store(StoreError::TooBroad { .. } | StoreError::NotAFacet { .. }) => error.to_string(),
            AppError::Store(_) | AppError::Control(_) | AppError::World(_) => {
                "the data cannot be read or written now".into()
            }
            _ => error.to_string(),
        };
        Self::new(visit, status, what, hint)
    }

    pub(crate) fn invalid(visit: &Visit, what: impl Into<String>) -> Self {
        Self::of(visit, AppError::Invalid(what.into()))
    }

    pub(crate) fn unknown(visit: &Visit, kind: &'static str, id: impl Into<String>) -> Self {
        Self::of(visit, AppError::Unknown { kind, id: id.into() })
    }

    pub(crate) fn forbidden(visit: &Visit, role: Role) -> Self {
        let what = format!("this needs the role {role}; your key has the role {}", visit.caller.key.role);
        Self::new(visit, StatusCode::FORBIDDEN, what, "Somebody with an admin key can make you another key.")
    }

    pub(crate) fn stale(visit: &Visit) -> Self {
        let what = "the form does not belong to this session; nothing was changed";
        Self::new(visit, StatusCode::FORBIDDEN, what, "Load the page again, and send the form from there.")
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0.status, show(&self.0.page)).into_response()
    }
}

/// A template as a page.
pub(crate) fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
