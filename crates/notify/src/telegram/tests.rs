use nightlatch_untrusted::hostile::CORPUS;

use super::*;
use crate::{
    Channels, Settings,
    receiver::{Receiver, Temper},
    samples::{hostile, message, notifier},
};

#[tokio::test]
async fn a_message_arrives_and_the_token_is_not_told() {
    let args = [("chat_id", "-100"), ("token", "1:SECRET")];
    for (answer, good) in [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 401 Unauthorized\r\n\r\n", false)] {
        let receiver = Receiver::plain(Temper::Says(answer)).await;
        let mut settings = Settings::default();
        settings.webhook.allow = vec!["127.0.0.0/8".parse().unwrap()];
        settings.telegram.base_url = format!("http://{}", receiver.address);
        let outcome = Channels::new(&settings).unwrap().send(&notifier("telegram", &args), &message()).await;
        assert_eq!(outcome.is_ok(), good);
        assert!(!format!("{outcome:?}").contains("SECRET"));
        let received = receiver.only();
        assert_eq!(received.line, "POST /bot1:SECRET/sendMessage HTTP/1.1");
        let body: Value = serde_json::from_str(&received.body).unwrap();
        assert_eq!((&body["chat_id"], &body["parse_mode"]), (&"-100".into(), &"HTML".into()));
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("<b>opens further</b>: <code>Elasticsearch</code> at "), "{text}");
    }
}

#[test]
fn hostile_words_stay_in_their_cells() {
    let shape = |message: &Message| {
        let body = body("1", message);
        let text = body["text"].as_str().unwrap().to_owned();
        assert!(text.chars().count() < 4_096);
        assert!(!text.chars().any(|c| c != '\n' && nightlatch_untrusted::is_dangerous(c)));
        // Tags and lines, without what is inside.
        let tags: Vec<String> = text
            .split('<')
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap_or_default().to_owned())
            .collect();
        (tags, text.lines().count())
    };
    for text in
        CORPUS.iter().chain(&["</code><a href=\"http://203.0.113.1/\">", "@all /start #x", "&lt;b&gt;"])
    {
        assert_eq!(shape(&hostile(text)), shape(&message()), "{text:?}");
    }
}
