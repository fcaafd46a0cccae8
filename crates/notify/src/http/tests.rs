use std::{
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;

use super::*;
use crate::{
    receiver::{Pki, Receiver, Temper},
    tls::client_config,
};

fn http(allow: &[&str], ca: Option<&Path>) -> Http {
    let allow: Vec<_> = allow.iter().map(|range| range.parse().unwrap()).collect();
    Http::new(client_config("ca", ca).unwrap(), Policy::new(&allow)).within(Duration::from_secs(5))
}

async fn post(http: &Http, url: &str) -> Result<u16, NotifyError> {
    http.post(&http.read_url(url)?, HeaderMap::new(), "{}".to_owned()).await
}

/// Posts to a receiver of that temper, which is allowed.
async fn met(temper: Temper) -> Result<u16, NotifyError> {
    let receiver = Receiver::plain(temper).await;
    post(&http(&["127.0.0.0/8"], None), &format!("http://{}/T/B/SECRET?token=SECRET", receiver.address)).await
}

#[tokio::test]
async fn answers_decide_whether_it_is_tried_again() {
    async fn check(answer: &'static str, may_pass: bool, retry_after: Option<u64>) {
        let error = met(Temper::Says(answer)).await.unwrap_err();
        assert_eq!(
            (error.may_pass(), error.retry_after()),
            (may_pass, retry_after.map(Duration::from_secs)),
            "{answer}"
        );
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error}");
    }
    for good in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 202 Yes\r\n\r\nbody",
    ] {
        met(Temper::Says(good)).await.unwrap();
    }
    check("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", true, None).await;
    check("HTTP/1.1 503 Later\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n", true, Some(120)).await;
    check("HTTP/1.1 429 Slow down\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", true, Some(7)).await;
    check("HTTP/1.1 429 Slow down\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", true, None).await;
    check("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", false, None).await;
    check("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", false, None).await;
    check("SSH-2.0-OpenSSH_9.2\r\n", true, None).await;
    check("HTTP/1.1 200 OK\r\n", true, None).await;
    check("", true, None).await;
    let error = met(Temper::HangsUp).await.unwrap_err();
    assert!(error.may_pass() && !error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn slow_and_endless_receivers_are_left() {
    let receiver = Receiver::plain(Temper::Silent).await;
    let http = http(&["127.0.0.1"], None).within(Duration::from_millis(300));
    let url = format!("http://{}/", receiver.address);
    assert!(matches!(post(&http, &url).await, Err(NotifyError::Slow { .. })));
    // The status is all that is wanted of an endless body, and an endless head is given up.
    assert_eq!(met(Temper::Endless("HTTP/1.1 200 OK\r\n\r\n")).await, Ok(200));
    let error = met(Temper::Endless("HTTP/1.1 200 OK\r\nx: ")).await.unwrap_err();
    assert!(error.may_pass(), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for to in [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "//[::1]/",
        "file:///etc/passwd",
        "/x",
    ] {
        let answer = format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let receiver = Receiver::plain(Temper::Says(answer.leak())).await;
        let error =
            post(&http(&["127.0.0.0/8"], None), &format!("http://{}/", receiver.address)).await.unwrap_err();
        assert!(matches!(error, NotifyError::Redirected { status: 307, .. }), "{error}");
        assert!(!error.may_pass());
        receiver.only();
    }
}

/// Every spelling of an address that requests must not go to; the receiver listens there and hears nothing.
#[tokio::test]
async fn special_addresses_are_refused_however_they_are_spelt() {
    let receiver = Receiver::plain(Temper::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let port = receiver.address.port();
    let http = http(&[], None);
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.000.000.001",
        "%31%32%37.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "0",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
        "localhost",
        "LOCALHOST",
    ] {
        let error = post(&http, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(error, NotifyError::Refused { .. }), "{host}: {error}");
        assert!(!error.may_pass());
    }
    // Not every system knows this name; where it is known, it leads nowhere else.
    assert!(post(&http, &format!("http://localhost.:{port}/")).await.is_err());
    assert_eq!(receiver.received().len(), 0);
    // It was there all the time.
    let allowed = self::http(&["127.0.0.1"], None);
    assert_eq!(post(&allowed, &format!("http://2130706433:{port}/")).await, Ok(200));
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn addresses_of_other_kinds_are_no_addresses() {
    let http = http(&[], None);
    for url in [
        "",
        "x",
        "ftp://192.0.2.1/",
        "file:///etc/passwd",
        "gopher://192.0.2.1/",
        "http://",
        "http:///",
        "http://a:b@192.0.2.1/",
        "http://127.0.0.1@192.0.2.1/",
        "data:text/plain,x",
        "http://[::1",
        "http://192.0.2.1:99999/",
        "http://1.2.3.4.5.6.7.256/",
    ] {
        assert!(matches!(http.read_url(url), Err(NotifyError::Config(_))), "{url}");
    }
}

/// A name that leads somewhere allowed when it is looked at and elsewhere afterwards is asked once.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let there =
        Receiver::at(Ipv4Addr::new(127, 0, 0, 2), None, Temper::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let mut http = http(&["127.0.0.2"], None);
    http.resolver = Arc::new(move |_, port| {
        let last = if count.fetch_add(1, Ordering::Relaxed) == 0 { 2 } else { 1 };
        Box::pin(std::future::ready(Ok(vec![SocketAddr::from(([127, 0, 0, last], port))])))
    });
    let url = format!("http://rebind.example.com:{}/", there.address.port());
    assert_eq!(post(&http, &url).await, Ok(200));
    assert_eq!((asked.load(Ordering::Relaxed), there.only().line.as_str()), (1, "POST / HTTP/1.1"));
    let error = post(&http, &url).await.unwrap_err();
    assert!(matches!(error, NotifyError::Refused { .. }), "{error}");
    there.only();

    // One special address among good ones is enough, and so is none at all.
    http.resolver = Arc::new(|_, port| {
        let found = [[127, 0, 0, 2], [169, 254, 169, 254]].map(|ip| SocketAddr::from((ip, port)));
        Box::pin(std::future::ready(Ok(found.to_vec())))
    });
    assert!(matches!(post(&http, &url).await, Err(NotifyError::Refused { .. })));
    http.resolver = Arc::new(|_, _| Box::pin(std::future::ready(Ok(Vec::new()))));
    assert!(matches!(post(&http, &url).await, Err(NotifyError::Unreachable { .. })));
    there.only();
}

#[tokio::test]
async fn certificates_are_verified() {
    let (pki, stranger, other_name) =
        (Pki::new("localhost"), Pki::new("localhost"), Pki::new("other.example.com"));
    let allow = ["127.0.0.0/8", "::1"];
    let says = Temper::Says("HTTP/1.1 200 OK\r\n\r\n");
    let receiver = Receiver::tls(&pki, says).await;
    let url = |receiver: &Receiver| format!("https://localhost:{}/SECRET", receiver.address.port());
    assert_eq!(post(&http(&allow, Some(&pki.ca())), &url(&receiver)).await, Ok(200));
    receiver.only();
    for ca in [None, Some(stranger.ca())] {
        let error = post(&http(&allow, ca.as_deref()), &url(&receiver)).await.unwrap_err();
        let text = error.to_string();
        assert!(error.may_pass() && text.contains("certificate") && !text.contains("SECRET"), "{text}");
    }
    let wrong = Receiver::tls(&other_name, says).await;
    let error = post(&http(&allow, Some(&other_name.ca())), &url(&wrong)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(wrong.received().len(), 0);
    receiver.only();
    // TLS with one that does not speak it.
    let plain = Receiver::plain(says).await;
    assert!(post(&http(&allow, None), &url(&plain)).await.unwrap_err().may_pass());
    assert_eq!(plain.received().len(), 0);
}

#[test]
fn retry_after_is_read_in_both_shapes() {
    let now: Timestamp = "2026-09-21T10:00:00Z".parse().unwrap();
    let check = |text: &str, expected: Option<u64>| {
        assert_eq!(read_retry_after(text, now), expected.map(Duration::from_secs), "{text}")
    };
    check("120", Some(120));
    check(" 0 ", Some(0));
    check("Mon, 21 Sep 2026 10:02:00 GMT", Some(120));
    check("Mon, 21 Sep 2026 09:00:00 GMT", Some(0));
    check("-1", None);
    check("99999999999999999999", None);
    check("tomorrow", None);
    check("", None);
}

/// An IPv4 address in one of the spellings that the parser of addresses understands.
fn spelt(ip: u32, how: usize) -> String {
    let [a, b, c, d] = ip.to_be_bytes();
    match how {
        0 => format!("{a}.{b}.{c}.{d}"),
        1 => ip.to_string(),
        2 => format!("0x{ip:x}"),
        3 => format!("0{ip:o}"),
        4 => format!("0x{a:x}.0{b:o}.{}", u16::from_be_bytes([c, d])),
        5 => format!("{a}.{}", ip & 0x00ff_ffff),
        6 => format!("[::ffff:{a}.{b}.{c}.{d}]"),
        7 => format!("[::ffff:{:x}:{:x}]", ip >> 16, ip & 0xffff),
        _ => format!("[64:ff9b::{:x}:{:x}]", ip >> 16, ip & 0xffff),
    }
}

proptest! {
    /// However an address is spelt, what is decided is what is decided about the address.
    #[test]
    fn spelling_changes_nothing(ip: u32, last: u16, how in 0..9usize, base in 0..3usize) {
        let ip = [ip, 0x7f00_0000 | u32::from(last), 0xa9fe_0000 | u32::from(last)][base];
        let http = http(&[], None);
        let refused = http.policy.refuses(IpAddr::from(ip.to_be_bytes())).is_some() || how == 8;
        let read = http.read_url(&format!("https://{}:8443/x", spelt(ip, how)));
        prop_assert_eq!(read.is_err(), refused, "{}", spelt(ip, how));
        prop_assert!(base == 0 || refused);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}|https?://[\\[\\]a-f0-9x.:@%/\\\\]{0,30}") {
        if let Ok(url) = http(&[], None).read_url(&text) {
            prop_assert!(url.host_str().is_some_and(|host| !host.is_empty()));
            let ip = literal(url.host_str().unwrap());
            prop_assert!(ip.is_none_or(|ip| Policy::default().refuses(ip).is_none()));
        }
    }
}
