//! One request and its answer.

use std::{fmt, time::Duration};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::{Client, client::Body};
use serde::Serialize;
use serde_json::{Value, ser::PrettyFormatter};

/// Only names, labels and annotations, not what is inside; source: Kubernetes API concepts, "Metadata-only fetches".
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Why an answer is not there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The server's status, and what it says of it.
    Status(u16, String),
    /// The connection broke, or never was.
    Broken(String),
    /// The answer is longer than is read.
    TooLong(usize),
    /// The answer is no JSON.
    NotJson(String),
    /// No answer in time.
    Slow(Duration),
    /// The time for everything is over.
    OutOfTime,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(403, message) => write!(f, "not allowed: {message}"),
            Self::Status(401, message) => write!(f, "not authenticated: {message}"),
            Self::Status(code, message) => write!(f, "the server answers {code}: {message}"),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::TooLong(limit) => write!(f, "the answer is longer than {} MB", limit / 1_000_000),
            Self::NotJson(why) => write!(f, "the answer is no JSON: {why}"),
            Self::Slow(time) => write!(f, "no answer within {} s", time.as_secs()),
            Self::OutOfTime => write!(f, "the time for reading the cluster is over"),
        }
    }
}

/// Asks, reads at most `limit` bytes, and gives the JSON with the number of its bytes.
pub(crate) async fn get(
    client: &Client,
    path: &str,
    metadata_only: bool,
    limit: usize,
) -> Result<(Value, usize), Refusal> {
    let accept = if metadata_only { METADATA_ONLY } else { "application/json" };
    let request = http::Request::get(path)
        .header(http::header::ACCEPT, accept)
        .body(Body::empty())
        .map_err(|error| Refusal::Broken(error.to_string()))?;
    let response = client.send(request).await.map_err(|error| Refusal::Broken(super::chain(&error)))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::TooLong(limit)
        } else {
            Refusal::Broken(error.to_string())
        }
    })?;
    let bytes = body.to_bytes();
    if !(200..300).contains(&status) {
        return Err(Refusal::Status(status, message_of(&bytes)));
    }
    let value = serde_json::from_slice(&bytes).map_err(|error| Refusal::NotJson(error.to_string()))?;
    Ok((value, bytes.len()))
}

/// What a `Status` object says, cut; nothing of an answer that is none.
fn message_of(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let message = value.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    message.chars().take(300).collect()
}

/// JSON indented by four, as `kubectl get -o json` writes it.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
    // Writing a value to memory cannot fail.
    let _ = value.serialize(&mut writer);
    out.push(b'\n');
    out
}
