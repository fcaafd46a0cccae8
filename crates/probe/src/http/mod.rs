//! One HTTP request and its answer.
//!
//! [`Request::encode`] makes the bytes to send; a [`Reader`] takes the bytes that come back, in pieces of
//! any size, and [`Reader::finish`] gives the [`HttpAnswer`](nightlatch_asset::HttpAnswer). How the bytes
//! were cut into pieces never changes the answer.
//!
//! Lenient, because what stands open is often old or odd: line feeds without carriage returns, no space
//! after the colon, folded lines, missing reasons, doubled lengths, interim answers. Strict about limits:
//! a head, its lines, a body, chunk lines and trailers each have a bound. Compressed bodies are kept as
//! they are: an answer that was asked for plain and comes compressed is not worth a bomb.

mod chunked;
mod head;
mod page;
mod reader;
mod request;

pub use page::{JSON_DEPTH_MAX, TITLE_CHARS_MAX, json, media_type, title};
pub use reader::{FIRST_BYTES_MAX, INTERIM_ANSWERS_MAX, Limits, Progress, Reader};
pub use request::{BODY_BYTES_MAX, Method, PATH_BYTES_MAX, Request, RequestError};

#[cfg(test)]
mod tests;
