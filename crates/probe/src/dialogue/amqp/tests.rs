use super::super::recorded::{Peer, facts};
use super::*;

#[test]
fn recorded_server() {
    let expected = json!({
        "recognised": true, "kind": "start", "protocol": "0-9", "product": "RabbitMQ", "version": "3.10.8",
        "platform": "Erlang/OTP 25.2.3", "mechanisms": ["PLAIN", "AMQPLAIN"], "anonymous": false,
    });
    assert_eq!(facts("amqp", &Peer::recorded("rabbitmq/default")), expected);
}

#[test]
fn other_versions() {
    let check = |version: [u8; 4], protocol: &str, layer: &str| {
        let answer = [b"AMQP", version.as_slice()].concat();
        let expected = json!({ "recognised": true, "kind": "version", "protocol": protocol, "layer": layer });
        assert_eq!(facts("amqp", &Peer::new().answers_and_closes(*HEADER, answer)), expected);
    };
    check([0, 1, 0, 0], "1.0", "amqp");
    check([3, 1, 0, 0], "1.0", "sasl");
    check([2, 1, 0, 0], "1.0", "tls");
    check([1, 1, 8, 0], "0-8", "amqp");
    check([0, 0, 10, 2], "0-10-2", "amqp");
}

/// A start frame with one property of kind `kind`.
fn start_frame(kind: u8, value: &[u8], mechanisms: &str) -> Vec<u8> {
    let table = [b"\x03abc", [kind].as_slice(), value, b"\x07versionS\0\0\0\x034.1"].concat();
    let long = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let payload =
        [[0, 10, 0, 10, 0, 9].to_vec(), long(&table), long(mechanisms.as_bytes()), long(b"en_US")].concat();
    [&[1u8, 0, 0], long(&payload).as_slice(), &[0xCE]].concat()
}

#[test]
fn every_kind_of_property_is_stepped_over() {
    let kinds: [(u8, &[u8]); 12] = [
        (b't', &[1]),
        (b'B', &[1]),
        (b'u', &[0; 2]),
        (b's', &[0; 2]),
        (b'I', &[0; 4]),
        (b'f', &[0; 4]),
        (b'd', &[0; 8]),
        (b'T', &[0; 8]),
        (b'D', &[0; 5]),
        (b'V', &[]),
        (b'F', &[0, 0, 0, 1, 9]),
        (b'A', &[0, 0, 0, 0]),
    ];
    for (kind, value) in kinds {
        let peer = Peer::new().answers(*HEADER, start_frame(kind, value, "PLAIN ANONYMOUS"));
        let facts = facts("amqp", &peer);
        assert_eq!((&facts["version"], &facts["anonymous"]), (&json!("4.1"), &json!(true)), "{kind}");
    }
    let unknown = facts("amqp", &Peer::new().answers(*HEADER, start_frame(b'?', &[], "PLAIN")));
    assert_eq!((&unknown["recognised"], &unknown["version"]), (&json!(true), &Value::Null));
}

#[test]
fn a_frame_must_end_as_frames_do() {
    let mut frame = start_frame(b'V', &[], "PLAIN");
    *frame.last_mut().unwrap() = 0;
    assert_eq!(facts("amqp", &Peer::new().answers(*HEADER, frame)), json!({ "recognised": false }));
}
