use nightlatch_control::{KeySpec, Role};
use tokio::io::AsyncWriteExt;

use super::house::{House, read, settings, until};
use crate::Settings;

#[tokio::test]
async fn each_key_has_its_own_limit() {
    let house = House::open(Settings { requests_per_minute: 4, ..settings() }).await;
    let own = house.key(KeySpec { requests_per_minute: Some(2), ..KeySpec::default() }).text;
    let usual = house.key_text(Role::Viewer);
    for (key, allowed) in [(own, 2), (usual, 4)] {
        for _ in 0..allowed {
            assert_eq!(house.get(&format!("/echo?key={key}"), &[]).await.status, 200);
        }
        let answer = house.get(&format!("/echo?key={key}"), &[]).await;
        assert_eq!(answer.status, 429, "{answer:?}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60 / allowed).contains(&wait), "{answer:?}");
        assert!(answer.body.starts_with("{\"error\":"), "in the room's words: {answer:?}");
    }
}

#[tokio::test]
async fn strangers_share_the_limit_of_their_address() {
    let house = House::open(Settings { strangers_per_minute: 3, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    assert_eq!(house.get(&format!("/echo?key={key}"), &[]).await.status, 200);
    assert_eq!(house.get("/echo", &[]).await.status, 401);
    assert_eq!(house.get("/login", &[]).await.status, 200);
    for target in ["/echo", "/login", "/", "/echo?key=wrong"] {
        let answer = house.get(target, &[]).await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("20")), "{target} {answer:?}");
    }
    assert_eq!(
        house.get(&format!("/echo?key={key}"), &[]).await.status,
        200,
        "who has a key does not notice"
    );
    assert_eq!(house.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn who_comes_with_a_good_key_for_the_first_time_is_no_crowd() {
    let house =
        House::open(Settings { strangers_per_minute: 3, requests_per_minute: 1000, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    let target = format!("/echo?key={key}");
    let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (address, request) = (house.address, request.clone());
        crowd.spawn(async move {
            if number > 0 {
                // The first has been heard, and its key is being proven.
                tokio::time::sleep(std::time::Duration::from_millis(8)).await;
            }
            let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
            connection.write_all(request.as_bytes()).await.unwrap();
            read(connection).await.status
        });
    }
    assert_eq!(crowd.join_all().await, vec![200; 40]);
    assert_eq!(house.metric("nightlatch_key_proofs_total"), 1.0);
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_a_clear_status() {
    let house = House::open(Settings { body_bytes_max: 100_000, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    let target = format!("/bytes?key={key}");
    let (fits, large) = ("a".repeat(100_000), "a".repeat(100_001));
    assert_eq!(house.send("POST", &target, &[], &fits).await.body, "100000");
    let answer = house.send("POST", &target, &[], &large).await;
    assert_eq!((answer.status, answer.body.contains("100000 bytes")), (413, true), "{answer:?}");
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let answer = house.send("POST", &target, &["Transfer-Encoding: chunked"], &chunked).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    let answer = house.post_form("/echo", &[], &format!("key={key}&a={large}")).await;
    assert_eq!((answer.status, answer.body.starts_with("{\"error\":")), (413, true), "{answer:?}");
    let answer = house.send("POST", &target, &["Content-Length: 99999999999999"], "a").await;
    assert_eq!(answer.status, 413, "it is not waited for: {answer:?}");

    let answer = house.post_form("/login", &[], &format!("a={large}&key=x&b={large}")).await;
    assert_eq!(answer.status, 413, "a stranger may send less: {answer:?}");
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", 20_000, "a".repeat(20_000));
    let form = "Content-Type: application/x-www-form-urlencoded";
    let answer = house.send("POST", "/login", &["Transfer-Encoding: chunked", form], &chunked).await;
    assert_eq!(answer.status, 413, "{answer:?}");

    let long = format!("X-Long: {}", "a".repeat(300_000));
    assert_eq!(house.get(&target, &[&long]).await.status, 431);
    let many: Vec<String> = (0..200).map(|n| format!("X-{n}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(house.get(&target, &many).await.status, 431);
    let answer = house.get(&format!("/echo?key={key}&query={}", "a".repeat(100_000)), &[]).await;
    assert_eq!(answer.status, 414, "{answer:?}");
    assert_eq!(house.get(&format!("/echo?key={key}"), &[]).await.status, 200, "others are served");
}

#[tokio::test]
async fn what_is_no_http_gets_no_further() {
    let house = House::open(settings()).await;
    let key = house.key_text(Role::Viewer);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = house.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read(stream).await;
        assert!([0, 400, 505].contains(&answer.status), "{bytes:?} {answer:?}");
    }
    assert_eq!(house.get(&format!("/echo?key={key}"), &[]).await.status, 200);
}

#[tokio::test]
async fn a_key_has_half_of_the_streams() {
    let house = House::open(Settings { streams_max: 4, ..settings() }).await;
    let target = format!("/stream?key={}", house.key_text(Role::Viewer));
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = house.connect().await;
        let ask = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        open.push(stream);
    }
    until("two streams", || house.gate.streams.open() == 2).await;
    let answer = house.get(&target, &[]).await;
    assert_eq!((answer.status, answer.body.contains("streams")), (429, true), "{answer:?}");
    drop(open);
    until("clients that went away give their streams back", || house.gate.streams.open() == 0).await;
}
