//! The line to one endpoint: connections opened as needed, one at a time, under one deadline and one
//! budget of requests.

use std::time::Duration;

use nightlatch_asset::{Answer, ClientCertificate, Failure, Tls};
use nightlatch_netio::Dialer;
use nightlatch_probe::{
    Stopped,
    http::{Limits, Progress, Reader, Request},
    tls::{Alpn, Ended, after_refusal, legacy::Offer},
};
use nightlatch_scope::AuthorizedTarget;
use tokio::{net::TcpStream, time::Instant};

use super::{
    channel::{Buffer, Channel, Piece},
    handshake::{self, Outcome},
};

/// Whether the endpoint is spoken to in the clear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrapping {
    Plain,
    Tls,
}

/// Bounds of one conversation.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Connect and handshake, each.
    pub connect: Duration,
    /// One answer.
    pub answer: Duration,
    /// The whole conversation with an endpoint.
    pub endpoint: Duration,
    /// Requests to one endpoint, canary included.
    pub requests: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(5),
            endpoint: Duration::from_secs(30),
            requests: 120,
        }
    }
}

/// One endpoint being talked to.
pub(super) struct Line<'a> {
    dialer: &'a Dialer,
    target: AuthorizedTarget,
    /// Name for SNI and `Host`, where a name was asked for.
    name: Option<&'a str>,
    limit: Limit,
    deadline: Instant,
    wrapping: Wrapping,
    open: Option<Channel>,
    /// A connection kept open has answered before; its first failure may only mean that it was closed.
    used: bool,
    requests_left: u32,
    handshake_patience: Duration,
    buffer: Buffer,
    /// Facts of the first handshake that completed or told something.
    pub(super) tls: Option<Tls>,
}

impl<'a> Line<'a> {
    /// A line that begins with the connection that discovery opened.
    pub(super) fn new(
        dialer: &'a Dialer,
        target: AuthorizedTarget,
        name: Option<&'a str>,
        stream: TcpStream,
        limit: Limit,
    ) -> Self {
        Self {
            dialer,
            target,
            name,
            limit,
            deadline: Instant::now() + limit.endpoint,
            wrapping: Wrapping::Plain,
            open: Some(Channel::Plain(stream)),
            used: false,
            requests_left: limit.requests,
            handshake_patience: limit.connect,
            buffer: Buffer::new(),
            tls: None,
        }
    }

    /// Where it leads.
    pub(super) fn target(&self) -> AuthorizedTarget {
        self.target
    }

    /// True when nothing more may be asked.
    pub(super) fn exhausted(&self) -> bool {
        self.requests_left == 0 || Instant::now() >= self.deadline
    }

    /// Closes what is open; facts of a handshake that led nowhere are kept. The next question dials anew with `wrapping`.
    pub(super) async fn switch(&mut self, wrapping: Wrapping) {
        self.hang_up().await;
        self.wrapping = wrapping;
    }

    /// Closes what is open.
    pub(super) async fn hang_up(&mut self) {
        if let Some(channel) = self.open.take() {
            channel.close().await;
        }
    }

    /// What the peer says unasked within `patience`; empty when it says nothing.
    pub(super) async fn listen(&mut self, patience: Duration) -> Vec<u8> {
        let until = self.until(patience);
        let Some(channel) = self.open.as_mut() else { return Vec::new() };
        match channel.read(&mut self.buffer, until).await {
            Piece::Bytes(bytes) => bytes.to_vec(),
            Piece::End(Stopped::Timeout, _) => Vec::new(),
            Piece::End(..) => {
                self.open = None;
                Vec::new()
            }
        }
    }

