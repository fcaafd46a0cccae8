//! What a server speaks when it speaks nothing current: SSL 3.0, TLS 1.0 and 1.1, and TLS 1.2 with cipher
//! suites that the TLS library left behind.
//!
//! [`hello`] makes a `ClientHello`; a [`Flight`] reads what the server answers in plain text, up to
//! `ServerHelloDone`: version, cipher suite, certificates, and whether it asks for a client certificate.
//! Then the connection is closed. No key is agreed on, no secret is made, and no request can follow: such a
//! server is recorded by its handshake alone.
//!
//! Ask with [`Offer::Tls12`] first (a server answers with the newest version it has, down to SSL 3.0);
//! where it closes or sends an alert, ask again with [`Offer::Tls10`], then [`Offer::Ssl3`].

mod flight;
mod hello;
mod suite;

pub use flight::{FLIGHT_BYTES_MAX, Flight, NOT_COMPLETED, NOT_READ, Progress};
pub use hello::{Offer, hello};
pub use suite::suite_name;
