use serde_json::Value;

use super::super::recorded::{Peer, facts};
use super::*;

fn recorded(variant: &str, expected: &Value) {
    assert_eq!(&facts("memcached", &Peer::recorded(&format!("memcached/{variant}"))), expected, "{variant}");
}

#[test]
fn recorded_servers() {
    let open = json!({ "recognised": true, "auth": "none", "text": "version", "version": "1.6.18" });
    recorded("open", &open);
    recorded("tls", &open);
    recorded("ascii-auth", &json!({ "recognised": true, "auth": "ascii", "text": "unauthenticated" }));
    let sasl = json!({
        "recognised": true, "auth": "sasl", "text": "silent", "binary": "version", "version": "1.6.18",
    });
    recorded("sasl", &sasl);
}

#[test]
fn a_binary_error_is_still_memcached() {
    let mut answer = BINARY_VERSION;
    (answer[0], answer[7], answer[11]) = (0x81, 0x20, 4);
    let peer = Peer::new().answers(BINARY_VERSION, [&answer[..], b"auth"].concat());
    let expected = json!({ "recognised": true, "auth": "sasl", "text": "silent", "binary": "error" });
    assert_eq!(facts("memcached", &peer), expected);
    let keyed = {
        let mut keyed = answer;
        keyed[3] = 1;
        keyed
    };
    let peer = Peer::new().answers(BINARY_VERSION, [&keyed[..], b"auth"].concat());
    assert_eq!(facts("memcached", &peer), json!({ "recognised": false }));
}

#[test]
fn a_version_begins_with_a_number() {
    let peer = Peer::new().answers("version\r\n", "VERSION of the truth\r\n");
    assert_eq!(facts("memcached", &peer), json!({ "recognised": false }));
}
