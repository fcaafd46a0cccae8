use proptest::prelude::*;

use super::*;

fn notifier(provider: Provider, args: &[(&str, &str)]) -> Notifier {
    Notifier { id: "N1".into(), provider, description: "team".into(), args: args.iter().copied().collect() }
}

#[track_caller]
fn check(provider: Provider, args: &[(&str, &str)], part: Option<&str>) {
    let found = notifier(provider, args).check().map_err(|e| e.to_string());
    match (found, part) {
        (Ok(()), None) => {}
        (Err(why), Some(part)) if why.contains(part) => {}
        (found, _) => panic!("{args:?}: {found:?}, expected {part:?}"),
    }
}

#[test]
fn the_catalogue_is_in_order() {
    for (position, info) in Provider::CATALOGUE.iter().enumerate() {
        assert_eq!(info.provider as usize, position);
        assert_eq!(info.name.parse(), Ok(info.provider));
        let taken = [info.required, info.optional].concat();
        assert!(info.secret.iter().all(|secret| taken.contains(secret)));
    }
}

#[test]
fn arguments_are_checked() {
    use Provider::{Email, File, Pagerduty, Slack, Syslog, Telegram, Webhook};
    check(Webhook, &[("url", "https://hooks.example.com/x")], None);
    check(Webhook, &[("url", "http://192.0.2.1:8080/x?y=z"), ("secret", "0123456789abcdef")], None);
    check(Webhook, &[], Some("needs the argument `url`"));
    check(Webhook, &[("url", " ")], Some("needs the argument `url`"));
    check(Webhook, &[("url", "https://x/"), ("key", "K")], Some("no argument `key`; it takes url, secret"));
    check(Webhook, &[("url", "https://x/"), ("a\x1b[2J", "K")], Some("no argument `a\\u{1b}[2J`"));
    check(Webhook, &[("url", "ftp://x/")], Some("does not begin with"));
    check(Webhook, &[("url", "file:///etc/passwd")], Some("does not begin with"));
    check(Webhook, &[("url", "https:///x")], Some("names no host"));
    check(Webhook, &[("url", "https://user:pass@example.com/")], Some("user name or password"));
    check(Webhook, &[("url", "https://example.com\\@127.0.0.1/")], Some("user name or password"));
    check(Webhook, &[("url", "https://example.com/a b")], Some("no address holds"));
    check(Webhook, &[("url", "https://example.com/\r\nX: y")], Some("control character"));
    check(Webhook, &[("url", "https://example.com/"), ("secret", "short")], Some("shorter than 16"));
    check(Slack, &[("webhook_url", "https://hooks.example.com/services/T/B/x")], None);
    check(Email, &[("to", "soc@example.com, second@example.com")], None);
    check(Email, &[("to", "soc")], Some("no mail address"));
    check(Email, &[("to", "soc@example.com,")], Some("no mail address"));
    check(Email, &[("to", "a@b\r\nBcc: c@d")], Some("control character"));
    check(Email, &[("to", "<a@b>")], Some("no mail address"));
    check(Email, &[("to", &["a@b"; 21].join(","))], Some("more than 20"));
    check(Pagerduty, &[("routing_key", "R0123456789ABCDEF0123456789ABCDE")], None);
    check(Pagerduty, &[("routing_key", "../../x")], Some("letters and digits"));
    check(Syslog, &[], None);
    check(Syslog, &[("address", "x")], Some("it takes none"));
    for chat_id in ["-1001234567890", "42", "@alerts_of_search"] {
        check(Telegram, &[("chat_id", chat_id), ("token", "123456:ABC-def_1")], None);
    }
    for chat_id in ["@", "-", "1/2", "@a b", "1?x=y"] {
        check(Telegram, &[("chat_id", chat_id), ("token", "123456:ABC-def_1")], Some("number or @name"));
    }
    for token in ["123456", ":x", "1:", "1:../x", "1:a?b", "a:b"] {
        check(Telegram, &[("chat_id", "42"), ("token", token)], Some("token of a bot"));
    }
    check(File, &[("name", "alerts.jsonl")], None);
    for name in ["../x", "/etc/passwd", ".ssh", "a/b", "-rf", "a b", ""] {
        let part = if name.is_empty() { "needs the argument" } else { "plain file name" };
        check(File, &[("name", name)], Some(part));
    }
    check(Webhook, &[("url", &format!("https://x/{}", "y".repeat(3_000)))], Some("longer than"));
}

#[test]
fn secrets_are_not_shown() {
    let all = [
        notifier(
            Provider::Webhook,
            &[("url", "https://hooks.example.com/SECRET"), ("secret", "SECRETSECRETSECRET")],
        ),
        notifier(Provider::Webhook, &[("url", "https://u:SECRET@hooks.example.com?t=SECRET")]),
        notifier(Provider::Slack, &[("webhook_url", "https://hooks.example.com/SECRET")]),
        notifier(Provider::Pagerduty, &[("routing_key", "SECRET")]),
        notifier(Provider::Telegram, &[("chat_id", "42"), ("token", "1:SECRET")]),
        notifier(Provider::Email, &[("to", "soc@example.com")]),
    ];
    for one in &all {
        let shown = format!("{one:?} {}", serde_json::to_string(&one.shape()).unwrap());
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    assert_eq!(all[1].shape().args["url"], "https://hooks.example.com/(hidden)");
    assert_eq!(all[5].shape().args["to"], "soc@example.com");
}

proptest! {
    /// Whatever is typed: no panic, no repeated value, and what passes holds nothing that a header would obey.
    #[test]
    fn any_argument_is_taken_or_refused(which in 0..7usize, value in "\\PC{0,60}|https://[a-z@\\\\:/.\r\n]{0,30}") {
        let provider = Provider::ALL[which];
        let name = provider.info().required.first().copied().unwrap_or("none");
        let one = notifier(provider, &[(name, &value)]);
        match one.check() {
            Ok(()) => prop_assert!(!value.contains(['\r', '\n', '\0'])),
            Err(why) => prop_assert!(value.chars().count() < 12 || !why.to_string().contains(&value)),
        }
        let json = serde_json::to_string(&one).unwrap();
        prop_assert_eq!(serde_json::from_str::<Notifier>(&json).unwrap(), one);
    }
}
