//! One visit of a page: who, from where, and how it shall look.

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Redirect, Response},
};
use nightlatch_app::AppError;
use nightlatch_asset::Timestamp;
use nightlatch_control::Role;
use nightlatch_gate::Caller;

use crate::{fault::Fault, frame::Theme, link};

/// What every page is told about who asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Who.
    pub(crate) caller: Caller,
    /// Light, dark, or as the system.
    pub(crate) theme: Theme,
    /// Path and query of the page.
    pub(crate) address: String,
    /// When.
    pub(crate) now: Timestamp,
    /// What the last change says of itself.
    pub(crate) said: Option<&'static str>,
}

/// What a change says on the page that follows it: words of ours behind a short name in the address.
const SAID: [(&str, &str); 11] = [
    ("saved", "Saved."),
    ("deleted", "Deleted."),
    ("started", "The run was started."),
    ("stopping", "The run was told to stop; it ends what it has begun."),
    ("resumed", "The run goes on."),
    ("revoked", "The key is revoked, and its sessions are over."),
    ("retried", "The delivery will be tried again."),
    ("paused", "Paused."),
    ("running", "Switched on."),
    ("ignored", "The service will be passed over."),
    ("unignored", "The service will be told of again."),
];

impl Visit {
    /// Refuses who may not do what `role` may.
    pub(crate) fn must(&self, role: Role) -> Result<(), Fault> {
        if self.caller.may(role) { Ok(()) } else { Err(Fault::forbidden(self, role)) }
    }

    /// A failure as a page of this visit.
    pub(crate) fn fault(&self, error: AppError) -> Fault {
        Fault::of(self, error)
    }

    /// Refuses a form without the token of the session. Compared in constant time.
    pub(crate) fn form(&self, token: &str) -> Result<(), Fault> {
        let expected = crate::frame::csrf(&self.caller);
        let same = expected.len() == token.len()
            && expected.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0;
        if same && !expected.is_empty() { Ok(()) } else { Err(Fault::stale(self)) }
    }
}

/// To `path`, where the change says that it was made.
pub(crate) fn done(path: &str, said: &str) -> Response {
    let (path, mark) = path.split_once('#').unwrap_or((path, ""));
    let mark = if mark.is_empty() { String::new() } else { format!("#{mark}") };
    let joint = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{joint}said={said}{mark}")).into_response()
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let address = parts.uri.path_and_query().map_or("/", |address| address.as_str()).to_owned();
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            // Back to where one wanted to go, once one has logged in.
            let next = if parts.method == axum::http::Method::GET { address.as_str() } else { "" };
            return Err(Redirect::to(&link::with("/login", &[("next", next)])).into_response());
        };
        let query = parts.uri.query().unwrap_or_default();
        let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "said");
        let said =
            said.and_then(|(_, name)| SAID.iter().find(|(known, _)| *known == name)).map(|(_, text)| *text);
        Ok(Self { caller, theme: Theme::of(&parts.headers), address, now: Timestamp::now(), said })
    }
}
