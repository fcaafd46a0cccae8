//! Houses on a street: listening sockets that are open until the street is dropped.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use nightlatch_asset::Exposure;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    RecordedPort, Recording, RecordingError,
    certificate::{CertificateError, acceptor},
    conversation::{IDLE_MAX, attend, dismiss},
};

/// Connections that may wait to be accepted, per listening socket.
const BACKLOG: u32 = 4096;
/// First byte of a TLS record that carries a handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Pause after a failed accept; out of file descriptors is the usual reason, and it passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why a street did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreetError {
    /// The runtime that serves the houses did not start.
    #[error("no threads to serve the street with")]
    Runtime(#[source] io::Error),
    /// No socket could be opened for a house.
    #[error("house `{label}` cannot listen on {address}")]
    Listen {
        /// The house.
        label: String,
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A house has no certificate to show.
    #[error("house `{label}` has no certificate")]
    Certificate {
        /// The house.
        label: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A recording is unreadable or lacks the port that a house wants.
    #[error("the recording of a house cannot be used")]
    Recording(#[from] RecordingError),
}

/// One recorded port at one address.
#[derive(Clone, Debug)]
pub struct House {
    label: String,
    port: RecordedPort,
    address: SocketAddr,
    certificate_names: Vec<String>,
    expected: Option<Expected>,
}

/// What a scan should find out about a house.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The product, as its fingerprint names it; empty when the house is no product that Nightlatch knows.
    pub product: &'static str,
    /// How far it opens.
    pub exposure: Exposure,
}

/// A house that is open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resident {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who lives there, for people.
    pub label: String,
    /// What a scan should find out; absent when nobody said.
    pub expected: Option<Expected>,
}

impl House {
    /// The first recorded port of `recording` at `address`; port 0 picks a free one, an unspecified address answers on all.
    pub fn new(recording: &Recording, address: SocketAddr) -> Result<Self, RecordingError> {
        Self::on_port(recording, None, address)
    }

    /// The recorded port `number` (absent: the first) of `recording` at `address`.
    pub fn on_port(
        recording: &Recording,
        number: Option<u16>,
        address: SocketAddr,
    ) -> Result<Self, RecordingError> {
        Ok(Self {
            label: format!("{}/{}", recording.product, recording.variant),
            port: recording.port(number)?.clone(),
            address,
            certificate_names: vec!["localhost".to_owned()],
            expected: None,
        })
    }

    /// With the names on its certificate: names or addresses; the first is the common name.
    #[must_use]
    pub fn certified_for(mut self, names: &[&str]) -> Self {
        self.certificate_names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// With a label, and what a scan should find out.
    #[must_use]
    pub fn expecting(mut self, label: &str, product: &'static str, exposure: Exposure) -> Self {
        label.clone_into(&mut self.label);
        self.expected = Some(Expected { product, exposure });
        self
    }
}

/// Houses that answer on real sockets until the value is dropped. They are served by threads of their own.
#[derive(Debug)]
pub struct Street {
    runtime: Option<Runtime>,
    residents: Vec<Resident>,
    tally: Arc<Tally>,
}

/// What a street was asked so far; several requests may share one connection.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
}

impl Street {
    /// Opens all houses, or none.
    pub fn open(houses: Vec<House>) -> Result<Self, StreetError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("street")
            .enable_all()
            .build()
            .map_err(StreetError::Runtime)?;
        let mut residents = Vec::with_capacity(houses.len());
        let tally = Arc::new(Tally::default());
        for house in houses {
            residents.push(open_house(&runtime, house, &tally)?);
        }
        Ok(Self { runtime: Some(runtime), residents, tally })
    }

    /// The open houses, in the order they were given.
    pub fn endpoints(&self) -> &[Resident] {
        &self.residents
    }

    /// Connections that came so far, to all houses together.
    pub fn connections(&self) -> u64 {
        self.tally.connections.load(Relaxed)
    }

    /// Requests that were answered so far, by all houses together.
    pub fn requests(&self) -> u64 {
        self.tally.requests.load(Relaxed)
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        // Waiting for the houses would not be allowed inside another runtime, and nobody needs it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn open_house(runtime: &Runtime, house: House, tally: &Arc<Tally>) -> Result<Resident, StreetError> {
    let House { label, port, address, certificate_names, expected } = house;
    let tls = match port.tls {
        true => {
            Some(acceptor(&port, &certificate_names).map_err(|source| certificate_error(&label, source))?)
        }
        false => None,
    };
    let _guard = runtime.enter();
    let listening = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) =
        listening.map_err(|source| StreetError::Listen { label: label.clone(), address, source })?;
    let shared = Arc::new(Shared { port, tls, tally: Arc::clone(tally) });
    runtime.spawn(serve(listener, shared));
    Ok(Resident { address, label, expected })
}

