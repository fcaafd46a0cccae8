use std::time::{Duration, Instant};

use jiff::Timestamp;
use nightlatch_control::{Control, Role};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::house::{House, read, settings, until};
use crate::{Gate, GateError, Settings, bind};

async fn ask(house: &House, target: &str) -> TcpStream {
    let mut stream = house.connect().await;
    let ask = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream
}

/// A stream that has begun.
async fn stream(house: &House, key: &str) -> TcpStream {
    let mut stream = ask(house, &format!("/stream?key={key}")).await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"tick\n\r\n") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
    }
    stream
}

/// Whether the rest of a stream is ticks, and the end of a body.
async fn ends_well(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    while !rest.ends_with(b"0\r\n\r\n") {
        if stream.read_buf(&mut rest).await.unwrap() == 0 {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn stopping_lets_requests_finish_and_ends_streams() {
    let mut house = House::open(settings()).await;
    let key = house.key_text(Role::Viewer);
    assert_eq!(house.get(&format!("/echo?key={key}"), &[]).await.status, 200);
    let slow = ask(&house, &format!("/slow?key={key}")).await;
    let stream = stream(&house, &key).await;
    let _idle = house.connect().await;
    let mut half = house.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let mut kept = ask(&house, "/healthz").await;
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    until("all are in work", || {
        house.gate.streams.open() == 1 && house.metric("nightlatch_requests_in_flight") == 1.0
    })
    .await;
    let begun = Instant::now();
    house.stop();
    assert_eq!(read(slow).await.status, 200, "it finishes");
    assert!(ends_well(stream).await, "it ends");
    read(kept).await;
    (&mut house.serving).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(house.address).await.is_err(), "nobody is let in");
    assert!(house.gate.is_stopping());
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut house = House::open(Settings { stop_seconds: 1, write_seconds: 60, ..settings() }).await;
    let stuck = ask(&house, &format!("/large?key={}", house.key_text(Role::Viewer))).await;
    until("it is connected", || house.metric("nightlatch_connections") == 1.0).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let begun = Instant::now();
    house.stop();
    (&mut house.serving).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(stuck);
}

#[tokio::test]
async fn a_stream_ends_when_its_key_does() {
    let house = House::open(settings()).await;
    let key = house.key_text(Role::Viewer);
    let stream = stream(&house, &key).await;
    assert_eq!(house.gate.streams.open(), 1);
    let elsewhere = Control::open(house.data.path()).unwrap();
    elsewhere.revoke_key(&key[3..11], Timestamp::now()).unwrap();
    let begun = Instant::now();
    assert!(ends_well(stream).await);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    until("the stream is over", || house.gate.streams.open() == 0).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let house = House::open(settings()).await;
    let same = Settings { listen: house.address, ..settings() };
    let gate = Gate::new(house.app.clone(), same).unwrap();
    let Err(error) = bind(&gate).await else { panic!("two servers on one port") };
    assert!(matches!(error, GateError::PortTaken { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&house.address.to_string()) && text.contains("server.listen"), "{text}");
    let elsewhere = Settings { listen: "192.0.2.1:1".parse().unwrap(), behind_proxy: true, ..settings() };
    let gate = Gate::new(house.app.clone(), elsewhere).unwrap();
    assert!(matches!(bind(&gate).await, Err(GateError::Bind { .. })));
}

#[test]
fn the_address_for_people_is_one_that_works() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let data = tempfile::tempdir().unwrap();
    let everywhere = Settings { listen: "0.0.0.0:0".parse().unwrap(), behind_proxy: true, ..settings() };
    let gate = Gate::new(super::house::app(data.path()), everywhere).unwrap();
    let bound = runtime.block_on(bind(&gate)).unwrap();
    assert_eq!(bound.url(), format!("http://127.0.0.1:{}", bound.address().port()));
    assert_ne!(bound.address().port(), 0);
}
