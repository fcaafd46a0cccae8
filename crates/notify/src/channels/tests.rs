use std::time::Duration;

use super::*;
use crate::{
    receiver::{Receiver, Temper},
    samples::{message, notifier},
};

#[test]
fn settings_are_read_and_unknown_keys_refused() {
    let settings: Settings = toml::from_str(
        r#"
        [webhook]
        allow = ["127.0.0.0/8", "::1"]
        [smtp]
        server = "mail.example.com"
        from = "Nightlatch <nightlatch@example.com>"
        default_to = "soc@example.com"
        [syslog]
        server = "logs.example.com"
        "#,
    )
    .unwrap();
    let smtp = settings.smtp.as_ref().unwrap();
    assert_eq!((smtp.tls, smtp.port), (crate::SmtpTls::Starttls, None));
    assert_eq!(settings.syslog.as_ref().unwrap().port, 6514);
    assert_eq!(settings.pagerduty.base_url, "https://events.pagerduty.com");
    let channels = Channels::new(&settings).unwrap();
    let offered: Vec<&str> = channels.providers().map(Provider::as_str).collect();
    assert_eq!(offered, ["webhook", "slack", "email", "pagerduty", "syslog", "telegram"]);
    assert_eq!(channels.default_notifier().unwrap().args.get("to"), Some("soc@example.com"));
    assert_eq!(toml::from_str::<Settings>(&toml::to_string(&settings).unwrap()).unwrap(), settings);
    for wrong in [
        "x = 1",
        "[webhook]\nalow = []",
        "[webhook]\nallow = [\"localhost\"]",
        "[smtp]\nserver = \"x\"",
        "[smtp]\nserver = \"x\"\nfrom = \"a@b\"\ntls = \"maybe\"",
        "[file]",
    ] {
        assert!(toml::from_str::<Settings>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn without_settings_what_needs_none_is_offered() {
    let channels = Channels::new(&Settings::default()).unwrap();
    let offered: Vec<&str> = channels.providers().map(Provider::as_str).collect();
    assert_eq!(offered, ["webhook", "slack", "pagerduty", "telegram"]);
    assert_eq!(channels.default_notifier(), None);
    for (provider, args) in
        [("email", &[("to", "soc@example.com")][..]), ("syslog", &[]), ("file", &[("name", "a")])]
    {
        let error = channels.check(&notifier(provider, args)).unwrap_err();
        assert!(error.to_string().contains(provider), "{error}");
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    #[track_caller]
    fn check(text: &str, part: &str) {
        let settings: Settings = toml::from_str(text).unwrap();
        let error = Channels::with_environment(&settings, &|_| None).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    check("[webhook]\nca_file = \"/nonexistent\"", "notify.webhook.ca_file");
    check("[webhook]\nsecret_env = \"NOPE\"", "NOPE");
    check("[file]\ndirectory = \"/nonexistent\"", "notify.file.directory");
    check("[pagerduty]\nbase_url = \"events.pagerduty.com\"", "notify.pagerduty.base_url");
    check("[smtp]\nserver = \"x\"\nfrom = \"a@b.example\"\ndefault_to = \"soc\"", "notify.smtp.default_to");
}

#[test]
fn notifiers_are_checked_before_they_are_kept() {
    let channels = Channels::new(&Settings::default()).unwrap();
    let check = |provider, args: &[(&str, &str)]| {
        channels.check(&notifier(provider, args)).map_err(|e| e.to_string())
    };
    assert_eq!(check("webhook", &[("url", "https://hooks.example.com/SECRET")]), Ok(()));
    for url in [
        "http://127.0.0.1/SECRET",
        "http://2130706433/SECRET",
        "http://[::ffff:169.254.169.254]/SECRET",
        "https://x@y/SECRET",
        "SECRET",
    ] {
        let error = check("webhook", &[("url", url)]).unwrap_err();
        assert!(!error.contains("SECRET"), "{error}");
        assert!(check("slack", &[("webhook_url", url)]).is_err());
    }
    assert!(check("pagerduty", &[("routing_key", "no key")]).is_err());
}

#[tokio::test]
async fn a_common_secret_signs_for_all_and_a_slow_receiver_costs_its_limit() {
    let receiver = Receiver::plain(Temper::Silent).await;
    let settings: Settings =
        toml::from_str("[webhook]\nallow = [\"127.0.0.1\"]\nsecret_env = \"HOOK\"").unwrap();
    let channels =
        Channels::with_environment(&settings, &|name| (name == "HOOK").then(|| "common".to_owned())).unwrap();
    assert!(!format!("{channels:?}").contains("common"));
    let channels = channels.within(Duration::from_millis(500));
    let notifier = notifier("webhook", &[("url", &format!("http://{}/", receiver.address))]);
    let error = channels.send(&notifier, &message()).await.unwrap_err();
    assert!(matches!(error, NotifyError::Slow { .. }) && error.may_pass());
    let received = receiver.only();
    let sha1 = crate::signature_sha1(&Secret::new("common"), received.body.as_bytes());
    assert_eq!(received.headers["shodan-signature-sha1"], sha1);
}

#[test]
fn deliveries_may_run_on_any_thread() {
    fn any_thread<T: Send>(value: T) -> T {
        value
    }
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let channels = Channels::new(&Settings::default()).unwrap();
    shared(&channels);
    let (notifier, message) = (notifier("webhook", &[("url", "https://hooks.example.com/")]), message());
    drop(any_thread(channels.send(&notifier, &message)));
}

#[tokio::test]
async fn a_notifier_that_was_never_checked_is_checked_when_it_is_used() {
    let channels = Channels::new(&Settings::default()).unwrap();
    for (provider, args) in [
        ("telegram", &[("chat_id", "1"), ("token", "1:x/../../SECRET")][..]),
        ("webhook", &[("url", "https://a:SECRET@hooks.example.com/")]),
        ("slack", &[]),
    ] {
        let error = channels.send(&notifier(provider, args), &message()).await.unwrap_err();
        assert!(matches!(error, NotifyError::Config(_)) && !error.to_string().contains("SECRET"), "{error}");
    }
}

/// Every example of the guide is one that the program takes.
#[test]
fn the_guide_shows_settings_that_work() {
    let guide = include_str!("../../../../docs/guide/alerts.md");
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let table: toml::Table = example.parse().unwrap();
        let settings: Settings =
            table["notify"].clone().try_into().unwrap_or_else(|e| panic!("{e}\n{example}"));
        assert_ne!(settings, Settings::default(), "{example}");
    }
    for info in Provider::CATALOGUE {
        assert!(guide.contains(&format!("| `{}` |", info.name)), "{}", info.name);
    }
    for info in nightlatch_alert::Trigger::CATALOGUE {
        assert!(guide.contains(&format!("`{}`", info.name)), "{}", info.name);
    }
}
