//! Messages that the tests of this crate share.

use nightlatch_alert::{Alert, Change, Message, Notifier, Trigger};
use nightlatch_asset::Text;
use serde_json::json;

/// A message about an open database.
pub(crate) fn message() -> Message {
    let alert: Alert = serde_json::from_value(json!({
        "id": "ABCDEFGH23456789", "name": "search", "created": "2026-09-01T00:00:00Z", "networks": ["192.0.2.0/24"],
    }))
    .unwrap();
    let change: Change = serde_json::from_value(json!({
        "key": "state-up.192.0.2.7.9200.tcp.16.17", "kind": "state-up", "ip": "192.0.2.7", "port": 9200,
        "time": "2026-09-10T10:00:00Z", "run": "R-1", "record": 17, "previous": 16,
        "before": "auth-required", "after": "readable", "exposure": "readable", "severity": "high",
        "product": "Elasticsearch", "owner": "search team",
    }))
    .unwrap();
    let banner = json!({ "ip_str": "192.0.2.7", "port": 9200, "data": "x", "_shodan": { "id": "1" } });
    let link = Some("https://watch.example.com/host/192.0.2.7".to_owned());
    Message::new(&alert, Trigger::OpenDatabase, change, banner.to_string(), link)
}

/// The same with `text` wherever foreign words stand.
pub(crate) fn hostile(text: &str) -> Message {
    let mut message = message();
    message.alert.name = Text::from(text);
    let change = &mut message.change;
    change.product = Some(text.into());
    change.owner = Some(text.into());
    change.before = text.into();
    change.after = text.into();
    change.run.0 = text.to_owned();
    message.banner = json!({ "ip_str": "192.0.2.7", "port": 9200, "data": text }).to_string();
    message
}

pub(crate) fn notifier(provider: &str, args: &[(&str, &str)]) -> Notifier {
    Notifier {
        id: "N1".into(),
        provider: provider.parse().unwrap(),
        description: Text::default(),
        args: args.iter().copied().collect(),
    }
}
