use std::{convert::Infallible, net::IpAddr};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use nightlatch_control::{Key, Role, Session};

use crate::Refused;

/// Who is asking. Put into the extensions of a request by the gate, once the key or session was found good.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key.
    pub key: Key,
    /// Where the request came from; behind a proxy, what the proxy says.
    pub source: IpAddr,
    /// The session of the pages; absent for a program that sent its key.
    pub session: Option<Session>,
    /// Most records one request may return: the key's own limit, else the server's.
    pub results_max: u32,
}

impl Caller {
    /// Whether the key allows what `role` does.
    pub fn may(&self, role: Role) -> bool {
        self.key.role >= role
    }

    /// As [`Caller::may`], for `?`.
    ///
    /// # Errors
    /// [`Refused::Role`] when the key does not allow it.
    pub fn require(&self, role: Role) -> Result<(), Refused> {
        if self.may(role) { Ok(()) } else { Err(Refused::Role { needed: role, has: self.key.role }) }
    }

    /// How many records may be returned where `wanted` were asked for.
    pub fn results(&self, wanted: usize) -> usize {
        wanted.min(usize::try_from(self.results_max).unwrap_or(usize::MAX))
    }

    /// What every form must carry in its field `csrf`; empty for a program that sent its key.
    pub fn csrf(&self) -> &str {
        self.session.as_ref().map_or("", |session| &session.csrf)
    }
}

/// Nobody is logged in; a router's own layer says it in its own words, so this is seen only where none does.
#[derive(Debug)]
pub struct Stranger;

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Stranger;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Stranger> {
        parts.extensions.get::<Self>().cloned().ok_or(Stranger)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
