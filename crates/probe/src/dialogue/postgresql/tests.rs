use super::{
    super::recorded::{Line, Peer, facts, facts_with},
    *,
};

fn expected(tls: bool) -> Value {
    json!({
        "recognised": true, "tls": tls, "sqlstate": "0A000", "severity": "FATAL", "supports": "3.0 to 3.0",
        "family": "PostgreSQL", "file": "postmaster.c", "line": 2220, "routine": "ProcessStartupPacket",
    })
}

#[test]
fn recorded_servers() {
    for variant in ["md5", "password-cleartext", "reject-no-hba-entry", "scram", "trust"] {
        let peer = Peer::recorded(&format!("postgresql/{variant}"));
        assert_eq!(facts("postgresql", &peer), expected(false), "{variant}");
    }
    let tls = Peer::recorded("postgresql/hostssl-only");
    assert_eq!(facts("postgresql", &tls), expected(true));
    let broken = Line { tls_works: false, ..Line::WHOLE };
    assert_eq!(facts_with("postgresql", &tls, broken), expected(true), "a failed handshake is no end");
}

fn error_message(fields: &str) -> Vec<u8> {
    let length = u32::try_from(fields.len() + 5).unwrap().to_be_bytes();
    [b"E", length.as_slice(), fields.as_bytes(), &[0]].concat()
}

#[test]
fn relatives_and_refusals() {
    let check = |fields: &str, expected: Value| {
        let peer = Peer::new().answers(TLS_REQUEST, b"N").answers_and_closes(STARTUP, error_message(fields));
        assert_eq!(facts("postgresql", &peer), expected, "{fields}");
    };
    check(
        "SFATAL\0VFATAL\0C08P01\0Munsupported protocol\0",
        json!({ "recognised": true, "tls": false, "sqlstate": "08P01", "severity": "FATAL", "family": "compatible" }),
    );
    // What PgBouncer 1.18.0 says.
    check(
        "SFATAL\0C08P01\0Mbad packet header: '0000000900ff00ff'\0",
        json!({ "recognised": true, "tls": false, "sqlstate": "08P01", "severity": "FATAL", "family": "PgBouncer" }),
    );
    check(
        "SFATAL\0C28000\0Mno entry for host \"192.0.2.1\" server supports 1 to 2\0F/build/src/auth.c\0Lx\0",
        json!({
            "recognised": true, "tls": false, "sqlstate": "28000", "severity": "FATAL", "family": "compatible",
            "file": "auth.c",
        }),
    );
    check("SFATAL\0C0\0Mx\0", json!({ "recognised": false }));
    check("C0A000\0Mx\0", json!({ "recognised": false }));
    check("", json!({ "recognised": false }));
    // An error in answer to the first question, as from a proxy that knows no TLS.
    let peer = Peer::new().answers_and_closes(TLS_REQUEST, error_message("SERROR\0C0A000\0Mno\0"));
    assert_eq!(facts("postgresql", &peer)["severity"], "ERROR");
    assert_eq!(facts("postgresql", &peer)["tls"], Value::Null);
}
