use nightlatch_untrusted::hostile::CORPUS;
use proptest::prelude::*;

use super::*;
use crate::samples::{hostile, message};

fn from() -> Mailbox {
    "Nightlatch <nightlatch@example.com>".parse().unwrap()
}

/// The names of the headers of the whole mail, in order, and its text.
fn put_together(message: &Message) -> (Vec<String>, String) {
    let mail = mail(&from(), "soc@example.com", message).unwrap().formatted();
    let text = String::from_utf8(mail).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let names = unfolded.split("\r\n").map(|line| line.split_once(": ").expect(line).0.to_owned()).collect();
    (names, text)
}

/// Whatever stands in names and banners: the same headers, lines that mail can carry, nothing to click.
#[track_caller]
fn holds(text: &str, expected: &[String]) {
    let (names, mail) = put_together(&hostile(text));
    assert_eq!(names, expected, "{text:?}");
    assert!(
        mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0', '\x1b'])),
        "{text:?}"
    );
    assert!(mail.is_ascii(), "{text:?}");
    let hostile = hostile(text);
    let subject = subject(&hostile);
    assert!(!subject.chars().any(nightlatch_untrusted::is_dangerous) && !subject.contains("=?"), "{subject}");
    let (plain, page) = (plain(&hostile), page(&hostile));
    for shown in [&plain, &page] {
        let shown = shown.replace("https://watch.example.com", "");
        assert!(!shown.contains("://") && !shown.contains("www."), "{shown}");
        assert!(!shown.chars().any(|c| c != '\n' && nightlatch_untrusted::is_dangerous(c)), "{shown}");
    }
    let tags = |page: &str| page.matches('<').count();
    assert_eq!(tags(&page), tags(&self::page(&message())), "{page}");
    assert_eq!(plain.lines().count(), self::plain(&message()).lines().count(), "{plain}");
}

#[test]
fn hostile_words_stay_words() {
    let (names, _) = put_together(&message());
    for text in CORPUS {
        holds(text, &names);
    }
    holds("x\r\nBcc: victim@example.com\r\n\r\n.\r\nMAIL FROM:<a@b>", &names);
    holds(&"word ".repeat(40), &names);
    holds(&"w".repeat(200), &names);
    holds("=?utf-8?q?=0D=0ABcc:_victim=40example.com?=", &names);
}

proptest! {
    #[test]
    fn any_words_stay_words(text in "\\PC{1,60}|[\\x01-\\x7f]{1,60}") {
        holds(&text, &put_together(&message()).0);
    }

    #[test]
    fn receivers_are_read_or_refused(to in "\\PC{0,60}|[a-z@., <>\\r\\n\"]{0,40}") {
        if let Ok(receivers) = receivers(&to) {
            prop_assert!(!receivers.is_empty());
            prop_assert!(receivers.iter().all(|one| !one.email.to_string().contains(['\r', '\n'])));
        }
    }
}

#[test]
fn the_same_message_has_the_same_identifier() {
    let identifier = |message: &Message| {
        let (_, text) = put_together(message);
        text.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned()
    };
    assert_eq!(identifier(&message()), identifier(&message()));
    let mut other = message();
    other.key.push('x');
    assert_ne!(identifier(&message()), identifier(&other));
    assert!(identifier(&message()).ends_with("@example.com>"));
}

#[test]
fn settings_are_checked_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let base = SmtpSettings {
        server: "mail.example.com".into(),
        port: None,
        tls: SmtpTls::Starttls,
        from: "Nightlatch <nightlatch@example.com>".into(),
        default_to: None,
        user: Some("watch".into()),
        password_file: Some(password),
        password_env: None,
        ca_file: None,
    };
    let check = |settings: SmtpSettings, part: Option<&str>| match (Email::new(&settings, &|_| None), part) {
        (Ok(email), None) => assert!(!format!("{email:?}").contains("hunter2"), "{email:?}"),
        (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
        (found, _) => panic!("{found:?}, expected {part:?}"),
    };
    let make = |change: &dyn Fn(&mut SmtpSettings)| {
        let mut settings = base.clone();
        change(&mut settings);
        settings
    };
    check(base.clone(), None);
    check(make(&|s| s.tls = SmtpTls::Implicit), None);
    check(make(&|s| s.tls = SmtpTls::None), Some("no password may be sent"));
    check(make(&|s| (s.user, s.password_file, s.tls) = (None, None, SmtpTls::None)), None);
    check(make(&|s| s.user = None), Some("`notify.smtp.user` is missing"));
    check(make(&|s| s.password_file = None), Some("has no password"));
    check(make(&|s| s.password_env = Some("X".into())), Some("exclude each other"));
    check(make(&|s| (s.password_file, s.password_env) = (None, Some("NOPE".into()))), Some("NOPE"));
    check(make(&|s| s.from = "nobody".into()), Some("`notify.smtp.from` is no mail address"));
    check(make(&|s| s.from = "a@b\r\nBcc: c@d".into()), Some("`notify.smtp.from`"));
    check(make(&|s| s.ca_file = Some(dir.path().join("none.pem"))), Some("none.pem"));
    check(make(&|s| s.ca_file = s.password_file.clone()), Some("notify.smtp.ca_file"));
}
