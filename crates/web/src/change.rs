//! A form that was sent: who, what, and that it came from one of our own pages.

use axum::{
    extract::{FromRequest, FromRequestParts, RawForm, Request},
    response::{IntoResponse, Response},
};
use nightlatch_asset::Timestamp;
use nightlatch_control::{AuditEntry, Control, ControlError};

use crate::{Web, fault::Fault, visit::Visit};

/// Fields of a form, at most.
const FIELDS_MAX: usize = 2_000;

/// A form of this session. The only way to get one checks the token, so no handler can forget it.
#[derive(Debug)]
pub(crate) struct Change {
    /// Who.
    pub(crate) visit: Visit,
    fields: Vec<(String, String)>,
}

impl Change {
    /// The value of a field, without white space around it; empty when there is none.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// All values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// Whether a box was ticked.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        !self.one(name).is_empty()
    }

    /// A field of lines, as one writes lists: without empty ones.
    pub(crate) fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.one(name).split(['\n', ',', ' ', '\r', '\t']).map(str::trim).filter(|line| !line.is_empty())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.visit.now
    }

    /// A mistake in the form.
    pub(crate) fn wrong(&self, what: impl Into<String>) -> Fault {
        Fault::invalid(&self.visit, what)
    }

    /// The entry of the audit log for this change.
    pub(crate) fn entry(&self, action: &str, object: &str, outcome: &str) -> AuditEntry {
        let key = &self.visit.caller.key;
        AuditEntry {
            time: self.visit.now,
            key: Some(key.id.clone()),
            label: key.label.clone(),
            source: self.visit.caller.source.to_string(),
            action: action.to_owned(),
            object: object.to_owned(),
            outcome: outcome.to_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Change {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let RawForm(bytes) = RawForm::from_request(Request::from_parts(parts, body), state)
            .await
            .map_err(IntoResponse::into_response)?;
        let fields: Vec<(String, String)> = form_urlencoded::parse(&bytes)
            .take(FIELDS_MAX)
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let change = Self { visit, fields };
        change.visit.form(change.one("csrf")).map_err(IntoResponse::into_response)?;
        Ok(change)
    }
}

impl Web {
    /// Asks the control database, where blocking is allowed.
    pub(crate) async fn control<T: Send + 'static>(
        &self,
        visit: &Visit,
        ask: impl FnOnce(&Control) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, Fault> {
        let app = self.app.clone();
        let answer = self.app.blocking(move || ask(app.control())).await;
        answer.and_then(|answer| answer.map_err(Into::into)).map_err(|error| visit.fault(error))
    }
}
