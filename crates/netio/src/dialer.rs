use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nightlatch_scope::AuthorizedTarget;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{ConnectError, PrefixCap, RateLimiter};

/// How fast connections are opened, whoever opens them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    /// Most connections a second in all; `None` is no limit.
    pub rate_pps: Option<u32>,
    /// Most connections a second to one /24 (IPv4) or /64 (IPv6); `None` is no limit. This machine's own
    /// loopback network is exempt: nobody else's network carries it.
    pub prefix_pps: Option<u32>,
}

/// Opens TCP connections to authorised targets, at the pace agreed.
///
/// One dialer serves a whole scan, so that discovery and conversations share its limits; blocks of the scope
/// that name a rate of their own are held to that as well.
#[derive(Debug)]
pub struct Dialer {
    rate: Option<RateLimiter>,
    prefix: Option<PrefixCap>,
    blocks: Mutex<HashMap<u32, Arc<RateLimiter>>>,
    attempts: AtomicU64,
}

/// Waits between attempts when this machine is out of descriptors, ports or memory: 10 ms, doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
/// Attempts before the lack is reported; about five seconds in all.
const BACKOFF_ATTEMPTS: u32 = 9;

impl Dialer {
    /// A dialer that keeps `pace`.
    pub fn new(pace: Pace) -> Self {
        Self {
            rate: pace.rate_pps.map(RateLimiter::new),
            prefix: pace.prefix_pps.map(PrefixCap::new),
            blocks: Mutex::new(HashMap::new()),
            attempts: AtomicU64::new(0),
        }
    }

    /// Connections attempted so far: SYN packets sent, retransmissions aside.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Opens a connection to `target`, once the pace allows it. `TCP_NODELAY` is set.
    ///
    /// - `patience`: how long an answer may take, counted from the moment of sending.
    ///
    /// # Errors
    /// [`ConnectError::LocalResources`] only after waiting and trying again for about five seconds.
    pub async fn connect(
        &self,
        target: AuthorizedTarget,
        patience: Duration,
    ) -> Result<TcpStream, ConnectError> {
        let mut wait = BACKOFF_FIRST;
        let mut attempt = 1;
        loop {
            self.ready(target).await;
            match self.connect_now(target, patience).await {
                Err(ConnectError::LocalResources(_)) if attempt < BACKOFF_ATTEMPTS => {
                    sleep(wait).await;
                    wait *= 2;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Opens a connection at once. Only for a caller that has just waited for [`Dialer::ready`]: it lets
    /// the wait be given up while nothing was sent, and what was sent be waited for.
    ///
    /// # Errors
    /// As [`Dialer::connect`], without trying again.
    pub async fn connect_now(
        &self,
        target: AuthorizedTarget,
        patience: Duration,
    ) -> Result<TcpStream, ConnectError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        open(target.socket(), patience).await
    }

    /// Waits until every limit allows one more connection; the widest limit last, so that no slot of it is
    /// held while waiting for a narrower one.
    pub async fn ready(&self, target: AuthorizedTarget) {
        if let (Some(block), Some(rate_pps)) = (target.block(), target.rate_pps()) {
            let limiter = {
                let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
                blocks.entry(block).or_insert_with(|| Arc::new(RateLimiter::new(rate_pps))).clone()
            };
            limiter.ready().await;
        }
        let ip = target.socket().ip();
        if let Some(prefix) = self.prefix.as_ref().filter(|_| !ip.is_loopback()) {
            prefix.ready(ip).await;
        }
        if let Some(rate) = &self.rate {
            rate.ready().await;
        }
    }
}

async fn open(address: SocketAddr, patience: Duration) -> Result<TcpStream, ConnectError> {
    let socket = begin(address).map_err(ConnectError::from_io)?;
    // A neighbour's refusal has often arrived by now; asking first saves the event loop a registration.
    if let Some(error) = socket.take_error().map_err(ConnectError::from_io)? {
        return Err(ConnectError::from_io(error));
    }
    let stream = TcpStream::from_std(socket.into()).map_err(ConnectError::from_io)?;
    match timeout(patience, stream.writable()).await {
        Err(_) => return Err(ConnectError::Timeout),
        Ok(ready) => ready.map_err(ConnectError::from_io)?,
    }
    if let Some(error) = stream.take_error().map_err(ConnectError::from_io)? {
        return Err(ConnectError::from_io(error));
    }
    // A connection to a local port that nobody listens on can meet itself (simultaneous open): closed.
    if stream.local_addr().is_ok_and(|local| local == address) {
        return Err(ConnectError::Refused);
    }
    Ok(stream)
}

/// Sends the SYN and returns at once.
fn begin(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new_raw(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}
