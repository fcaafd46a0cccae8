use super::super::recorded::{Peer, facts};
use serde_json::{Value, json};

fn recorded(variant: &str, expected: &Value) {
    assert_eq!(&facts("mysql", &Peer::recorded(&format!("mariadb/{variant}"))), expected, "{variant}");
}

#[test]
fn recorded_servers() {
    let greeting = |tls: bool| {
        json!({
            "recognised": true, "kind": "handshake", "protocol": 10,
            "version": "10.11.19-MariaDB-0+deb12u1", "number": "10.11.19", "family": "MariaDB",
            "auth_plugin": "mysql_native_password", "tls": tls,
        })
    };
    recorded("password", &greeting(false));
    recorded("root-no-password", &greeting(false));
    recorded("skip-grant-tables", &greeting(false));
    recorded("require-secure-transport", &greeting(true));
    let refused = json!({
        "recognised": true, "kind": "error", "error_code": 1130, "error": "host-not-allowed", "family": "MariaDB",
    });
    recorded("host-not-allowed", &refused);
}

fn greeting(version: &str, plugin: &str) -> Peer {
    let mut payload = vec![10];
    payload.extend(version.as_bytes());
    payload.extend([0, 1, 0, 0, 0]);
    payload.extend([b'x'; 8]);
    payload.extend([0, 0xff, 0xff, 0xff, 2, 0, 0xff, 0xdf, 21]);
    payload.extend([0; 10]);
    payload.extend([b'y'; 12]);
    payload.push(0);
    payload.extend(plugin.as_bytes());
    payload.push(0);
    let mut packet = vec![payload.len() as u8, 0, 0, 0];
    packet.extend(payload);
    Peer::new().greets(packet, false)
}

#[test]
fn families() {
    let check = |version: &str, plugin: &str, family: &str| {
        let facts = facts("mysql", &greeting(version, plugin));
        assert_eq!((&facts["family"], &facts["tls"]), (&json!(family), &json!(true)), "{version}");
    };
    check("8.0.36", "caching_sha2_password", "MySQL");
    check("8.0.35-27", "caching_sha2_password", "MySQL");
    check("5.7.44-48-Percona Server", "mysql_native_password", "Percona");
    check("5.7.25-TiDB-v7.5.0", "mysql_native_password", "TiDB");
    check("8.0.11-TiDB-v8.1.0", "tidb_sm3_password", "TiDB");
    check("5.5.30 (ProxySQL)", "mysql_native_password", "ProxySQL");
    check("10.5.5-MariaDB-maxscale", "mysql_native_password", "MaxScale");
    check("8.0.30-Vitess", "mysql_native_password", "Vitess");
}

#[test]
fn what_only_resembles_a_greeting_is_none() {
    let flags = [0u8; 60];
    let no_flags = [&[70u8, 0, 0, 0, 10][..], b"8.0.36\0", &flags, &[0; 10]].concat();
    assert_eq!(facts("mysql", &Peer::new().greets(no_flags, true))["recognised"], false);
    assert_eq!(facts("mysql", &greeting("not a number", "x"))["recognised"], false);
    let client_error = b"\x0a\0\0\0\xff\xd7\x07hello12";
    assert_eq!(facts("mysql", &Peer::new().greets(client_error, true))["recognised"], false);
}

#[test]
fn errors_keep_their_number_and_not_their_words() {
    let peer = Peer::new().greets(b"\x40\0\0\x01\xff\x10\x04Too many connections 192.0.2.9", true);
    assert_eq!(facts("mysql", &peer)["recognised"], false, "64 bytes are promised and do not come");
    let peer = Peer::new().greets(b"\x17\0\0\x01\xff\x10\x04Too many connections", true);
    let expected = json!({
        "recognised": true, "kind": "error", "error_code": 1040, "error": "too-many-connections",
    });
    assert_eq!(facts("mysql", &peer), expected);
}

#[test]
fn the_older_protocol() {
    let peer = Peer::new().greets(b"\x17\0\0\0\x093.23.58\0\x01\0\0\0abcdefgh\0\0", false);
    assert_eq!(facts("mysql", &peer)["recognised"], false, "a byte too many");
    let peer = Peer::new().greets(b"\x16\0\0\0\x093.23.58\0\x01\0\0\0abcdefgh\0", false);
    let expected = json!({
        "recognised": true, "kind": "handshake", "protocol": 9, "version": "3.23.58", "number": "3.23.58",
        "family": "MySQL",
    });
    assert_eq!(facts("mysql", &peer), expected);
}
