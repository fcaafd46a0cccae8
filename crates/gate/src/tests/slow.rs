use std::time::{Duration, Instant};

use nightlatch_control::Role;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::house::{House, read, settings, until};
use crate::Settings;

/// Two descriptors for each connection of the test.
fn raise_descriptors() {
    let found = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: found.maximum, maximum: found.maximum }).unwrap();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    assert!(limit > 6000, "this test needs 6,000 descriptors, the system allows {limit}");
}

#[tokio::test]
async fn two_thousand_clients_that_say_little_keep_nobody_out() {
    raise_descriptors();
    let house = House::open(Settings { head_seconds: 4, ..settings() }).await;
    let target = format!("/echo?key={}", house.key_text(Role::Viewer));
    assert_eq!(house.get(&target, &[]).await.status, 200);
    let mut idle = Vec::new();
    for n in 0..2000 {
        let mut stream = house.connect().await;
        if n % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
        }
        idle.push(stream);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let begun = Instant::now();
        assert_eq!(house.get(&target, &[]).await.status, 200);
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(house.metric("nightlatch_connections") >= 1000.0, "they were open meanwhile");
    // They are given up after their time, however little they trickle.
    for stream in idle.iter_mut().take(10) {
        let _ = stream.write_all(b"a").await;
    }
    let begun = Instant::now();
    for stream in &mut idle {
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "still open after {:?}", begun.elapsed());
    }
    until("all are gone", || house.metric("nightlatch_connections") == 0.0).await;
}

#[tokio::test]
async fn one_address_has_half_of_the_places() {
    let house = House::open(Settings { connections_max: 8, ..settings() }).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(house.connect().await);
    }
    until("four are open", || house.metric("nightlatch_connections") == 4.0).await;
    let answer = house.get("/healthz", &[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = other.connect(house.address).await.unwrap();
    let answer = super::house::exchange(other, "GET", "/healthz", &[], "").await;
    assert_eq!(answer.status, 200, "another address has a place: {answer:?}");
    drop(idle);
    until("none is open", || house.metric("nightlatch_connections") == 0.0).await;
    assert_eq!(house.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let house = House::open(Settings { request_seconds: 1, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    for (target, kind) in [
        (format!("/bytes?key={key}"), "text/plain"),
        ("/echo".to_owned(), "application/x-www-form-urlencoded"),
    ] {
        let mut stream = house.connect().await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\nke"
        );
        let begun = Instant::now();
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read(stream).await;
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_and_a_stream_is_not() {
    let house = House::open(Settings { request_seconds: 1, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    let answer = house.get(&format!("/slow?key={key}"), &[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    let mut stream = house.connect().await;
    let ask = format!("GET /stream?key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let (mut text, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < Duration::from_millis(2500) {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0, "the stream ended");
    }
    assert!(text.windows(4).filter(|window| *window == b"tick").count() > 20);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let house = House::open(Settings { write_seconds: 1, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    let mut stream = house.connect().await;
    let ask = format!("GET /large?key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    until("it is connected", || house.metric("nightlatch_connections") == 1.0).await;
    let begun = Instant::now();
    until("it is given up", || house.metric("nightlatch_connections") == 0.0).await;
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
}
