//! One TLS handshake: recorded whatever comes of it.

use nightlatch_asset::{Failure, Tls};
use nightlatch_netio::ConnectError;
use nightlatch_probe::{
    Stopped,
    tls::{
        self, Alpn, Ended, Recorder,
        legacy::{self, Flight, Offer},
    },
};
use nightlatch_scope::AuthorizedTarget;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::channel::{Buffer, Channel, Piece};

/// What a first handshake came to.
pub(super) enum Outcome {
    /// A connection that questions can be asked on.
    Open,
    /// TLS is spoken, but not to us: no client certificate, too old, or an alert.
    Spoken,
    /// No sign of TLS.
    Foreign,
}

/// Shakes hands on `stream`; gives the connection or why there is none, and what was learnt either way
/// (nothing where the peer showed no sign of TLS).
///
/// `name` is sent as server name; an address never is (RFC 6066, section 3).
pub(super) async fn current(
    stream: TcpStream,
    target: AuthorizedTarget,
    name: Option<&str>,
    alpn: Alpn,
    until: Instant,
) -> (Result<TlsStream<TcpStream>, Failure>, Option<Tls>) {
    let recorder = Recorder::new();
    let Ok(config) = tls::client_config(&recorder, alpn) else {
        return (Err(Failure::Tls("no TLS in this build".into())), None);
    };
    let server_name = name
        .and_then(|name| ServerName::try_from(name.to_owned()).ok())
        .unwrap_or_else(|| ServerName::IpAddress(target.socket().ip().into()));
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let error = match timeout_at(until, connector.connect(server_name, stream)).await {
        Err(_) => return (Err(Failure::Timeout), None),
        Ok(Ok(stream)) => {
            let facts = tls::facts(&recorder, stream.get_ref().1);
            return (Ok(stream), Some(facts));
        }
        Ok(Err(error)) => error,
    };
    let ended = Ended::from(&error);
    match &ended {
        // Somebody else lives here.
        Ended::Tls(reason) if recorder.chain().is_empty() && tls::is_foreign(reason) => {
            (Err(Failure::Foreign(Vec::new())), None)
        }
        Ended::Tls(reason) => {
            let mut facts = tls::failed_facts(&recorder, reason);
            let failure = tls::after_refusal(&mut facts, &ended);
            (Err(failure.unwrap_or_else(|| Failure::Tls(tls::error_text(reason).into()))), Some(facts))
        }
        _ if recorder.asked_for_certificate() || !recorder.chain().is_empty() => {
            let mut facts = tls::failed_facts(&recorder, &rustls::Error::HandshakeNotComplete);
            let failure = tls::after_refusal(&mut facts, &ended);
            (Err(failure.unwrap_or(Failure::Closed)), Some(facts))
        }
        Ended::Eof => (Err(Failure::Closed), None),
        _ => (Err(Failure::Reset), None),
    }
}

/// Offers what was given up elsewhere and reads the plain part of the answer; nothing more is said.
pub(super) async fn of_old(
    stream: TcpStream,
    offer: Offer,
    name: Option<&str>,
    until: Instant,
    buffer: &mut Buffer,
) -> Option<Tls> {
    let mut channel = Channel::Plain(stream);
    channel.write(&legacy::hello(offer, name, super::random()), until).await.ok()?;
    let mut flight = Flight::new();
    let stopped = loop {
        match channel.read(buffer, until).await {
            Piece::Bytes(bytes) => {
                if flight.push(bytes) == legacy::Progress::Done {
                    break Stopped::Enough;
                }
            }
            Piece::End(stopped, _) => break stopped,
        }
    };
    flight.finish(stopped).ok()
}

/// Why there is no connection.
pub(super) fn failure(error: &ConnectError) -> Failure {
    match error {
        ConnectError::Refused => Failure::Refused,
        ConnectError::Reset => Failure::Reset,
        _ => Failure::Timeout,
    }
}
