//! Conversations with open ports: bytes in, bytes out. Never opens a socket.
//!
//! - [`http`] writes one request and reads one answer, lenient about broken servers and strict about
//!   limits;
//! - [`tls`] holds the parts of a handshake that are not input and output: a configuration that accepts
//!   and records every certificate, facts about the connection, and a hand-made hello for servers that
//!   speak only what was given up elsewhere;
//! - [`first_bytes`] guesses what a peer speaks from the first bytes it sent;
//! - [`dialogue`] holds the conversations with services that speak neither, one folder each.
//!
//! Nothing here reads a clock, a file or a socket; whoever drives a conversation brings bytes and says
//! why they ended ([`Stopped`]). What a peer sends is data, never an error, and every buffer has a bound
//! with a name.

pub mod dialogue;
mod guess;
pub mod http;
mod stopped;
pub mod tls;

pub use guess::{Guess, first_bytes};
pub use stopped::Stopped;
