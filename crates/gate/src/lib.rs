//! The door of our own server: listener, TLS, keys, sessions, limits, log, metrics.
//!
//! ```text
//! let gate = Gate::new(app, settings)?;
//! let router = Router::new()
//!     .merge(gate.api(shodan_routes, shodan_words))   // a key, always; refused in the room's words
//!     .merge(gate.api(own_routes, problem_words))     // Words::session_may_read: pages may read it
//!     .merge(gate.open(login_and_static, page_words)) // anybody; `Option<Caller>`
//!     .merge(gate.pages(page_routes, page_words));    // a session, or 303 to /login; CSRF on changes
//! let bound = nightlatch_gate::bind(&gate).await?;    // fails early; `bound.url()` can be printed
//! bound.serve(router, shutdown).await?;
//! ```
//!
//! Handlers take [`Caller`] as an extractor and ask [`Caller::require`] for the role they need. Streams ask
//! [`Gate::stream`] first and end when their [`StreamPass`] says so.

mod admit;
mod arrival;
mod bucket;
mod caller;
mod cookie;
mod credential;
mod crowd;
mod error;
mod gate;
mod host;
mod keyring;
mod listener;
mod logging;
mod metrics;
mod network;
mod outer;
mod patience;
mod redact;
mod refused;
mod security_headers;
mod session;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod trace_parent;
mod tries;
mod unread;

pub use arrival::Arrival;
pub use caller::{Caller, Stranger};
pub use error::GateError;
pub use gate::{Collector, Gate};
pub use listener::{Bound, bind};
pub use logging::{LogFormat, Logging, LoggingError, init_logging};
pub use metrics::metric;
pub use network::{Network, NotANetwork};
pub use redact::redact;
pub use refused::{PlainWords, Refused, Words};
pub use session::{LoggedIn, safe_next};
pub use settings::{ProxyHeader, Settings};
pub use stream::StreamPass;
