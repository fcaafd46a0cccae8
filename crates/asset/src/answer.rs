use nightlatch_untrusted::Text;

/// What one request gave back: the value that probes make and fingerprints judge.
///
/// What a remote host sends is data, never an error; a [`Failure`] says why there is no data.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An HTTP response, whole or cut.
    Http(HttpAnswer),
    /// The outcome of a binary or line-based conversation.
    Dialogue(DialogueAnswer),
    /// Nothing usable.
    Failed(Failure),
}

/// An HTTP response as received.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpAnswer {
    /// Status code, 100 to 999.
    pub status: u16,
    /// Minor version: 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor_version: u8,
    /// Status line and header lines as they came, without the empty line; at most the reader's head limit.
    pub head: Vec<u8>,
    /// Header names in lower case with their values, trimmed, in order of arrival.
    pub headers: Vec<(String, Text)>,
    /// Body after removal of the transfer coding; at most the request's cap.
    pub body: Vec<u8>,
    /// Why reading stopped.
    pub end: BodyEnd,
}

impl HttpAnswer {
    /// Value of the first header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.raw())
    }
}

/// Why reading a body stopped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BodyEnd {
    /// It was complete by its own framing.
    #[default]
    Complete,
    /// The cap was reached; more was on its way.
    Capped,
    /// The server closed or reset the connection before the promised end.
    Cut,
    /// The deadline passed.
    Timeout,
    /// The framing made no sense from some point on (a chunk size that is no number, say).
    Malformed,
}

/// The outcome of a binary or line-based conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DialogueAnswer {
    /// Typed facts, a JSON object; `{"recognised": false}` when the peer spoke something else.
    pub facts: serde_json::Value,
    /// What the peer said, as text for searching: printable, bounded, without secrets or our own address.
    pub text: Text,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The connection, or the answer, did not come in time.
    Timeout,
    /// The peer reset the connection before a usable byte.
    Reset,
    /// The peer closed the connection before a byte.
    Closed,
    /// The TLS handshake failed, with the reason.
    Tls(Text),
    /// The peer refused to go on without a client certificate.
    ClientCertificate,
    /// The peer sent bytes that are not the expected protocol; the first of them.
    Foreign(Vec<u8>),
    /// The total deadline or request budget of the endpoint was used up before it was asked.
    Budget,
}
