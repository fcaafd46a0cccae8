//! Alerts and notifiers as they are kept and sent: any bytes are refused or make one that is checked, shown and
//! written again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_alert::{Alert, Compiled, Notifier};
use nightlatch_asset::Timestamp;

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::UNIX_EPOCH;
    if let Ok(alert) = serde_json::from_slice::<Alert>(bytes) {
        let text = serde_json::to_string(&alert).expect("an alert is texts and numbers");
        assert_eq!(serde_json::from_str::<Alert>(&text).ok(), Some(alert.clone()));
        let checked = alert.check(now);
        let _ = (alert.size(), alert.expiration(), alert.shape(now, &[]));
        if checked.is_ok() {
            assert!(Compiled::new(alert, now).is_ok(), "what was checked can be asked");
        }
    }
    if let Ok(notifier) = serde_json::from_slice::<Notifier>(bytes) {
        let shown = serde_json::to_string(&notifier.shape()).expect("a shape is texts");
        if notifier.check().is_ok() {
            for secret in ["routing_key", "secret", "webhook_url"] {
                let value = notifier.args.get(secret).filter(|value| value.len() > 20);
                assert!(value.is_none_or(|value| !shown.contains(value)), "a secret is shown");
            }
        }
    }
});
