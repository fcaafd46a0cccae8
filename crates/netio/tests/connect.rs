//! Real sockets on loopback: open, closed and filtered, and streams that misbehave.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use nightlatch_netio::{ConnectError, Dialer, Gain, Pace, StreamError, abort, read_more, write_all};
use nightlatch_scope::{AuthorizedTarget, Scope};
use socket2::{Domain, Socket, Type};
use tokio::{io::AsyncReadExt, time::Instant};

const PATIENCE: Duration = Duration::from_secs(5);

fn authorized(socket: SocketAddr) -> AuthorizedTarget {
    Scope::loopback_only().authorize(socket).unwrap()
}

fn listener() -> (TcpListener, AuthorizedTarget) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = authorized(listener.local_addr().unwrap());
    (listener, target)
}

#[tokio::test]
async fn an_open_port_gives_a_connection() {
    let (listener, target) = listener();
    let dialer = Dialer::new(Pace::default());
    let stream = dialer.connect(target, PATIENCE).await.unwrap();
    let (_peer, from) = listener.accept().unwrap();
    assert_eq!(from, stream.local_addr().unwrap());
    assert!(stream.nodelay().unwrap());
    assert_eq!(dialer.attempts(), 1);
}

#[tokio::test]
async fn a_closed_port_refuses_even_where_a_connection_could_meet_itself() {
    // Over the whole ephemeral range, some local port equals the one asked for sooner or later.
    let dialer = Dialer::new(Pace::default());
    let mut open = 0;
    for port in (32_768..61_000).step_by(2) {
        match dialer.connect(authorized((Ipv4Addr::new(127, 91, 7, 3), port).into()), PATIENCE).await {
            Err(ConnectError::Refused) => {}
            // Another test of this machine may listen on all addresses.
            Ok(_) => open += 1,
            Err(error) => panic!("{port}: {error:?}"),
        }
    }
    assert!(open < 10, "{open} connections to ports nobody listens on");
}

#[tokio::test]
async fn a_full_backlog_is_filtered() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let target = authorized(socket.local_addr().unwrap().as_socket().unwrap());
    let dialer = Dialer::new(Pace::default());
    let first = dialer.connect(target, PATIENCE).await;
    assert!(first.is_ok());
    let start = Instant::now();
    let error = dialer.connect(target, Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_broadcast_address_is_not_reported_as_closed() {
    let dialer = Dialer::new(Pace::default());
    let target = authorized((Ipv4Addr::new(127, 255, 255, 255), 9).into());
    let error = dialer.connect(target, PATIENCE).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_) | ConnectError::Permission(_)), "{error:?}");
}

#[tokio::test]
async fn the_rate_holds_for_real_connections() {
    let (_listener, target) = listener();
    let dialer = Dialer::new(Pace { rate_pps: Some(50), prefix_pps: Some(1) });
    let start = Instant::now();
    for _ in 0..11 {
        dialer.connect(target, PATIENCE).await.unwrap();
    }
    // Ten intervals of 20 ms; the cap of one network does not hold for loopback.
    let took = start.elapsed();
    assert!((Duration::from_millis(199)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_block_is_held_to_the_rate_its_owner_named() {
    let text = "[[block]]\nnet = \"127.0.0.0/8\"\nrate_pps = 50\n";
    let scope = Scope::parse(text, "scope.toml".as_ref()).unwrap();
    let (_listener, target) = listener();
    let target = scope.authorize(target.socket()).unwrap();
    let dialer = Dialer::new(Pace::default());
    let start = Instant::now();
    for _ in 0..11 {
        dialer.connect(target, PATIENCE).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(199));
}

#[tokio::test]
async fn reads_end_at_the_cap_the_deadline_or_the_end() {
    let (mut near, mut far) = tokio::io::duplex(64);
    let soon = || Instant::now() + Duration::from_millis(50);
    write_all(&mut far, &[7; 40], soon()).await.unwrap();
    let mut got = Vec::new();
    assert_eq!(read_more(&mut near, &mut got, 16, soon()).await.unwrap(), Gain::Bytes(16));
    assert_eq!(read_more(&mut near, &mut got, 16, soon()).await.unwrap(), Gain::Full);
    assert_eq!(read_more(&mut near, &mut got, 100, soon()).await.unwrap(), Gain::Bytes(24));
    assert!(matches!(read_more(&mut near, &mut got, 100, soon()).await, Err(StreamError::Deadline)));
    // Nobody reads: the pipe of 64 bytes fills.
    assert!(matches!(write_all(&mut far, &[7; 200], soon()).await, Err(StreamError::Deadline)));
    drop(far);
    while read_more(&mut near, &mut got, 1000, soon()).await.unwrap() != Gain::End {}
    assert_eq!(got.len(), 40 + 64);
}

#[tokio::test]
async fn an_aborted_connection_is_reset() {
    let (listener, target) = listener();
    let stream = Dialer::new(Pace::default()).connect(target, PATIENCE).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    abort(stream);
    peer.set_nonblocking(true).unwrap();
    let mut peer = tokio::net::TcpStream::from_std(peer).unwrap();
    let error = peer.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
