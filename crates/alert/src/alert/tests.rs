use proptest::prelude::*;

use super::*;
use crate::samples::{alert, record};

fn now() -> Timestamp {
    "2026-09-21T10:00:00Z".parse().unwrap()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Alert), part: &str) {
    let mut changed = alert();
    change(&mut changed);
    let why = changed.check(now()).unwrap_err().to_string();
    assert!(why.contains(part), "{why}");
}

#[test]
fn what_a_type_cannot_say_is_checked() {
    alert().check(now()).unwrap();
    refused(|a| a.name = "".into(), "name");
    refused(|a| a.name = "x".repeat(201).into(), "name");
    refused(|a| a.networks.clear(), "`*` means everything");
    refused(|a| a.query = Some("port:".into()), "cannot be read");
    refused(|a| a.query = Some("nosuchfield:1".into()), "cannot be read");
    refused(|a| a.networks = vec!["192.0.2.1".parse().unwrap(); NETWORKS_MAX + 1], "at most 10000 networks");
    let ignore = |vulns: &[&str]| Ignore {
        ip: "192.0.2.7".parse().unwrap(),
        port: 80,
        vulns: vulns.iter().map(ToString::to_string).collect(),
    };
    refused(|a| a.ignore(Trigger::Any, ignore(&["CVE-2021-44228"])), "does not look at vulnerabilities");
    let mut everything = alert();
    everything.networks.clear();
    everything.query = Some("*".into());
    everything.ignore(Trigger::Vulnerable, ignore(&["CVE-2021-44228"]));
    everything.check(now()).unwrap();
}

#[test]
fn networks_are_read_and_rewritten() {
    let read = |text: &str| {
        serde_json::from_value::<AddressRange>(text.into()).map(|range| range.to_string()).map_err(drop)
    };
    assert_eq!(read("192.0.2.7/24").unwrap(), "192.0.2.0/24");
    assert_eq!(read("2001:DB8::1").unwrap(), "2001:db8::1");
    for wrong in ["", "192.0.2.0/33", "example.com", "192.0.2", " 192.0.2.1", "0x7f.1"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn it_expires_to_the_second() {
    let mut short = alert();
    short.expires = 60;
    assert_eq!(short.expiration().unwrap().to_string(), "2026-09-01T00:01:00Z");
    assert!(!short.expired("2026-09-01T00:00:59Z".parse().unwrap()));
    assert!(short.expired("2026-09-01T00:01:00Z".parse().unwrap()));
    short.expires = u64::MAX;
    assert_eq!(short.expiration(), Some(Timestamp::MAX));
    short.expires = 0;
    assert!(!short.expired(Timestamp::MAX));
}

#[test]
fn services_are_ignored_once_and_taken_back() {
    let vulns = |vulns: &[&str]| vulns.iter().map(ToString::to_string).collect();
    let ignore = |list: &[&str]| Ignore { ip: "192.0.2.7".parse().unwrap(), port: 9200, vulns: vulns(list) };
    let mut alert = alert();
    alert.ignore(Trigger::Vulnerable, ignore(&["a"]));
    alert.ignore(Trigger::Vulnerable, ignore(&["b"]));
    assert_eq!(alert.triggers[&Trigger::Vulnerable].ignore, [ignore(&["a", "b"])]);
    assert!(!alert.triggers[&Trigger::Vulnerable].ignore[0].covers(Trigger::Vulnerable, &record()));
    alert.ignore(Trigger::Vulnerable, ignore(&["Dynamic-Scripts"]));
    assert!(alert.triggers[&Trigger::Vulnerable].ignore[0].covers(Trigger::Vulnerable, &record()));
    assert!(!alert.triggers[&Trigger::Vulnerable].ignore[0].covers(Trigger::Any, &record()));
    alert.ignore(Trigger::Vulnerable, ignore(&[]));
    assert_eq!(alert.triggers[&Trigger::Vulnerable].ignore, [ignore(&[])]);
    assert!(alert.triggers[&Trigger::Vulnerable].ignore[0].covers(Trigger::Any, &record()));
    assert!(alert.unignore(Trigger::Vulnerable, "192.0.2.7".parse().unwrap(), 9200));
    assert!(!alert.unignore(Trigger::Vulnerable, "192.0.2.7".parse().unwrap(), 9200));
    assert!(!alert.unignore(Trigger::Any, "192.0.2.7".parse().unwrap(), 9200));
}

#[test]
fn the_shape_is_shodans() {
    let mut full = alert();
    full.expires = 3_600;
    full.networks.push("2001:db8::/127".parse().unwrap());
    full.triggers.insert(Trigger::Any, TriggerSetting::default());
    full.ignore(
        Trigger::Vulnerable,
        Ignore { ip: "192.0.2.7".parse().unwrap(), port: 80, vulns: ["CVE-2021-44228".to_owned()].into() },
    );
    let notifier = Notifier {
        id: "default".into(),
        provider: Provider::Webhook,
        description: "team".into(),
        args: [("url", "https://hooks.example.com/T0/B0/secret?token=secret")].into_iter().collect(),
    };
    let other = Notifier { id: "other".into(), ..notifier.clone() };
    assert_eq!(
        serde_json::to_value(full.shape(now(), &[notifier, other])).unwrap(),
        serde_json::json!({
            "id": "ABCDEFGH23456789", "name": "search", "created": "2026-09-01T00:00:00.000000",
            "expires": 3600, "expiration": "2026-09-01T01:00:00.000000", "expired": true,
            "filters": { "ip": ["192.0.2.0/24", "2001:db8::/127"] }, "size": 258, "has_triggers": true,
            "triggers": { "any": {}, "vulnerable": { "ignore": [
                { "ip": "192.0.2.7", "port": 80, "vulns": ["CVE-2021-44228"] }
            ] } },
            "notifiers": [{ "id": "default", "provider": "webhook", "description": "team",
                "args": { "url": "https://hooks.example.com/(hidden)" } }],
        })
    );
    let none = serde_json::to_value(alert().shape(now(), &[])).unwrap();
    assert_eq!((&none["expiration"], &none["triggers"]), (&serde_json::Value::Null, &serde_json::json!({})));
    full.networks = vec!["::/0".parse().unwrap(); 2];
    assert_eq!(full.size(), u64::MAX);
}

proptest! {
    #[test]
    fn identifiers_are_sixteen_letters_and_digits(bytes: [u8; 16]) {
        let id = AlertId::from_random(bytes);
        prop_assert_eq!(id.as_str().parse::<AlertId>().unwrap(), id);
    }

    #[test]
    fn other_text_is_no_identifier(text in "\\PC{0,20}") {
        let right = text.len() == 16 && text.chars().all(|c| c.is_ascii_alphanumeric());
        prop_assert_eq!(text.parse::<AlertId>().is_ok(), right);
    }

    #[test]
    fn stored_alerts_come_back(expires: u64, port: u16, name in "\\PC{1,20}") {
        let mut full = alert();
        full.expires = expires;
        full.name = name.into();
        full.ignore(Trigger::Any, Ignore { ip: "2001:db8::1".parse().unwrap(), port, vulns: BTreeSet::new() });
        let text = serde_json::to_string(&full).unwrap();
        prop_assert_eq!(serde_json::from_str::<Alert>(&text).unwrap(), full);
    }
}
