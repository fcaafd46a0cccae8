//! Why a request was not let through, and in whose words that is said.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nightlatch_control::Role;

/// Why the gate did not let a request through. [`Display`](std::fmt::Display) says it in plain words, without
/// anything that the request held.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no key in any of the places where one belongs.
    #[error("no key: send one as ?key=..., as a form field `key`, or as `Authorization: Bearer ...`")]
    NoKey,
    /// What was sent is no key of this server, or one that was revoked or has expired.
    #[error("the key is not known here, was revoked or has expired")]
    BadKey,
    /// Too many wrong keys came from this address.
    #[error("too many wrong keys from this address; try again in {} s", seconds(*.retry_after))]
    LockedOut {
        /// When it may try again.
        retry_after: Duration,
    },
    /// The limit of requests is used up.
    #[error("too many requests: {per_minute} a minute are allowed; try again in {} s", seconds(*.retry_after))]
    TooFast {
        /// What is allowed.
        per_minute: u32,
        /// When it may try again.
        retry_after: Duration,
    },
    /// As many streams are open as may be.
    #[error("too many streams are open; close one, or try again later")]
    TooManyStreams,
    /// The key allows less than this.
    #[error("this needs the role {needed}; the key has the role {has}")]
    Role {
        /// The role that may.
        needed: Role,
        /// The role of the key.
        has: Role,
    },
    /// A session cookie was sent where only a key counts.
    #[error("a session may only read here; send a key to change things")]
    SessionReads,
    /// The form does not carry the session's own token.
    #[error("the form is out of date; load the page again and repeat what you did")]
    Forged,
    /// Another site had the browser send this.
    #[error("this request came from another site's page; open the page here and repeat what you did")]
    CrossSite,
    /// The body is larger than is read.
    #[error("the body is larger than {bytes_max} bytes")]
    BodyTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body broke off.
    #[error("the body could not be read to its end")]
    BodyBroken,
    /// The body did not come to its end in time.
    #[error("the body did not come to its end in time")]
    BodySlow,
    /// A page takes forms only.
    #[error("send a form (application/x-www-form-urlencoded)")]
    NotAForm,
    /// The server does not go by the name that the request calls it.
    #[error(
        "this server does not go by that name; if it should, add the name to `server.hosts` in nightlatch.toml"
    )]
    WrongHost,
    /// It took too long.
    #[error("this took too long and was given up; ask for less, or try again later")]
    Slow,
    /// Too much is asked at a time.
    #[error("the server is busy; try again in a few seconds")]
    Busy,
    /// The control database cannot be read.
    #[error("keys cannot be checked at the moment; the server's log says more")]
    Unavailable,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// A mistake in nightlatch.
    #[error("this is a mistake in nightlatch; the server's log says more")]
    Bug,
}

impl Refused {
    /// The status that fits. Rooms may answer with another one.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoKey | Self::BadKey => StatusCode::UNAUTHORIZED,
            Self::LockedOut { .. } | Self::TooFast { .. } | Self::TooManyStreams => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Role { .. } | Self::SessionReads | Self::Forged | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Slow | Self::Busy | Self::Unavailable | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One word for programs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKey => "no-key",
            Self::BadKey => "bad-key",
            Self::LockedOut { .. } => "locked-out",
            Self::TooFast { .. } => "too-fast",
            Self::TooManyStreams => "too-many-streams",
            Self::Role { .. } => "role",
            Self::SessionReads => "session-reads",
            Self::Forged => "forged",
            Self::CrossSite => "cross-site",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::BodyBroken => "body-broken",
            Self::BodySlow => "body-slow",
            Self::NotAForm => "not-a-form",
            Self::WrongHost => "wrong-host",
            Self::Slow => "slow",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Stopping => "stopping",
            Self::Bug => "bug",
        }
    }

    /// When to try again, where that can be said. The gate adds the header `Retry-After` itself.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LockedOut { retry_after } | Self::TooFast { retry_after, .. } => Some(*retry_after),
            Self::TooManyStreams => Some(Duration::from_secs(30)),
            Self::Slow | Self::Busy | Self::Unavailable | Self::Stopping => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

/// Whole seconds, at least one: what `Retry-After` holds.
pub(crate) fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// In whose words a room refuses: Shodan's JSON, problem details, a page.
///
/// A function or closure `Fn(&Refused) -> Response` is one.
pub trait Words: Send + Sync + 'static {
    /// The whole answer: status, headers, body. `Retry-After` is added by the gate where it is missing.
    fn refuse(&self, refused: &Refused) -> Response;

    /// Whether the session cookie of the pages counts for `GET` and `HEAD`. Only a key counts by default.
    fn session_may_read(&self) -> bool {
        false
    }
}

impl<F: Fn(&Refused) -> Response + Send + Sync + 'static> Words for F {
    fn refuse(&self, refused: &Refused) -> Response {
        self(refused)
    }
}

/// Plain text: for routes that belong to no room, and for rooms that have no words of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainWords;

impl Words for PlainWords {
    fn refuse(&self, refused: &Refused) -> Response {
        (refused.status(), format!("{refused}\n")).into_response()
    }
}

/// Lets a room refuse, and adds what every refusal carries.
pub(crate) fn refuse(words: &dyn Words, refused: &Refused) -> Response {
    let mut response = words.refuse(refused);
    if let Some(wait) = refused.retry_after() {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert_with(|| HeaderValue::from(seconds(wait)));
    }
    response.extensions_mut().insert(RefusedCode(refused.code()));
    response
}

/// Which refusal a response is, for metrics and the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedCode(pub(crate) &'static str);
