use nightlatch_untrusted::hostile::CORPUS;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    Channels,
    receiver::{Pki, Receiver, Temper},
    samples::{hostile, message, notifier},
};

const OK: Temper = Temper::Says("HTTP/1.1 204 No Content\r\n\r\n");

fn channels(pki: Option<&Pki>) -> Channels {
    let mut settings = crate::Settings::default();
    settings.webhook.allow = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    settings.webhook.ca_file = pki.map(Pki::ca);
    Channels::new(&settings).unwrap()
}

#[tokio::test]
async fn the_banner_arrives_signed() {
    let pki = Pki::new("localhost");
    let receiver = Receiver::tls(&pki, OK).await;
    let url = format!("https://localhost:{}/hook?token=abc", receiver.address.port());
    let notifier = notifier("webhook", &[("url", &url), ("secret", "0123456789abcdef")]);
    let message = message();
    let sent = channels(Some(&pki)).send(&notifier, &message).await.unwrap();
    assert_eq!(sent.answer, "204 from localhost");

    let received = receiver.only();
    assert_eq!(received.line, "POST /hook?token=abc HTTP/1.1");
    let header = |name: &str| received.headers[name].as_str();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("shodan-alert-id"), "ABCDEFGH23456789");
    assert_eq!(header("shodan-alert-name"), "search");
    assert_eq!(header("shodan-alert-trigger"), "open_database");
    assert_eq!(header("idempotency-key"), message.key);
    assert!(header("user-agent").starts_with("nightlatch/"));
    let secret = Secret::new("0123456789abcdef");
    assert_eq!(header("shodan-signature-sha1"), signature_sha1(&secret, received.body.as_bytes()));
    let time = header("x-nightlatch-signature").split(['=', ',']).nth(1).unwrap();
    let time = Timestamp::from_second(time.parse().unwrap()).unwrap();
    assert_eq!(header("x-nightlatch-signature"), signature(&secret, time, received.body.as_bytes()));
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!(body["_shodan"]["id"], "1");
    assert_eq!(body["_shodan"]["alert"]["trigger"], "open_database");
    assert_eq!(body["nightlatch_event"]["kind"], "state-up");
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let receiver = Receiver::plain(OK).await;
    let notifier = notifier("webhook", &[("url", &format!("http://{}/", receiver.address))]);
    channels(None).send(&notifier, &message()).await.unwrap();
    let received = receiver.only();
    assert!(!received.headers.keys().any(|name| name.contains("signature")), "{received:?}");
}

/// Whatever stands in names and banners: the same headers, one request, a body that holds the words as data.
#[tokio::test]
async fn hostile_words_stay_words() {
    let receiver = Receiver::plain(OK).await;
    let channels = channels(None);
    let notifier = notifier("webhook", &[("url", &format!("http://{}/", receiver.address))]);
    channels.send(&notifier, &message()).await.unwrap();
    let names: Vec<String> = receiver.only().headers.into_keys().collect();
    for (at, text) in CORPUS.iter().enumerate() {
        channels.send(&notifier, &hostile(text)).await.unwrap();
        let received = receiver.received().swap_remove(at + 1);
        assert!(received.headers.keys().eq(&names), "{text:?}: {received:?}");
        assert!(received.raw.is_ascii() || !received.body.is_ascii());
        assert!(received.headers["shodan-alert-name"].bytes().all(|b| (b' '..=b'~').contains(&b)));
        assert!(!received.body.chars().any(nightlatch_untrusted::is_dangerous), "{text:?}");
        let body: Value = serde_json::from_str(&received.body).unwrap();
        assert_eq!((&body["data"], &body["_shodan"]["alert"]["name"]), (&(*text).into(), &(*text).into()));
    }
}

#[tokio::test]
async fn a_broken_banner_is_given_up() {
    let receiver = Receiver::plain(OK).await;
    let mut message = message();
    message.banner = "[]".into();
    let notifier = notifier("webhook", &[("url", &format!("http://{}/", receiver.address))]);
    let error = channels(None).send(&notifier, &message).await.unwrap_err();
    assert!(!error.may_pass() && error.to_string().contains("no JSON object"), "{error}");
}

proptest! {
    #[test]
    fn any_text_becomes_one_plain_value(text in "\\PC{0,500}|[\\x00-\\x7f]{0,40}") {
        let value = header_value(&text);
        prop_assert!(value.as_bytes().iter().all(|b| (b' '..=b'~').contains(b)));
        prop_assert!(value.len() <= VALUE_BYTES_MAX + 12);
        if text.bytes().all(|b| b.is_ascii_alphanumeric()) && text.len() <= VALUE_BYTES_MAX {
            prop_assert_eq!(value.to_str().unwrap(), text);
        }
    }
}
