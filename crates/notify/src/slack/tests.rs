use nightlatch_untrusted::hostile::CORPUS;

use super::*;
use crate::{
    Channels,
    receiver::{Receiver, Temper},
    samples::{hostile, message, notifier},
};

/// What chats obey, beside the shared corpus.
const ATTACKS: &[&str] = &[
    "<!channel>",
    "<!here|x>",
    "<@U012AB3CD>",
    "<!subteam^S1>",
    "@channel @here @everyone",
    "<http://203.0.113.1/|ok>",
    "` <!channel> `",
    "*bold* _it_ ~no~",
    "&lt;!channel&gt;",
    "```\n@here\n```",
    ":skull:",
    "<#C012>",
    "[ok](http://203.0.113.1/)",
];

#[test]
fn hostile_words_mention_nobody() {
    for text in ATTACKS.iter().chain(CORPUS) {
        let body = body(&hostile(text));
        let fields = body["attachments"][0]["fields"].as_array().unwrap();
        let values = fields.iter().map(|field| field["value"].as_str().unwrap());
        let shown: Vec<&str> = values.chain([body["text"].as_str().unwrap()]).collect();
        for text in &shown {
            // Foreign words stand inside code, whose quotes are ours alone: they come in pairs.
            assert!(text.matches('`').count().is_multiple_of(2), "{text}");
            let outside: String = text.split('`').step_by(2).collect();
            assert!(outside.len() < 60 && !outside.contains(['<', '>', '@', '[', '_']), "{text}");
        }
        let fallback = body["attachments"][0]["fallback"].as_str().unwrap();
        for text in shown.iter().chain([&fallback]) {
            assert!(
                !text.contains(['<', '>', '@']) && !text.chars().any(nightlatch_untrusted::is_dangerous),
                "{text}"
            );
            assert!(
                text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").find('&').is_none(),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_message_arrives_and_its_address_is_not_told() {
    let receiver = Receiver::plain(Temper::Says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
    let mut settings = crate::Settings::default();
    let url = format!("http://{}/services/T0/B0/SECRET", receiver.address);
    let notifier = notifier("slack", &[("webhook_url", &url)]);
    let refused = Channels::new(&settings).unwrap().send(&notifier, &message()).await.unwrap_err();
    assert!(matches!(refused, NotifyError::Refused { .. }) && !refused.to_string().contains("SECRET"));
    settings.webhook.allow = vec!["127.0.0.0/8".parse().unwrap()];
    let sent = Channels::new(&settings).unwrap().send(&notifier, &message()).await.unwrap();
    assert!(!sent.answer.contains("SECRET"));
    let received = receiver.only();
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!(body["text"], "*opens further*: `Elasticsearch` at `192.0.2.7:9200/tcp`, readable (high)");
    assert_eq!(body["attachments"][0]["title_link"], "https://watch.example.com/host/192.0.2.7");
    assert_eq!(body["link_names"], false);
    assert_eq!(received.headers["idempotency-key"], message().key);
}