    /// Shakes hands for the first time: on the open connection, or on a new one. From now on every new
    /// connection of this line is wrapped. Where the usual hello is not understood, the others are tried, so
    /// that a server of old is recorded and not lost.
    ///
    /// - `patience`: how long the peer may take to show any sign of TLS.
    pub(super) async fn handshake(&mut self, patience: Duration) -> Outcome {
        self.wrapping = Wrapping::Tls;
        self.handshake_patience = patience.min(self.limit.connect);
        let mut failure = self.wrap_first(Alpn::Http1).await;
        if matches!(&failure, Some(Failure::Tls(reason)) if reason.raw() == "alert: no_application_protocol")
        {
            // Nothing we ask next would be understood, but the certificate tells who it is.
            failure = self.wrap_first(Alpn::Http2).await;
        }
        self.handshake_patience = self.limit.connect;
        match failure {
            None if self.tls.as_ref().is_some_and(speaks_only_http2) => Outcome::Spoken,
            None => Outcome::Open,
            Some(Failure::ClientCertificate) => Outcome::Spoken,
            Some(failure) if self.tls.is_some() => {
                if matches!(failure, Failure::Tls(_)) && !self.tls_is_known() {
                    self.shake_hands_of_old().await;
                }
                Outcome::Spoken
            }
            Some(_) => Outcome::Foreign,
        }
    }

