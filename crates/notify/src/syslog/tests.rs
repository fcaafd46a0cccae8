use std::sync::Mutex;

use nightlatch_untrusted::hostile::CORPUS;
use proptest::prelude::*;
use tokio::net::TcpListener;

use super::*;
use crate::{
    receiver::Pki,
    samples::{hostile, message},
};

/// What RFC 5424 makes of a line: its head, the parameters of its one element, and the text.
type Parsed = (Vec<String>, Vec<(String, String)>, String);

/// A reader of its own, as strict as the standard.
fn parse(line: &str) -> Option<Parsed> {
    let mut rest = line;
    let mut head = Vec::new();
    for _ in 0..6 {
        let (word, after) = rest.split_once(' ')?;
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        head.push(word.to_owned());
        rest = after;
    }
    rest = rest.strip_prefix('[')?.strip_prefix(ELEMENT)?;
    let mut parameters = Vec::new();
    while let Some(after) = rest.strip_prefix(' ') {
        let (name, mut value) = after.split_once("=\"")?;
        let mut text = String::new();
        loop {
            let c = value.chars().next()?;
            value = &value[c.len_utf8()..];
            match c {
                '"' => break,
                '\\' => {
                    let escaped = value.chars().next().filter(|c| "\"\\]".contains(*c))?;
                    text.push(escaped);
                    value = &value[1..];
                }
                ']' => return None,
                c => text.push(c),
            }
        }
        parameters.push((name.to_owned(), text));
        rest = value;
    }
    Some((head, parameters, rest.strip_prefix("] ")?.to_owned()))
}

#[test]
fn a_line_is_what_the_standard_says() {
    let (head, parameters, text) = parse(&line(Some("watch.example.com"), &message())).unwrap();
    let pid = std::process::id().to_string();
    assert_eq!(
        head,
        ["<131>1", "2026-09-10T10:00:00.000000Z", "watch.example.com", "nightlatch", &pid, "open_database"]
    );
    let value = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(value("ip"), Some("192.0.2.7"));
    assert_eq!(value("exposure"), Some("readable"));
    assert_eq!(value("key"), Some(message().key.as_str()));
    assert_eq!(value("test"), None);
    assert_eq!(text, "opens further: Elasticsearch at 192.0.2.7:9200/tcp: auth-required -> readable");
    assert!(line(None, &message()).contains("Z - nightlatch "));
}

#[track_caller]
fn holds(text: &str) {
    let names = |parsed: &Parsed| parsed.1.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let expected = names(&parse(&line(None, &message())).unwrap());
    let made = line(None, &hostile(text));
    let parsed = parse(&made).unwrap_or_else(|| panic!("{made}"));
    assert_eq!(names(&parsed), expected, "{made}");
    assert!(!made.chars().any(nightlatch_untrusted::is_dangerous), "{made}");
    assert!(made.len() <= 8_192, "{}", made.len());
    let framed = frame(&made);
    let (length, rest) = framed.split_at(framed.iter().position(|b| *b == b' ').unwrap());
    assert_eq!(std::str::from_utf8(length).unwrap().parse::<usize>().unwrap(), rest.len() - 1);
}

#[test]
fn hostile_words_stay_words() {
    CORPUS.iter().for_each(|text| holds(text));
    holds("x\"] <0>1 - - fake - - -");
    holds("\\\"]\\");
    holds(&"\"".repeat(200));
    holds(&"漢".repeat(66));
}

proptest! {
    #[test]
    fn any_words_stay_words(text in "\\PC{1,200}|[\\x01-\\x7f]{1,200}") {
        holds(&text);
    }
}

fn settings(port: u16, pki: Option<&Pki>) -> SyslogSettings {
    SyslogSettings { server: "localhost".into(), port, ca_file: pki.map(Pki::ca), hostname: None }
}

#[tokio::test]
async fn a_frame_arrives_over_tls_and_over_nothing_else() {
    let (pki, stranger) = (Pki::new("localhost"), Pki::new("localhost"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = pki.acceptor();
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes).await;
                sink.lock().unwrap().push(bytes);
                let _ = stream.shutdown().await;
            }
        }
    });
    let refused = Syslog::new(&settings(port, Some(&stranger))).unwrap().send(&message()).await.unwrap_err();
    assert!(refused.may_pass() && refused.to_string().contains("certificate"), "{refused}");
    assert_eq!(received.lock().unwrap().len(), 0);
    Syslog::new(&settings(port, Some(&pki))).unwrap().send(&message()).await.unwrap();
    let received = received.lock().unwrap().clone();
    assert_eq!(received, [frame(&line(None, &message()))]);
    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert!(Syslog::new(&settings(free, None)).unwrap().send(&message()).await.unwrap_err().may_pass());
}

#[test]
fn settings_are_checked() {
    let check = |change: &dyn Fn(&mut SyslogSettings)| {
        let mut changed = settings(6514, None);
        change(&mut changed);
        Syslog::new(&changed).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(check(&|_| {}), Ok(()));
    assert!(check(&|s| s.server = "no host".into()).unwrap_err().contains("notify.syslog.server"));
    assert!(check(&|s| s.hostname = Some("a b".into())).unwrap_err().contains("notify.syslog.hostname"));
    assert!(check(&|s| s.ca_file = Some("/nonexistent".into())).unwrap_err().contains("/nonexistent"));
}
