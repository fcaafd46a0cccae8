//! Where connections come in.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{
    Gate, GateError,
    arrival::Peer,
    crowd::{Crowd, Ticket},
    keyring::chain,
    patience::Patient,
    tls::Certificate,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Headers of one request.
const HEADERS_MAX: usize = 100;
/// How long the listener rests when the system gives it no connection, for want of descriptors say.
const REST: Duration = Duration::from_millis(100);
/// How often it is looked whether the certificate was exchanged.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(10);
/// From how long before its end on the certificate is complained about, once a day.
const CERTIFICATE_WARNING: jiff::SignedDuration = jiff::SignedDuration::from_hours(14 * 24);
/// Said to a client that speaks plain HTTP where TLS is spoken.
const NOT_TLS: &str = "this server speaks https here, not http\n";
/// Said when there is no place left.
const NO_PLACE: &str = "too many connections are open; try again in a few seconds\n";

/// A door that is open, before anybody is let in.
pub struct Bound {
    gate: Arc<Gate>,
    listener: TcpListener,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
}

/// Opens the door: reads the certificate and listens. Connections wait until [`Bound::serve`].
///
/// # Errors
/// When the certificate cannot be used or the address is taken.
pub async fn bind(gate: &Arc<Gate>) -> Result<Bound, GateError> {
    let settings = gate.settings();
    let acceptor = match (&settings.tls_certificate, &settings.tls_key) {
        (Some(certificate), Some(key)) => {
            let opened = Certificate::open(certificate, key)?;
            let certificate = gate.certificate.get_or_init(|| opened);
            Some(TlsAcceptor::from(certificate.server_config()?))
        }
        _ => None,
    };
    let address = settings.listen;
    let listener = listen(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => GateError::PortTaken { address },
        _ => GateError::Bind { address, source },
    })?;
    let address = listener.local_addr().map_err(GateError::Broken)?;
    Ok(Bound { gate: gate.clone(), listener, address, acceptor })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Only connections that are over are meant: another listener still counts as one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bound {
    /// Where the server listens; the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How a browser on this machine gets here, such as `http://127.0.0.1:8420`.
    pub fn url(&self) -> String {
        let scheme = if self.acceptor.is_some() { "https" } else { "http" };
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("{scheme}://{address}")
    }

    /// Serves until `shutdown` is over; then lets nobody in, ends streams, waits for requests in work (at most
    /// `stop_seconds`) and returns.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub async fn serve(self, router: Router, shutdown: impl Future<Output = ()>) -> Result<(), GateError> {
        let Self { gate, listener, acceptor, .. } = self;
        let settings = gate.settings();
        let door = Arc::new(Door {
            router: gate.finish(router),
            acceptor,
            head_time: Duration::from_secs(settings.head_seconds.into()),
            write_time: Duration::from_secs(settings.write_seconds.into()),
            head_bytes_max: settings.head_bytes_max,
            gate: gate.clone(),
        });
        let crowd = Crowd::new(settings.connections_max, gate.metrics.clone());
        let mut hangup = signal(SignalKind::hangup()).map_err(GateError::Broken)?;
        let mut look = tokio::time::interval(CERTIFICATE_CHECK);
        let mut complained = None;
        let mut tasks = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => door.clone().welcome(&crowd, stream, address, &mut tasks),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::warn!(target: "nightlatch::gate", error = %error, "no connection can be accepted");
                        tokio::time::sleep(REST).await;
                    }
                },
                // Tasks that are over are let go of.
                Some(_) = tasks.join_next() => {}
                _ = hangup.recv() => gate.renew_certificate(true, &mut complained).await,
                _ = look.tick() => gate.renew_certificate(false, &mut complained).await,
            }
        }
        drop(listener);
        gate.stopping.send_replace(true);
        let patience = Duration::from_secs(settings.stop_seconds.into());
        let finish = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, finish).await.is_err() {
            let left = tasks.len();
            tracing::warn!(target: "nightlatch::gate", connections = left, "connections were cut off at the end");
            tasks.shutdown().await;
        }
        Ok(())
    }
}

/// Errors of `accept` that say nothing about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

