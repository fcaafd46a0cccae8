use nightlatch_asset::{Text, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Alert, AlertId, Change, ChangeKind, Trigger, TriggerSet};

/// The alert that a message comes from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct AlertName {
    /// Its identifier.
    pub id: AlertId,
    /// Its name, as somebody typed it.
    pub name: Text,
}

/// The banner of a message is no JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the banner of the message is no JSON object")]
pub struct NoBanner;

/// What a channel sends: one trigger of one alert, set off by one change.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The same for the same message however often it is sent: at most 255 bytes of printable ASCII without spaces.
    pub key: String,
    /// The alert.
    pub alert: AlertName,
    /// The trigger.
    pub trigger: Trigger,
    /// The change.
    pub change: Change,
    /// The banner as one JSON object, as the caller wrote it; what a webhook posts.
    pub banner: String,
    /// Where our own pages show the host; absent when the configuration does not say where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// True when somebody tries the way and nothing happened.
    #[serde(default)]
    pub test: bool,
}

impl Message {
    /// A message about `change`.
    ///
    /// - `banner`: the banner of the record that the change names, one JSON object;
    /// - `link`: address of our page about the host.
    pub fn new(
        alert: &Alert,
        trigger: Trigger,
        change: Change,
        banner: String,
        link: Option<String>,
    ) -> Self {
        Self {
            key: format!("{}.{trigger}.{}", alert.id, change.key),
            alert: AlertName { id: alert.id.clone(), name: alert.name.clone() },
            trigger,
            change,
            banner,
            link,
            test: false,
        }
    }

    /// A message that tries the way: about a made-up service at a documentation address.
    pub fn test(alert: &Alert, now: Timestamp) -> Self {
        let ip = std::net::Ipv4Addr::new(192, 0, 2, 1);
        let change = Change {
            key: format!("test.{}", now.as_millisecond()),
            kind: ChangeKind::NewService,
            ip: ip.into(),
            port: 2375,
            transport: nightlatch_asset::Transport::Tcp,
            time: now,
            run: nightlatch_asset::RunId::default(),
            record: 0,
            previous: None,
            before: Text::default(),
            after: Text::from("Nightlatch tries this way, nothing happened"),
            exposure: nightlatch_asset::Exposure::Unknown,
            severity: nightlatch_asset::Severity::Info,
            product: None,
            owner: None,
            met: TriggerSet::NONE,
        };
        let banner = json!({
            "ip": u32::from(ip), "ip_str": ip.to_string(), "port": change.port, "transport": "tcp",
            "data": change.after.raw(), "hash": nightlatch_asset::murmur3_32(change.after.raw().as_bytes()),
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string(),
            "hostnames": [], "domains": [], "tags": ["test"],
            "_shodan": { "alert": { "id": alert.id, "name": alert.name, "trigger": Trigger::NewService } },
        });
        let mut message = Self::new(alert, Trigger::NewService, change, banner.to_string(), None);
        message.test = true;
        message
    }

    /// The banner with what happened beside it: `_shodan.alert` as Shodan's webhooks have it, and our own
    /// `nightlatch_event`.
    ///
    /// # Errors
    /// [`NoBanner`] when the banner is no JSON object.
    pub fn document(&self) -> Result<Map<String, Value>, NoBanner> {
        let mut document: Map<String, Value> = serde_json::from_str(&self.banner).map_err(|_| NoBanner)?;
        let shodan = document.entry("_shodan").or_insert_with(|| Value::Object(Map::new()));
        if !shodan.is_object() {
            *shodan = Value::Object(Map::new());
        }
        let alert = &self.alert;
        shodan["alert"] = json!({ "id": alert.id, "name": alert.name, "trigger": self.trigger });
        let change = &self.change;
        let event = json!({
            "key": self.key, "kind": change.kind, "summary": self.summary(), "time": change.time,
            "before": change.before, "after": change.after, "exposure": change.exposure,
            "severity": change.severity, "owner": change.owner, "record": change.record,
            "previous": change.previous, "link": self.link, "test": self.test,
        });
        document.insert("nightlatch_event".to_owned(), event);
        Ok(document)
    }

