use nightlatch_untrusted::hostile::CORPUS;

use super::*;
use crate::{
    Channels, Settings,
    receiver::{Receiver, Temper},
    samples::{hostile, message, notifier},
};

#[tokio::test]
async fn an_incident_is_triggered_once() {
    let receiver = Receiver::plain(Temper::Says("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")).await;
    let mut settings = Settings::default();
    settings.webhook.allow = vec!["127.0.0.0/8".parse().unwrap()];
    settings.pagerduty.base_url = format!("http://{}/", receiver.address);
    let notifier = notifier("pagerduty", &[("routing_key", "R0123456789ABCDEF")]);
    Channels::new(&settings).unwrap().send(&notifier, &message()).await.unwrap();
    let received = receiver.only();
    assert_eq!(received.line, "POST /v2/enqueue HTTP/1.1");
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!(body["routing_key"], "R0123456789ABCDEF");
    assert_eq!(body["event_action"], "trigger");
    assert_eq!(body["dedup_key"], message().key.as_str());
    assert_eq!(body["payload"]["severity"], "error");
    assert_eq!(body["payload"]["source"], "192.0.2.7:9200");
    assert_eq!(body["payload"]["timestamp"], "2026-09-10T10:00:00Z");
    assert_eq!(body["links"][0]["href"], "https://watch.example.com/host/192.0.2.7");
}

#[test]
fn what_is_shown_is_short_and_inert() {
    for text in CORPUS {
        let body = body("R1", &hostile(&text.repeat(20)));
        let summary = body["payload"]["summary"].as_str().unwrap();
        assert!(summary.chars().count() <= 1_024);
        assert!(body["dedup_key"].as_str().unwrap().len() <= 255);
        assert!(!body.to_string().chars().any(nightlatch_untrusted::is_dangerous));
    }
}