impl Gate {
    /// Reads the certificate again when it was exchanged, or when told to.
    async fn renew_certificate(self: &Arc<Self>, told: bool, complained: &mut Option<Instant>) {
        let Some(certificate) = self.certificate.get().cloned() else { return };
        let renewed = tokio::task::spawn_blocking(move || {
            let is_due = told || certificate.has_changed();
            let renewed = is_due.then(|| certificate.reload());
            (renewed, certificate.current().ends)
        });
        let Ok((renewed, ends)) = renewed.await else { return };
        match renewed {
            Some(Ok(())) => {
                tracing::info!(target: "nightlatch::gate", ends = %ends, "the certificate was read again");
            }
            Some(Err(error)) => {
                let error = chain(&error);
                tracing::error!(target: "nightlatch::gate", error, "the new certificate is no good; the old one stays");
            }
            None => {}
        }
        let day = Duration::from_secs(24 * 60 * 60);
        let is_near = ends.duration_since(jiff::Timestamp::now()) < CERTIFICATE_WARNING;
        if is_near && complained.is_none_or(|when| when.elapsed() > day) {
            *complained = Some(Instant::now());
            tracing::warn!(target: "nightlatch::gate", ends = %ends, "the certificate ends soon");
        }
    }
}

/// What every connection needs.
struct Door {
    gate: Arc<Gate>,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    head_time: Duration,
    write_time: Duration,
    head_bytes_max: usize,
}

impl Door {
    fn welcome(
        self: Arc<Self>,
        crowd: &Arc<Crowd>,
        stream: TcpStream,
        address: SocketAddr,
        tasks: &mut JoinSet<()>,
    ) {
        let proxied = self.gate.settings().is_trusted_proxy(address.ip());
        match crowd.enter(address.ip(), proxied) {
            Some(ticket) => {
                tasks.spawn(self.converse(stream, address, ticket));
            }
            // What fits into the socket's empty buffer is said without waiting; under TLS nothing can be.
            None if self.acceptor.is_none() => {
                let _ = stream.try_write(&last_words("503 Service Unavailable", NO_PLACE));
            }
            None => {}
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, address: SocketAddr, _ticket: Ticket) {
        // Small answers leave at once. What cannot be set is no reason not to serve.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = self.acceptor.clone() else {
            return self.speak(Patient::new(stream, self.write_time), Peer { address, tls: false }).await;
        };
        let handshake = async {
            let mut first = [0];
            // A TLS record begins with 22; a letter begins the method of a client that missed the `s`.
            if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
                let mut stream = stream;
                stream.write_all(&last_words("400 Bad Request", NOT_TLS)).await?;
                stream.shutdown().await?;
                return Ok(None);
            }
            acceptor.accept(Patient::new(stream, self.write_time)).await.map(Some)
        };
        let handshake = tokio::time::timeout(self.head_time, handshake);
        let result = tokio::select! {
            result = handshake => result,
            // Nothing was asked yet.
            () = self.gate.stopped() => return,
        };
        match result {
            Ok(Ok(Some(stream))) => self.speak(stream, Peer { address, tls: true }).await,
            Ok(Ok(None)) => {}
            Ok(Err(_)) | Err(_) => {
                self.gate.metrics.tls_failed.fetch_add(1, Relaxed);
            }
        }
    }

    async fn speak(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let (router, has_asked) = (&self.router, &AtomicBool::new(false));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            has_asked.store(true, Relaxed);
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let router = router.clone();
            async move {
                Ok::<Response, Infallible>(
                    router.oneshot(request).await.unwrap_or_else(|never| match never {}),
                )
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_time)
            .max_headers(HEADERS_MAX)
            .max_buf_size(self.head_bytes_max)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            result = &mut connection => Some(result),
            () = self.gate.stopped() => None,
        };
        let result = match ended {
            Some(result) => result,
            // Whoever has not asked yet is not waited for, or a slow head would keep the server from stopping.
            None if !has_asked.load(Relaxed) => return,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(target: "nightlatch::gate", error = %error, "a connection broke");
        }
    }
}

fn last_words(status: &str, text: &str) -> Vec<u8> {
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Retry-After: 5\r\nConnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}
