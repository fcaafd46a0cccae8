//! What a TLS handshake needs besides input and output, and what is learnt from it.
//!
//! One connection goes like this: make a [`Recorder`], then [`client_config`] with it, and hand the
//! configuration to whatever drives the handshake. Every certificate is accepted, because a scanner is no
//! client that relies on the peer: it writes down what is shown. Then
//!
//! - after a handshake that completed: [`facts`];
//! - after one that did not, unless it [`is_foreign`]: [`failed_facts`], with [`error_text`] as the reason, and [`legacy`] to see what
//!   the server speaks instead;
//! - when the first read fails: [`after_refusal`], because in TLS 1.3 a server that demands a client
//!   certificate says so only after the handshake.

mod alert;
mod certificate;
mod config;
mod facts;
pub mod legacy;
mod refusal;

pub use alert::{alert_name, error_text};
pub use certificate::{
    CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX, CertificateError, NAME_BYTES_MAX, SANS_MAX, certificate, chain,
};
pub use config::{Alpn, ConfigError, Recorder, client_config};
pub use facts::{facts, failed_facts};
pub use refusal::{Ended, after_refusal, is_foreign};

#[cfg(test)]
mod tests;