    /// A certificate or a version was seen.
    fn tls_is_known(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.chain.is_empty() || !tls.version.is_empty())
    }

    async fn wrap_first(&mut self, alpn: Alpn) -> Option<Failure> {
        let stream = match self.open.take() {
            Some(Channel::Plain(stream)) => stream,
            Some(Channel::Tls(_)) | None => match self.dial().await {
                Ok(stream) => stream,
                Err(failure) => return Some(failure),
            },
        };
        self.wrap(stream, alpn).await.err()
    }

    async fn shake_hands_of_old(&mut self) {
        for offer in [Offer::Tls12, Offer::Tls10, Offer::Ssl3] {
            let Ok(stream) = self.dial().await else { return };
            let until = self.until(self.limit.connect);
            if let Some(mut tls) = handshake::of_old(stream, offer, self.name, until, &mut self.buffer).await
            {
                if tls.failure.is_none() {
                    tls.failure = self.tls.take().and_then(|known| known.failure);
                }
                self.tls = Some(tls);
                return;
            }
        }
    }

    /// Wraps the open plain connection in TLS because the protocol agreed on it; later ones begin plain.
    pub(super) async fn start_tls(&mut self) -> Result<(), Failure> {
        match self.open.take() {
            Some(Channel::Plain(stream)) => self.wrap(stream, Alpn::None).await,
            other => {
                self.open = other;
                Err(Failure::Closed)
            }
        }
    }

    /// Asks one HTTP question.
    pub(super) async fn http(&mut self, request: &Request, limits: Limits, head_only: bool) -> Answer {
        let Ok(bytes) = request.encode() else { return Answer::Failed(Failure::Budget) };
        let reused = self.used && self.open.is_some();
        let answer = self.http_once(&bytes, limits, head_only).await;
        let stale = reused && matches!(answer, Answer::Failed(Failure::Closed | Failure::Reset));
        if stale && !self.exhausted() {
            return self.http_once(&bytes, limits, head_only).await;
        }
        answer
    }

    async fn http_once(&mut self, bytes: &[u8], limits: Limits, head_only: bool) -> Answer {
        if self.exhausted() {
            return Answer::Failed(Failure::Budget);
        }
        if let Err(failure) = self.ensure_open().await {
            return Answer::Failed(failure);
        }
        self.requests_left -= 1;
        let until = self.until(self.limit.answer);
        let Some(mut channel) = self.open.take() else { return Answer::Failed(Failure::Closed) };
        // A server that has answered and closed already may refuse the rest of the request: read all the same.
        let written = channel.write(bytes, until).await;
        let mut reader = Reader::new(limits, head_only);
        let (stopped, error) = loop {
            match channel.read(&mut self.buffer, until).await {
                Piece::Bytes(piece) => {
                    if reader.push(piece) != Progress::More {
                        break (Stopped::Enough, None);
                    }
                }
                Piece::End(stopped, error) => break (stopped, error),
            }
        };
        let reusable = reader.reusable();
        let answer = reader.finish(stopped);
        self.used = true;
        if reusable {
            self.open = Some(channel);
        } else {
            channel.close().await;
        }
        match answer {
            Ok(answer) => Answer::Http(answer),
            Err(failure) => {
                let failure =
                    if written.is_err() && failure == Failure::Closed { Failure::Reset } else { failure };
                Answer::Failed(self.refused(failure, stopped, error))
            }
        }
    }

    /// In TLS 1.3 a server that demands a certificate says so at the first read: gives the failure that is meant.
    pub(super) fn refused(
        &mut self,
        failure: Failure,
        stopped: Stopped,
        error: Option<std::io::Error>,
    ) -> Failure {
        let Some(tls) = self.tls.as_mut().filter(|_| self.wrapping == Wrapping::Tls) else { return failure };
        if !matches!(failure, Failure::Closed | Failure::Reset) {
            return failure;
        }
        let ended = match (&error, stopped) {
            (Some(error), _) => Ended::from(error),
            (None, Stopped::Closed) => Ended::Eof,
            (None, Stopped::Reset) => Ended::Reset,
            (None, _) => Ended::Other,
        };
        // A bare end is how some servers refuse who has no certificate, and how others, which merely ask for one, refuse
        // bytes that are not of their protocol. What else is asked will tell.
        if matches!(ended, Ended::Eof | Ended::Reset) {
            return failure;
        }
        after_refusal(tls, &ended).unwrap_or(failure)
    }

    /// Nothing was ever answered inside TLS: a request for a certificate, if there was one, was a demand. Gives whether
    /// there was.
    pub(super) fn insist_on_certificate(&mut self) -> bool {
        let Some(tls) = self.tls.as_mut() else { return false };
        after_refusal(tls, &Ended::Eof).is_some()
    }

    /// A connection on which nothing was asked yet.
    pub(super) async fn fresh(&mut self) -> Result<(), Failure> {
        if self.used {
            self.hang_up().await;
        }
        self.ensure_open().await?;
        self.used = true;
        Ok(())
    }

    /// The end of `patience` from now, or of the conversation if that is earlier.
    pub(super) fn until(&self, patience: Duration) -> Instant {
        self.deadline.min(Instant::now() + patience)
    }

    /// Makes sure a connection is open, wrapped as agreed.
    pub(super) async fn ensure_open(&mut self) -> Result<(), Failure> {
        if self.open.is_some() {
            return Ok(());
        }
        let stream = self.dial().await?;
        match self.wrapping {
            Wrapping::Plain => {
                self.open = Some(Channel::Plain(stream));
                Ok(())
            }
            Wrapping::Tls => self.wrap(stream, Alpn::Http1).await,
        }
    }

    /// The open connection and the buffer, for a dialogue.
    pub(super) fn parts(&mut self) -> Option<(&mut Channel, &mut Buffer)> {
        self.open.as_mut().map(|channel| (channel, &mut self.buffer))
    }

    /// Counts one more request against the budget.
    pub(super) fn spend(&mut self) {
        self.requests_left = self.requests_left.saturating_sub(1);
    }

    /// Whether the server demanded a client certificate.
    pub(super) fn demands_certificate(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_certificate == ClientCertificate::Required)
    }

    async fn dial(&mut self) -> Result<TcpStream, Failure> {
        if Instant::now() >= self.deadline {
            return Err(Failure::Budget);
        }
        self.used = false;
        self.dialer.connect(self.target, self.limit.connect).await.map_err(|e| handshake::failure(&e))
    }

    async fn wrap(&mut self, stream: TcpStream, alpn: Alpn) -> Result<(), Failure> {
        let until = self.until(self.handshake_patience);
        let (result, tls) = handshake::current(stream, self.target, self.name, alpn, until).await;
        if let Some(tls) = tls {
            // A later handshake of the same endpoint tells nothing new, unless the first one failed.
            if self.tls.as_ref().is_none_or(|known| known.failure.is_some()) {
                self.tls = Some(tls);
            }
        }
        self.open = Some(Channel::Tls(Box::new(result?)));
        Ok(())
    }
}

/// The server insists on HTTP/2, which is recognised and not spoken.
fn speaks_only_http2(tls: &Tls) -> bool {
    tls.alpn.as_ref().is_some_and(|alpn| alpn.raw() == "h2")
}
