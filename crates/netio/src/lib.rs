//! The only place that opens a connection to a target.
//!
//! [`Dialer`] takes an [`AuthorizedTarget`](nightlatch_scope::AuthorizedTarget) and nothing else, waits until
//! the pace allows, and tells open, closed and filtered apart. Beside it: names to addresses in bounded time,
//! the budget of file descriptors, and reads and writes with a deadline and a cap. Beneath all that, [`raw`]: packets without a connection, and the only
//! unsafe code.

mod ask_resolver;
mod connect_error;
mod descriptors;
mod dialer;
mod pace;
pub mod raw;
mod resolve;
mod stream;

pub use ask_resolver::ask_resolver;
pub use connect_error::ConnectError;
pub use descriptors::{Descriptors, descriptor_budget};
pub use dialer::{Dialer, Pace};
pub use pace::{PrefixCap, RateLimiter};
pub use resolve::{ADDRESSES_MAX, ResolveError, resolve};
pub use stream::{Gain, StreamError, abort, read_more, write_all};