fn certificate_error(label: &str, source: CertificateError) -> StreetError {
    StreetError::Certificate { label: label.to_owned(), source: Box::new(source) }
}

/// Listens at `address`; where that port is taken, at a free one; where the system lacks that loopback address, on the usual one.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let any_port = SocketAddr::new(address.ip(), 0);
    listen_exactly(address).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => listen_exactly(any_port),
        io::ErrorKind::AddrNotAvailable if address.ip().is_loopback() => {
            listen_exactly(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
        }
        _ => Err(error),
    })
}

fn listen_exactly(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all connections to a house share.
struct Shared {
    port: RecordedPort,
    tls: Option<TlsAcceptor>,
    tally: Arc<Tally>,
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                shared.tally.connections.fetch_add(1, Relaxed);
                let shared = Arc::clone(&shared);
                // A stranger who resets the connection is no news: errors end the conversation, nothing else.
                tokio::spawn(async move { receive(stream, &shared).await.ok() });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn receive(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let Shared { port, tls, tally } = shared;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return attend(stream, port, &tally.requests).await };
    let mut first = [0];
    let peeked = timeout(IDLE_MAX, stream.peek(&mut first)).await.map_err(io::Error::other)??;
    if peeked == 1 && first != [TLS_HANDSHAKE] {
        return dismiss(stream, port.plain_on_tls.as_ref()).await;
    }
    let stream = timeout(IDLE_MAX, tls.accept(stream)).await.map_err(io::Error::other)??;
    attend(stream, port, &tally.requests).await
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::*;

    fn street(name: &str) -> Street {
        let path = format!("{}/../../recordings/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let recording = Recording::read(name, &std::fs::read_to_string(path).unwrap()).unwrap();
        Street::open(vec![House::new(&recording, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()]).unwrap()
    }

    fn say(street: &Street, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(street.endpoints()[0].address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A connection that stays open ends the reading by time; what came until then counts.
        stream.read_to_end(&mut answer).ok();
        answer
    }

    #[test]
    fn a_house_answers_as_recorded_on_a_real_socket() {
        let docker = street("docker/open");
        let answer = say(&docker, b"GET /_ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        assert!(
            answer.starts_with(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }

    #[test]
    fn one_connection_carries_several_requests() {
        let docker = street("docker/open");
        let answer =
            say(&docker, b"GET /_ping HTTP/1.1\r\n\r\nGET /version HTTP/1.1\r\nConnection: close\r\n\r\n");
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
        assert_eq!((docker.connections(), docker.requests()), (1, 2));
        assert!(text.contains("\"MinAPIVersion\""), "{text}");
    }

    #[test]
    fn greetings_come_unasked() {
        let answer = say(&street("mariadb/password"), b"");
        assert!(answer.windows(16).any(|window| window == b"10.11.19-MariaDB"), "{answer:?}");
    }

    #[test]
    fn plain_bytes_to_a_tls_house_get_the_recorded_sentence() {
        let answer = say(&street("docker/tlsverify"), b"GET / HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with(b"HTTP/1.0 400 Bad Request"), "{}", String::from_utf8_lossy(&answer));
    }

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one() {
        let first = street("redis/open");
        let address = first.endpoints()[0].address;
        let taken = street("redis/open");
        assert_ne!(taken.endpoints()[0].address, address);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let other = listen(address).unwrap().local_addr().unwrap();
        assert_eq!(other.ip(), address.ip());
        assert_ne!(other.port(), address.port());
    }
}