    /// The document as text: one line, inert on a terminal.
    ///
    /// # Errors
    /// As [`Message::document`].
    pub fn body(&self) -> Result<String, NoBanner> {
        nightlatch_untrusted::json::to_string(&self.document()?).map_err(|_| NoBanner)
    }

    /// What happened, in one sentence of foreign words: every exit neutralises it for its reader.
    pub fn summary(&self) -> Text {
        let change = &self.change;
        let what = change.product.as_ref().map_or("service", Text::raw);
        let place = change.endpoint();
        let how = match change.kind {
            ChangeKind::NewService | ChangeKind::Back => {
                format!("{} ({})", change.exposure, change.severity)
            }
            ChangeKind::Gone => format!("was {}", change.exposure),
            ChangeKind::CertificateExpiring | ChangeKind::CertificateExpired => change.after.raw().to_owned(),
            ChangeKind::Condition => change.after.raw().to_owned(),
            _ => format!("{} -> {}", or_nothing(&change.before), or_nothing(&change.after)),
        };
        let test = if self.test { "[test] " } else { "" };
        Text::from(format!("{test}{}: {what} at {place}: {how}", change.kind.title()))
    }
}

fn or_nothing(text: &Text) -> &str {
    if text.is_empty() { "nothing known" } else { text.raw() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_key_is_stable_short_and_plain() {
        let alert = samples::alert();
        let record = samples::record();
        for change in [
            crate::changes(None, &record),
            vec![crate::gone(&record, record.last_seen)],
            crate::by_time(&record, None, "2040-01-01T00:00:00Z".parse().unwrap(), 30),
        ]
        .concat()
        {
            let one =
                Message::new(&alert, Trigger::IndustrialControlSystem, change.clone(), "{}".into(), None);
            let two =
                Message::new(&alert, Trigger::IndustrialControlSystem, change.clone(), "{}".into(), None);
            assert_eq!(one.key, two.key);
            let other = Message::new(&alert, Trigger::Any, change, "{}".into(), None);
            assert_ne!(one.key, other.key);
            assert!(one.key.len() <= 255 && one.key.bytes().all(|b| b.is_ascii_graphic()), "{}", one.key);
        }
    }

    #[test]
    fn a_try_says_that_it_is_one() {
        let message = Message::test(&samples::alert(), "2026-09-21T10:00:00Z".parse().unwrap());
        assert!(message.test && message.summary().raw().starts_with("[test] "));
        let banner: serde_json::Value = serde_json::from_str(&message.banner).unwrap();
        assert_eq!(banner["timestamp"], "2026-09-21T10:00:00.000000");
        assert_eq!(banner["_shodan"]["alert"]["trigger"], "new_service");
    }

    #[test]
    fn the_document_is_the_banner_and_what_happened() {
        let record = samples::record();
        let change = crate::changes(None, &record).remove(0);
        let mut message = Message::new(&samples::alert(), Trigger::Any, change, String::new(), None);
        for banner in
            [r#"{"port":9200,"_shodan":{"id":"x"}}"#, r#"{"port":9200,"_shodan":7}"#, r#"{"port":9200}"#]
        {
            message.banner = banner.to_owned();
            let document: Value = serde_json::from_str(&message.body().unwrap()).unwrap();
            assert_eq!(document["port"], 9200);
            assert_eq!(
                document["_shodan"]["alert"],
                json!({ "id": "ABCDEFGH23456789", "name": "search", "trigger": "any" })
            );
            assert_eq!(document["nightlatch_event"]["kind"], "new-service");
            assert_eq!(document["nightlatch_event"]["key"], message.key.as_str());
        }
        for banner in ["", "[]", "7", "{", &"[".repeat(100_000)] {
            message.banner = banner.to_owned();
            assert_eq!(message.body(), Err(NoBanner));
        }
    }
}
